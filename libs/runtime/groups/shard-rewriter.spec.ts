import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PartitionIndex } from '@streamline/core/types/ids';
import { GroupHostBench, turnOfTheLoop } from '@streamline/testing/groups/group-host-bench';
import type { GroupHostLimits } from './group-host-limits';

/** By which the log has to grow after a rewrite that failed. */
const RETRY_GROWTH_BYTES = 4_194_304;
const PARTITION = 0 as PartitionIndex;
const LIMITS: Partial<GroupHostLimits> = { rewriteMinBytes: 4_000, rewriteRatio: 4, rewriteStepBytes: 300, maxBatchBytes: 2_000 };

async function commitMany(bench: GroupHostBench, groups: number, times: number): Promise<void> {
  for (let time = 1; time <= times; time += 1) {
    await Promise.all(Array.from({ length: groups }, (_, group) => bench.commit(`g${group}`, time)));
  }
}

function logBytes(bench: GroupHostBench): number {
  return bench.partitions.get(PARTITION).batches.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

describe('the log of a coordinator', () => {
  it('is kept in proportion to what lives in it, and knows how large it is', async () => {
    const bench = await new GroupHostBench({ limits: LIMITS }).start();
    await commitMany(bench, 10, 30);
    const before = logBytes(bench);
    bench.clock.advance(1_000);
    await bench.until(() => bench.groups.metrics().rewrittenLogs === 1);
    expect(logBytes(bench)).toBeLessThan(before / 4);
    expect(bench.groups.status().shards[0]?.logBytes).toBe(logBytes(bench));
    const next = await new GroupHostBench({ partitions: bench.partitions, limits: LIMITS }).start();
    for (let group = 0; group < 10; group += 1) expect(await next.committed(`g${group}`)).toBe(30);
  });

  it('is left alone while it is small or mostly alive', async () => {
    const bench = await new GroupHostBench({ limits: LIMITS }).start();
    await commitMany(bench, 1, 10);
    bench.clock.advance(1_000);
    await commitMany(bench, 200, 1);
    bench.clock.advance(1_000);
    for (let turn = 0; turn < 50; turn += 1) await turnOfTheLoop();
    expect(bench.groups.metrics().rewrittenLogs).toBe(0);
  });

  it('is emptied where nothing lives any more', async () => {
    const bench = await new GroupHostBench({ limits: LIMITS }).start();
    await commitMany(bench, 10, 30);
    await bench.groups.deleteGroups({ groupIds: Array.from({ length: 10 }, (_, group) => `g${group}`) });
    bench.clock.advance(1_000);
    await bench.until(() => bench.groups.metrics().rewrittenLogs === 1);
    expect(logBytes(bench)).toBe(0);
  });

  it('waits before it is rewritten again where that failed', async () => {
    const bench = await new GroupHostBench({ limits: LIMITS }).start();
    await commitMany(bench, 10, 30);
    bench.partitions.refuseWith = 56;
    bench.clock.advance(1_000);
    for (let turn = 0; turn < 50; turn += 1) await turnOfTheLoop();
    bench.partitions.refuseWith = 0;
    const { appends } = bench.partitions;
    bench.clock.advance(1_000);
    for (let turn = 0; turn < 50; turn += 1) await turnOfTheLoop();
    expect(bench.partitions.appends).toBe(appends);
    expect(await bench.committed('g0')).toBe(30);
  });

  it('is kept short again after a rewrite of which the log was not sure until the next one ran: no other would ever have begun', async () => {
    const bench = await new GroupHostBench({ limits: { ...LIMITS, maxBatchBytes: 1_000_000 } }).start();
    await commitMany(bench, 10, 30);
    bench.partitions.autoCommit = false;
    // The first step of a rewrite, which times out; the others were appended so late that they wait when the next rewrite begins.
    bench.clock.advance(1_000);
    const { appends } = bench.partitions;
    bench.clock.advance(3_000);
    await bench.until(() => bench.partitions.appends > appends);
    bench.clock.advance(2_000);
    for (let group = 0; group < 1_100; group += 1)
      void bench.commit(`g${group % 10}`, 31 + group, { metadata: 'm'.repeat(4_000) });
    await bench.until(() => logBytes(bench) > RETRY_GROWTH_BYTES);
    bench.clock.advance(1_000);
    bench.partitions.autoCommit = true;
    await bench.commit('g0', 2_000);
    await bench.until(() => bench.groups.metrics().rewrittenLogs > 0);
  });

  it('loses no commit, whenever it is rewritten and wherever the node dies', async () => {
    let rewrites = 0;
    let crashesWithin = 0;
    const turn = fc.record({ commits: fc.array(fc.nat(4), { maxLength: 6 }), remove: fc.option(fc.nat(4)), holds: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.array(turn, { minLength: 5, maxLength: 40 }),
        fc.nat(30),
        fc.boolean(),
        async (turns, pauses, holdDeletes) => {
          const limits = { ...LIMITS, rewriteMinBytes: 100, rewriteRatio: 1, rewriteStepBytes: 1 };
          const bench = await new GroupHostBench({ limits }).start();
          const answered = new Map<string, number>();
          const asked = new Map<string, Set<number>>();
          let value = 0;
          for (const { commits, remove, holds } of turns) {
            bench.partitions.autoCommit = !holds;
            if (!holds) bench.partitions.commit();
            for (const group of commits) {
              const groupId = `g${group}`;
              const offset = (value += 1);
              asked.set(groupId, (asked.get(groupId) ?? new Set<number>()).add(offset));
              void bench.commit(groupId, offset).then(({ errorCodes }) => {
                if (errorCodes[0] !== 0 || bench.partitions.get(PARTITION).leaderEpoch === undefined) return;
                answered.set(groupId, Math.max(offset, answered.get(groupId) ?? 0));
              });
            }
            if (remove !== null) {
              const groupId = `g${remove}`;
              asked.set(groupId, (asked.get(groupId) ?? new Set<number>()).add(-1));
              // Not followed: whatever is committed later wins, and -1 may be what is left.
              void bench.groups.deleteGroups({ groupIds: [groupId] }).then(() => answered.delete(groupId));
            }
            bench.clock.advance(1_000);
            await turnOfTheLoop();
          }
          bench.partitions.holdDeletes = holdDeletes;
          bench.clock.advance(1_000);
          for (let pause = 0; pause < pauses; pause += 1) await turnOfTheLoop();
          rewrites += bench.groups.metrics().rewrittenLogs;
          if (holdDeletes) crashesWithin += 1;
          bench.partitions.crash();
          bench.partitions.holdDeletes = false;
          bench.partitions.autoCommit = true;
          const next = await new GroupHostBench({ partitions: bench.partitions, limits: LIMITS }).start();
          for (const [groupId, offset] of answered) {
            const found = await next.committed(groupId);
            const removals = asked.get(groupId)?.has(-1) === true;
            if (!removals) expect(found).toBeGreaterThanOrEqual(offset);
            expect([...(asked.get(groupId) ?? [])]).toContain(found);
          }
        },
      ),
      { numRuns: 60 },
    );
    expect(rewrites).toBeGreaterThan(20);
    expect(crashesWithin).toBeGreaterThan(5);
  });
});
