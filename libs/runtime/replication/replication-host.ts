import type { MetadataImage } from '@streamline/core/metadata/image';
import type { AlterPartitionEffect, PushClass } from '@streamline/core/replication/effects';
import type { Push } from '@streamline/core/replication/inputs';
import type { BrokerFacts } from '@streamline/core/replication/types';
import type { BrokerEpoch, NodeId, Offset } from '@streamline/core/types/ids';
import type { ReplicationGreeting } from '@streamline/wire/contracts/generated/streamline/storage/v1/replication';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import type { LogEngine, PartitionKey } from '../log/log-engine';
import type { MetadataReplica } from '../metadata/metadata-replica';
import type { LogSink } from '../partitions/log-sink';
import type { Clock } from '../ports/clock';
import type { Random } from '../ports/random';
import type { ReplicaReport } from './controller-reports';
import { ControllerReports } from './controller-reports';
import type { FailedLogsFigures } from './failed-logs';
import { FailedLogs } from './failed-logs';
import { FrameBuffers } from './frame-buffers';
import { PeerLinks } from './peer-links';
import type { BrokerIdentity, SessionOwner } from './peer-session';
import { PeerSession } from './peer-session';
import type { PeerDialer, PeerStream, PeerStreamEvents } from './peer-transport';
import type { ReplicaMessage, ReplicaSurroundings, ReplicatedPartition } from './replica-host';
import { ReplicaHost } from './replica-host';
import type { ReplicationLimits } from './replication-limits';

/** What replication needs from outside of the storage role. */
export interface ReplicationPorts {
  readonly controller: Pick<ControllerPort, 'alterPartition' | 'reportFailedReplicas'>;
  readonly dialer: PeerDialer;
  readonly random: Random;
  readonly limits: ReplicationLimits;
}

export interface ReplicationHostOptions extends ReplicationPorts {
  readonly nodeId: NodeId;
  readonly clock: Clock;
  readonly engine: Pick<LogEngine, 'onHeadroom' | 'hasSpace'>;
  readonly metadata: MetadataReplica;
  readonly log: LogSink;
  find(key: PartitionKey): ReplicaHost | undefined;
}

/** Plain figures for metrics. */
export interface ReplicationFigures extends FailedLogsFigures {
  /** Led here, with fewer in-sync replicas than replicas. */
  readonly underReplicated: number;
  /** Led here, with fewer in-sync replicas than acks=all asks for. */
  readonly underMinIsr: number;
  readonly isrShrinks: number;
  readonly isrExpands: number;
  /** Brokers with which a stream is open. */
  readonly connectedPeers: number;
  /** Of the followers of what is led here: records that the one furthest behind lacks. */
  readonly followerLagMax: number;
  readonly inFlightBytes: number;
}

const TICK_MS = 100;
/** There was space for so long: leaderships are not to go to and fro. */
const SPACE_LASTS_MS = 2_000;
/**
 * How often it is looked at whether the controller knows: somebody may be able to lead by now, there may be new replicas, and what was
 * said before, and is still on its way by a node that passes it on, may come behind what was said later.
 */
const SPACE_TOLD_EVERY_MS = 5_000;
/** Those that are in no hurry hear of the time with every so many ticks. */
const TICKS_PER_ROUND = 5;

/**
 * The replicas of this broker that have others elsewhere, and the streams to those. An incarnation begins with each registration of the
 * broker and ends with the next one: nothing of it is used again (REPL-10).
 */
export class ReplicationHost implements ReplicaSurroundings, SessionOwner {
  readonly brokers: BrokerFacts;
  readonly clock: Clock;
  readonly log: LogSink;
  readonly limits: ReplicationLimits;
  readonly retryMs: number;
  readonly buffers = new FrameBuffers();
  private readonly replicas = new Set<ReplicaHost>();
  private readonly sessions = new Map<NodeId, PeerSession>();
  /** Open or to be greeted on, by whoever opened them. */
  private readonly accepted = new Set<PeerSession>();
  private readonly links: PeerLinks;
  private readonly failedLogs: FailedLogs;
  private reports: ControllerReports | undefined;
  private current: BrokerIdentity | undefined;
  private sessionEndsMs = Infinity;
  /** As the replicas were told. */
  private wasLapsed = false;
  /** When there was no space, and when it was told that there is none, or some. */
  private seenFullMs = -Infinity;
  private toldSpaceMs = -Infinity;
  private wasFull = false;
  private isTicking = false;
  private ticks = 0;
  /** Of replicas that are no longer there. */
  private readonly past = { shrinks: 0, expands: 0 };

  constructor(private readonly options: ReplicationHostOptions) {
    const { clock, log, limits, metadata } = options;
    this.clock = clock;
    this.log = log;
    this.limits = limits;
    this.retryMs = limits.peer.retryMs;
    this.links = new PeerLinks({ ...options, limits: limits.peer });
    this.failedLogs = new FailedLogs(options);
    const isLapsed = (): boolean => clock.monotonicMs() >= this.sessionEndsMs;
    this.brokers = {
      get isSessionLapsed() {
        return isLapsed();
      },
      registeredEpochOf: (node) => metadata.image.brokers.get(node)?.epoch,
      mayJoinIsr: (node) => {
        const broker = metadata.image.brokers.get(node);
        return broker !== undefined && !broker.fenced && broker.state !== 'ShuttingDown' && broker.state !== 'Dead';
      },
    };
  }

