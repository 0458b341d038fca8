import type { AnewObstacle } from '@streamline/core/replication/begin-anew';
import { likelyLeader } from '@streamline/core/replication/client-rules';
import { PartitionReplica } from '@streamline/core/replication/replica';
import type { PushTarget } from '@streamline/core/replication/leader';
import type { ReplicationConfig } from '@streamline/core/replication/config';
import type { AlterPartitionEffect, HighWatermarkEffect, PushClass, ReplicaEffect } from '@streamline/core/replication/effects';
import type { Ack, Diverging, Hello, Push, Refused, ReplicaInit, ReplicaInput } from '@streamline/core/replication/inputs';
import type { BrokerFacts, Facts, ReplicaMetadata } from '@streamline/core/replication/types';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { LeaderEpoch, NodeId, Offset } from '@streamline/core/types/ids';
import type { CheckedBatch, PartitionKey, PartitionLog } from '../log/log-engine';
import type { LogSink } from '../partitions/log-sink';
import type { Clock } from '../ports/clock';
import { LogView } from './log-view';
import { extentOf } from './pushed-batches';

/** What brokers say about one partition, but for pushes and acknowledgements. */
export type ReplicaMessage =
  | { readonly kind: 'hello'; readonly hello: Hello }
  | { readonly kind: 'diverging'; readonly diverging: Diverging }
  | { readonly kind: 'refused'; readonly refused: Refused };

/** The partition that a replica is of, on this broker. */
export interface ReplicatedPartition {
  readonly key: PartitionKey;
  readonly topicName: string;
  /** Another one after `dropLog`. */
  readonly log: PartitionLog;
  /** Puts an empty log in the place of one that failed, which is deleted; rejects where that cannot be done (yet). */
  dropLog(): Promise<void>;
  /** Takes appends from now on; the log has begun the epoch. */
  lead(epoch: LeaderEpoch): void;
  /** Takes none any more: whoever waits is answered with the error. */
  resign(errorCode: number): void;
  /** Everything before the offset is committed; `errorCode` is for acks=all that waited for what it passed. */
  committed(effect: HighWatermarkEffect): void;
}

/** What surrounds one replica. */
export interface ReplicaSurroundings {
  readonly clock: Clock;
  readonly brokers: BrokerFacts;
  readonly log: LogSink;
  /** After a cut that could not be made durable, or an append that found no room. */
  readonly retryMs: number;
  pushDue(to: NodeId, replica: ReplicaHost, pushClass: PushClass): void;
  ackDue(to: NodeId, replica: ReplicaHost): void;
  send(to: NodeId, replica: ReplicaHost, message: ReplicaMessage): void;
  sendPush(to: NodeId, replica: ReplicaHost, push: Push, chunks: readonly Buffer[]): void;
  propose(replica: ReplicaHost, effect: AlterPartitionEffect): void;
  /** The log failed: the controller is to hear of it. */
  failed(replica: ReplicaHost): void;
  /** A log that failed is dropped, and begins anew. */
  beginsAnew(replica: ReplicaHost): void;
  /** Such a log has everything that is committed: the controller is to hear of it. */
  recovered(replica: ReplicaHost): void;
  isConnected(peer: NodeId): boolean;
  /** False: this broker's disk is full. */
  readonly hasSpace: boolean;
}

const NO_CHUNKS: readonly Buffer[] = [];
const NO_BATCHES: readonly CheckedBatch[] = [];

/**
 * One replica of a partition on this broker: feeds the core with what happens, and carries its decisions out on the log, in their order.
 * What the carrying out leads to in the core is done behind the rest of it.
 */
export class ReplicaHost {
  /** Times that the committed ISR lost or won a member while this replica led. */
  readonly isrChanges = { shrinks: 0, expands: 0 };
  private readonly core: PartitionReplica;
  private readonly view: LogView;
  private readonly facts: Facts;
  private readonly waiting: ReplicaEffect[] = [];
  private isCarryingOut = false;
  private isClosed = false;
  /** Of the step that is under way: read for a push, or come with one. */
  private chunks = NO_CHUNKS;
  private batches = NO_BATCHES;
  private seenLogStart: Offset;
  private committedIsrSize = 0;
  /** Until then nothing of the leader is taken: an append found no room. */
  private isSuspended = false;
  /** The log failed and was begun anew, and lacks what is committed. */
  private isRefilling = false;
  /** The last append was refused. */
  private isShortOfRoom = false;
  private cutting: Promise<void> = Promise.resolve();

