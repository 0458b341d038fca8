import { whyNotAppend } from '@streamline/core/replication/client-rules';
import type { AlterPartitionEffect, PushClass, ReplicaEffect } from '@streamline/core/replication/effects';
import type { Ack, Diverging, Hello, Push, Refused, ReplicaInput } from '@streamline/core/replication/inputs';
import type { ReplicaCore } from '@streamline/core/replication/replica';
import type { BrokerFacts, Facts } from '@streamline/core/replication/types';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { NodeId, Offset } from '@streamline/core/types/ids';
import type { ClientBatch, ModelBatch, ModelLog } from './model-log';

/** What brokers say to each other about one partition. */
export type ReplicaMessage =
  | { readonly kind: 'hello'; readonly hello: Hello }
  | { readonly kind: 'ack'; readonly ack: Ack }
  | { readonly kind: 'push'; readonly push: Push; readonly batches: readonly ModelBatch[] }
  | { readonly kind: 'diverging'; readonly diverging: Diverging }
  | { readonly kind: 'refused'; readonly refused: Refused };

export interface AppendAnswer {
  readonly errorCode: ErrorCode;
  readonly baseOffset: number;
}

/** What surrounds one replica. */
export interface ReplicaPorts {
  readonly brokers: BrokerFacts;
  nowMs(): number;
  send(to: number, message: ReplicaMessage): void;
  pushDue(to: number, pushClass: PushClass): void;
  ackDue(to: number): void;
  propose(effect: AlterPartitionEffect): void;
  /** The log has something that is not written. */
  touched(): void;
  /** False: the disk is full, and what was to be written is refused. */
  hasSpaceFor(what: 'append' | 'push'): boolean;
  isConnected(peer: number): boolean;
  after(delayMs: number, task: () => void): void;
  /** Each effect, before it is carried out. */
  seen(effect: ReplicaEffect): void;
  /** acks=all (-1) or acks=1 was promised for the batch. */
  acknowledged(batch: ModelBatch, requiredAcks: number): void;
}

interface Waiting {
  readonly batch: ModelBatch;
  readonly requiredAcks: number;
  readonly answer: (answer: AppendAnswer) => void;
}

/** What a host does around the core; planted bugs replace parts of it. */
export interface HostRules {
  /** False: `truncated` is stepped before the cut is durable. */
  readonly waitsForTruncation: boolean;
  /** How the follower's ends go into an acknowledgement. */
  readonly ack: (ack: Ack, log: ModelLog) => Ack;
  /** False: producers' sequences are not looked at. */
  readonly checksSequences: boolean;
  /** False: the leader for whose push there was no room is not heard again where another leads by the time that there is. */
  readonly hearsFormerLeaders: boolean;
}

export const SOUND_HOST: HostRules = {
  waitsForTruncation: true,
  ack: (ack) => ack,
  checksSequences: true,
  hearsFormerLeaders: true,
};

/** How soon a follower that had no room for a push looks whether there is some. */
const ROOM_RETRY_MS = 50;

/** Carries one replica's decisions out on a modelled log. */
export class ReplicaHost {
  readonly #facts: Facts;
  #waiting: Waiting[] = [];
  /** The batches of the step that is under way: read for a push, or come with one. */
  #batches: readonly ModelBatch[] = [];
  /** The cut that the core waits for is durable with so many operations. */
  #cutAt: number | undefined;
  #toldHighWatermark: number;
  /** The push of the step that is under way finds no room. */
  #hasNoRoom = false;
  /** A push found no room: nothing is taken of leaders until there is some. */
  #isDeaf = false;

  constructor(
    readonly partition: number,
    readonly core: ReplicaCore,
    readonly log: ModelLog,
    private readonly ports: ReplicaPorts,
    private readonly rules: HostRules = SOUND_HOST,
  ) {
    this.#facts = { log, brokers: ports.brokers };
    this.#toldHighWatermark = core.highWatermark;
  }

