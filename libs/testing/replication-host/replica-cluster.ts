import type { PartitionImage } from '@streamline/core/metadata/image';
import type { BrokerEpoch, LeaderEpoch, NodeId, Offset, PartitionIndex } from '@streamline/core/types/ids';
import type { LogEngine, PartitionLog } from '@streamline/runtime/log/log-engine';
import type { LogLimits } from '@streamline/runtime/log/log-limits';
import { PartitionHost } from '@streamline/runtime/partitions/partition-host';
import { DEFAULT_REPLICATION_LIMITS, type ReplicationLimits } from '@streamline/runtime/replication/replication-limits';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { TEST_DIRECTORY, openTestEngine } from '@streamline/testing/log/log-fixtures';
import { SILENT } from '@streamline/testing/partitions/host-bench';
import { TestMetadata, brokerImage, topicId } from '@streamline/testing/partitions/test-metadata';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type {
  AlterPartitionRequest,
  AlterPartitionResponse,
  ReportFailedReplicasRequest,
} from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { ReplicaCondition } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { AppendedPartition } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { buildBatch, type NewBatch } from '@streamline/wire/records/batch-builder';
import { readBatchHeader } from '@streamline/wire/records/batch-header';
import { batchesIn } from '@streamline/wire/records/batch-iterator';
import { recordsOf } from '@streamline/wire/records/record-view';
import { MemoryStreams } from './memory-streams';

export const TOPIC = topicId('T');
const KEY = { topicId: TOPIC, partition: 0 as PartitionIndex };
const MIB = 1 << 20;
const JOURNAL = { fileBytes: 8 * MIB, fileCount: 4, groupBytesMax: MIB, pendingBytesMax: 8 * MIB, sealDelayMs: 5 };
/** Of virtual time, in steps of a millisecond. */
const PATIENCE_MS = 10_000;
const INVALID_UPDATE_VERSION = 95;

export interface ClusterPlan {
  readonly configs?: Readonly<Record<string, string>>;
  readonly limits?: Partial<{ readonly [K in keyof ReplicationLimits]: Partial<ReplicationLimits[K]> }>;
  readonly log?: Partial<LogLimits>;
}

/** One broker's storage: the shipped hosts and log engine on a modelled disk. */
export class ReplicaBroker {
  constructor(
    readonly id: NodeId,
    readonly disk: MemoryDisk,
    readonly engine: LogEngine,
    readonly metadata: TestMetadata,
    readonly host: PartitionHost,
    public epoch: BrokerEpoch,
  ) {}

  get log(): PartitionLog {
    const log = this.engine.get(KEY);
    if (log === undefined) throw new Error(`broker ${this.id} has no replica`);
    return log;
  }

  /** What it would serve as committed; 0 where it does not lead. */
  get highWatermark(): number {
    return this.host.bounds(KEY)?.highWatermark ?? 0;
  }

  get isLeading(): boolean {
    return this.host.bounds(KEY) !== undefined;
  }

  /** All values of its log, committed or not. */
  async values(): Promise<string[]> {
    const { log } = this;
    const values: string[] = [];
    for (let at: number = log.logStartOffset; at < log.logEndOffset;) {
      const limits = { maxBytes: MIB, minOneBatch: true, upTo: log.logEndOffset };
      const { chunks } = await log.read(at as Offset, limits);
      for (const batch of chunks.flatMap((chunk) => [...batchesIn(chunk)])) {
        for (const { offset, value } of recordsOf(batch, readBatchHeader(batch), MIB)) {
          values.push(value?.toString() ?? '');
          at = offset + 1;
        }
      }
    }
    return values;
  }
}

/**
 * Brokers with one partition `t-0` that all of them have a replica of, a controller that does what it is asked for at once, virtual time,
 * and streams that a test breaks.
 */
export class ReplicaCluster {
  readonly clock = new VirtualClock();
  readonly streams = new MemoryStreams(this.clock);
  readonly brokers: ReplicaBroker[] = [];
  readonly proposals: AlterPartitionRequest[] = [];
  readonly failedReplicas: ReportFailedReplicasRequest[] = [];
  /** False: proposals are never answered. */
  controllerAnswers = true;
  /** Of the topic; told with the next `publish`. */
  configs: Readonly<Record<string, string>>;
  state: Pick<PartitionImage, 'leader' | 'leaderEpoch' | 'partitionEpoch' | 'replicas' | 'isr' | 'elr' | 'failedReplicas'>;

