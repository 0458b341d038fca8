import { describe, expect, it } from 'vitest';
import { storySeeds } from '@streamline/testing/seeds/story-seeds';
import { ReplicationCounters } from './counters';
import { runSeed, SHIPPED } from './run-seed';
import { ShippedController } from './shipped-controller';

const SEEDS = storySeeds({ usual: 60, thorough: 1_000 });
/** So many meet everything that is counted. */
const MEETS_ALL = 250;
const KIND = { ...SHIPPED, controller: ShippedController };

describe('replication under the shipped metadata core', () => {
  it('keeps every invariant, and becomes whole again', () => {
    const total = new ReplicationCounters();
    for (const seed of SEEDS.all) {
      const { error, counters } = runSeed(seed, KIND);
      if (error !== undefined) throw new Error(`seed ${seed}: ${error.message}`, { cause: error });
      total.add(counters);
    }
    if (SEEDS.count >= MEETS_ALL) expect(total.zeros, 'never happened').toEqual([]);
  }, 3_600_000);
});
