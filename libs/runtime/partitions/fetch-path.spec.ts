import { describe, expect, it } from 'vitest';
import type { AnswerRoom, BulkFetched } from '@streamline/wire/contracts/ports';
import { readBatchHeader } from '@streamline/wire/records/batch-header';
import { HostBench, OTHER, TOPIC, epoch, isSettled, topicT } from '@streamline/testing/partitions/host-bench';
import { SELF, topicId } from '@streamline/testing/partitions/test-metadata';

function codes(fetched: BulkFetched): number[] {
  return fetched.response.partitions.map((partition) => partition.errorCode);
}

function offsets(fetched: BulkFetched, index = 0): number[] {
  return (fetched.records[index] ?? []).map((chunk) => readBatchHeader(chunk).baseOffset);
}

describe('what a fetch returns', () => {
  it('whole batches from the one that holds the offset on, with the offsets of the partition', async () => {
    const bench = HostBench.serving();
    await bench.write(bench.batch({ records: [{}, {}, {}] }));
    await bench.write(bench.batch());
    const fetched = await bench.fetch([{ fetchOffset: 1 }]);
    expect(offsets(fetched)).toEqual([0, 3]);
    const bytes = (fetched.records[0] ?? []).reduce((sum, chunk) => sum + chunk.length, 0);
    expect(fetched.response).toMatchObject({
      correlationId: 9,
      partitions: [{ errorCode: 0, highWatermark: 4, lastStableOffset: 4, logStartOffset: 0, recordBytes: bytes }],
    });
  });

  it('read_committed ends at the last stable offset, which is the high watermark until there are transactions', async () => {
    const bench = HostBench.serving();
    await bench.write(bench.batch());
    void bench.append(bench.batch());
    expect(offsets(await bench.fetch([{}], { readCommitted: true }))).toEqual([0]);
    expect(offsets(await bench.fetch([{}]))).toEqual([0]);
  });

  it('only the first non-empty partition may exceed the limits', async () => {
    const bench = HostBench.serving();
    for (const partition of [1, 2]) await bench.write(bench.batch({ records: [{ value: Buffer.alloc(500) }] }), partition);
    const parts = [0, 1, 2].map((partition) => ({ partition, maxBytes: 10 }));
    const fetched = await bench.fetch(parts, { maxBytes: 10 });
    expect(fetched.records.map((chunks) => chunks.length)).toEqual([0, 1, 0]);
    expect(codes(fetched)).toEqual([0, 0, 0]);
  });

  it('keeps to max bytes a partition and in total', async () => {
    const bench = HostBench.serving();
    const size = bench.batch().length;
    for (const partition of [0, 1]) for (let count = 0; count < 4; count += 1) await bench.write(bench.batch(), partition);
    const byPartition = await bench.fetch([{ maxBytes: 2 * size }, { partition: 1, maxBytes: 3 * size }]);
    expect(byPartition.records.map((chunks) => chunks.length)).toEqual([2, 3]);
    const inTotal = await bench.fetch([{}, { partition: 1 }], { maxBytes: 5 * size });
    expect(inTotal.records.map((chunks) => chunks.length)).toEqual([4, 1]);
  });

  it('is bounded by the fetch.max.bytes of the broker too', async () => {
    const bench = HostBench.serving([topicT()], { maxBytes: 100 });
    for (let count = 0; count < 3; count += 1) await bench.write(bench.batch({ records: [{ value: Buffer.alloc(80) }] }));
    expect(offsets(await bench.fetch([{}]))).toEqual([0]);
  });

  it('waits for bytes that are not in memory, in the order of the partitions', async () => {
    const bench = HostBench.serving();
    for (const partition of [0, 1]) await bench.write(bench.batch(), partition);
    bench.log(0).readsFromDisk = true;
    const fetched = await bench.fetch([{}, { partition: 1 }]);
    expect(fetched.records.map((chunks) => chunks.length)).toEqual([1, 1]);
  });
});