  private constructor(
    count: number,
    private readonly plan: ClusterPlan,
  ) {
    this.configs = plan.configs ?? {};
    const replicas = Array.from({ length: count }, (_, index) => (index + 1) as NodeId);
    const leaderEpoch = 1 as LeaderEpoch;
    this.state = { leader: 1 as NodeId, leaderEpoch, partitionEpoch: 0, replicas, isr: replicas, elr: [], failedReplicas: [] };
  }

  static async of(count: number, plan: ClusterPlan = {}): Promise<ReplicaCluster> {
    const cluster = new ReplicaCluster(count, plan);
    for (const id of cluster.state.replicas) await cluster.add(id);
    cluster.registerAll();
    for (const broker of cluster.brokers) broker.host.activate(broker.epoch);
    return cluster;
  }

  broker(id: number): ReplicaBroker {
    const broker = this.brokers[id - 1];
    if (broker === undefined) throw new Error(`there is no broker ${id}`);
    return broker;
  }

  get leader(): ReplicaBroker {
    return this.broker(this.state.leader ?? 0);
  }

  /** The metadata says something else of the partition, to all brokers but those left out. */
  change(parts: Partial<ReplicaCluster['state']>, ...except: readonly number[]): void {
    this.state = { ...this.state, ...parts, partitionEpoch: this.state.partitionEpoch + 1 };
    this.publish(...except);
  }

  /** Tells the brokers what there is. */
  publish(...except: readonly number[]): void {
    for (const { id, metadata } of this.brokers) {
      if (!except.includes(id)) metadata.put({ id: TOPIC, name: 't', partitions: [this.state], configs: this.configs });
    }
  }

  /** Another leader, in the next epoch. */
  elect(id: number, isr: readonly number[] = this.state.isr, ...except: readonly number[]): void {
    const leaderEpoch = (this.state.leaderEpoch + 1) as LeaderEpoch;
    this.change({ leader: id as NodeId, leaderEpoch, isr: isr as NodeId[] }, ...except);
  }

  /** The broker's registration is another one from now on. */
  register(id: number): void {
    const broker = this.broker(id);
    broker.epoch = (broker.epoch + 100) as BrokerEpoch;
    this.registerAll();
  }

  append(
    values: readonly string[],
    options: { to?: number; acks?: number } & Partial<NewBatch> = {},
  ): Promise<AppendedPartition> {
    const { to = this.state.leader ?? 0, acks = -1, ...parts } = options;
    const records = buildBatch({
      records: values.map((value) => ({ value: Buffer.from(value) })),
      timestamp: this.clock.wallMs(),
      ...parts,
    });
    const request = {
      correlationId: 0,
      requiredAcks: acks,
      timeoutMs: 60_000,
      metadataIndex: 0,
      connectionId: 0,
      creditBytes: 0,
      partitions: [{ topicId: TOPIC, partition: 0, recordBytes: records.length }],
    };
    return this.broker(to)
      .host.append({ request, records: [records] })
      .then(({ partitions: [answer] }) => {
        if (answer === undefined) throw new Error('no answer');
        return answer;
      });
  }

