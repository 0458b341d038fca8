import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ListedOffset, ListOffsetsPartition } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { HostBench, OTHER, TOPIC, epoch, isSettled, topicT } from '@streamline/testing/partitions/host-bench';
import { SELF, brokerImage, topicId } from '@streamline/testing/partitions/test-metadata';
import { ReplicaCluster } from '@streamline/testing/replication-host/replica-cluster';

const NOTHING = { errorCode: 0, timestamp: -1, offset: -1, leaderEpoch: -1 };

async function list(bench: HostBench, ...queries: Partial<ListOffsetsPartition>[]): Promise<ListedOffset[]> {
  const partitions = queries.map((query) => ({ topicId: TOPIC, partition: 0, currentLeaderEpoch: -1, timestamp: -1, ...query }));
  const request = { partitions, readCommitted: false, metadataIndex: 0, timeoutMs: 0 };
  const answer = bench.host.listOffsets(request).then((response) => response.partitions);
  while (!(await isSettled(answer)) && bench.clock.turn());
  return answer;
}

/** Offsets 0-2 with times 100, 300, 200 in epoch 1; offset 3 with 400 in epoch 4, offset 4 with 900 not committed. */
async function written(): Promise<HostBench> {
  const bench = HostBench.serving();
  await bench.write(bench.batch({ records: [{ timestamp: 100 }, { timestamp: 300 }, { timestamp: 200 }] }));
  bench.change({ leaderEpoch: epoch(4) });
  await bench.write(bench.batch({ timestamp: 400 }));
  void bench.append(bench.batch({ timestamp: 900 }));
  return bench;
}