describe('a fetch waits', () => {
  it('up to max_wait when there is nothing', async () => {
    const bench = HostBench.serving();
    const fetch = bench.fetch([{}]);
    expect(await isSettled(fetch)).toBe(false);
    bench.clock.advance(500);
    expect(codes(await fetch)).toEqual([0]);
    expect(bench.host.figures().waitingFetches).toBe(0);
  });

  it('until something is committed, not merely appended', async () => {
    const bench = HostBench.serving();
    const fetch = bench.fetch([{}, { partition: 1 }]);
    await isSettled(fetch);
    void bench.append(bench.batch(), { partition: 1 });
    expect(await isSettled(fetch)).toBe(false);
    bench.engine.sync();
    expect((await fetch).records.map((chunks) => chunks.length)).toEqual([0, 1]);
  });

  it('at an offset between the high watermark and the log end: empty, no error', async () => {
    const bench = HostBench.serving();
    void bench.append(bench.batch({ records: [{}, {}] }));
    const fetch = bench.fetch([{ fetchOffset: 1 }]);
    expect(await isSettled(fetch)).toBe(false);
    bench.clock.advance(500);
    expect(await fetch).toMatchObject({ response: { partitions: [{ errorCode: 0, highWatermark: 0, recordBytes: 0 }] } });
  });

  it('for min_bytes, without reading again for every small append', async () => {
    const bench = HostBench.serving();
    const size = bench.batch().length;
    await bench.write(bench.batch());
    const fetch = bench.fetch([{}], { minBytes: 4 * size });
    await isSettled(fetch);
    const reads = bench.log().reads;
    for (let count = 0; count < 2; count += 1) {
      await bench.write(bench.batch());
      expect(await isSettled(fetch)).toBe(false);
    }
    expect(bench.log().reads).toBe(reads);
    await bench.write(bench.batch());
    expect(offsets(await fetch)).toEqual([0, 1, 2, 3]);
  });

  it('for min_bytes, and sees bytes that were appended before and committed after it began', async () => {
    const bench = HostBench.serving();
    void bench.append(bench.batch({ records: [{ value: Buffer.alloc(1000) }] }));
    const fetch = bench.fetch([{}], { minBytes: 500 });
    expect(await isSettled(fetch)).toBe(false);
    bench.engine.sync();
    expect(offsets(await fetch)).toEqual([0]);
  });

  it('and sees what is committed to one partition while another one is read', async () => {
    const bench = HostBench.serving();
    await bench.write(bench.batch(), 1);
    bench.log(1).readsFromDisk = true;
    const size = bench.batch().length;
    const fetch = bench.fetch([{}, { partition: 1 }], { minBytes: 2 * size });
    await bench.write(bench.batch(), 0);
    expect((await fetch).records.map((chunks) => chunks.length)).toEqual([1, 1]);
  });

  it('and gives what there is when min_bytes do not come in time', async () => {
    const bench = HostBench.serving();
    await bench.write(bench.batch());
    const fetch = bench.fetch([{}], { minBytes: 10_000 });
    await isSettled(fetch);
    await bench.write(bench.batch());
    bench.clock.advance(500);
    expect(offsets(await fetch)).toEqual([0, 1]);
  });

  it('without a part of the memory for answers, which each look asks for anew', async () => {
    const bench = HostBench.serving();
    const size = bench.batch().length;
    const steps: string[] = [];
    let roomBytes = 1 << 20;
    const room: AnswerRoom = {
      enter: () => {
        steps.push('enter');
        return roomBytes;
      },
      leave: () => steps.push('leave'),
      whenFree: (task) => task(),
    };
    await bench.write(bench.batch());
    const fetch = bench.fetch([{}], { minBytes: 3 * size }, { room });
    expect(await isSettled(fetch)).toBe(false);
    expect(steps).toEqual(['enter', 'leave']);
    roomBytes = 2 * size;
    await bench.write(bench.batch());
    await bench.write(bench.batch());
    // More than its room now is nothing to wait for.
    expect(offsets(await fetch)).toEqual([0, 1]);
    expect(steps).toEqual(['enter', 'leave', 'enter']);
  });

  it('not at all with max_wait 0, or when the consumer has gone', async () => {
    const bench = HostBench.serving();
    expect(codes(await bench.fetch([{}], { maxWaitMs: 0 }))).toEqual([0]);
    const abort = new AbortController();
    const fetch = bench.fetch([{}], {}, { signal: abort.signal });
    expect(await isSettled(fetch)).toBe(false);
    abort.abort();
    expect(await isSettled(fetch)).toBe(true);
    expect(bench.host.figures().waitingFetches).toBe(0);
  });

  it('not beyond the bound on waiting fetches', async () => {
    const bench = HostBench.serving([topicT()], { maxWaiting: 1 });
    const first = bench.fetch([{}]);
    await isSettled(first);
    expect(await isSettled(bench.fetch([{}]))).toBe(true);
    expect(await isSettled(first)).toBe(false);
  });

  it('max_wait for an unknown topic beside an empty partition', async () => {
    const bench = HostBench.serving();
    const fetch = bench.fetch([{ topicId: topicId('X') }, { partition: 77 }, {}]);
    expect(await isSettled(fetch)).toBe(false);
    bench.clock.advance(500);
    expect(codes(await fetch)).toEqual([100, 3, 0]);
  });

  it('not where all topics are unknown', async () => {
    const bench = HostBench.serving();
    expect(codes(await bench.fetch([{ topicId: topicId('X') }]))).toEqual([100]);
  });

  it('for the metadata that it was routed by', async () => {
    const bench = HostBench.serving();
    const added = { ...topicT(), id: topicId('N'), name: 'n' };
    const fetch = bench.fetch([{ topicId: added.id }], { metadataIndex: 2, maxWaitMs: 0 });
    expect(await isSettled(fetch)).toBe(false);
    bench.metadata.put(added);
    expect(codes(await fetch)).toEqual([0]);
  });
});

