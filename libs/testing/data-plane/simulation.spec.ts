import { describe, expect, it } from 'vitest';
import { freshSeeds } from '@streamline/testing/seeds/fresh-seeds';
import type { DataCounters } from './counters';
import { DataSummary, dataReplayCommand, runDataSeed } from './run-seed';
import { SHIPPED_NODE } from './shipped-code';

/** Fresh seeds run only where somebody gives them time: DATA_SIM_SECONDS=180. */
const fresh = freshSeeds('DATA_SIM_SECONDS');
const FIXED_SEEDS = 20;
/** What so few seeds have to meet. */
const EXPECTED = [
  'elections',
  'leaderEpochs',
  'failovers',
  'isrShrunk',
  'isrGrown',
  'truncations',
  'batchesSentAgain',
  'writesUnanswered',
  'notEnoughReplicas',
  'fetchesOfFollowers',
  'generations',
  'commitsAcknowledged',
  'coordinatorMoves',
  'offsetReads',
  'streamsBroken',
  'kills',
  'powerLosses',
  'fullPowerLosses',
  'pauses',
  'isolatedLeaders',
  'oneWayCuts',
  'clientCuts',
  'failedWrites',
  'slowDisks',
  'cleanStops',
  'reassignments',
  'minIsrChanges',
  'replicasCompared',
  'writesInPageCache',
  'possibleLosses',
  'deletions',
  'readersSetBack',
  'topicsDeleted',
  'partitionsAdded',
  'briefWrites',
  'briefReads',
  'removals',
  'removedRejoins',
] as const satisfies readonly (keyof DataCounters)[];

/** Seeds that failed once, with what they found; a change of the simulator's draws makes other runs of them. */
const FAILED_ONCE: readonly (readonly [seed: number, found: string])[] = [
  [1123, 'a follower never acknowledged what became durable between its hello and the answer (follower)'],
  [1138, 'the same of another partition (follower)'],
  [
    2_026_200_003_429,
    'a follower without room that led by the time there was some forgot one of its own followers (replica host)',
  ],
  [2_026_200_004_951, 'a hello that came early was answered to the next incarnation of its broker (replica)'],
  [
    401299,
    'a topic was given the id of one that was gone: its leader had forgotten that by a change of the membership (command loop)',
  ],
  [2026113100722, 'a follower kept an epoch that had moved to where its page cache was lost (divergence)'],
];

async function run(seed: number, summary: DataSummary): Promise<void> {
  const outcome = await runDataSeed(seed, { code: SHIPPED_NODE });
  if (outcome.error !== undefined) {
    throw new Error(`${outcome.error.message}; replay: ${dataReplayCommand(seed)}`, { cause: outcome.error });
  }
  summary.add(outcome);
}

describe('the whole data plane, simulated', () => {
  it('keeps every invariant over the fixed seeds, in which what can go wrong does', async () => {
    const summary = new DataSummary();
    for (let seed = 0; seed < FIXED_SEEDS; seed += 1) await run(seed, summary);
    for (const name of EXPECTED) expect(summary.counters[name], `the seeds met no ${name}`).toBeGreaterThan(0);
  }, 600_000);

  it.each(FAILED_ONCE)(
    'keeps every invariant over seed %i: %s',
    async (seed) => {
      await run(seed, new DataSummary());
    },
    120_000,
  );

  it.runIf(fresh.seconds > 0)(
    'keeps every invariant over as many fresh seeds as there is time for',
    async () => {
      const summary = new DataSummary();
      await fresh.runAll((seed) => run(seed, summary));
    },
    fresh.timeoutMs,
  );

  it('does the same for the same seed, and traces what happens', async () => {
    const lines: string[] = [];
    const first = await runDataSeed(4, { code: SHIPPED_NODE }, (line) => lines.push(line));
    const second = await runDataSeed(4, { code: SHIPPED_NODE });
    expect({ ...second }).toEqual({ ...first });
    expect(lines.some((line) => /p0 is told that p0\/0\S* are at 0@\d/.test(line))).toBe(true);
    expect(first.hash).not.toBe((await runDataSeed(5, { code: SHIPPED_NODE })).hash);
  }, 300_000);
});