describe('ListOffsets', () => {
  it('-1 (latest) is the high watermark', async () => {
    expect(await list(await written(), { timestamp: -1 })).toEqual([{ ...NOTHING, offset: 4, leaderEpoch: 4 }]);
  });

  it('-2 (earliest) and -4 (earliest local) are the log start', async () => {
    const bench = await written();
    for (const timestamp of [-2, -4]) {
      expect(await list(bench, { timestamp })).toEqual([{ ...NOTHING, offset: 0, leaderEpoch: 1 }]);
    }
  });

  it('-2 of an empty log is 0 with no epoch', async () => {
    expect(await list(HostBench.serving(), { timestamp: -2 })).toEqual([{ ...NOTHING, offset: 0 }]);
  });

  it('-3 is the record with the highest timestamp below the high watermark', async () => {
    expect(await list(await written(), { timestamp: -3 })).toEqual([{ errorCode: 0, timestamp: 400, offset: 3, leaderEpoch: 4 }]);
    expect(await list(HostBench.serving(), { timestamp: -3 })).toEqual([NOTHING]);
  });

  it('-5 (latest tiered) and -6 (earliest pending upload) are -1 without tiered storage', async () => {
    const bench = await written();
    for (const timestamp of [-5, -6]) expect(await list(bench, { timestamp })).toEqual([NOTHING]);
  });

  it('looks up one time in each turn of the event loop, since each decompresses a batch', async () => {
    const bench = HostBench.serving();
    let begun = 0;
    for (const partition of [0, 1, 2]) {
      await bench.write(bench.batch({ timestamp: 100 }), partition);
      const log = bench.log(partition);
      const lookUp = log.offsetForTimestamp.bind(log);
      log.offsetForTimestamp = (timestamp, upTo) => {
        begun += 1;
        return lookUp(timestamp, upTo);
      };
    }
    const partitions = [0, 1, 2].map((partition) => ({ topicId: TOPIC, partition, currentLeaderEpoch: -1, timestamp: 50 }));
    const answer = bench.host.listOffsets({ partitions, readCommitted: false, metadataIndex: 0, timeoutMs: 0 });
    for (const expected of [1, 2, 3]) {
      await isSettled(answer);
      expect(begun).toBe(expected);
      bench.clock.turn();
    }
    expect((await answer).partitions.map(({ offset }) => offset)).toEqual([0, 0, 0]);
  });

  it('a time is the first record at or after it', async () => {
    const bench = await written();
    expect(await list(bench, { timestamp: 101 })).toEqual([{ errorCode: 0, timestamp: 300, offset: 1, leaderEpoch: 1 }]);
    expect(await list(bench, { timestamp: 400 })).toEqual([{ errorCode: 0, timestamp: 400, offset: 3, leaderEpoch: 4 }]);
  });

  it('a target at or past the high watermark is -1/-1', async () => {
    const bench = await written();
    for (const timestamp of [401, 900, 2 ** 50]) expect(await list(bench, { timestamp })).toEqual([NOTHING]);
  });

  it('a new leader whose high watermark is below the start of its epoch answers 78', async () => {
    const follower = topicT({ partitions: [{ leader: OTHER, replicas: [SELF, OTHER], isr: [SELF, OTHER] }] });
    const bench = HostBench.serving([topicT()]);
    await bench.write(bench.batch({ timestamp: 100 }));
    const restarted = HostBench.serving([follower]);
    const log = restarted.log();
    log.logEndOffset = bench.log().logEndOffset;
    restarted.metadata.put(topicT({ partitions: [{ leaderEpoch: epoch(2), replicas: [SELF, OTHER], isr: [SELF, OTHER] }] }));
    expect((await list(restarted, { timestamp: -1 }, { timestamp: -1, partition: 9 })).map((each) => each.errorCode)).toEqual([
      78, 3,
    ]);
    expect((await list(restarted, { timestamp: 50 })).map((each) => each.errorCode)).toEqual([78]);
    expect((await list(restarted, { timestamp: -2 })).map((each) => each.errorCode)).toEqual([0]);
  });

  it('a duplicate partition is 42 each time', async () => {
    const bench = await written();
    const codes = (await list(bench, { timestamp: -1 }, { timestamp: -2 }, { partition: 1 })).map((each) => each.errorCode);
    expect(codes).toEqual([42, 42, 0]);
  });

  it('checks epochs first (74, 75), then leadership (6), and knows unknown topics (100) and partitions (3)', async () => {
    const bench = HostBench.serving([
      topicT({ partitions: [{ leader: OTHER, leaderEpoch: epoch(5), replicas: [SELF, OTHER] }] }),
    ]);
    const codeOf = async (query: Partial<ListOffsetsPartition>) => (await list(bench, query))[0]?.errorCode;
    expect(await codeOf({ currentLeaderEpoch: 4 })).toBe(74);
    expect(await codeOf({ currentLeaderEpoch: 6 })).toBe(75);
    expect(await codeOf({ currentLeaderEpoch: 5 })).toBe(6);
    expect(await codeOf({ topicId: topicId('X') })).toBe(100);
    expect(await codeOf({ partition: 8 })).toBe(3);
  });
});

describe('OffsetForLeaderEpoch', () => {
  async function endOf(bench: HostBench, leaderEpoch: number, currentLeaderEpoch = -1) {
    const request = { partitions: [{ topicId: TOPIC, partition: 0, currentLeaderEpoch, leaderEpoch }], metadataIndex: 0 };
    return (await bench.host.getEpochEndOffsets(request)).partitions[0];
  }

  it('gives where an epoch ended, the log end for the present one, the largest one below for a gap', async () => {
    const bench = await written();
    expect(await endOf(bench, 1)).toEqual({ errorCode: 0, leaderEpoch: 1, endOffset: 3 });
    expect(await endOf(bench, 2)).toEqual({ errorCode: 0, leaderEpoch: 1, endOffset: 3 });
    expect(await endOf(bench, 4)).toEqual({ errorCode: 0, leaderEpoch: 4, endOffset: 5 });
  });

  it('gives -1 for an epoch that is not known, and checks the current one', async () => {
    const bench = await written();
    expect(await endOf(bench, 9)).toEqual({ errorCode: 0, leaderEpoch: -1, endOffset: -1 });
    expect(await endOf(bench, 1, 3)).toMatchObject({ errorCode: 74 });
    expect(await endOf(bench, 1, 5)).toMatchObject({ errorCode: 75 });
  });
});

