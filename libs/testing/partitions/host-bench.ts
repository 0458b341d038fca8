import type { LeaderEpoch, NodeId, PartitionIndex } from '@streamline/core/types/ids';
import type {
  AppendResponse,
  FetchPartition,
  FetchRequest,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { BulkFetched, FetchContext } from '@streamline/wire/contracts/ports';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import type { NewBatch } from '@streamline/wire/records/batch-builder';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type { LogSink } from '@streamline/runtime/partitions/log-sink';
import { PartitionHost } from '@streamline/runtime/partitions/partition-host';
import { MemoryLogEngine } from './memory-log-engine';
import type { MemoryLog } from './memory-log-engine';
import { NO_PEERS } from './no-peers';
import { SELF, SELF_EPOCH, TestMetadata, topicId } from './test-metadata';
import type { TestTopic } from './test-metadata';

export const TOPIC = topicId('T');
export const OTHER = 2 as NodeId;

export const SILENT: LogSink = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** One topic `t` of three partitions that this node leads in epoch 1. */
export function topicT(parts: Partial<TestTopic> = {}): TestTopic {
  return { id: TOPIC, name: 't', partitions: [{}, {}, {}], ...parts };
}

/** A partition host over logs in memory, virtual time and metadata that a test changes. */
export class HostBench {
  readonly engine = new MemoryLogEngine();
  readonly clock = new VirtualClock();
  readonly disk = new MemoryDisk({ random: new SeededRandom(1) });
  readonly metadata: TestMetadata;
  readonly host: PartitionHost;
  readonly fatal: Error[] = [];

  constructor(topics: readonly TestTopic[] = [topicT()], limits: { maxBytes?: number; maxWaiting?: number } = {}) {
    this.metadata = new TestMetadata(topics);
    this.host = new PartitionHost({
      nodeId: SELF,
      engine: this.engine,
      metadata: this.metadata,
      clock: this.clock,
      disk: this.disk,
      directory: '/data/storage',
      log: SILENT,
      replication: NO_PEERS,
      fetchLimits: { maxBytes: limits.maxBytes ?? 1 << 26, maxWaiting: limits.maxWaiting ?? 100 },
      producerIdExpirationMs: 86_400_000,
      onFatal: (error) => this.fatal.push(error),
    });
  }

  /** A host that serves. */
  static serving(topics?: readonly TestTopic[], limits?: { maxBytes?: number; maxWaiting?: number }): HostBench {
    const bench = new HostBench(topics, limits);
    bench.host.activate(SELF_EPOCH);
    return bench;
  }

  log(partition = 0, topic = TOPIC): MemoryLog {
    const log = this.engine.get({ topicId: topic, partition: partition as PartitionIndex });
    if (log === undefined) throw new Error(`partition ${partition} is not open`);
    return log;
  }

  batch(parts: Partial<NewBatch> = {}): Buffer {
    return buildBatch({ records: [{ value: Buffer.from('value') }], timestamp: this.clock.wallMs(), ...parts });
  }

  append(
    records: Buffer,
    options: {
      acks?: number;
      timeoutMs?: number;
      partition?: number;
      topic?: string;
      metadataIndex?: number;
      connectionId?: number;
    } = {},
  ): Promise<AppendResponse> {
    const { acks = -1, timeoutMs = 30_000, partition = 0, topic = TOPIC, metadataIndex = 0, connectionId = 0 } = options;
    const target = { topicId: topic, partition, recordBytes: records.length };
    const routing = { metadataIndex, connectionId, creditBytes: 0 };
    const request = { correlationId: 7, requiredAcks: acks, timeoutMs, ...routing, partitions: [target] };
    return this.host.append({ request, records: [records] });
  }

  /** Appends and makes durable. */
  async write(records: Buffer, partition = 0): Promise<AppendResponse> {
    const response = this.append(records, { partition });
    this.engine.sync();
    return response;
  }

  fetch(
    partitions: readonly Partial<FetchPartition>[],
    options: Partial<FetchRequest> = {},
    context?: FetchContext,
  ): Promise<BulkFetched> {
    const request: FetchRequest = {
      correlationId: 9,
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 1 << 20,
      readCommitted: false,
      metadataIndex: 0,
      creditBytes: 0,
      cancel: false,
      ...options,
      partitions: partitions.map((each) => ({
        topicId: TOPIC,
        partition: 0,
        currentLeaderEpoch: -1,
        fetchOffset: 0,
        lastFetchedEpoch: -1,
        maxBytes: 1 << 20,
        ...each,
      })),
    };
    return this.host.fetch(request, context);
  }

  /** The topic with other parts of its partition 0. */
  change(partition: Partial<TestTopic['partitions'][number]>): void {
    this.metadata.put(topicT({ partitions: [partition, {}, {}] }));
  }
}

export function epoch(value: number): LeaderEpoch {
  return value as LeaderEpoch;
}

/** True once `promise` has settled; looks after all that is ready has run. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = () => (settled = true);
  promise.then(note, note);
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}