  get identity(): BrokerIdentity {
    if (this.current === undefined) throw new Error('this broker is not registered');
    return this.current;
  }

  /** An incarnation begins: streams are opened and accepted from now on. */
  begin(brokerEpoch: BrokerEpoch): void {
    const { nodeId, metadata, controller } = this.options;
    const { log, clock, limits, retryMs } = this;
    this.current = { clusterId: metadata.image.clusterId ?? '', brokerId: nodeId, brokerEpoch };
    const timeoutMs = limits.peer.controllerTimeoutMs;
    this.reports = new ControllerReports({
      brokerId: nodeId,
      brokerEpoch,
      controller,
      metadata,
      clock,
      log,
      timeoutMs,
      retryMs,
    });
    this.wasFull = false;
    this.links.begin(this, metadata.image);
  }

  /** It is over: streams end, and every replica is let go of. Resolves when no cut of a log is under way. */
  async end(): Promise<void> {
    this.current = undefined;
    this.reports?.stop();
    this.links.end();
    for (const session of [...this.accepted, ...this.sessions.values()]) session.close('this broker stops');
    await Promise.all([...this.replicas].map((replica) => this.drop(replica)));
  }

  /** Takes on a replica that has others elsewhere. To be called between `begin` and `end`. */
  adopt(partition: ReplicatedPartition, highWatermark: Offset): ReplicaHost {
    const { brokerId: self, brokerEpoch } = this.identity;
    const replica = new ReplicaHost(partition, { self, brokerEpoch, highWatermark }, this.limits.replica, this);
    this.replicas.add(replica);
    this.tickSoon();
    for (const peer of this.sessions.keys()) replica.step({ kind: 'peer-connected', peer });
    return replica;
  }

  /** It is no replica of this broker any more. */
  drop(replica: ReplicaHost): Promise<void> {
    this.replicas.delete(replica);
    this.past.shrinks += replica.isrChanges.shrinks;
    this.past.expands += replica.isrChanges.expands;
    this.reports?.forget(replica);
    this.failedLogs.forget(replica);
    for (const session of this.sessions.values()) session.outbox?.forget(replica);
    return replica.close();
  }

  /** The image has other brokers; to be called behind what it says of partitions. */
  brokersChanged(image: MetadataImage): void {
    if (this.current === undefined) return;
    this.links.follow(image);
    for (const replica of this.replicas) replica.step({ kind: 'brokers-changed' });
  }

  /** Until then, by the monotonic clock, nobody else is given what this broker leads because it is silent (REPL-20). */
  sessionEnds(atMs: number): void {
    this.sessionEndsMs = atMs;
    this.noteSession();
  }

  /** Another broker opened a stream to this one. */
  accept(stream: PeerStream): PeerStreamEvents {
    const session = new PeerSession(this, undefined, stream);
    this.accepted.add(session);
    return session;
  }

  /** False: a stream would be refused, since this broker is not registered (yet). */
  get isAccepting(): boolean {
    return this.current !== undefined;
  }

  figures(): ReplicationFigures {
    const { shrinks, expands } = this.past;
    const sum = { underReplicated: 0, underMinIsr: 0, isrShrinks: shrinks, isrExpands: expands, followerLagMax: 0 };
    for (const replica of this.replicas) {
      sum.isrShrinks += replica.isrChanges.shrinks;
      sum.isrExpands += replica.isrChanges.expands;
      if (!replica.isLeading) continue;
      if (replica.committedIsr.length <= replica.followers.length) sum.underReplicated += 1;
      if (replica.isUnderMinIsr) sum.underMinIsr += 1;
      const end = replica.partition.log.logEndOffset;
      for (const { writtenEnd } of replica.followers) {
        sum.followerLagMax = Math.max(sum.followerLagMax, end - Math.max(writtenEnd, 0));
      }
    }
    let inFlightBytes = 0;
    for (const { outbox } of this.sessions.values()) inFlightBytes += outbox?.inFlightBytes ?? 0;
    return { ...sum, ...this.failedLogs.figures(), inFlightBytes, connectedPeers: this.sessions.size };
  }

  // What sessions ask and tell.

  find(key: PartitionKey): ReplicaHost | undefined {
    return this.options.find(key);
  }

  whenRoom(callback: () => void): void {
    this.options.engine.onHeadroom(callback);
  }

  refusalOf({ brokerId, brokerEpoch }: ReplicationGreeting): string | undefined {
    const known = this.options.metadata.image.brokers.get(brokerId as NodeId);
    if (known === undefined) return `no broker ${brokerId} is registered, as far as is known here`;
    // One that is newer than the metadata here will be heard of soon.
    return brokerEpoch < known.epoch ? `its registration ${brokerEpoch} is over, it is ${known.epoch} now` : undefined;
  }

