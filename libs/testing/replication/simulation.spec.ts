import { describe, expect, it } from 'vitest';
import { storySeeds } from '@streamline/testing/seeds/story-seeds';
import { ReplicationCounters } from './counters';
import { SHIPPED, replayCommand, runSeed } from './run-seed';

/** The usual ones meet everything that is counted. */
const SEEDS = storySeeds({ usual: 250, thorough: 2_000 });
const MEETS_ALL = 250;
const TRACES = process.env['REPLICATION_TRACE'] === '1';

/**
 * Seeds that failed once, with what they found. A seed means another run when the simulator draws otherwise than it did: what was wrong
 * in the core is therefore planted again as well (planted-bugs.ts), or has a test of its own.
 */
const FAILED_ONCE: readonly (readonly [seed: number, found: string])[] = [
  [163, 'a follower was to be cut within a batch, where the log of the leader begins (core)'],
  [569, 'an empty log was begun anew for an epoch that it led in vain, and forgot its producers (core)'],
  [3, 'a broker that registered was elected once more under the registration before (controller model)'],
];

describe('replication, simulated', () => {
  it('keeps every invariant, and becomes whole again', () => {
    const total = new ReplicationCounters();
    for (const seed of SEEDS.all) {
      const print = (line: string): boolean => process.stdout.write(`${line}\n`);
      const { error, counters } = runSeed(seed, SHIPPED, TRACES ? print : undefined);
      if (error !== undefined) throw new Error(`${error.message}; replay: ${replayCommand(seed)}`, { cause: error });
      total.add(counters);
    }
    if (SEEDS.count >= MEETS_ALL) expect(total.zeros, 'never happened').toEqual([]);
  }, 3_600_000);

  it.each(FAILED_ONCE)('keeps every invariant over seed %i: %s', (seed) => {
    expect(runSeed(seed, SHIPPED).error).toBeUndefined();
  });

  it('does the same for the same seed', () => {
    expect({ ...runSeed(7, SHIPPED) }).toEqual({ ...runSeed(7, SHIPPED) });
  });

  it('traces what happens, for whoever replays a seed', () => {
    const lines: string[] = [];
    runSeed(7, SHIPPED, (line) => lines.push(line));
    expect(lines.some((line) => / lead \{"leaderEpoch":/.test(line))).toBe(true);
    expect(lines.some((line) => / acknowledges batch /.test(line))).toBe(true);
  });
});
