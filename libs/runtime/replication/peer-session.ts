import type { PushLimits } from '@streamline/core/replication/push-scheduler';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { BrokerEpoch, NodeId, PartitionIndex, TopicId } from '@streamline/core/types/ids';
import type {
  ReplicaSession,
  ReplicationFrame,
  ReplicationGreeting,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/replication';
import type { PartitionKey } from '../log/log-engine';
import type { Cancel, Clock } from '../ports/clock';
import type { FrameBuffers } from './frame-buffers';
import { decodeFrame, emptyFrame, encodeFrame, fromAck, fromDiverging, fromHello, fromPush, fromRefused } from './frame-codec';
import { PeerOutbox } from './peer-outbox';
import type { PeerStream, PeerStreamEvents } from './peer-transport';
import { batchesOf } from './pushed-batches';
import type { ReplicaHost } from './replica-host';
import type { ReplicationLimits } from './replication-limits';

/** Of the messages between brokers that this build speaks, and the lowest. */
const PROTOCOL_VERSION = 1;
const PROTOCOL_VERSION_MIN = 1;
/** To whoever has opened the stream. */
const ANYONE = -1;

/** This broker as it greets. */
export interface BrokerIdentity {
  readonly clusterId: string;
  readonly brokerId: NodeId;
  readonly brokerEpoch: BrokerEpoch;
}

/** What a session asks of, and tells, the broker that it is part of. */
export interface SessionOwner {
  readonly clock: Clock;
  readonly limits: ReplicationLimits;
  readonly identity: BrokerIdentity;
  readonly buffers: FrameBuffers;
  /** Why this broker has nothing to do with who says that; undefined: welcome. */
  refusalOf(greeting: ReplicationGreeting): string | undefined;
  find(key: PartitionKey): ReplicaHost | undefined;
  /** Calls back when the log takes more, mostly at once. */
  whenRoom(callback: () => void): void;
  opened(session: PeerSession): void;
  /** Once, also where it never opened. */
  closed(session: PeerSession, reason: string): void;
}

/** One stream to or from another broker: greeted first, then frames both ways until it ends (REPL-10). */
export class PeerSession implements PeerStreamEvents {
  /** Set while the stream is open: both have greeted. */
  outbox: PeerOutbox | undefined;
  /** Who is at the other end; undefined until it has greeted. */
  peer: NodeId | undefined;
  private readonly identity: BrokerIdentity;
  private readonly openedMs: number;
  private peerEpoch = -1 as BrokerEpoch;
  private lastHeardMs: number;
  private isClosed = false;
  private cancelTimer: Cancel | undefined;

  /**
   * @param stream undefined while it is being made: then `begin` follows
   * @param dialled whom this broker looks for; undefined where the peer has opened the stream
   */
  constructor(
    private readonly owner: SessionOwner,
    private readonly dialled: NodeId | undefined,
    private stream?: PeerStream,
  ) {
    const { clock, limits } = owner;
    this.identity = owner.identity;
    this.openedMs = this.lastHeardMs = clock.monotonicMs();
    this.cancelTimer = clock.schedule(limits.peer.greetingTimeoutMs, () => this.close('it did not greet in time'));
  }

  /** The stream is there: the side that opened it greets first. */
  begin(stream: PeerStream): void {
    this.stream = stream;
    if (this.isClosed) stream.close();
    else this.greet('', this.dialled ?? ANYONE);
  }

  /** How long it has been open, or tried to be. */
  get ageMs(): number {
    return this.owner.clock.monotonicMs() - this.openedMs;
  }

  onFrame(bytes: Buffer): void {
    if (this.isClosed) return;
    this.lastHeardMs = this.owner.clock.monotonicMs();
    try {
      const { header, records } = decodeFrame(bytes);
      if (this.outbox === undefined) this.greeted(header.greeting);
      else this.take(header, records, this.outbox);
    } catch (error) {
      this.close(error instanceof Error ? error.message : String(error));
    }
  }

  onDrain(): void {
    this.outbox?.drained();
  }

  onEnd(reason: string): void {
    this.end(reason);
  }

  close(reason: string): void {
    if (this.isClosed) return;
    this.stream?.close();
    this.end(reason);
  }

  private end(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.cancelTimer?.();
    this.outbox?.close();
    this.owner.closed(this, reason);
  }

  private greet(refusal: string, toBrokerId: number): void {
    const { clusterId, brokerId, brokerEpoch } = this.identity;
    const { windowBytes } = this.owner.limits.push;
    const greeting: ReplicationGreeting = {
      version: PROTOCOL_VERSION,
      versionMin: PROTOCOL_VERSION_MIN,
      clusterId,
      brokerId,
      brokerEpoch,
      windowBytes,
      refusal,
      toBrokerId,
    };
    this.stream?.write(encodeFrame({ ...emptyFrame(), greeting }, []));
  }

  private greeted(greeting: ReplicationGreeting | undefined): void {
    if (greeting === undefined) return this.close('a stream begins with a greeting');
    if (greeting.refusal !== '') return this.close(`broker ${greeting.brokerId} refuses: ${greeting.refusal}`);
    const refusal = this.refusalOf(greeting);
    if (refusal !== undefined) {
      this.greet(refusal, greeting.brokerId);
      return this.close(`broker ${greeting.brokerId} is refused: ${refusal}`);
    }
    this.peer = greeting.brokerId as NodeId;
    this.peerEpoch = greeting.brokerEpoch as BrokerEpoch;
    if (this.dialled === undefined) this.greet('', this.peer);
    this.open(this.peer, greeting.windowBytes);
  }

  private refusalOf(greeting: ReplicationGreeting): string | undefined {
    const { clusterId, brokerId } = this.identity;
    if (greeting.version < PROTOCOL_VERSION_MIN || greeting.versionMin > PROTOCOL_VERSION) {
      const speaks = `${greeting.versionMin} to ${greeting.version}`;
      return `it speaks versions ${speaks} of the protocol, this broker ${PROTOCOL_VERSION_MIN} to ${PROTOCOL_VERSION}`;
    }
    if (greeting.clusterId !== clusterId) return `it belongs to cluster ${greeting.clusterId}, this broker to ${clusterId}`;
    if (greeting.toBrokerId !== brokerId && greeting.toBrokerId !== ANYONE) {
      return `it looks for broker ${greeting.toBrokerId} where ${brokerId} listens`;
    }
    if (this.dialled !== undefined && greeting.brokerId !== this.dialled) {
      return `broker ${greeting.brokerId} listens where ${this.dialled} was looked for`;
    }
    return this.owner.refusalOf(greeting);
  }

  private open(peer: NodeId, windowBytes: number): void {
    const { stream, owner } = this;
    if (stream === undefined) return;
    const { clock, limits, buffers } = owner;
    const push: PushLimits = { ...limits.push, windowBytes };
    const retryMs = limits.peer.retryMs;
    const ownWindowBytes = limits.push.windowBytes;
    this.outbox = new PeerOutbox({ peer, stream, buffers, clock, limits: push, ownWindowBytes, retryMs });
    this.watch();
    owner.opened(this);
  }

  /** Says something now and then, and gives up a peer that does not. */
  private watch(): void {
    const { clock, limits } = this.owner;
    const { heartbeatMs, silenceMaxMs } = limits.peer;
    this.cancelTimer?.();
    this.cancelTimer = clock.schedule(heartbeatMs, () => {
      const nowMs = clock.monotonicMs();
      if (nowMs - this.lastHeardMs > silenceMaxMs) return this.close(`nothing was heard of it for ${silenceMaxMs} ms`);
      this.outbox?.heartbeat(nowMs - heartbeatMs);
      this.watch();
    });
  }

  private take(frame: ReplicationFrame, records: readonly Buffer[], outbox: PeerOutbox): void {
    const { peer, peerEpoch } = this;
    const ownEpoch = this.identity.brokerEpoch;
    if (peer === undefined) return;
    if (frame.creditBytes > 0) outbox.grant(frame.creditBytes);
    for (const each of frame.hellos) {
      const session = required(each.session);
      const replica = this.find(session);
      const hello = fromHello(session, each, peerEpoch);
      if (replica !== undefined) replica.step({ kind: 'hello', from: peer, hello });
      else this.refuse(session);
    }
    for (const each of frame.divergings) {
      const session = required(each.session);
      const diverging = fromDiverging(session, each, ownEpoch);
      if (diverging !== undefined) this.find(session)?.step({ kind: 'diverging', from: peer, diverging });
    }
    for (const each of frame.refusals) {
      const session = required(each.session);
      const replica = this.find(session);
      // A follower is refused as it says hello; a leader that was replaced, when it pushes. Sessions are the follower's.
      const followerEpoch = replica?.isLeading === true ? peerEpoch : ownEpoch;
      replica?.step({ kind: 'refused', from: peer, refused: fromRefused(session, each, followerEpoch) });
    }
    this.takePushes(peer, frame, records, outbox);
    for (const each of frame.acks) {
      const session = required(each.session);
      this.find(session)?.step({ kind: 'ack', from: peer, ack: fromAck(session, each, peerEpoch) });
    }
  }

  private takePushes(peer: NodeId, { pushes }: ReplicationFrame, records: readonly Buffer[], outbox: PeerOutbox): void {
    pushes.forEach((each, at) => {
      const session = required(each.session);
      const bytes = records[at];
      const replica = this.find(session);
      const push = fromPush(session, each, this.identity.brokerEpoch);
      if (replica !== undefined && bytes !== undefined) replica.receivePush(peer, push, batchesOf(push, bytes));
      this.owner.whenRoom(() => outbox.took(each.recordBytes));
    });
  }

  /** The follower's metadata is ahead, or the partition is gone: it asks again. */
  private refuse(session: ReplicaSession): void {
    this.outbox?.refuse({ session, errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION });
  }

  private find({ topicId, partition }: ReplicaSession): ReplicaHost | undefined {
    return this.owner.find({ topicId: topicId as TopicId, partition: partition as PartitionIndex });
  }
}

function required(session: ReplicaSession | undefined): ReplicaSession {
  if (session === undefined) throw new Error('a message names no partition');
  return session;
}