  opened(session: PeerSession): void {
    const { peer } = session;
    if (peer === undefined) return;
    this.sessions.get(peer)?.close('another stream took its place');
    this.sessions.set(peer, session);
    this.links.opened(session);
    this.log.info({ broker: peer }, 'a stream of replicas is open');
    for (const replica of this.replicas) replica.step({ kind: 'peer-connected', peer });
  }

  closed(session: PeerSession, reason: string): void {
    this.accepted.delete(session);
    const { peer } = session;
    if (peer !== undefined && this.sessions.get(peer) === session) {
      this.sessions.delete(peer);
      for (const replica of this.replicas) replica.step({ kind: 'peer-disconnected', peer });
    }
    this.links.closed(session, reason);
  }

  // What replicas ask and tell.

  get hasSpace(): boolean {
    return this.options.engine.hasSpace;
  }

  isConnected(peer: NodeId): boolean {
    return this.sessions.has(peer);
  }

  pushDue(to: NodeId, replica: ReplicaHost, pushClass: PushClass): void {
    this.sessions.get(to)?.outbox?.pushDue(replica, pushClass);
  }

  ackDue(to: NodeId, replica: ReplicaHost): void {
    this.sessions.get(to)?.outbox?.ackDue(replica);
  }

  send(to: NodeId, replica: ReplicaHost, message: ReplicaMessage): void {
    this.sessions.get(to)?.outbox?.say(replica, message);
  }

  sendPush(to: NodeId, replica: ReplicaHost, push: Push, chunks: readonly Buffer[]): void {
    this.sessions.get(to)?.outbox?.push(replica, push, chunks);
  }

  propose(replica: ReplicaHost, effect: AlterPartitionEffect): void {
    this.reports?.propose(replica, effect);
  }

  failed(replica: ReplicaHost): void {
    this.reports?.report(replica, 'failed');
    if (replica.partition.log.offlineReason !== undefined) this.failedLogs.failed(replica);
  }

  beginsAnew(replica: ReplicaHost): void {
    this.failedLogs.beginsAnew(replica);
  }

  recovered(replica: ReplicaHost): void {
    this.failedLogs.recovered(replica);
    if (!this.wasFull) this.reports?.report(replica, 'whole');
  }

  /** S-10: others are to lead and to be waited for, where they can, as long as this broker takes no records. */
  private noteSpace(): void {
    const nowMs = this.clock.monotonicMs();
    if (!this.hasSpace) this.seenFullMs = nowMs;
    const isFull = nowMs - this.seenFullMs < SPACE_LASTS_MS;
    const isNews = isFull !== this.wasFull;
    if (!isNews && nowMs - this.toldSpaceMs < SPACE_TOLD_EVERY_MS) return;
    if (isNews && isFull) this.log.warn({}, 'no space is left: others are to lead the partitions of this broker');
    else if (isNews) this.log.info({}, 'there is space again: replicas catch up');
    this.wasFull = isFull;
    this.toldSpaceMs = nowMs;
    for (const replica of this.replicas) {
      const report = this.reportOf(replica, isNews);
      if (report !== undefined) this.reports?.report(replica, report);
    }
  }

  /** What the controller is to hear of a replica; undefined: it knows, or nothing is to be said yet. */
  private reportOf(replica: ReplicaHost, isNews: boolean): ReplicaReport | undefined {
    const { metadata, nodeId } = this.options;
    const { key } = replica.partition;
    const image = metadata.image.topics.get(key.topicId)?.partitions[key.partition];
    const isTakenForFailed = image?.failedReplicas.includes(nodeId) === true;
    if (!replica.isUsable) return isTakenForFailed && !image.elr.includes(nodeId) ? undefined : 'failed';
    if (this.wasFull) return 'full';
    return replica.isWhole && (isNews || isTakenForFailed) ? 'whole' : undefined;
  }

  private noteSession(): void {
    const { isSessionLapsed } = this.brokers;
    if (isSessionLapsed === this.wasLapsed) return;
    this.wasLapsed = isSessionLapsed;
    let leading = 0;
    let serving = 0;
    for (const replica of this.replicas) {
      replica.step({ kind: 'brokers-changed' });
      if (replica.isLeading) leading += 1;
      if (replica.isServing) serving += 1;
    }
    if (!isSessionLapsed) this.log.info({ leading, serving }, 'the session with the controller is back');
    else this.log.warn({ leading, serving }, 'the controller has not answered for a whole session: others may lead by now');
  }

  /** As long as there are replicas. */
  private tickSoon(): void {
    if (this.isTicking || this.replicas.size === 0) return;
    this.isTicking = true;
    const { replicaLagTimeMaxMs } = this.limits.replica;
    const roundTicks = Math.max(1, Math.min(TICKS_PER_ROUND, Math.floor(replicaLagTimeMaxMs / 4 / TICK_MS)));
    this.clock.schedule(TICK_MS, () => {
      this.isTicking = false;
      this.ticks += 1;
      this.noteSession();
      this.noteSpace();
      this.failedLogs.tick();
      const isRound = this.ticks % roundTicks === 0;
      for (const replica of this.replicas) if (isRound || replica.isGreeting) replica.tick();
      this.tickSoon();
    });
  }
}
