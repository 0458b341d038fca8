import { describe, expect, it } from 'vitest';
import type { LeaderEpoch, PartitionIndex } from '@streamline/core/types/ids';
import type { BulkFetched } from '@streamline/wire/contracts/ports';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import type { NewBatch } from '@streamline/wire/records/batch-builder';
import { readBatchHeader } from '@streamline/wire/records/batch-header';
import { recordsOf } from '@streamline/wire/records/record-view';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { TEST_DIRECTORY, openTestEngine } from '@streamline/testing/log/log-fixtures';
import { SILENT, TOPIC, epoch, topicT } from '@streamline/testing/partitions/host-bench';
import { NO_PEERS } from '@streamline/testing/partitions/no-peers';
import { SELF, SELF_EPOCH, TestMetadata } from '@streamline/testing/partitions/test-metadata';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { NodeClock } from '../time/node-clock';
import { PartitionHost } from './partition-host';

const KEY = { topicId: TOPIC, partition: 0 as PartitionIndex };
const PRODUCER = { producerId: 9, producerEpoch: 0 };

/** A partition host over the real log engine on a disk in memory: `crash` loses what was not synced. */
class Node {
  private constructor(
    private readonly disk: MemoryDisk,
    private readonly leaderEpoch: LeaderEpoch,
    readonly host: PartitionHost,
    private readonly closeEngine: () => Promise<void>,
    readonly metadata: TestMetadata,
  ) {}

  /** A node on a new disk, whose directory is there. */
  static async first(): Promise<Node> {
    const disk = new MemoryDisk({ random: new SeededRandom(11) });
    await disk.makeDirectory(TEST_DIRECTORY);
    await disk.syncDirectory('/');
    return Node.start(disk, epoch(1));
  }

  private static async start(disk: MemoryDisk, leaderEpoch: LeaderEpoch): Promise<Node> {
    const clock = new NodeClock();
    const { engine } = await openTestEngine({ disk, clock, random: new SeededRandom(12) });
    const metadata = new TestMetadata([topicT({ partitions: [{ leaderEpoch }, { leaderEpoch }] })]);
    const host = new PartitionHost({
      nodeId: SELF,
      engine,
      metadata,
      clock,
      disk,
      directory: TEST_DIRECTORY,
      log: SILENT,
      replication: NO_PEERS,
      fetchLimits: { maxBytes: 1 << 20, maxWaiting: 10 },
      producerIdExpirationMs: 86_400_000,
      onFatal: (error) => {
        throw error;
      },
    });
    host.activate(SELF_EPOCH);
    return new Node(disk, leaderEpoch, host, () => engine.close(), metadata);
  }

  /** The node after kill -9 and power loss: a registration gives its partitions a new leader epoch. */
  crash(): Promise<Node> {
    return Node.start(this.disk.crash(), (this.leaderEpoch + 1) as LeaderEpoch);
  }

  async restart(): Promise<Node> {
    await this.host.close();
    await this.closeEngine();
    return Node.start(this.disk, (this.leaderEpoch + 1) as LeaderEpoch);
  }

  async append(parts: Partial<NewBatch>, acks = -1) {
    const records = buildBatch({ records: [{ value: Buffer.from('v') }], timestamp: Date.now(), ...parts });
    const partitions = [{ ...KEY, recordBytes: records.length }];
    const request = {
      correlationId: 0,
      requiredAcks: acks,
      timeoutMs: 10_000,
      metadataIndex: 0,
      partitions,
      creditBytes: 0,
      connectionId: 0,
    };
    const [answer] = (await this.host.append({ request, records: [records] })).partitions;
    return answer;
  }

  fetch(fetchOffset: number, maxWaitMs = 5000): Promise<BulkFetched> {
    const wanted = { ...KEY, currentLeaderEpoch: -1, fetchOffset, lastFetchedEpoch: -1, maxBytes: 1 << 20 };
    return this.host.fetch({
      correlationId: 0,
      maxWaitMs,
      minBytes: 1,
      maxBytes: 1 << 20,
      readCommitted: false,
      metadataIndex: 0,
      creditBytes: 0,
      cancel: false,
      partitions: [wanted],
    });
  }

  async values(): Promise<(string | undefined)[]> {
    const fetched = await this.fetch(0, 0);
    return (fetched.records[0] ?? []).flatMap((chunk) => valuesIn(chunk));
  }
}

/** A chunk may hold several batches. */
function valuesIn(chunk: Buffer): (string | undefined)[] {
  const values: (string | undefined)[] = [];
  for (let at = 0; at < chunk.length;) {
    const header = readBatchHeader(chunk, at);
    const batch = chunk.subarray(at, at + header.sizeBytes);
    for (const record of recordsOf(batch, header, 1 << 20)) values.push(record.value?.toString());
    at += header.sizeBytes;
  }
  return values;
}

const records = (...values: string[]) => values.map((value) => ({ value: Buffer.from(value) }));

