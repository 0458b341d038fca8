import type { PushClass } from '@streamline/core/replication/effects';
import type { Push } from '@streamline/core/replication/inputs';
import type { PushTarget } from '@streamline/core/replication/leader';
import type { NextPush, PushLimits } from '@streamline/core/replication/push-scheduler';
import { PUSH_OVERHEAD_BYTES, PushScheduler } from '@streamline/core/replication/push-scheduler';
import type { NodeId, Offset } from '@streamline/core/types/ids';
import type { ReplicaRefused } from '@streamline/wire/contracts/generated/streamline/storage/v1/replication';
import type { Cancel, Clock } from '../ports/clock';
import type { FrameBuffers } from './frame-buffers';
import { emptyFrame, encodeFrame, toAck, toDiverging, toHello, toPush, toRefused } from './frame-codec';
import type { PeerStream } from './peer-transport';
import type { ReplicaHost, ReplicaMessage } from './replica-host';

/** Messages other than pushes in one frame; a hello has up to 64 epochs. */
const MESSAGES_PER_FRAME_MAX = 1024;
/** Credit goes back by itself when it is so much of the window; else with whatever is said next. */
const CREDIT_SHARE = 1 / 16;
/** So that a follower that has much to get does not hold the event loop. */
const FRAMES_PER_TURN_MAX = 4;
const NO_CHUNKS: readonly Buffer[] = [];

export interface OutboxOptions {
  readonly peer: NodeId;
  readonly stream: PeerStream;
  readonly buffers: FrameBuffers;
  readonly clock: Clock;
  /** `windowBytes` is the peer's. */
  readonly limits: PushLimits;
  /** What this broker lets the peer send. */
  readonly ownWindowBytes: number;
  /** Before a read of segments that failed is tried again. */
  readonly retryMs: number;
}

interface Saying {
  readonly replica: ReplicaHost;
  readonly message: ReplicaMessage;
}

/**
 * What is said to one peer, for all partitions: pushes as the scheduler shares the stream among them, acknowledgements, credit, and the
 * words by which sessions begin and end. What is due in one turn of the event loop shares frames. Batches are read when they leave, not before.
 */
export class PeerOutbox {
  private readonly scheduler: PushScheduler<ReplicaHost>;
  private sayings: Saying[] = [];
  private acksDue = new Set<ReplicaHost>();
  private frame = emptyFrame();
  private payload: Buffer[] = [];
  private takenBytes = 0;
  private isFlushPlanned = false;
  private isClogged = false;
  private isClosed = false;
  private lastSentMs: number;
  private timer: { readonly atMs: number; readonly cancel: Cancel } | undefined;

  constructor(private readonly options: OutboxOptions) {
    this.scheduler = new PushScheduler(options.limits);
    this.lastSentMs = options.clock.monotonicMs();
  }

  /** Bytes of pushes that the peer has not taken. */
  get inFlightBytes(): number {
    return this.scheduler.inFlightBytes;
  }

  say(replica: ReplicaHost, message: ReplicaMessage): void {
    this.sayings.push({ replica, message });
    this.flushSoon();
  }

  /** For a partition that has no replica here. */
  refuse(refused: ReplicaRefused): void {
    this.frame.refusals.push(refused);
    this.flushSoon();
  }

  pushDue(replica: ReplicaHost, pushClass: PushClass): void {
    this.scheduler.due(replica, pushClass, this.options.clock.monotonicMs());
    if (pushClass === 'announce') this.awaitDeadline();
    else this.flushSoon();
  }

  ackDue(replica: ReplicaHost): void {
    this.acksDue.add(replica);
    this.flushSoon();
  }

  /** The batches that were just read leave with the frame that is being filled, in the same turn of the event loop. */
  push(replica: ReplicaHost, push: Push, chunks: readonly Buffer[]): void {
    const recordBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.frame.pushes.push(toPush(replica.partition.key, push, recordBytes));
    this.payload.push(...chunks);
  }

  /** The peer took bytes: it may be sent as many again. */
  grant(bytes: number): void {
    this.scheduler.grant(bytes);
    this.flushSoon();
  }

  /** A push of the peer's was taken: it is to know that it may send as much again. */
  took(recordBytes: number): void {
    this.takenBytes += recordBytes + PUSH_OVERHEAD_BYTES;
    if (this.takenBytes >= this.options.ownWindowBytes * CREDIT_SHARE) this.flushSoon();
  }

  drained(): void {
    this.isClogged = false;
    this.flushSoon();
  }

  /** Says something where nothing was said since `silentSinceMs`. */
  heartbeat(silentSinceMs: number): void {
    if (this.lastSentMs > silentSinceMs || this.isClogged) return;
    this.fill();
    this.send();
  }

  /** It is no replica here any more. */
  forget(replica: ReplicaHost): void {
    this.scheduler.remove(replica);
    this.acksDue.delete(replica);
    this.sayings = this.sayings.filter((saying) => saying.replica !== replica);
  }

  close(): void {
    this.isClosed = true;
    this.timer?.cancel();
    this.sayings = [];
    this.acksDue.clear();
  }

  private flushSoon(): void {
    if (this.isFlushPlanned || this.isClogged || this.isClosed) return;
    this.isFlushPlanned = true;
    this.options.clock.nextTurn(() => {
      this.isFlushPlanned = false;
      this.flush();
    });
  }

  private flush(): void {
    for (let frames = 0; !this.isClosed && !this.isClogged && this.fill(); frames += 1) {
      this.send();
      if (frames === FRAMES_PER_TURN_MAX) return this.flushSoon();
    }
    if (this.isClosed || this.isClogged) return;
    this.readSegments();
    this.awaitDeadline();
  }

