import { describe, expect, it } from 'vitest';
import { Exploration } from '@streamline/testing/raft-stories/exploration';
import { storySeeds } from '@streamline/testing/seeds/story-seeds';

const SEEDS = storySeeds({ usual: 60, thorough: 300 });

describe('Raft, played at random', () => {
  it('keeps its invariants, and goes on once everything works', () => {
    const totals = { elections: 0, committed: 0, crashes: 0, changes: 0, snapshots: 0, restores: 0, reads: 0, transfers: 0 };
    for (const seed of SEEDS.all) {
      const exploration = new Exploration(seed);
      try {
        exploration.run(3000);
        expect(exploration.settle(30_000)).toBeDefined();
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
      for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += exploration.counts[key];
    }
    for (const count of Object.values(totals)) expect(count).toBeGreaterThan(0);
  }, 3_600_000);
});