  constructor(
    readonly partition: ReplicatedPartition,
    init: ReplicaInit,
    config: ReplicationConfig,
    private readonly around: ReplicaSurroundings,
  ) {
    this.view = new LogView(partition);
    this.facts = { log: this.view, brokers: around.brokers };
    this.core = new PartitionReplica(init, config, this.facts);
    this.seenLogStart = partition.log.logStartOffset;
    partition.log.raiseHighWatermark(this.core.highWatermark);
  }

  /** True: acks=all is refused with NOT_ENOUGH_REPLICAS before anything is appended. */
  get isUnderMinIsr(): boolean {
    return this.core.leading?.isUnderMinIsr === true;
  }

  /** False: its log failed, or it was given up. */
  get isUsable(): boolean {
    return !this.isClosed && this.partition.log.offlineReason === undefined;
  }

  /** It has all that it was ever acknowledged to have: not where its log failed, nor while that is copied anew. */
  get isWhole(): boolean {
    return this.isUsable && !this.isRefilling;
  }

  get isLeading(): boolean {
    return !this.isClosed && this.core.leading !== undefined;
  }

  /** It leads and takes what clients send. */
  get isServing(): boolean {
    return !this.isClosed && this.core.isServing;
  }

  /** Others may lead by now, and this broker would not hear of it (REPL-20), or not go by it: it was given up. */
  get isCutOff(): boolean {
    return this.isClosed || this.core.isCutOff;
  }

  /** Who probably leads by now, where this leader is cut off. */
  get likelyLeader(): NodeId | undefined {
    return likelyLeader(this.core);
  }

  /** What the controller is known to have committed; empty while this replica does not lead. */
  get committedIsr(): readonly NodeId[] {
    return this.core.leading?.committedIsr ?? [];
  }

  /** Followers as the leader knows them; none where this replica does not lead. */
  get followers(): PartitionReplica['followers'] {
    return this.core.followers;
  }

  /** It waits for an answer to its hello, or to say one: its times are short. */
  get isGreeting(): boolean {
    const state = this.core.following?.state;
    return state === 'waiting' || state === 'greeting';
  }

  step(input: ReplicaInput): void {
    if (this.isClosed) return;
    try {
      const effects = this.core.step(input, this.facts, this.around.clock.monotonicMs());
      if (effects.length > 0) this.carryOutAll(effects);
      if (input.kind === 'metadata' || input.kind === 'alter-partition') this.noteIsr();
    } catch (error) {
      this.giveUp(error);
    }
  }

  /** What the metadata says now. */
  learn(metadata: ReplicaMetadata): void {
    this.step({ kind: 'metadata', metadata });
  }

  /** Something was appended here, became durable, or failed. */
  logChanged(): void {
    this.step(LOG_CHANGED);
  }

  /** Time passed. Retention moves the log's start without a word. */
  tick(): void {
    const { logStartOffset } = this.partition.log;
    if (logStartOffset !== this.seenLogStart) {
      this.seenLogStart = logStartOffset;
      this.step(LOG_CHANGED);
    }
    this.step(TICK);
    if (!this.isRefilling || this.core.following?.isCaughtUp !== true) return;
    this.isRefilling = false;
    this.around.recovered(this);
  }

  /** Its log failed: it is to be dropped and copied anew from the leader. Returns what is in the way (REPL-21); undefined: it is on its way. */
  beginAnew(): AnewObstacle | undefined {
    if (this.isClosed || this.core.role !== 'offline') return undefined;
    const obstacle = this.core.anewObstacle;
    if (obstacle !== undefined) return obstacle;
    this.view.isAbandoned = true;
    this.step(BEGIN_ANEW);
    return undefined;
  }

  /** A push whose batches were looked through. */
  receivePush(from: NodeId, push: Push, batches: readonly CheckedBatch[]): void {
    if (this.isSuspended) return;
    this.batches = batches;
    this.step({ kind: 'push', from, push });
    this.batches = NO_BATCHES;
  }

