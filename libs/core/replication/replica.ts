import { ErrorCode } from '../types/error-code';
import type { LeaderEpoch, NodeId, Offset } from '../types/ids';
import type { AnewObstacle } from './begin-anew';
import { NO_LOG, anewObstacle } from './begin-anew';
import type { ReplicationConfig } from './config';
import { ReplicaContext } from './context';
import type { ReplicaEffect } from './effects';
import { Follower } from './follower';
import type { FollowerProgress } from './follower-progress';
import type { Ack, Hello, Push, ReplicaInit, ReplicaInput } from './inputs';
import { Leader } from './leader';
import type { PushTarget } from './leader';
import type { Facts, ReplicaMetadata } from './types';

/** Hellos for epochs that this replica has not heard of yet; one a broker. */
const EARLY_HELLOS_MAX = 16;

export type ReplicaRole =
  | 'leader'
  /** Also while nobody leads. */
  | 'follower'
  /** Its log failed, and does not begin anew yet. */
  | 'offline';

/** What hosts and simulators see of a replica. */
export type ReplicaCore = Pick<
  PartitionReplica,
  | 'role'
  | 'highWatermark'
  | 'leaderEpoch'
  | 'leaderId'
  | 'leading'
  | 'isServing'
  | 'isCutOff'
  | 'following'
  | 'anewObstacle'
  | 'isHighWatermarkCertain'
  | 'followers'
  | 'pushTo'
  | 'ack'
  | 'step'
>;

/**
 * One replica of a partition as a value that is stepped; the rules are in docs/spec/replication.md. The class decides which role
 * the replica has; what the roles do is in `leader.ts` and `follower.ts`.
 */
export class PartitionReplica {
  readonly #context: ReplicaContext;
  #leader: Leader | undefined;
  #follower: Follower | undefined;
  #isOffline = false;
  /** It leads, and serves nobody. */
  #isSuspended = false;
  /** Metadata that came while the log was being cut: a log in that state can neither lead nor be compared. */
  #deferred: ReplicaMetadata | undefined;
  readonly #earlyHellos = new Map<NodeId, Hello>();

  /** Follows nobody until it is stepped with its first metadata. */
  constructor(init: ReplicaInit, config: ReplicationConfig, facts: Facts) {
    this.#context = new ReplicaContext(init, config, facts);
  }

