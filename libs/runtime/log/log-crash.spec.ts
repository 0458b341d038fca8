import { describe, expect, it } from 'vitest';
import { DiskCounters } from '@streamline/testing/disk/disk-counters';
import { LogStory, LogStoryCounters } from '@streamline/testing/log/log-story';
import { PLANTED_BUGS } from '@streamline/testing/log/planted-bugs';
import { storySeeds } from '@streamline/testing/seeds/story-seeds';

const SEEDS = storySeeds({ usual: 150, thorough: 2_000 });
/** Each planted bug is caught within so many seeds. */
const SEEDS_TO_CATCH = 1500;
/** A story that hangs has failed, too. */
const STORY_MS_MAX = 60_000;

async function tell(seed: number, counters: LogStoryCounters, disk: DiskCounters): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the story does not end')), STORY_MS_MAX);
  });
  try {
    await Promise.race([new LogStory(seed, counters, disk).run(), late]);
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** The first seed that fails, or undefined. */
async function firstFailure(seeds: number): Promise<number | undefined> {
  for (let seed = 0; seed < seeds; seed += 1) {
    try {
      await tell(seed, new LogStoryCounters(), new DiskCounters());
    } catch (error) {
      expect(String(error)).not.toMatch(/does not end/);
      return seed;
    }
  }
  return undefined;
}

describe('the log engine, through crashes', () => {
  it('has every acknowledged batch, byte for byte, in order, and nothing that was never sent', async () => {
    const counters = new LogStoryCounters();
    const disk = new DiskCounters();
    for (const seed of SEEDS.all) await tell(seed, counters, disk);
    for (const [name, count] of Object.entries({ ...counters, ...disk, flippedBits: 1 })) {
      expect(count, `the stories met no ${name}`).toBeGreaterThan(0);
    }
  }, 3_600_000);
});

describe('the stories', () => {
  for (const [name, plant] of Object.entries(PLANTED_BUGS)) {
    it(`catch a log that ${name}`, async () => {
      const remove = plant();
      try {
        expect(await firstFailure(SEEDS_TO_CATCH)).toBeDefined();
      } finally {
        remove();
      }
    }, 120_000);
  }
});
