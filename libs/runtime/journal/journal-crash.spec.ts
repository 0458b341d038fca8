import { afterEach, describe, expect, it, vi } from 'vitest';
import { Chain } from '@streamline/core/journal/chain';
import { Ring } from '@streamline/core/journal/ring';
import { DiskCounters } from '@streamline/testing/disk/disk-counters';
import { JournalStory, StoryCounters } from '@streamline/testing/journal/journal-story';
import type { PlantedPorts } from '@streamline/testing/journal/journal-story';
import * as bugs from '@streamline/testing/journal/planted-bugs';
import { storySeeds } from '@streamline/testing/seeds/story-seeds';
import { RingJournal } from './ring-journal';

const SEEDS = storySeeds({ usual: 1_000, thorough: 2_000 });
type Ending = 'run' | 'rot' | 'squeeze';

/** A story that hangs has failed, too. */
const STORY_MS_MAX = 60_000;

async function tell(
  seed: number,
  counters: StoryCounters,
  disk: DiskCounters,
  planted: PlantedPorts,
  ending: Ending,
): Promise<void> {
  const story = new JournalStory(seed, counters, disk, planted);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the story does not end')), STORY_MS_MAX);
  });
  const told = async (): Promise<void> => {
    await story.run();
    if (ending === 'rot') await story.rot();
    if (ending === 'squeeze') await story.squeeze();
  };
  try {
    await Promise.race([told(), late]);
  } catch (error) {
    throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** The first seed that fails with the bug, or undefined. */
async function firstFailure(planted: PlantedPorts, seeds: number, ending: Ending): Promise<number | undefined> {
  for (let seed = 0; seed < seeds; seed += 1) {
    try {
      await tell(seed, new StoryCounters(), new DiskCounters(), planted, ending);
    } catch (error) {
      expect(String(error)).toMatch(/ (lost|changed|made up|replay began at|journal file .* is damaged)/);
      return seed;
    }
  }
  return undefined;
}

describe('journal, through crashes', () => {
  it('hands out every acknowledged record, in order, byte for byte, and nothing else', async () => {
    const counters = new StoryCounters();
    const disk = new DiskCounters();
    for (const seed of SEEDS.all) await tell(seed, counters, disk, {}, 'run');
    for (const [name, count] of Object.entries({ ...counters, ...disk, flippedBits: 1, refusals: 1 })) {
      expect(count, `the stories met no ${name}`).toBeGreaterThan(0);
    }
  }, 3_600_000);

  it('keeps everything when power is lost while a full ring goes on', async () => {
    const counters = new StoryCounters();
    for (let seed = 0; seed < 60; seed += 1) await tell(seed, counters, new DiskCounters(), {}, 'squeeze');
    expect(counters.fullRings).toBeGreaterThanOrEqual(60);
  });

  it('keeps everything or refuses to open when a bit rots after an idle time (J-5)', async () => {
    const counters = new StoryCounters();
    for (let seed = 0; seed < 100; seed += 1) await tell(seed, counters, new DiskCounters(), {}, 'rot');
    expect(counters.flippedBits).toBe(100);
    expect(counters.refusals).toBeGreaterThan(0);
  });
});

describe('journal stories', () => {
  it('go well with the ports replaced by ones without a bug', async () => {
    expect(await firstFailure({ disk: bugs.nothing }, 50, 'run')).toBeUndefined();
  });

  afterEach(() => {
    vi.restoreAllMocks();
  });

  it.each<[string, PlantedPorts, number, Ending]>([
    ['uses one salt for all files', { random: bugs.constantSalt }, 100, 'run'],
    ['uses salts again', { random: bugs.reusedSalts }, 100, 'run'],
    ['begins a file before its header is durable', { disk: bugs.lazyHeader }, 100, 'run'],
    ['writes to the page cache only', { disk: bugs.pageCacheWrites }, 100, 'run'],
    ['acknowledges before the write has ended', { disk: bugs.earlyAcknowledgement }, 100, 'run'],
    ['takes a failed write for done', { disk: bugs.ignoredWriteErrors }, 100, 'run'],
    ['writes an acknowledged block again', { disk: bugs.sharedBlocks }, 100, 'run'],
    ['forgets the directory sync', { disk: bugs.noDirectorySync }, 100, 'run'],
    ['forgets the sync of new files', { disk: bugs.noFileSync }, 100, 'run'],
    ['never seals', { clock: bugs.noSeal }, 100, 'rot'],
  ])('catch a journal that %s', async (_, planted, seeds, ending) => {
    const seed = await firstFailure(planted, seeds, ending);
    expect(seed).toBeDefined();
  });

  it('catch a journal that takes damage for a torn tail', async () => {
    const group = Reflect.get(Chain.prototype, 'group') as Chain['group'];
    vi.spyOn(Chain.prototype, 'group').mockImplementation(function (this: Chain, ...args) {
      const verdict = group.apply(this, args);
      return verdict.kind === 'damage' ? { kind: 'duplicate' } : verdict;
    });
    expect(await firstFailure({}, 100, 'rot')).toBeDefined();
  });

  it('catch a journal that recycles a file before it is released', async () => {
    const nextSlot = Reflect.get(Ring.prototype, 'nextSlot') as Ring['nextSlot'];
    vi.spyOn(Ring.prototype, 'nextSlot').mockImplementation(function (this: Ring) {
      return nextSlot.call(this, Infinity);
    });
    expect(await firstFailure({}, 100, 'run')).toBeDefined();
  });

  it('catch a journal that trusts a last group that a failed write left readable', async () => {
    vi.spyOn(RingJournal.prototype, 'rewriteLast').mockResolvedValue(true);
    expect(await firstFailure({}, 100, 'run')).toBeDefined();
  });
});
