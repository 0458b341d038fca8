import { expect, it } from 'vitest';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { batchOf, openTestEngine, TEST_LOG_CONFIG, testKey } from '@streamline/testing/log/log-fixtures';
import { readAll } from '@streamline/testing/log/log-verifier';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type { PartitionLog } from './log-engine';

const clock = new VirtualClock();

it.each([
  ['fsync', TEST_LOG_CONFIG],
  ['page-cache', { ...TEST_LOG_CONFIG, flushMessages: 1000 }],
] as const)('S-10: the log engine starts on a full disk after a kill, with all that it had (%s)', async (_, config) => {
  let disk = new MemoryDisk({ random: new SeededRandom(1) });
  const opened = (): ReturnType<typeof openTestEngine> => openTestEngine({ disk, clock, random: new SeededRandom(7) });
  const stable = async (log: PartitionLog): Promise<void> => {
    for (let tries = 0; tries < 1000 && log.stableEndOffset < log.logEndOffset; tries++) await disk.exists('/');
    expect(log.stableEndOffset).toBe(log.logEndOffset);
  };
  const before = await opened();
  const log = before.engine.open(testKey(1), config);
  log.append(batchOf(['a']));
  await stable(log);
  await before.engine.checkpoint();
  log.append(batchOf(['b']));
  await stable(log);

  disk = disk.kill();
  const removeFault = disk.inject({ operations: ['write'], path: /\.(next|log|index|timeindex)$/, fault: 'ENOSPC' });
  const full = await opened();
  const again = full.engine.open(testKey(1), config);
  expect((await readAll(again, 1 << 20)).length).toBe(2);

  removeFault();
  disk = disk.kill();
  const last = await opened();
  expect((await readAll(last.engine.open(testKey(1), config), 1 << 20)).length).toBe(2);
  await last.engine.close();
});