  get role(): ReplicaRole {
    if (this.#isOffline) return 'offline';
    return this.#leader === undefined ? 'follower' : 'leader';
  }

  get highWatermark(): Offset {
    return this.#context.highWatermark;
  }

  /** The newest epoch that the metadata told of. */
  get leaderEpoch(): LeaderEpoch {
    return this.#context.metadata.leaderEpoch;
  }

  /** Who leads that epoch. */
  get leaderId(): NodeId | undefined {
    return this.#context.metadata.leader;
  }

  /** Undefined while this replica does not lead. */
  get leading(): Leader | undefined {
    return this.#leader;
  }

  /** It leads and takes what clients send; not while it is cut off. */
  get isServing(): boolean {
    return this.#leader !== undefined && !this.#isSuspended;
  }

  /**
   * Others may lead by now, and this replica would not hear of it: the session with the controller is over, and not every other replica
   * is in a session with this leader, or this follower in none with its leader (REPL-20).
   */
  get isCutOff(): boolean {
    if (!this.#context.brokers.isSessionLapsed) return false;
    if (this.#leader !== undefined) return this.#leader.followers.some(({ isStreaming }) => !isStreaming);
    return this.#follower?.state !== 'streaming';
  }

  get following(): Follower | undefined {
    return this.#follower;
  }

  /** True once nothing that an earlier leader committed can be missing below the high watermark (KIP-207). */
  get isHighWatermarkCertain(): boolean {
    return this.#leader !== undefined && this.#context.highWatermark >= this.#leader.epochStartOffset;
  }

  get followers(): readonly FollowerProgress[] {
    return this.#leader?.followers ?? [];
  }

  /** Why the log, should it fail, could not begin anew now (REPL-21). */
  get anewObstacle(): AnewObstacle | undefined {
    return anewObstacle(this.#context.self, this.#context.metadata);
  }

  /** What a host has to read for a follower; undefined where it wants nothing (now). */
  pushTo(follower: NodeId): PushTarget | undefined {
    return this.#leader?.pushTo(follower);
  }

  /** What the leader is to be told when the next frame to it leaves. */
  ack(facts: Facts, nowMs: number): Ack | undefined {
    this.#context.begin(facts, nowMs);
    return this.#follower?.ack();
  }

  step(input: ReplicaInput, facts: Facts, nowMs: number): readonly ReplicaEffect[] {
    this.#context.begin(facts, nowMs);
    if (facts.log.isOffline && !this.#isOffline) this.#goOffline();
    this.#handle(input);
    if (this.#isSuspended || facts.brokers.isSessionLapsed) this.#serveOrNot();
    return this.#context.take();
  }

  #handle(input: ReplicaInput): void {
    const { connected } = this.#context;
    switch (input.kind) {
      case 'metadata':
        return this.#learn(input.metadata);
      case 'brokers-changed':
        return this.#brokersChanged();
      case 'log-changed':
        this.#leader?.logChanged();
        return this.#follower?.logChanged();
      case 'truncated':
        return this.#truncated();
      case 'begin-anew':
        return this.#beginAnew();
      case 'tick':
        this.#leader?.tick();
        return this.#follower?.tick();
      case 'peer-connected':
        connected.add(input.peer);
        return this.#follower?.peerConnected(input.peer);
      case 'peer-disconnected':
        connected.delete(input.peer);
        // The session ended with the stream, and another incarnation may number its own alike.
        this.#earlyHellos.delete(input.peer);
        this.#leader?.peerDisconnected(input.peer);
        return this.#follower?.peerDisconnected(input.peer);
      case 'hello':
        return this.#hello(input.from, input.hello);
      case 'ack':
        return this.#leader?.ack(input.from, input.ack);
      case 'batches-read':
        return this.#leader?.batchesRead(input);
      case 'push':
        return this.#push(input.from, input.push);
      case 'diverging':
        return this.#follower?.diverging(input.from, input.diverging);
      case 'refused':
        this.#leader?.refused(input.from, input.refused);
        return this.#follower?.refused(input.from, input.refused);
      case 'alter-partition':
        return this.#leader?.alterPartition(input.proposalId, input.outcome);
    }
  }

  /** It may lead from the moment on at which its own registration is known. */
  #brokersChanged(): void {
    const { metadata, self } = this.#context;
    if (this.#leader !== undefined) this.#leader.brokersChanged();
    else if (metadata.leader === self) this.#become(metadata);
  }

  /** What is older than what is known says nothing. */
  #learn(metadata: ReplicaMetadata): void {
    const known = (this.#deferred ?? this.#context.metadata).partitionEpoch;
    if (metadata.partitionEpoch < known) return;
    if (this.#follower?.isTruncating === true) {
      this.#deferred = metadata;
      return;
    }
    this.#become(metadata);
  }

  #become(metadata: ReplicaMetadata): void {
    const context = this.#context;
    context.metadata = metadata;
    if (this.#isOffline) return;
    // Nothing is dropped yet, and may not be any more.
    if (context.log.endOffset === NO_LOG && this.anewObstacle !== undefined) return this.#goOffline();
    const { leader, leaderEpoch } = metadata;
    if (leader === context.self && this.#isRegistered) this.#lead(metadata);
    else {
      this.#resign(ErrorCode.NOT_LEADER_OR_FOLLOWER);
      if (leader === undefined || leader === context.self) this.#follower = undefined;
      else if (this.#follower?.leader === leader && this.#follower.epoch === leaderEpoch) this.#follower.logChanged();
      else this.#follower = new Follower(context, leader, leaderEpoch);
    }
    this.#answerEarlyHellos();
  }

  /** Metadata from before this incarnation's registration may name it as the leader of an epoch that is over (REPL-1, R-5). */
  get #isRegistered(): boolean {
    return this.#context.brokers.registeredEpochOf(this.#context.self) === this.#context.brokerEpoch;
  }

  #lead(metadata: ReplicaMetadata): void {
    this.#follower = undefined;
    if (this.#leader?.epoch === metadata.leaderEpoch) return this.#leader.update(metadata);
    this.#isSuspended = false;
    this.#leader = new Leader(this.#context);
  }

  #resign(errorCode: ErrorCode): void {
    if (this.#leader === undefined) return;
    this.#leader = undefined;
    this.#isSuspended = false;
    this.#context.emit({ kind: 'resign', errorCode });
  }

  /** REPL-20: who may have been replaced answers nobody, and goes on where it has been told that it was not. */
  #serveOrNot(): void {
    const leader = this.#leader;
    if (leader === undefined || this.isCutOff === this.#isSuspended) return;
    this.#isSuspended = !this.#isSuspended;
    if (this.#isSuspended) this.#context.emit({ kind: 'suspend', errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER });
    else this.#context.emit({ kind: 'resume', leaderEpoch: leader.epoch });
  }

  /** A leader of an epoch that is over may not have heard of it: it is told, since it would wait for acknowledgements. */
  #push(from: NodeId, push: Push): void {
    const { leaderEpoch, brokerEpoch, sessionId } = push;
    if (leaderEpoch >= this.leaderEpoch) return this.#follower?.push(from, push);
    const errorCode = ErrorCode.FENCED_LEADER_EPOCH;
    this.#context.emit({ kind: 'send-refused', to: from, refused: { leaderEpoch, brokerEpoch, sessionId, errorCode } });
  }

  #goOffline(): void {
    this.#resign(ErrorCode.KAFKA_STORAGE_ERROR);
    this.#isOffline = true;
    this.#follower = undefined;
    this.#context.metadata = this.#deferred ?? this.#context.metadata;
    this.#deferred = undefined;
    this.#context.emit({ kind: 'offline' });
  }

  /** Greets the leader as one that has nothing, and is told where to begin: the log is dropped behind that answer. */
  #beginAnew(): void {
    if (!this.#isOffline || this.anewObstacle !== undefined) return;
    this.#isOffline = false;
    if (this.#context.highWatermark > 0) this.#context.resetHighWatermark(0 as Offset);
    this.#become(this.#context.metadata);
  }

  #truncated(): void {
    this.#follower?.truncated();
    const metadata = this.#deferred;
    this.#deferred = undefined;
    if (metadata !== undefined) this.#become(metadata);
  }

  #hello(from: NodeId, hello: Hello): void {
    const { leaderEpoch, brokerEpoch, sessionId } = hello;
    if (this.#leader?.epoch === leaderEpoch) return this.#leader.hello(from, hello);
    const known = (this.#deferred ?? this.#context.metadata).leaderEpoch;
    if (leaderEpoch > known || (leaderEpoch === known && this.#deferred !== undefined)) {
      // The follower's metadata is ahead: this replica will lead that epoch as soon as it hears of it.
      if (this.#earlyHellos.size < EARLY_HELLOS_MAX || this.#earlyHellos.has(from)) this.#earlyHellos.set(from, hello);
      return;
    }
    const errorCode = this.#isOffline
      ? ErrorCode.KAFKA_STORAGE_ERROR
      : leaderEpoch < known
        ? ErrorCode.FENCED_LEADER_EPOCH
        : ErrorCode.NOT_LEADER_OR_FOLLOWER;
    this.#context.emit({ kind: 'send-refused', to: from, refused: { leaderEpoch, brokerEpoch, sessionId, errorCode } });
  }

  #answerEarlyHellos(): void {
    if (this.#earlyHellos.size === 0) return;
    const known = this.#context.metadata.leaderEpoch;
    for (const [from, hello] of [...this.#earlyHellos]) {
      if (hello.leaderEpoch > known) continue;
      this.#earlyHellos.delete(from);
      this.#hello(from, hello);
    }
  }
}