describe('DeleteRecords', () => {
  async function deleteTo(bench: HostBench, offset: number, partition = 0) {
    const request = { partitions: [{ topicId: TOPIC, partition, offset }], timeoutMs: 1000, metadataIndex: 0 };
    return (await bench.host.deleteRecords(request)).partitions[0];
  }

  it('moves the log start and tells it', async () => {
    const bench = await written();
    expect(await deleteTo(bench, 2)).toEqual({ errorCode: 0, lowWatermark: 2 });
    expect(await deleteTo(bench, 1)).toEqual({ errorCode: 0, lowWatermark: 2 });
    expect(bench.log().logStartOffset).toBe(2);
  });

  it('-1 is the high watermark; beyond it is OFFSET_OUT_OF_RANGE (1)', async () => {
    const bench = await written();
    expect(await deleteTo(bench, 5)).toEqual({ errorCode: 1, lowWatermark: -1 });
    expect(await deleteTo(bench, -2)).toEqual({ errorCode: 1, lowWatermark: -1 });
    expect(await deleteTo(bench, -1)).toEqual({ errorCode: 0, lowWatermark: 4 });
  });

  it('a compact-only topic is POLICY_VIOLATION (44), an internal one INVALID_TOPIC_EXCEPTION (17)', async () => {
    const compacted = HostBench.serving([topicT({ configs: { 'cleanup.policy': 'compact' } })]);
    expect(await deleteTo(compacted, 0)).toMatchObject({ errorCode: 44 });
    const internal = HostBench.serving([topicT({ name: '__consumer_offsets' })]);
    expect(await deleteTo(internal, 0)).toMatchObject({ errorCode: 17 });
  });

  it('leaves the state of producers alone', async () => {
    const bench = await written();
    bench.log().producerSnapshots = [{ producerId: 5, producerEpoch: 0, lastSequence: 9, lastTimestamp: 3 } as never];
    await deleteTo(bench, -1);
    expect(bench.log().producers()).toHaveLength(1);
  });

  it('answers KAFKA_STORAGE_ERROR (56) when the log fails, REQUEST_TIMED_OUT (7) when it takes too long', async () => {
    const bench = await written();
    bench.log().advanceLogStart = () => Promise.reject(new Error('EIO'));
    expect(await deleteTo(bench, 1)).toMatchObject({ errorCode: 56 });
    bench.log().advanceLogStart = () => new Promise(() => undefined);
    const late = deleteTo(bench, 1);
    await isSettled(late);
    bench.clock.advance(5000);
    expect(await late).toMatchObject({ errorCode: 7 });
  });

  it('is for the leader only', async () => {
    const bench = await written();
    expect(await deleteTo(bench, 0, 7)).toMatchObject({ errorCode: 3 });
  });
});

describe('DeleteRecords of a replicated partition', () => {
  let cluster: ReplicaCluster;

  beforeEach(async () => {
    cluster = await ReplicaCluster.of(3);
    for (const value of ['a', 'b', 'c']) await cluster.answer(cluster.append([value]));
  });

  afterEach(async () => {
    await cluster.close();
  });

  const deleteTo = async (offset: number) => {
    const partitions = [{ topicId: TOPIC, partition: 0, offset }];
    const answer = await cluster.answer(cluster.leader.host.deleteRecords({ partitions, timeoutMs: 3_000, metadataIndex: 0 }));
    return answer.partitions[0];
  };
  const starts = (): readonly number[] => cluster.brokers.map(({ log }) => log.logStartOffset);

  it('is done once every live replica begins there: with another leader the records would be back', async () => {
    expect(await deleteTo(2)).toEqual({ errorCode: 0, lowWatermark: 2 });
    expect(starts()).toEqual([2, 2, 2]);
  });

  it('is REQUEST_TIMED_OUT (7) while one is silent, also when it is asked again, and does not wait for one that is gone', async () => {
    cluster.streams.isolate(3);
    expect(await deleteTo(2)).toEqual({ errorCode: 7, lowWatermark: -1 });
    expect(await deleteTo(2)).toEqual({ errorCode: 7, lowWatermark: -1 });
    const { id, epoch: brokerEpoch } = cluster.broker(3);
    for (const { metadata } of cluster.brokers) metadata.putBroker(brokerImage(id, brokerEpoch, { state: 'Dead', fenced: true }));
    expect(await deleteTo(2)).toEqual({ errorCode: 0, lowWatermark: 2 });
    expect(starts()).toEqual([2, 2, 0]);
  });

  it('is NOT_LEADER_OR_FOLLOWER (6) where another leads before that', async () => {
    cluster.streams.isolate(3);
    const answer = deleteTo(2);
    cluster.clock.schedule(100, () => cluster.elect(2));
    expect(await answer).toEqual({ errorCode: 6, lowWatermark: -1 });
  });
});

