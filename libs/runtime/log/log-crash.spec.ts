import { describe, expect, it } from 'vitest';
import { DiskCounters } from '@streamline/testing/disk/disk-counters';
import { LogStory, LogStoryCounters } from '@streamline/testing/log/log-story';
import type { LogStoryPorts } from '@streamline/testing/log/log-story';

/** LOG_SEEDS=20000 makes a long run of it, LOG_FIRST_SEED=n begins elsewhere. */
const SEEDS = Number(process.env.LOG_SEEDS ?? 400);
const FIRST_SEED = Number(process.env.LOG_FIRST_SEED ?? 0);
/** A story that hangs has failed, too. */
const STORY_MS_MAX = 10_000;

async function tell(seed: number, counters: LogStoryCounters, disk: DiskCounters, ports: LogStoryPorts = {}): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the story does not end')), STORY_MS_MAX);
  });
  try {
    await Promise.race([new LogStory(seed, counters, disk, ports).run(), late]);
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

describe('the log engine, through crashes', () => {
  it('has every acknowledged batch, byte for byte, in order, and nothing that was never sent', async () => {
    const counters = new LogStoryCounters();
    const disk = new DiskCounters();
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) await tell(seed, counters, disk);
    for (const [name, count] of Object.entries({ ...counters, ...disk, flippedBits: 1 })) {
      expect(count, `the stories met no ${name}`).toBeGreaterThan(0);
    }
  }, 600_000);
});