describe('a fetch that cannot be served', () => {
  it('outside the log is OFFSET_OUT_OF_RANGE (1) at once, with offsets -1', async () => {
    const bench = HostBench.serving();
    await bench.write(bench.batch());
    await bench.write(bench.batch());
    await bench.log().advanceLogStart(bench.log().logEndOffset);
    for (const fetchOffset of [1, 3, -1]) {
      const fetched = await bench.fetch([{ fetchOffset }, { partition: 1 }]);
      expect(fetched.response.partitions[0]).toMatchObject({
        errorCode: 1,
        highWatermark: -1,
        lastStableOffset: -1,
        logStartOffset: -1,
      });
    }
  });

  it('checks epochs first (74, 75), then leadership (6)', async () => {
    const moved = topicT({ partitions: [{ leader: OTHER, leaderEpoch: epoch(5), replicas: [SELF, OTHER] }] });
    const bench = HostBench.serving([moved]);
    expect(codes(await bench.fetch([{ currentLeaderEpoch: 4 }]))).toEqual([74]);
    expect(codes(await bench.fetch([{ currentLeaderEpoch: 6 }]))).toEqual([75]);
    expect(codes(await bench.fetch([{ currentLeaderEpoch: 5 }], { leaderOnly: true }))).toEqual([6]);
    expect(codes(await bench.fetch([{}], { leaderOnly: true }))).toEqual([6]);
  });

  it('gives leader hints with 6 and 74, never with 75', async () => {
    const bench = HostBench.serving([
      topicT({ partitions: [{ leader: OTHER, leaderEpoch: epoch(5), replicas: [SELF, OTHER] }] }),
    ]);
    const hintOf = async (currentLeaderEpoch: number) =>
      (await bench.fetch([{ currentLeaderEpoch }], { leaderOnly: true })).response.partitions[0]?.currentLeader;
    expect(await hintOf(5)).toEqual({ leaderId: 2, leaderEpoch: 5 });
    expect(await hintOf(4)).toEqual({ leaderId: 2, leaderEpoch: 5 });
    expect(await hintOf(6)).toBeUndefined();
  });

  it('returns log errors at once: offline, or a read that fails (56)', async () => {
    const bench = HostBench.serving();
    await bench.write(bench.batch());
    bench.log().readError = new Error('EIO');
    expect(codes(await bench.fetch([{ partition: 1 }, {}]))).toEqual([0, 56]);
    bench.log().offlineReason = 'gone';
    expect(codes(await bench.fetch([{ partition: 1 }, {}]))).toEqual([0, 56]);
  });

  it('is OFFSET_OUT_OF_RANGE (1) when the log start passes the offset while it is read', async () => {
    const bench = HostBench.serving();
    await bench.write(bench.batch());
    bench.log().readError = new Error('segment deleted');
    const fetch = bench.fetch([{}]);
    await bench.log().advanceLogStart(bench.log().logEndOffset);
    expect(codes(await fetch)).toEqual([1]);
  });

  it('tells at once of a leadership that ends, or of a topic that is deleted, while it waits', async () => {
    const bench = HostBench.serving();
    const first = bench.fetch([{}], { leaderOnly: true });
    await isSettled(first);
    bench.change({ leader: OTHER, leaderEpoch: epoch(2), replicas: [SELF, OTHER] });
    expect(codes(await first)).toEqual([6]);
    const second = bench.fetch([{ partition: 1 }]);
    await isSettled(second);
    bench.metadata.remove(TOPIC);
    expect(codes(await second)).toEqual([100]);
  });
});