describe('DescribeProducers', () => {
  it('lists the producers of a partition, without transactions', async () => {
    const bench = HostBench.serving();
    bench.log().producerSnapshots = [{ producerId: 5, producerEpoch: 1, lastSequence: 9, lastTimestamp: 33 } as never];
    const { partitions } = await bench.host.describeProducers({
      partitions: [
        { topicId: TOPIC, partition: 0 },
        { topicId: topicId('X'), partition: 0 },
      ],
      metadataIndex: 0,
    });
    expect(partitions[0]?.producers).toEqual([
      { producerId: 5, producerEpoch: 1, lastSequence: 9, lastTimestamp: 33, coordinatorEpoch: -1, currentTxnStartOffset: -1 },
    ]);
    expect(partitions[1]).toMatchObject({ errorCode: 100, producers: [] });
  });

  it('lists them where the replica follows as well', async () => {
    const bench = HostBench.serving([topicT({ partitions: [{ replicas: [SELF, OTHER] }] })]);
    bench.log().producerSnapshots = [{ producerId: 5, producerEpoch: 1, lastSequence: 9, lastTimestamp: 33 } as never];
    bench.metadata.put(topicT({ partitions: [{ leader: OTHER, leaderEpoch: epoch(2), replicas: [SELF, OTHER] }] }));
    const { partitions } = await bench.host.describeProducers({
      partitions: [{ topicId: TOPIC, partition: 0 }],
      metadataIndex: 0,
    });
    expect(partitions[0]).toMatchObject({ errorCode: 0, producers: [{ producerId: 5, lastSequence: 9 }] });
  });
});

describe('DescribeLogDirs', () => {
  it('tells true sizes of the partitions, and space of the volume', async () => {
    const bench = await written();
    await bench.disk.makeDirectory('/data');
    await bench.disk.makeDirectory('/data/storage');
    const space = await bench.disk.space('/data/storage');
    const { logDirs } = await bench.host.describeLogDirs({ partitions: [], allPartitions: true });
    expect(logDirs).toHaveLength(1);
    expect(logDirs[0]).toMatchObject({
      errorCode: 0,
      path: '/data/storage',
      totalBytes: space.totalBytes,
      usableBytes: space.freeBytes,
    });
    expect(logDirs[0]?.partitions).toHaveLength(3);
    expect(logDirs[0]?.partitions[0]).toEqual({ topicId: TOPIC, partition: 0, sizeBytes: bench.log().sizeBytes, offsetLag: 0 });
  });

  it('leaves out partitions that are not here, and all where none are asked for', async () => {
    const bench = await written();
    const some = await bench.host.describeLogDirs({
      partitions: [
        { topicId: TOPIC, partition: 1 },
        { topicId: TOPIC, partition: 50 },
      ],
      allPartitions: false,
    });
    expect(some.logDirs[0]?.partitions.map((each) => each.partition)).toEqual([1]);
    const none = await bench.host.describeLogDirs({ partitions: [], allPartitions: false });
    expect(none.logDirs[0]?.partitions).toEqual([]);
  });

  it('answers KAFKA_STORAGE_ERROR (56) when the volume cannot be asked', async () => {
    const bench = await written();
    bench.disk.space = () => Promise.reject(new Error('EIO'));
    const { logDirs } = await bench.host.describeLogDirs({ partitions: [], allPartitions: true });
    expect(logDirs[0]).toMatchObject({ errorCode: 56, totalBytes: -1, usableBytes: -1 });
  });
});
