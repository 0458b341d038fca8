import { expect } from 'vitest';
import { percentile } from '../kit/cluster-watch';

/** From so many runs on their p99 counts. */
const RUNS_FOR_P99 = 20;

/**
 * How often a fault is repeated, of which a time is promised: a few times with `npm test`, any number with
 * `GUIDE_RUNS=50 npx vitest run --config test/vitest.config.ts test/guide/leader-failure.spec.ts`.
 */
export function guideRuns(usual: number): number {
  const asked = Number(process.env['GUIDE_RUNS'] ?? usual);
  if (!Number.isInteger(asked) || asked < 1)
    throw new Error(`GUIDE_RUNS is a whole number from 1, not '${process.env['GUIDE_RUNS']}'`);
  return asked;
}

/**
 * Prints the times of all runs, and judges their p99 where there are many, for which a quiet machine is needed. Few prove no
 * percentile: what they have to show, a spec says without a bound that a busy machine breaks.
 */
export function expectP99(what: string, timesMs: readonly number[], boundMs: number): void {
  console.log(`${what}, ms: ${timesMs.map(Math.round).join(' ')}`);
  if (isForP99(timesMs.length)) expect(percentile(timesMs, 0.99), what).toBeLessThanOrEqual(boundMs);
}

/** Whether this is for percentiles: on a quiet machine, with the guide's own timeouts. */
export function isForP99(runs: number): boolean {
  return runs >= RUNS_FOR_P99;
}

/**
 * Election timeouts (heartbeats stay at their 500 ms) for specs that count on a leader staying where nothing happens to it: it may stand still for
 * seconds, as on a busy machine, and is missed only later.
 */
export const PATIENT_ELECTIONS_MS = { min: 4_000, max: 5_000 } as const;

export const PATIENT_ELECTIONS: readonly string[] = [
  ...['--election-timeout-min-ms', String(PATIENT_ELECTIONS_MS.min)],
  ...['--election-timeout-max-ms', String(PATIENT_ELECTIONS_MS.max)],
];

/** One run of what waits for a cluster to form again. */
export const RUN_WITHIN_MS = 120_000;