describe('a replica that follows', () => {
  const FOLLOWED = { leader: OTHER, leaderEpoch: epoch(2), replicas: [OTHER, SELF], isr: [OTHER, SELF], partitionEpoch: 2 };

  /** Two batches were committed while this node led; a third was not, when the other broker became the leader. */
  async function follower(): Promise<HostBench> {
    const bench = HostBench.serving([topicT({ partitions: [{ replicas: [SELF, OTHER], isr: [SELF] }] })]);
    await bench.write(bench.batch());
    await bench.write(bench.batch());
    void bench.append(bench.batch());
    bench.metadata.put(topicT({ partitions: [FOLLOWED] }));
    return bench;
  }

  it('serves consumers up to its own high watermark, but those that only leaders may answer', async () => {
    const bench = await follower();
    const fetched = await bench.fetch([{}], { maxWaitMs: 0 });
    expect(fetched.response.partitions[0]).toMatchObject({ errorCode: 0, highWatermark: 2, lastStableOffset: 2 });
    expect(offsets(fetched)).toEqual([0, 1]);
    expect(codes(await bench.fetch([{}], { leaderOnly: true }))).toEqual([6]);
  });

  it('checks epochs first (74, 75), and is OFFSET_OUT_OF_RANGE (1) beyond its own log', async () => {
    const bench = await follower();
    const codeOf = async (wanted: { currentLeaderEpoch?: number; fetchOffset?: number }) =>
      codes(await bench.fetch([wanted], { maxWaitMs: 0 }));
    expect(await codeOf({ currentLeaderEpoch: 1 })).toEqual([74]);
    expect(await codeOf({ currentLeaderEpoch: 3 })).toEqual([75]);
    expect(await codeOf({ currentLeaderEpoch: 2 })).toEqual([0]);
    expect(await codeOf({ fetchOffset: 3 })).toEqual([0]);
    expect(await codeOf({ fetchOffset: 4 })).toEqual([1]);
  });

  it('keeps long polls waiting, without looking again and again, and ends them when it leads', async () => {
    const bench = await follower();
    const waiting = bench.fetch([{ fetchOffset: 2 }]);
    expect(await isSettled(waiting)).toBe(false);
    bench.metadata.put(
      topicT({ partitions: [{ ...FOLLOWED, leader: SELF, leaderEpoch: epoch(3), isr: [SELF], partitionEpoch: 3 }] }),
    );
    bench.engine.sync();
    expect(offsets(await waiting)).toEqual([2]);
  });

  it('is KAFKA_STORAGE_ERROR (56) once its log has failed', async () => {
    const bench = await follower();
    bench.log().offlineReason = 'gone';
    expect(codes(await bench.fetch([{}]))).toEqual([56]);
  });

  it('that nobody replicates to serves nobody: without a leader its only replica is 6', async () => {
    const bench = HostBench.serving();
    await bench.write(bench.batch());
    bench.change({ leader: undefined, leaderEpoch: epoch(2) });
    expect(codes(await bench.fetch([{}]))).toEqual([6]);
  });
});

describe('a diverging epoch (KIP-595)', () => {
  async function twoEpochs(): Promise<HostBench> {
    const bench = HostBench.serving();
    await bench.write(bench.batch({ records: [{}, {}] }));
    bench.change({ leaderEpoch: epoch(3) });
    await bench.write(bench.batch());
    return bench;
  }

  it('is told at once, without records, when the last fetched epoch ended earlier here', async () => {
    const bench = await twoEpochs();
    const fetched = await bench.fetch([{ fetchOffset: 3, lastFetchedEpoch: 1 }]);
    expect(fetched.response.partitions[0]).toMatchObject({
      errorCode: 0,
      divergingEpoch: { leaderEpoch: 1, endOffset: 2 },
      recordBytes: 0,
    });
  });

  it('is told when the last fetched epoch is not known here', async () => {
    const bench = await twoEpochs();
    const fetched = await bench.fetch([{ fetchOffset: 3, lastFetchedEpoch: 2 }]);
    expect(fetched.response.partitions[0]?.divergingEpoch).toEqual({ leaderEpoch: 1, endOffset: 2 });
  });

  it('is not there when the histories agree', async () => {
    const bench = await twoEpochs();
    const fetched = await bench.fetch([{ fetchOffset: 2, lastFetchedEpoch: 1 }]);
    expect(fetched.response.partitions[0]?.divergingEpoch).toBeUndefined();
    expect(offsets(fetched)).toEqual([2]);
  });

  it('is OFFSET_OUT_OF_RANGE (1) where no epoch is known that it could be compared to', async () => {
    const bench = await twoEpochs();
    expect(codes(await bench.fetch([{ fetchOffset: 1, lastFetchedEpoch: 9 }]))).toEqual([1]);
  });
});
