import { ErrorCode } from '@streamline/core/types/error-code';
import type { BrokerEpoch, LeaderEpoch, MetadataIndex, NodeId, Offset } from '@streamline/core/types/ids';
import type {
  AppendRequest,
  AppendResponse,
  DeleteRecordsRequest,
  DeleteRecordsResponse,
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
  DescribeProducersRequest,
  DescribeProducersResponse,
  FetchRequest,
  GetEpochEndOffsetsRequest,
  GetEpochEndOffsetsResponse,
  ListOffsetsRequest,
  ListOffsetsResponse,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { CallContext } from '@streamline/wire/contracts/port';
import type { BulkAppend, BulkFetched, FetchContext, PartitionPort } from '@streamline/wire/contracts/ports';
import type { LogEngine, PartitionKey, PartitionLog, ReadResult } from '../log/log-engine';
import type { MetadataReplica } from '../metadata/metadata-replica';
import type { PeerStream, PeerStreamEvents } from '../replication/peer-transport';
import type { ReplicationFigures, ReplicationPorts } from '../replication/replication-host';
import { ReplicationHost } from '../replication/replication-host';
import type { Clock } from '../ports/clock';
import type { Disk } from '../ports/disk';
import { AppendPath } from './append-path';
import { FetchPath } from './fetch-path';
import type { FetchLimits } from './fetch-path';
import type { LeadershipChange, LocalAppendOutcome, LocalBounds, LocalPartitions } from './local-partitions';
import { describeLogDirs } from './log-dirs';
import type { LogSink } from './log-sink';
import { MetadataFollower } from './metadata-follower';
import { OffsetQueries } from './offset-queries';
import { PartitionTable } from './partition-table';

export interface PartitionHostOptions {
  readonly nodeId: NodeId;
  readonly engine: LogEngine;
  readonly metadata: MetadataReplica;
  readonly clock: Clock;
  readonly disk: Disk;
  /** Where the engine keeps its logs; DescribeLogDirs tells its path and space. */
  readonly directory: string;
  readonly log: LogSink;
  /** For partitions of which other brokers have replicas too. */
  readonly replication: ReplicationPorts;
  readonly fetchLimits: FetchLimits;
  /** producer.id.expiration.ms of this node. */
  readonly producerIdExpirationMs: number;
  /** Called after everything that waits was told that durability is lost (J-9). */
  readonly onFatal: (error: Error) => void;
}

/** Plain figures for metrics. */
export interface PartitionHostFigures {
  readonly partitions: number;
  readonly leaders: number;
  readonly offline: number;
  readonly logBytes: number;
  readonly appendRequests: number;
  readonly appendedBatches: number;
  readonly appendedBytes: number;
  readonly refusedBatches: number;
  /** Requests that were spread over turns of the event loop. */
  readonly appendsPutAside: number;
  readonly waitingAppends: number;
  readonly fetchRequests: number;
  readonly fetchedBytes: number;
  readonly waitingFetches: number;
  readonly replication: ReplicationFigures;
}

/** A control request may wait that long for metadata when it carries no time of its own. */
const METADATA_WAIT_MS = 5_000;

/**
 * The partitions of this node behind `PartitionPort`, and for coordinators behind `LocalPartitions`. Requests that were
 * routed by metadata newer than ours wait for it; everything else is answered from what is known here.
 */
export class PartitionHost implements PartitionPort, LocalPartitions {
  private readonly table: PartitionTable;
  private readonly appends: AppendPath;
  private readonly fetches: FetchPath;
  private readonly queries: OffsetQueries;
  private readonly follower: MetadataFollower;
  private readonly replication: ReplicationHost;
  private readonly unsubscribe: () => void;
  /** Appends that wait for metadata, per partition: later ones of the same partition queue up behind them. */
  private readonly delayed = new Map<string, number>();
  private delayedTail: Promise<unknown> = Promise.resolve();
  private isAccepting = true;

  constructor(private readonly options: PartitionHostOptions) {
    const { engine, metadata, clock } = options;
    this.table = new PartitionTable(() => metadata.image);
    this.appends = new AppendPath(this.table, clock, engine);
    this.fetches = new FetchPath(this.table, clock, options.fetchLimits);
    this.queries = new OffsetQueries(this.table, clock);
    this.replication = new ReplicationHost({
      ...options.replication,
      nodeId: options.nodeId,
      clock,
      engine,
      metadata,
      log: options.log,
      find: ({ topicId, partition }) => this.table.get(topicId, partition)?.replica,
    });
    const { nodeId, log, producerIdExpirationMs } = options;
    this.follower = new MetadataFollower(nodeId, engine, this.table, log, producerIdExpirationMs, this.replication);
    this.unsubscribe = metadata.subscribe((change, image) => {
      this.follower.apply(change, image);
      if (change.brokersChanged) this.replication.brokersChanged(image);
    });
    engine.onStable((logs) => this.stable(logs));
    engine.onFatal((error) => this.fatal(error));
  }

  /** Begins to serve; called once the metadata includes this incarnation's registration. */
  activate(brokerEpoch: BrokerEpoch): void {
    this.replication.begin(brokerEpoch);
    this.follower.activate(this.options.metadata.image);
  }

  /** Until then nobody else is given what this broker leads because it is silent (REPL-20). */
  sessionEnds(atMs: number): void {
    this.replication.sessionEnds(atMs);
  }

  /** The registration is another one: replicas of the one before say nothing any more. To be awaited before it is activated again. */
  async endIncarnation(): Promise<void> {
    const ended = this.replication.end();
    this.follower.letGoOfReplicas();
    await ended;
  }

  /** Another broker opened a stream of replicas to this one. Throws where this broker is not registered. */
  acceptPeer(stream: PeerStream): PeerStreamEvents {
    return this.replication.accept(stream);
  }

  /** Stops serving, answers everything that waits, and ends deletions that are under way; the engine stays open. */
  async close(): Promise<void> {
    this.fetches.close();
    this.follower.deactivate();
    this.appends.expireAll();
    this.unsubscribe();
    await this.replication.end();
    await this.follower.settled();
  }

  /** From now on appends are refused with NOT_LEADER_OR_FOLLOWER (6): they would be cut off by the stop. Fetches go on. */
  stopAccepting(): void {
    this.isAccepting = false;
  }

  /** Waits until no append is unacknowledged, at most `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    const { clock } = this.options;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    while (this.appends.waitingRequests > 0 && clock.monotonicMs() < deadlineMs) {
      await new Promise<void>((resolve) => clock.schedule(DRAIN_STEP_MS, resolve));
    }
  }

  append(append: BulkAppend): Promise<AppendResponse> {
    const { request } = append;
    if (!this.isAccepting) return this.appends.refuseAll(append, ErrorCode.NOT_LEADER_OR_FOLLOWER, STOPPING);
    if (this.mayAppendNow(request)) return this.appends.append(append);
    const keys = request.partitions.map(keyOf);
    for (const key of keys) this.delayed.set(key, (this.delayed.get(key) ?? 0) + 1);
    // The caller's memory is only lent until this returns.
    const records = append.records.map((bytes) => Buffer.from(bytes));
    const { clock } = this.options;
    const deadlineMs = clock.monotonicMs() + request.timeoutMs;
    const caughtUp = this.catchUp(request.metadataIndex, request.timeoutMs);
    const turn = this.delayedTail.then(() => caughtUp);
    const begun = turn
      .then(() => this.headroom(deadlineMs))
      .then((hasRoom) => {
        for (const key of keys) this.forgetDelayed(key);
        const timeoutMs = Math.max(0, Math.round(deadlineMs - clock.monotonicMs()));
        const late = { request: { ...request, timeoutMs }, records };
        return {
          response: hasRoom ? this.appends.append(late) : this.appends.refuseAll(late, ErrorCode.REQUEST_TIMED_OUT, NO_ROOM),
        };
      });
    this.delayedTail = begun.catch(() => undefined);
    return begun.then(({ response }) => response);
  }

  async fetch(request: FetchRequest, context?: FetchContext): Promise<BulkFetched> {
    if (this.isBehind(request.metadataIndex))
      await this.catchUp(request.metadataIndex, Math.max(request.maxWaitMs, MIN_FETCH_CATCH_UP_MS));
    return this.fetches.fetch(request, context);
  }

  async listOffsets(request: ListOffsetsRequest): Promise<ListOffsetsResponse> {
    await this.catchUp(request.metadataIndex, request.timeoutMs > 0 ? request.timeoutMs : METADATA_WAIT_MS);
    return this.queries.listOffsets(request);
  }

  async getEpochEndOffsets(request: GetEpochEndOffsetsRequest, context?: CallContext): Promise<GetEpochEndOffsetsResponse> {
    await this.catchUp(request.metadataIndex, context?.deadlineMs ?? METADATA_WAIT_MS);
    return this.queries.getEpochEndOffsets(request);
  }

  async deleteRecords(request: DeleteRecordsRequest): Promise<DeleteRecordsResponse> {
    await this.catchUp(request.metadataIndex, request.timeoutMs);
    return this.queries.deleteRecords(request);
  }

  async describeProducers(request: DescribeProducersRequest, context?: CallContext): Promise<DescribeProducersResponse> {
    await this.catchUp(request.metadataIndex, context?.deadlineMs ?? METADATA_WAIT_MS);
    return this.queries.describeProducers(request);
  }

  describeLogDirs(request: DescribeLogDirsRequest): Promise<DescribeLogDirsResponse> {
    return describeLogDirs(request, this.options.disk, this.options.directory, this.table);
  }

  bounds(key: PartitionKey): LocalBounds | undefined {
    const hosted = this.table.get(key.topicId, key.partition);
    if (hosted?.leading === undefined) return undefined;
    const { log, highWatermark, leading } = hosted;
    return { leaderEpoch: leading, logStartOffset: log.logStartOffset, highWatermark, logEndOffset: log.logEndOffset };
  }

  appendLocal(key: PartitionKey, leaderEpoch: LeaderEpoch, batch: Buffer, done: (errorCode: number) => void): LocalAppendOutcome {
    return this.appends.appendLocal(key, leaderEpoch, batch, done);
  }

  whenCommitted(key: PartitionKey, leaderEpoch: LeaderEpoch, end: Offset, done: (errorCode: number) => void): void {
    const located = this.table.locate(key.topicId, key.partition, leaderEpoch);
    if (located.ok) located.partition.whenCommitted((end - 1) as Offset, { settle: done });
    else done(located.errorCode);
  }

  async readLocal(key: PartitionKey, from: Offset, maxBytes: number): Promise<ReadResult> {
    const located = this.table.locate(key.topicId, key.partition);
    if (!located.ok) throw new Error(located.message);
    const { log } = located.partition;
    return log.read(from, { maxBytes, minOneBatch: true, upTo: log.logEndOffset });
  }

  async deleteBefore(key: PartitionKey, offset: Offset): Promise<void> {
    const located = this.table.locate(key.topicId, key.partition);
    if (!located.ok) throw new Error(located.message);
    const { log, highWatermark } = located.partition;
    const target = offset < highWatermark ? offset : highWatermark;
    if (target > log.logStartOffset) await log.advanceLogStart(target);
  }

  onLeadership(listener: (change: LeadershipChange) => void): () => void {
    return this.follower.onLeadership(listener);
  }

  figures(): PartitionHostFigures {
    let leaders = 0;
    let offline = 0;
    let logBytes = 0;
    for (const { leading, log } of this.table.all()) {
      if (leading !== undefined) leaders += 1;
      if (log.offlineReason !== undefined) offline += 1;
      logBytes += log.sizeBytes;
    }
    const { counts } = this.appends;
    return {
      partitions: this.table.size,
      leaders,
      offline,
      logBytes,
      appendRequests: counts.requests,
      appendedBatches: counts.batches,
      appendedBytes: counts.bytes,
      refusedBatches: counts.refused,
      appendsPutAside: counts.putAside,
      waitingAppends: this.appends.waitingRequests,
      fetchRequests: this.fetches.counts.requests,
      fetchedBytes: this.fetches.counts.bytes,
      waitingFetches: this.fetches.waitingRequests,
      replication: this.replication.figures(),
    };
  }

  private stable(logs: readonly PartitionLog[]): void {
    for (const { key } of logs) this.table.get(key.topicId, key.partition)?.logChanged();
  }

  /** Durability is lost (J-9): nothing is acknowledged any more; the process is about to exit. */
  private fatal(error: Error): void {
    for (const partition of this.table.all()) {
      partition.failed();
      partition.leading = undefined;
    }
    this.appends.expireAll();
    this.options.onFatal(error);
  }

  private isBehind(metadataIndex: number): boolean {
    return metadataIndex > this.options.metadata.image.index;
  }

  /** False: the append has to wait for metadata, for room in the journal (J-7), or for one before it that waits. */
  private mayAppendNow(request: AppendRequest): boolean {
    return !this.isBehind(request.metadataIndex) && this.options.engine.headroomBytes > 0 && !this.mustQueue(request);
  }

  /** True once the journal takes appends; false when that is not so in time. */
  private headroom(deadlineMs: number): Promise<boolean> {
    const { engine, clock } = this.options;
    if (engine.headroomBytes > 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const cancel = clock.schedule(deadlineMs - clock.monotonicMs(), () => resolve(false));
      engine.onHeadroom(() => {
        cancel();
        resolve(true);
      });
    });
  }

  private mustQueue(request: AppendRequest): boolean {
    return this.delayed.size > 0 && request.partitions.some((each) => this.delayed.has(keyOf(each)));
  }

  private async catchUp(metadataIndex: number, timeoutMs: number): Promise<void> {
    if (this.isBehind(metadataIndex)) await this.options.metadata.waitFor(metadataIndex as MetadataIndex, timeoutMs);
  }

  private forgetDelayed(key: string): void {
    const count = this.delayed.get(key) ?? 0;
    if (count <= 1) this.delayed.delete(key);
    else this.delayed.set(key, count - 1);
  }
}

const DRAIN_STEP_MS = 10;
const STOPPING = 'this broker is stopping; its leaderships are moving';
const NO_ROOM = 'nothing was appended: the journal took no more in time';
/** A fetch that may not wait for records may still wait that long for the metadata that it was routed by. */
const MIN_FETCH_CATCH_UP_MS = 1_000;

function keyOf(partition: { readonly topicId: string; readonly partition: number }): string {
  return `${partition.topicId}-${partition.partition}`;
}
