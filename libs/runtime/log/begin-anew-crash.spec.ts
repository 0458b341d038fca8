import { describe, expect, it } from 'vitest';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { TEST_LOG_CONFIG, batchOf, openTestEngine, testKey } from '@streamline/testing/log/log-fixtures';
import { readAll } from '@streamline/testing/log/log-verifier';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type { LogEngine, PartitionLog } from './log-engine';

/** More than a drop and a new log take. */
const OPERATIONS_MAX = 45;
const KEY = testKey(1);
const OLD = ['old a', 'old b', 'old c', 'old d'];
const NEW = ['new a', 'new b'];

async function turns(count: number): Promise<void> {
  for (let at = 0; at < count; at += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

async function opened(disk: MemoryDisk, bootId: string): Promise<LogEngine> {
  return (await openTestEngine({ disk, clock: new VirtualClock(), random: new SeededRandom(7), bootId })).engine;
}

/** Resolves when all is as durable as the log promises, or it is given up. */
function append(engine: LogEngine, log: PartitionLog, values: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (log.stableEndOffset === log.logEndOffset || log.offlineReason !== undefined) resolve();
    };
    engine.onStable(look);
    for (const value of values) log.append(batchOf([value]));
    look();
  });
}

/** A disk with a log that was given up, as its catalogue knows. */
async function diskWithFailedLog(flushMessages: number): Promise<{ disk: MemoryDisk; engine: LogEngine }> {
  const disk = new MemoryDisk({ random: new SeededRandom(1) });
  const engine = await opened(disk, 'boot-1');
  const log = engine.open(KEY, { ...TEST_LOG_CONFIG, flushMessages });
  await append(engine, log, OLD.slice(0, 2));
  await engine.checkpoint();
  const heal = disk.inject({ operations: ['datasync'], path: /partitions/, fault: 'EIO' });
  await append(engine, log, OLD.slice(2));
  while (log.offlineReason === undefined) {
    await engine.checkpoint().catch(() => undefined);
    await turns(1);
  }
  heal();
  await engine.checkpoint();
  return { disk, engine };
}

/** As a host does it: the log is deleted, and another life of the partition takes what the leader has. */
async function beginAnew(engine: LogEngine, flushMessages: number): Promise<void> {
  await engine.delete(KEY);
  await append(engine, engine.open(KEY, { ...TEST_LOG_CONFIG, flushMessages }), NEW);
  await engine.checkpoint();
}

describe.each([
  ['fsync', 1],
  ['page-cache', 2],
])('a log that failed and is begun anew (%s, LOG-19)', (_, flushMessages) => {
  it('is after a crash at any moment the one that failed, or a new one: never a part of the old', async () => {
    const seen = new Set<string>();
    for (let operations = 0; operations <= OPERATIONS_MAX; operations += 1) {
      const isKill = operations % 4 === 3;
      const { disk, engine } = await diskWithFailedLog(flushMessages);
      const stopped = disk.stopAfter(operations);
      await Promise.race([beginAnew(engine, flushMessages), stopped]);
      const again = await opened(isKill ? disk.kill() : disk.crash(), isKill ? 'boot-1' : 'boot-2');
      const log = again.get(KEY);
      if (log === undefined) seen.add('none');
      else if (log.offlineReason !== undefined) seen.add('failed');
      else {
        const bytes = Buffer.concat(await readAll(log, 1_000)).toString('latin1');
        expect(OLD.filter((value) => bytes.includes(value))).toEqual([]);
        expect(NEW.slice(0, log.logEndOffset).every((value) => bytes.includes(value))).toBe(true);
        seen.add('new');
      }
      // It goes on from whatever there is.
      await beginAnew(again, flushMessages);
      const anew = again.get(KEY);
      expect([anew?.offlineReason, anew?.logEndOffset]).toEqual([undefined, NEW.length]);
      await again.close();
    }
    expect([...seen].toSorted()).toEqual(['failed', 'new', 'none']);
  });
});