  /** Fills a frame with what is due. False: nothing is. */
  private fill(): boolean {
    const { frame, scheduler, options } = this;
    for (const { replica, message } of this.sayings.splice(0, MESSAGES_PER_FRAME_MAX)) this.addSaying(replica, message);
    scheduler.beginFrame();
    const nowMs = options.clock.monotonicMs();
    for (let next = scheduler.nextForFrame(nowMs); next !== undefined; next = scheduler.nextForFrame(nowMs)) {
      this.pushFromMemory(next, nowMs);
    }
    this.addAcks();
    if (this.takenBytes >= options.ownWindowBytes * CREDIT_SHARE || !isEmpty(frame)) this.addCredit();
    return !isEmpty(frame);
  }

  private send(): void {
    const { frame, payload } = this;
    this.frame = emptyFrame();
    this.payload = [];
    if (frame.creditBytes === 0 && this.takenBytes > 0) {
      frame.creditBytes = this.takenBytes;
      this.takenBytes = 0;
    }
    this.lastSentMs = this.options.clock.monotonicMs();
    const { buffers, stream } = this.options;
    const bytes = encodeFrame(frame, payload, (sizeBytes) => buffers.take(sizeBytes));
    this.isClogged = !stream.write(bytes, () => buffers.release(bytes));
  }

  private addSaying({ partition }: ReplicaHost, message: ReplicaMessage): void {
    const { frame } = this;
    if (message.kind === 'hello') frame.hellos.push(toHello(partition.key, message.hello));
    else if (message.kind === 'diverging') frame.divergings.push(toDiverging(partition.key, message.diverging));
    else frame.refusals.push(toRefused(partition.key, message.refused));
  }

  private addAcks(): void {
    let count = 0;
    for (const replica of this.acksDue) {
      if (count === MESSAGES_PER_FRAME_MAX) return;
      this.acksDue.delete(replica);
      const ack = replica.ack();
      if (ack === undefined) continue;
      this.frame.acks.push(toAck(replica.partition.key, ack));
      count += 1;
    }
  }

  private addCredit(): void {
    this.frame.creditBytes += this.takenBytes;
    this.takenBytes = 0;
  }

  private pushFromMemory({ partition: replica, pushClass, maxBytes }: NextPush<ReplicaHost>, nowMs: number): void {
    const target = replica.pushTo(this.options.peer);
    if (target === undefined) return this.scheduler.skipped(replica);
    const chunks = pushClass === 'announce' ? NO_CHUNKS : this.tryReadTail(replica, target.fromOffset, maxBytes);
    if (chunks === undefined) return this.scheduler.missed(replica, nowMs);
    this.sendRead(replica, target, chunks, pushClass);
  }

  private tryReadTail(replica: ReplicaHost, from: Offset, maxBytes: number): readonly Buffer[] | undefined {
    try {
      return replica.readTail(from, maxBytes);
    } catch {
      // The log failed or its start passed the offset; a read of segments says so again, and is repeated.
      return undefined;
    }
  }

  private sendRead(replica: ReplicaHost, target: PushTarget, chunks: readonly Buffer[], pushClass: PushClass): void {
    const { frame, options, scheduler } = this;
    const before = frame.pushes.length;
    replica.batchesRead(options.peer, target, chunks);
    const sent = frame.pushes[before];
    if (sent === undefined) scheduler.skipped(replica);
    else scheduler.sent(replica, pushClass, sent.recordBytes);
  }

  private readSegments(): void {
    const nowMs = this.options.clock.monotonicMs();
    for (let next = this.scheduler.nextCatchUp(nowMs); next !== undefined; next = this.scheduler.nextCatchUp(nowMs)) {
      void this.catchUp(next);
    }
  }

  private async catchUp({ partition: replica, maxBytes }: NextPush<ReplicaHost>): Promise<void> {
    const { buffers, clock, peer, retryMs } = this.options;
    const target = replica.pushTo(peer);
    const taken: Buffer[] = [];
    const memory = (bytes: number): Buffer => {
      const buffer = buffers.take(bytes);
      taken.push(buffer);
      return buffer;
    };
    try {
      const chunks = target && (await replica.read(target.fromOffset, maxBytes, memory));
      if (target !== undefined && chunks !== undefined && !this.isClosed) {
        this.sendRead(replica, target, chunks, 'catch-up');
        if (this.frame.pushes.length > 0) this.send();
      }
    } catch {
      // A log that failed tells so itself; whose start has passed the offset says so at the next tick.
      clock.schedule(retryMs, () => {
        if (!this.isClosed && replica.pushTo(peer) !== undefined) this.pushDue(replica, 'catch-up');
      });
    }
    // What was read was copied into its frame.
    for (const buffer of taken) buffers.release(buffer);
    if (this.isClosed) return;
    this.scheduler.readEnded(replica, clock.monotonicMs());
    this.flushSoon();
  }

  /** Wakes up when something is to be sent that nothing else would bring about. */
  private awaitDeadline(): void {
    const { clock } = this.options;
    const nowMs = clock.monotonicMs();
    const atMs = this.scheduler.nextDeadlineMs(nowMs);
    if (this.isClosed || atMs === Infinity || (this.timer !== undefined && this.timer.atMs <= atMs)) return;
    this.timer?.cancel();
    const cancel = clock.schedule(atMs - nowMs, () => {
      this.timer = undefined;
      this.flushSoon();
    });
    this.timer = { atMs, cancel };
  }
}

function isEmpty(frame: ReturnType<typeof emptyFrame>): boolean {
  const { hellos, divergings, refusals, pushes, acks, creditBytes } = frame;
  return hellos.length + divergings.length + refusals.length + pushes.length + acks.length === 0 && creditBytes === 0;
}