  step(input: ReplicaInput): void {
    for (const effect of this.core.step(input, this.#facts, this.ports.nowMs())) {
      const possible = this.#hasNoRoom ? this.#withoutRoom(effect) : effect;
      if (possible !== undefined) this.#do(possible);
    }
    if (this.#hasNoRoom) this.#turnDeaf();
  }

  receive(from: NodeId, message: ReplicaMessage): void {
    switch (message.kind) {
      case 'hello':
        return this.step({ kind: 'hello', from, hello: message.hello });
      case 'ack':
        return this.step({ kind: 'ack', from, ack: message.ack });
      case 'push':
        if (this.#isDeaf) return;
        this.#batches = message.batches;
        return this.step({ kind: 'push', from, push: message.push });
      case 'diverging':
        return this.step({ kind: 'diverging', from, diverging: message.diverging });
      case 'refused':
        return this.step({ kind: 'refused', from, refused: message.refused });
    }
  }

  /** Reads what there is for a follower, and sends it if it still wants it. Returns the number of batches; undefined: nothing to send. */
  push(to: NodeId, batchesMax: number, isAnnouncement: boolean): number | undefined {
    const target = this.core.pushTo(to);
    if (target === undefined) return undefined;
    this.sendRead(to, target.sessionId, target.fromOffset, isAnnouncement ? [] : this.log.read(target.fromOffset, batchesMax));
    return isAnnouncement ? 0 : this.#batches.length;
  }

  /** Batches that were read a while ago, for a session of then. */
  sendRead(to: NodeId, sessionId: number, fromOffset: number, batches: readonly ModelBatch[]): void {
    this.#batches = batches;
    const first = batches[0];
    const last = batches[batches.length - 1];
    this.step({
      kind: 'batches-read',
      to,
      sessionId,
      fromOffset: fromOffset as Offset,
      baseOffset: (first?.baseOffset ?? fromOffset) as Offset,
      endOffset: (last === undefined ? fromOffset : last.lastOffset + 1) as Offset,
    });
  }

  ack(): Ack | undefined {
    const ack = this.core.ack(this.#facts, this.ports.nowMs());
    return ack && this.rules.ack(ack, this.log);
  }

  append(batch: ClientBatch, requiredAcks: number, answer: (answer: AppendAnswer) => void): void {
    const refusal = whyNotAppend(this.core, requiredAcks);
    if (refusal !== ErrorCode.NONE) return answer({ errorCode: refusal, baseOffset: -1 });
    if (!this.ports.hasSpaceFor('append')) return answer({ errorCode: ErrorCode.KAFKA_STORAGE_ERROR, baseOffset: -1 });
    const placed = this.#place(batch);
    if (typeof placed === 'number') return answer({ errorCode: placed as ErrorCode, baseOffset: -1 });
    if (requiredAcks === 0) answer({ errorCode: ErrorCode.NONE, baseOffset: placed.baseOffset });
    else this.#waiting.push({ batch: placed, requiredAcks, answer });
    this.ports.touched();
    this.step({ kind: 'log-changed' });
    this.#release();
  }

  /** The disk came further. */
  logProgressed(): void {
    this.step({ kind: 'log-changed' });
    if (this.#cutAt !== undefined && this.log.durableOperations >= this.#cutAt) this.#cutDone();
    this.#release();
  }

  #place(batch: ClientBatch): ModelBatch | number {
    if (batch.producerId >= 0 && this.rules.checksSequences) {
      const verdict = this.log.producers.check({ ...batch, producerEpoch: 0, lastOffsetDelta: batch.records - 1 });
      if (verdict.kind === 'refuse') return verdict.errorCode;
      if (verdict.kind === 'duplicate') {
        return { ...batch, baseOffset: verdict.baseOffset, lastOffset: verdict.lastOffset, epoch: -1 };
      }
    }
    return this.log.appendAsLeader(batch);
  }

  #do(effect: ReplicaEffect): void {
    const { ports, log } = this;
    ports.seen(effect);
    switch (effect.kind) {
      case 'lead':
        log.beginEpoch(effect.leaderEpoch);
        return ports.touched();
      case 'resume':
        return;
      case 'suspend':
      case 'resign':
        return this.#fail(effect.errorCode);
      case 'offline':
        return;
      case 'high-watermark':
        this.#toldHighWatermark = effect.offset;
        return this.#release(effect.errorCode);
      case 'push-due':
        return ports.pushDue(effect.to, effect.pushClass);
      case 'ack-due':
        return ports.ackDue(effect.to);
      case 'send-push':
        return ports.send(effect.to, { kind: 'push', push: effect.push, batches: this.#batches });
      case 'send-hello':
        return ports.send(effect.to, { kind: 'hello', hello: effect.hello });
      case 'send-diverging':
        return ports.send(effect.to, { kind: 'diverging', diverging: effect.diverging });
      case 'send-refused':
        return ports.send(effect.to, { kind: 'refused', refused: effect.refused });
      case 'append':
        if (!ports.hasSpaceFor('push')) {
          this.#hasNoRoom = true;
          return;
        }
        log.appendAsFollower(this.#batches);
        return ports.touched();
      case 'truncate':
        log.truncate(effect.offset);
        return this.#awaitCut();
      case 'start-at':
        log.startAt(effect.offset);
        return this.#awaitCut();
      case 'rebase':
        if (ports.hasSpaceFor('push')) log.startAt(effect.offset);
        return;
      case 'raise-log-start':
        log.raiseStart(effect.offset);
        return ports.touched();
      case 'alter-partition':
        return ports.propose(effect);
    }
  }

  /** As `libs/runtime/replication/replica-host.ts` does: the leader is told anew how far this log goes once there is room. */
  #turnDeaf(): void {
    const { ports, core } = this;
    this.#hasNoRoom = false;
    const leader = core.leaderId;
    if (leader === undefined || this.#isDeaf) return;
    this.#isDeaf = true;
    this.step({ kind: 'peer-disconnected', peer: leader });
    const retry = (): void => {
      if (!ports.hasSpaceFor('push')) return ports.after(ROOM_RETRY_MS, retry);
      this.#isDeaf = false;
      // Another may lead by now, whose batches were passed over meanwhile; this one may lead again.
      for (const peer of new Set([this.rules.hearsFormerLeaders ? leader : undefined, core.leaderId])) {
        if (peer === undefined || !ports.isConnected(peer)) continue;
        this.step({ kind: 'peer-disconnected', peer });
        this.step({ kind: 'peer-connected', peer });
      }
    };
    ports.after(ROOM_RETRY_MS, retry);
  }

  /** What came with a push that found no room holds as far as the log goes. */
  #withoutRoom(effect: ReplicaEffect): ReplicaEffect | undefined {
    const { endOffset } = this.log;
    if (effect.kind === 'raise-log-start') return effect.offset > endOffset ? undefined : effect;
    if (effect.kind !== 'high-watermark') return effect;
    const offset = Math.min(effect.offset, endOffset) as Offset;
    return offset > this.#toldHighWatermark ? { ...effect, offset } : undefined;
  }

  #awaitCut(): void {
    this.#cutAt = this.log.operationCount;
    this.ports.touched();
    if (!this.rules.waitsForTruncation) this.#cutDone();
  }

  #cutDone(): void {
    this.#cutAt = undefined;
    this.step({ kind: 'truncated' });
  }

  #release(errorCode: ErrorCode = ErrorCode.NONE): void {
    const { highWatermark, isServing } = this.core;
    if (!isServing || this.#waiting.length === 0) return;
    const stable = this.log.writtenEndOffset;
    const isDone = ({ batch, requiredAcks }: Waiting): boolean =>
      batch.lastOffset < (requiredAcks === -1 ? highWatermark : stable);
    const done = this.#waiting.filter(isDone);
    if (done.length === 0) return;
    this.#waiting = this.#waiting.filter((waiting) => !isDone(waiting));
    for (const { batch, requiredAcks, answer } of done) {
      if (errorCode === ErrorCode.NONE) this.ports.acknowledged(batch, requiredAcks);
      answer({ errorCode, baseOffset: batch.baseOffset });
    }
  }

  #fail(errorCode: ErrorCode): void {
    const failed = this.#waiting;
    this.#waiting = [];
    for (const { answer } of failed) answer({ errorCode, baseOffset: -1 });
  }
}