describe('a partition host over the log engine', () => {
  it('acknowledges what is durable, and has it after a crash', async () => {
    const node = await Node.first();
    const waiting = node.fetch(0);
    expect(await node.append({ records: records('a', 'b') })).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect(await node.append({ records: records('c'), codec: 'lz4' }, 1)).toMatchObject({ errorCode: 0, baseOffset: 2 });
    expect((await waiting).response.partitions[0]?.highWatermark).toBeGreaterThanOrEqual(2);
    const after = await node.crash();
    expect(await after.values()).toEqual(['a', 'b', 'c']);
    expect(await after.append({ records: records('d') })).toMatchObject({ errorCode: 0, baseOffset: 3 });
  });

  it('begins a new leader epoch with each incarnation, and knows where the old one ended (R-5)', async () => {
    const node = await Node.first();
    await node.append({ records: records('a', 'b') });
    const after = await (await node.restart()).crash();
    await after.append({ records: records('c') });
    const ask = (leaderEpoch: number) =>
      after.host.getEpochEndOffsets({ partitions: [{ ...KEY, currentLeaderEpoch: -1, leaderEpoch }], metadataIndex: 0 });
    expect((await ask(1)).partitions).toEqual([{ errorCode: 0, leaderEpoch: 1, endOffset: 2 }]);
    expect((await ask(3)).partitions).toEqual([{ errorCode: 0, leaderEpoch: 3, endOffset: 3 }]);
  });

  it('idempotence: a duplicate matches epoch, first and last sequence, and gets its old offset, also after a restart', async () => {
    const node = await Node.first();
    const first = { ...PRODUCER, baseSequence: 0, records: records('a', 'b') };
    expect(await node.append(first)).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect(await node.append({ ...PRODUCER, baseSequence: 2, records: records('c') })).toMatchObject({
      errorCode: 0,
      baseOffset: 2,
    });
    expect(await node.append(first)).toMatchObject({ errorCode: 0, baseOffset: 0 });
    const after = await (await node.crash()).restart();
    expect(await after.append(first)).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect(await after.values()).toEqual(['a', 'b', 'c']);
  });

  it('idempotence: a gap is 45, an old epoch 47, a new epoch that does not start at 0 is 45, an unknown producer may start anywhere', async () => {
    const node = await Node.first();
    expect(await node.append({ ...PRODUCER, baseSequence: 70 })).toMatchObject({ errorCode: 0 });
    expect(await node.append({ ...PRODUCER, baseSequence: 73 })).toMatchObject({ errorCode: 45 });
    expect(await node.append({ ...PRODUCER, producerEpoch: 1, baseSequence: 5 })).toMatchObject({ errorCode: 45 });
    expect(await node.append({ ...PRODUCER, producerEpoch: 1, baseSequence: 0 })).toMatchObject({ errorCode: 0 });
    expect(await node.append({ ...PRODUCER, producerEpoch: 0, baseSequence: 71 })).toMatchObject({ errorCode: 47 });
  });

  it('idempotence: a duplicate older than the last 5 batches is 45, never 46', async () => {
    const node = await Node.first();
    for (let baseSequence = 0; baseSequence < 6; baseSequence += 1) await node.append({ ...PRODUCER, baseSequence });
    expect(await node.append({ ...PRODUCER, baseSequence: 0 })).toMatchObject({ errorCode: 45 });
    expect(await node.append({ ...PRODUCER, baseSequence: 1 })).toMatchObject({ errorCode: 0, baseOffset: 1 });
  });

  it('DeleteRecords: the log start is durable, producer state survives', async () => {
    const node = await Node.first();
    const first = { ...PRODUCER, baseSequence: 0, records: records('a', 'b') };
    await node.append(first);
    const deleted = await node.host.deleteRecords({ partitions: [{ ...KEY, offset: -1 }], timeoutMs: 5000, metadataIndex: 0 });
    expect(deleted.partitions).toEqual([{ errorCode: 0, lowWatermark: 2 }]);
    expect((await node.fetch(0)).response.partitions[0]).toMatchObject({ errorCode: 1, highWatermark: -1 });
    const after = await node.crash();
    const listed = await after.host.listOffsets({
      partitions: [{ ...KEY, currentLeaderEpoch: -1, timestamp: -2 }],
      readCommitted: false,
      metadataIndex: 0,
      timeoutMs: 0,
    });
    expect(listed.partitions[0]).toMatchObject({ errorCode: 0, offset: 2 });
    expect(await after.append(first)).toMatchObject({ errorCode: 0, baseOffset: 0 });
    const { partitions } = await after.host.describeProducers({ partitions: [KEY], metadataIndex: 0 });
    expect(partitions[0]?.producers).toMatchObject([{ producerId: 9, producerEpoch: 0, lastSequence: 1 }]);
  });

  it('a deleted topic is gone from the disk, also when it vanished while the node was down', async () => {
    const node = await Node.first();
    await node.append({ records: records('a') });
    const after = await node.restart();
    after.metadata.remove(TOPIC);
    expect((await after.fetch(0, 0)).response.partitions[0]).toMatchObject({ errorCode: 100 });
    await after.host.close();
    const dirs = await after.host.describeLogDirs({ partitions: [], allPartitions: true });
    expect(dirs.logDirs[0]?.partitions).toEqual([]);
  });

  it('ListOffsets by time and by largest time finds records inside batches', async () => {
    const node = await Node.first();
    await node.append({ records: [{ timestamp: 1000 }, { timestamp: 3000 }, { timestamp: 2000 }] });
    await node.append({ records: [{ timestamp: 2500 }], codec: 'gzip' });
    const list = async (timestamp: number) => {
      const partitions = [{ ...KEY, currentLeaderEpoch: -1, timestamp }];
      return (await node.host.listOffsets({ partitions, readCommitted: false, metadataIndex: 0, timeoutMs: 0 })).partitions[0];
    };
    expect(await list(1500)).toEqual({ errorCode: 0, timestamp: 3000, offset: 1, leaderEpoch: 1 });
    expect(await list(-3)).toEqual({ errorCode: 0, timestamp: 3000, offset: 1, leaderEpoch: 1 });
    expect(await list(3001)).toEqual({ errorCode: 0, timestamp: -1, offset: -1, leaderEpoch: -1 });
  });
});
