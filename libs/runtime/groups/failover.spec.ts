import { describe, expect, it } from 'vitest';
import type { FailoverCounts } from '@streamline/testing/groups/failover-simulation';
import { FailoverSimulation } from '@streamline/testing/groups/failover-simulation';
import { storySeeds } from '@streamline/testing/seeds/story-seeds';

const SEEDS = storySeeds({ usual: 25, thorough: 1_000 });

describe('groups over a replicated offsets topic', () => {
  it('lose no acknowledged commit and take none back, whoever leads and whenever that changes', async () => {
    const totals = new Map<string, number>();
    for (const seed of SEEDS.all) {
      const counts: FailoverCounts = await new FailoverSimulation(seed).run();
      for (const [name, count] of Object.entries(counts)) totals.set(name, (totals.get(name) ?? 0) + Number(count));
    }
    const never = [...totals].filter(([, count]) => count === 0).map(([name]) => name);
    if (SEEDS.count >= 20) expect(never).toEqual([]);
  }, 600_000);
});
