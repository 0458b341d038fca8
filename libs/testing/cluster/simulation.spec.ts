import { describe, expect, it } from 'vitest';
import { freshSeeds } from '@streamline/testing/seeds/fresh-seeds';
import type { ClusterCounters } from './counters';
import { ClusterSummary, SHIPPED_CLUSTER, clusterReplayCommand, runClusterSeed } from './run-seed';

/** Fresh seeds run only where somebody gives them time: CLUSTER_SIM_SECONDS=180. */
const fresh = freshSeeds('CLUSTER_SIM_SECONDS');
const FIXED_SEEDS = 20;
/** What so few seeds have to meet. */
const EXPECTED = [
  'clustersBegun',
  'elections',
  'learnersAdded',
  'promotions',
  'removals',
  'removalsNoticed',
  'removedRejoins',
  'wipedDirectories',
  'wipedRejoins',
  'invitations',
  'transfersDone',
  'redirects',
  'snapshotsInstalled',
  'imagesCompared',
  'retries',
  'forwards',
  'foundOwnEffect',
  'registrations',
  'registrationsLost',
  'brokersSilent',
  'brokersGone',
  'controlledShutdowns',
  'isrGrown',
  'isrShrunk',
  'isrRefused',
  'cleanStops',
  'addressChanges',
  'callsStalled',
  'callsBroken',
] as const satisfies readonly (keyof ClusterCounters)[];

/** Seeds that failed once, with what they found; a change of the simulator's draws makes other runs of them. */
const FAILED_ONCE: readonly (readonly [seed: number, found: string])[] = [
  [17, 'a member that had moved was never heard, since it was answered where it had been, and asked nobody (keeper, transport)'],
  [14, 'a leader that had moved never told anybody (keeper)'],
  [47, 'a power loss after joining was taken for a lost log (controller role)'],
  [1010, 'nobody looked at a log that could not be closed after the node was removed (cluster member)'],
  [18, 'a node was told of its removal before that was committed, and stopped serving for good (membership service)'],
  [100_014, 'a node that was removed while it had no data yet asked nobody who knew (keeper)'],
  [
    101_906_885_303_918,
    'a node that was let in and crashed before it had written that down was never invited again (operations, keeper)',
  ],
  [101_906_885_303_943, 'an invited node asked nobody but the members that its invitation named, which had moved (formation)'],
  [101_906_885_304_022, 'a wiped node was left with a seed that does not exist (simulated operator)'],
  [
    101_906_885_304_407,
    'a call that was cancelled while its callee stood still was taken for one that was over (simulated calls)',
  ],
  [
    777_000_000_511,
    'a seed that had just begun a cluster and did not know its id yet was taken for one without a cluster (formation)',
  ],
  [888_000_000_088, 'a registration that outlived its process was counted against a cluster at rest (simulated calm)'],
  [20_261_123_100_095, 'two nodes moved before either was told where the other is now (simulated moves)'],
  [20_261_123_600_062, 'a member that was replaced while it was made a voter again was let in beside its successor (operations)'],
  [20_261_123_200_648, 'a learner that moved before its log told that it had joined was never heard of again (keeper)'],
];

async function run(seed: number, summary: ClusterSummary): Promise<void> {
  const outcome = await runClusterSeed(seed, SHIPPED_CLUSTER);
  if (outcome.error !== undefined) {
    throw new Error(`${outcome.error.message}; replay: ${clusterReplayCommand(seed)}`, { cause: outcome.error });
  }
  summary.add(outcome);
}

describe('the whole controller, simulated', () => {
  it('keeps every invariant over the fixed seeds, in which what can go wrong does', async () => {
    const summary = new ClusterSummary();
    for (let seed = 0; seed < FIXED_SEEDS; seed += 1) await run(seed, summary);
    for (const name of EXPECTED) expect(summary.counters[name], `the seeds met no ${name}`).toBeGreaterThan(0);
  }, 600_000);

  it.each(FAILED_ONCE)(
    'keeps every invariant over seed %i: %s',
    async (seed) => {
      await run(seed, new ClusterSummary());
    },
    120_000,
  );

  it.runIf(fresh.seconds > 0)(
    'keeps every invariant over as many fresh seeds as there is time for',
    async () => {
      const summary = new ClusterSummary();
      await fresh.runAll((seed) => run(seed, summary));
    },
    fresh.timeoutMs,
  );

  it('does the same for the same seed, and traces what happens', async () => {
    const lines: string[] = [];
    const first = await runClusterSeed(1, SHIPPED_CLUSTER, (line) => lines.push(line));
    const second = await runClusterSeed(1, SHIPPED_CLUSTER);
    expect({ ...second }).toEqual({ ...first });
    expect(lines.some((line) => /\d 1@\S{4} starts at node-1:9093/.test(line))).toBe(true);
  }, 120_000);
});