  /** Lets time pass and disks work until it is so. */
  async until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    for (let ms = 0; ms < PATIENCE_MS; ms += 1) {
      if (await isSo()) return;
      await this.pass(1);
    }
    throw new Error(`it never came to be: ${what}`);
  }

  /** The promise's outcome, while time passes. */
  async answer<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = promise.finally(() => (isSettled = true));
    settled.catch(() => undefined);
    await this.until('an answer', () => isSettled);
    return settled;
  }

  async pass(ms: number): Promise<void> {
    for (let step = 0; step < ms; step += 1) {
      this.clock.advance(1);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** All replicas have this and nothing else. */
  async allHave(values: readonly string[]): Promise<boolean> {
    const hasAsMany = ({ log }: ReplicaBroker): boolean => log.logEndOffset - log.logStartOffset === values.length;
    if (!this.brokers.every(hasAsMany)) return false;
    for (const broker of this.brokers) if (String(await broker.values()) !== String(values)) return false;
    return true;
  }

  async close(): Promise<void> {
    await this.answer(Promise.all(this.brokers.map(({ host }) => host.close())));
    await this.answer(Promise.all(this.brokers.map(({ engine }) => engine.close())));
  }

  /** The broker is killed and starts again, with another registration and what is on its disk. */
  async restart(id: number): Promise<ReplicaBroker> {
    const old = this.broker(id);
    this.streams.breakStreams(id);
    const disk = old.disk.kill();
    void old.host.close();
    await this.add(old.id, disk);
    this.register(id);
    const broker = this.broker(id);
    broker.host.activate(broker.epoch);
    return broker;
  }

  private async add(id: NodeId, before?: MemoryDisk): Promise<void> {
    const { clock, plan } = this;
    const disk = before ?? new MemoryDisk({ random: new SeededRandom(id) });
    if (before === undefined) {
      await disk.makeDirectory(TEST_DIRECTORY);
      await disk.syncDirectory('/');
    }
    const random = new SeededRandom(100 + id);
    const { engine } = await openTestEngine({ disk, clock, random, journal: JOURNAL, ...(plan.log && { limits: plan.log }) });
    const metadata = new TestMetadata([{ id: TOPIC, name: 't', partitions: [this.state], configs: plan.configs ?? {} }]);
    const host = new PartitionHost({
      nodeId: id,
      engine,
      metadata,
      clock,
      disk,
      directory: TEST_DIRECTORY,
      log: SILENT,
      replication: { controller: this, dialer: this.streams.dialerOf(id), random, limits: this.limits() },
      fetchLimits: { maxBytes: MIB, maxWaiting: 10 },
      producerIdExpirationMs: 86_400_000,
      onFatal: () => undefined,
    });
    this.streams.listen(id, (stream) => host.acceptPeer(stream));
    const epoch = this.brokers[id - 1]?.epoch ?? ((10 + id) as BrokerEpoch);
    this.brokers[id - 1] = new ReplicaBroker(id, disk, engine, metadata, host, epoch);
  }

  private limits(): ReplicationLimits {
    const { replica, push, peer } = DEFAULT_REPLICATION_LIMITS;
    const { limits = {} } = this.plan;
    return { replica: { ...replica, ...limits.replica }, push: { ...push, ...limits.push }, peer: { ...peer, ...limits.peer } };
  }

  private registerAll(): void {
    for (const { metadata } of this.brokers) {
      for (const { id, epoch } of this.brokers) metadata.putBroker(brokerImage(id, epoch));
    }
  }

  // The controller.

  alterPartition(request: AlterPartitionRequest): Promise<AlterPartitionResponse> {
    this.proposals.push(request);
    if (!this.controllerAnswers) return new Promise(() => undefined);
    const partitions = request.partitions.map((proposal) => {
      const { topicId: id, partition, partitionEpoch, newIsr } = proposal;
      const isCurrent = partitionEpoch === this.state.partitionEpoch && request.brokerId === this.state.leader;
      if (isCurrent) this.change({ isr: newIsr.map(({ brokerId }) => brokerId as NodeId) });
      const error = isCurrent ? undefined : { errorCode: INVALID_UPDATE_VERSION, errorMessage: '' };
      const { leader = -1, leaderEpoch, isr } = this.state;
      const now = { leaderId: leader, leaderEpoch, partitionEpoch: this.state.partitionEpoch, isr: [...isr] };
      return { topicId: id, partition, error, ...now };
    });
    return Promise.resolve({ error: undefined, partitions, metadataIndex: 0 });
  }

  reportFailedReplicas(request: ReportFailedReplicasRequest): Promise<{ error: undefined; metadataIndex: number }> {
    this.failedReplicas.push(request);
    const id = request.brokerId as NodeId;
    const failedReplicas = this.state.failedReplicas.filter((each) => each !== id);
    if (request.condition === ReplicaCondition.WHOLE) this.change({ failedReplicas });
    else {
      const isr = this.state.isr.filter((each) => each !== id);
      const isLost = this.state.leader === id;
      const leaderEpoch = (this.state.leaderEpoch + (isLost ? 1 : 0)) as LeaderEpoch;
      const leader = isLost ? isr[0] : this.state.leader;
      this.change({ isr, failedReplicas: [...failedReplicas, id], leader, leaderEpoch });
    }
    return Promise.resolve({ error: undefined, metadataIndex: 0 });
  }
}
