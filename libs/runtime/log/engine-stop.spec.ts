import { beforeEach, describe, expect, it, vi } from 'vitest';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { TEST_DIRECTORY, TEST_LOG_CONFIG, batchOf, openTestEngine, testKey } from '@streamline/testing/log/log-fixtures';
import { readAll } from '@streamline/testing/log/log-verifier';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { until } from '@streamline/testing/time/until';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { Catalogue } from './catalogue';
import { DiskPartitionLog } from './disk-partition-log';
import type { JournalPosition } from '../ports/journal';
import { readIncarnation } from './incarnation-marker';
import type { LogEngine, PartitionLog } from './log-engine';

const PAGE_CACHE = { ...TEST_LOG_CONFIG, flushMessages: 1_000_000 };
const PARTITIONS = 20;

let disk: MemoryDisk;
let clock: VirtualClock;
let engine: LogEngine;

async function start(bootId = 'boot-1'): ReturnType<typeof openTestEngine> {
  const limits = { publishedTogether: 3, stopSyncBytes: 300 };
  const opened = await openTestEngine({ disk, clock, random: new SeededRandom(7), bootId, limits });
  engine = opened.engine;
  return opened;
}

/** Resolves when everything appended is stable. */
function stable(log: PartitionLog): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (log.stableEndOffset === log.logEndOffset) resolve();
    };
    engine.onStable(look);
    look();
  });
}

/** One batch in each of the partitions. */
async function writeToAll(config = TEST_LOG_CONFIG, value = 'x'): Promise<void> {
  const logs = Array.from({ length: PARTITIONS }, (_, at) => engine.open(testKey(1, at), config));
  for (const log of logs) log.append(batchOf([value]));
  for (const log of logs) await stable(log);
}

async function batchesInAll(config = TEST_LOG_CONFIG): Promise<number> {
  let count = 0;
  for (let at = 0; at < PARTITIONS; at += 1) count += (await readAll(engine.open(testKey(1, at), config), 1000)).length;
  return count;
}

function segmentFiles(): string[] {
  return disk.filePaths().filter((path) => path.endsWith('.log'));
}

beforeEach(async () => {
  disk = new MemoryDisk({ random: new SeededRandom(1) });
  clock = new VirtualClock();
  await start();
});

