import { describe, expect, it } from 'vitest';
import type { DiskFile } from '../ports/disk';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { TEST_LOG_CONFIG, batchOf, openTestEngine, testKey } from '@streamline/testing/log/log-fixtures';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';

const PARTITIONS = 200;
const MAX_OPEN_FILES = 20;
const PARALLEL_OPENS = 8;

/** Counts the segments that are open, or about to be. */
class CountingDisk extends MemoryDisk {
  openNow = 0;
  openMost = 0;

  override async open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    if (!path.endsWith('.log')) return super.open(path, mode);
    this.openNow += 1;
    this.openMost = Math.max(this.openMost, this.openNow);
    const file = await super.open(path, mode);
    const close = file.close.bind(file);
    file.close = () => {
      this.openNow -= 1;
      return close();
    };
    return file;
  }
}

describe('the open files of an engine', () => {
  for (const [name, flushMessages] of [
    ['fsync', 1],
    ['page-cache', 1_000_000],
  ] as const) {
    it(`are bounded when all partitions write at once (${name})`, async () => {
      const disk = new CountingDisk({ random: new SeededRandom(1) });
      const limits = { maxOpenFiles: MAX_OPEN_FILES, parallelOpens: PARALLEL_OPENS, unwrittenBytes: 1 };
      const { engine } = await openTestEngine({ disk, clock: new VirtualClock(), random: new SeededRandom(7), limits });
      const logs = Array.from({ length: PARTITIONS }, (_, at) =>
        engine.open(testKey(1 + at), { ...TEST_LOG_CONFIG, flushMessages }),
      );
      const stable = new Promise<void>((resolve) => {
        engine.onStable(() => {
          if (logs.every((log) => log.stableEndOffset === 1)) resolve();
        });
      });
      for (const log of logs) log.append(batchOf(['a']));
      await stable;
      await engine.checkpoint();
      expect(disk.openMost).toBeGreaterThan(PARALLEL_OPENS);
      expect(disk.openMost).toBeLessThanOrEqual(MAX_OPEN_FILES + PARALLEL_OPENS);
    });
  }
});