  /** What is to be read for a follower now. */
  pushTo(follower: NodeId): PushTarget | undefined {
    return this.isClosed ? undefined : this.core.pushTo(follower);
  }

  /** What the leader is to be told now. */
  ack(): Ack | undefined {
    return this.isClosed ? undefined : this.core.ack(this.facts, this.around.clock.monotonicMs());
  }

  /** Whole batches, at least one where there is one, in memory that is theirs until the turn ends. Undefined: they are not (any more) there. */
  readTail(from: Offset, maxBytes: number): readonly Buffer[] | undefined {
    const { log } = this.partition;
    if (from < log.tailStartOffset) return undefined;
    const read = log.read(from, { maxBytes, minOneBatch: true, upTo: log.logEndOffset, borrowed: true });
    if (!(read instanceof Promise)) return read.chunks;
    // It would be read a second time.
    read.catch(() => undefined);
    return undefined;
  }

  /** As `readTail`, also where they have left memory. @param memory for what is read from files */
  async read(from: Offset, maxBytes: number, memory: (bytes: number) => Buffer): Promise<readonly Buffer[]> {
    const { log } = this.partition;
    return (await log.read(from, { maxBytes, minOneBatch: true, upTo: log.logEndOffset, memory })).chunks;
  }

  /** Batches were read for a follower: they are sent if its session still wants them. */
  batchesRead(to: NodeId, { sessionId, fromOffset }: PushTarget, chunks: readonly Buffer[]): void {
    const { baseOffset, endOffset } = extentOf(chunks) ?? { baseOffset: fromOffset, endOffset: fromOffset };
    this.chunks = chunks;
    this.step({
      kind: 'batches-read',
      to,
      sessionId,
      fromOffset,
      baseOffset: baseOffset as Offset,
      endOffset: endOffset as Offset,
    });
    this.chunks = NO_CHUNKS;
  }

  /** It is no replica of this broker any more, or another incarnation goes on with it. Resolves when no cut of the log is under way. */
  close(): Promise<void> {
    this.isClosed = true;
    this.waiting.length = 0;
    return this.cutting;
  }

