import { ClusterCounters } from './counters';
import type { ShippedCode } from './shipped-code';
import { SHIPPED } from './shipped-code';
import { ClusterSimulation } from './simulation';

/** What is run: the code, and whether the transport looks at directory ids. */
export interface ClusterCode {
  readonly code: ShippedCode;
  readonly looksAtIdentities?: boolean;
}

export const SHIPPED_CLUSTER: ClusterCode = { code: SHIPPED };

export interface ClusterOutcome {
  readonly seed: number;
  /** What went wrong, if anything: a Violation, or an error of the code under test. */
  readonly error: Error | undefined;
  readonly counters: ClusterCounters;
  readonly events: number;
  readonly virtualMs: number;
  /** From the healing to when the cluster was whole. */
  readonly wholeAfterMs: number;
}

export async function runClusterSeed(seed: number, code: ClusterCode, trace?: (line: string) => void): Promise<ClusterOutcome> {
  const simulation = new ClusterSimulation({ ...code, seed, trace });
  let error: Error | undefined;
  try {
    await simulation.run();
  } catch (thrown) {
    error = thrown instanceof Error ? thrown : new Error(String(thrown));
  }
  const { counters, eventsProcessed: events, virtualMs, wholeAfterMs } = simulation;
  return { seed, error, counters, events, virtualMs, wholeAfterMs };
}

/** Sums over many seeds. */
export class ClusterSummary {
  readonly counters = new ClusterCounters();
  seeds = 0;
  events = 0;
  virtualMs = 0;
  wholeAfterMsMax = 0;

  add(outcome: ClusterOutcome): void {
    this.seeds += 1;
    this.events += outcome.events;
    this.virtualMs += outcome.virtualMs;
    this.wholeAfterMsMax = Math.max(this.wholeAfterMsMax, outcome.wholeAfterMs);
    this.counters.add(outcome.counters);
  }
}

/** What to type to see a seed again. */
export function clusterReplayCommand(seed: number): string {
  return `npm run sim -- --layer cluster --seed ${seed} --trace`;
}