describe('a clean stop (LOG-18)', () => {
  it('leaves little of many journaled partitions to the next start, and writes no file for it', async () => {
    await writeToAll();
    await engine.close();
    expect(segmentFiles()).toEqual([]);
    disk = disk.crash();
    const { recovery } = await start('boot-2');
    expect(recovery).toMatchObject({ cleanStop: true, partitions: PARTITIONS, batchesApplied: PARTITIONS, atRisk: [] });
    expect(await batchesInAll()).toBe(PARTITIONS);
  });

  it('syncs journaled partitions of which there would be much to replay, so that the next start replays none of them', async () => {
    await writeToAll(TEST_LOG_CONFIG, 'y'.repeat(500));
    await engine.close();
    expect(segmentFiles()).toHaveLength(PARTITIONS);
    const { recovery } = await start();
    expect(recovery).toMatchObject({ cleanStop: true, batchesApplied: 0, partitionsTouched: 0 });
    expect(await batchesInAll()).toBe(PARTITIONS);
  });

  it('syncs page-cache partitions, however little it is, so that a power loss takes nothing', async () => {
    await writeToAll(PAGE_CACHE);
    await engine.close();
    disk = disk.crash();
    const { recovery } = await start('boot-2');
    expect(recovery).toMatchObject({ cleanStop: true, atRisk: [] });
    expect(await batchesInAll(PAGE_CACHE)).toBe(PARTITIONS);
  });

  it('is no clean one where the time ends before page-cache partitions are synced: the next start checks them (P-1, P-2)', async () => {
    await writeToAll(PAGE_CACHE);
    await engine.close(0);
    disk = disk.kill();
    const { recovery } = await start();
    expect(recovery).toMatchObject({ cleanStop: false, sameBoot: true });
    expect(await batchesInAll(PAGE_CACHE)).toBe(PARTITIONS);
  });

  it('says which partitions are at risk after such a stop and a power loss (P-2)', async () => {
    await writeToAll(PAGE_CACHE);
    await engine.close(0);
    disk = disk.crash();
    const { recovery } = await start('boot-2');
    expect(recovery.cleanStop).toBe(false);
    expect(recovery.atRisk).toHaveLength(PARTITIONS);
  });

  it.each(['is killed', 'stops cleanly'])('still says so where the next process %s before it is registered', async (how) => {
    engine.setBrokerEpoch(7);
    await writeToAll(PAGE_CACHE);
    disk = disk.crash();
    expect((await start('boot-2')).recovery.sameBoot).toBe(false);
    if (how === 'stops cleanly') await engine.close();
    disk = disk.kill();
    const { recovery } = await start('boot-2');
    expect(recovery).toMatchObject({ sameBoot: false, cleanStop: how === 'stops cleanly' });
    // A clean stop counts by its epoch, which is not the one that the controller knows.
    if (recovery.cleanStop) expect(recovery.brokerEpoch).toBe(-1);
  });

  it('says it no more once a process was registered since', async () => {
    engine.setBrokerEpoch(7);
    await writeToAll(PAGE_CACHE);
    disk = disk.crash();
    await start('boot-2');
    engine.setBrokerEpoch(9);
    const bootIs = async (): Promise<void> => expect((await readIncarnation(disk, TEST_DIRECTORY))?.bootId).toBe('boot-2');
    await vi.waitFor(bootIs, { timeout: 30_000 });
    disk = disk.kill();
    expect((await start('boot-2')).recovery.sameBoot).toBe(true);
  });

  it('is told from one that never was: there is nothing at all then, as on a volume that is not mounted (R-6)', async () => {
    await writeToAll();
    disk = disk.kill();
    expect((await start()).recovery.isNew).toBe(false);
    disk = disk.kill();
    await disk.removeTree(TEST_DIRECTORY);
    expect((await start()).recovery.isNew).toBe(true);
  });

  it.each(['cannot be read', 'is gone'])('takes the page cache for lost where the marker of the last process %s', async (how) => {
    engine.setBrokerEpoch(7);
    await writeToAll(PAGE_CACHE);
    await engine.close(0);
    disk = disk.crash();
    const path = `${TEST_DIRECTORY}/incarnation`;
    if (how === 'is gone') {
      await disk.unlink(path);
    } else {
      const file = await disk.open(path, 'write');
      await file.write(0, [Buffer.alloc(await file.size(), 0xff)]);
      await file.close();
    }
    const { recovery } = await start('boot-2');
    expect(recovery).toMatchObject({ isNew: false, cleanStop: false, sameBoot: false });
    expect(recovery.atRisk).toHaveLength(PARTITIONS);
  });

  it('cuts short a checkpoint of many partitions that is under way, and loses nothing', async () => {
    await writeToAll();
    const checkpoint = engine.checkpoint();
    await engine.close();
    await checkpoint;
    expect(segmentFiles().length).toBeLessThan(PARTITIONS);
    disk = disk.crash();
    await start('boot-2');
    expect(await batchesInAll()).toBe(PARTITIONS);
  });
});

describe('the start after a stop that left something to replay', () => {
  it('lets the journal go although nothing is to be synced and nobody writes, so that a full ring does not stay full', async () => {
    await writeToAll(TEST_LOG_CONFIG, 'z'.repeat(1500));
    const commitNow = Catalogue.prototype.commit;
    const commit = vi.spyOn(Catalogue.prototype, 'commit').mockImplementation(function (this: Catalogue, what) {
      return commitNow.call(this, { ...what, redo: -1 as JournalPosition });
    });
    await engine.checkpoint();
    commit.mockRestore();
    disk = disk.kill();
    const { journal, recovery } = await start();
    expect(recovery.partitionsTouched).toBe(0);
    expect(journal.usedBytes).toBeGreaterThan(20_000);
    clock.advance(10_000);
    await until(() => journal.usedBytes < 20_000);
  });
});

describe('a partition that is deleted', () => {
  it('keeps its directory until nothing of it makes or unlinks files by name, since its next life may have the names (LOG-2)', async () => {
    const log = engine.open(testKey(1), TEST_LOG_CONFIG);
    log.append(batchOf(['old']));
    await stable(log);
    await engine.checkpoint();
    if (!(log instanceof DiskPartitionLog)) throw new Error('the engine has other logs than these');
    let finish = (): void => undefined;
    const task = log.maintenance.withFiles(() => new Promise((resolve) => (finish = resolve)));
    const deleted = engine.delete(testKey(1));
    for (let turn = 0; turn < 200; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
    expect(segmentFiles()).toHaveLength(1);
    finish();
    await Promise.all([task, deleted]);
    expect(segmentFiles()).toEqual([]);
    let begun = false;
    await log.maintenance.withFiles(() => Promise.resolve(void (begun = true)));
    expect(begun).toBe(false);
  });
});