  private carryOutAll(effects: readonly ReplicaEffect[]): void {
    if (this.isCarryingOut) {
      this.waiting.push(...effects);
      return;
    }
    this.isCarryingOut = true;
    try {
      for (const effect of effects) this.carryOut(effect);
      for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift()) this.carryOut(next);
    } finally {
      this.isCarryingOut = false;
    }
  }

  /** A rule of replication is broken: nothing that this replica says can be relied on, and others are to do without it. */
  private giveUp(error: unknown): void {
    const { partition, around } = this;
    const { topicName, key } = partition;
    around.log.error({ topic: topicName, partition: key.partition, err: error }, 'a replica is given up: it broke a rule');
    void this.close();
    partition.resign(ErrorCode.KAFKA_STORAGE_ERROR);
    around.failed(this);
  }

  private carryOut(effect: ReplicaEffect): void {
    const { partition, around } = this;
    const { log } = partition;
    switch (effect.kind) {
      case 'lead':
        if (log.leaderEpoch < effect.leaderEpoch) log.startEpoch(effect.leaderEpoch);
        return partition.lead(effect.leaderEpoch);
      case 'resign':
        return partition.resign(effect.errorCode);
      case 'suspend':
        return partition.resign(effect.errorCode);
      case 'resume':
        return partition.lead(effect.leaderEpoch);
      case 'offline':
        this.view.isAbandoned = false;
        this.isRefilling = false;
        return around.failed(this);
      case 'high-watermark':
        return partition.committed(effect);
      case 'push-due':
        return around.pushDue(effect.to, this, effect.pushClass);
      case 'ack-due':
        return around.ackDue(effect.to, this);
      case 'send-push':
        return around.sendPush(effect.to, this, effect.push, this.chunks);
      case 'send-hello':
        return around.send(effect.to, this, { kind: 'hello', hello: effect.hello });
      case 'send-diverging':
        return around.send(effect.to, this, { kind: 'diverging', diverging: effect.diverging });
      case 'send-refused':
        return around.send(effect.to, this, { kind: 'refused', refused: effect.refused });
      case 'append':
        return this.append();
      case 'truncate':
        return this.cut('cut', effect.offset, () => log.truncateTo(effect.offset));
      case 'start-at':
        return this.cut('begun anew', effect.offset, () => this.startAt(effect.offset));
      case 'rebase':
        // The log takes a first batch that its start lies within.
        return;
      case 'raise-log-start':
        return this.raiseLogStart(effect.offset);
      case 'alter-partition':
        return around.propose(this, effect);
    }
  }

  private append(): void {
    const { log, topicName, key } = this.partition;
    for (const batch of this.batches) {
      const outcome = log.appendReplicated(batch);
      if (outcome.kind === 'refused') {
        if (log.offlineReason === undefined && !this.isShortOfRoom) {
          this.around.log.warn(
            { topic: topicName, partition: key.partition, reason: outcome.message },
            'what the leader sent cannot be appended; it is tried again and again',
          );
        }
        this.isShortOfRoom = true;
        return this.suspend();
      }
    }
    this.isShortOfRoom = false;
  }

  /** The leader is not listened to for a while, then told anew how far this log goes. */
  private suspend(): void {
    const leader = this.core.leaderId;
    if (leader === undefined || this.isSuspended) return;
    this.isSuspended = true;
    this.step({ kind: 'peer-disconnected', peer: leader });
    const retry = (): void => {
      if (this.isClosed) return;
      if (!this.around.hasSpace) return void this.around.clock.schedule(this.around.retryMs, retry);
      this.isSuspended = false;
      // Another may lead by now, whose batches were passed over meanwhile; this one may lead again. This replica may lead itself: nobody's
      // session with it ends.
      for (const peer of new Set([leader, this.core.leaderId]))
        if (peer !== undefined && this.around.isConnected(peer)) this.step({ kind: 'peer-connected', peer });
    };
    this.around.clock.schedule(this.around.retryMs, retry);
  }

  private async startAt(offset: Offset): Promise<void> {
    const { partition, view } = this;
    if (view.isAbandoned) {
      this.around.beginsAnew(this);
      await partition.dropLog();
      view.isAbandoned = false;
      this.isRefilling = true;
      if (partition.log.logStartOffset === offset) return;
    }
    await partition.log.startAt(offset);
  }

  /** S-3: nothing is said or taken before the cut is durable. */
  private cut(what: string, offset: Offset, doIt: () => Promise<void>): void {
    const { log, topicName, key } = this.partition;
    const { isAbandoned } = this.view;
    // After an epoch that was led in vain only that is forgotten: of ten thousand partitions nobody wants to read it.
    if (isAbandoned || offset !== log.logEndOffset) {
      this.around.log.info(
        { topic: topicName, partition: key.partition, offset, logEndOffset: log.logEndOffset },
        `the log of a follower is ${what} ${isAbandoned ? 'since it failed' : "where it parts from the leader's"}`,
      );
    }
    const attempt = (): void => {
      if (this.isClosed) return;
      this.cutting = doIt().then(
        () => this.step({ kind: 'truncated' }),
        (error: unknown) => {
          if (this.isClosed) return;
          this.view.isAbandoned = false;
          if (this.partition.log.offlineReason !== undefined) return this.logChanged();
          this.around.log.warn({ topic: topicName, partition: key.partition, err: error }, `a log could not be ${what} yet`);
          this.around.clock.schedule(this.around.retryMs, attempt);
        },
      );
    };
    attempt();
  }

  private raiseLogStart(offset: Offset): void {
    const { log, topicName, key } = this.partition;
    if (offset > log.logEndOffset) return;
    log.advanceLogStart(offset).catch((error: unknown) => {
      this.around.log.warn({ topic: topicName, partition: key.partition, err: error }, 'the log start is not durable');
    });
  }

  private noteIsr(): void {
    const { length } = this.committedIsr;
    if (length === this.committedIsrSize) return;
    if (this.committedIsrSize > 0 && length > 0) {
      if (length < this.committedIsrSize) this.isrChanges.shrinks += 1;
      else this.isrChanges.expands += 1;
    }
    this.committedIsrSize = length;
  }
}

const LOG_CHANGED: ReplicaInput = { kind: 'log-changed' };
const TICK: ReplicaInput = { kind: 'tick' };
const BEGIN_ANEW: ReplicaInput = { kind: 'begin-anew' };
