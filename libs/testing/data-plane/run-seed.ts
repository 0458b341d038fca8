import { poisonFreedMemory } from '@streamline/testing/log/poison';
import { DataCounters } from './counters';
import type { DataPlan } from './plan';
import type { DataCode } from './shipped-code';
import { DataSimulation } from './simulation';

// Whoever still uses memory that a log took back is found out.
poisonFreedMemory();

export interface DataOutcome {
  readonly seed: number;
  /** What went wrong, if anything: a Violation, or an error of the code under test. */
  readonly error: Error | undefined;
  readonly counters: DataCounters;
  readonly events: number;
  readonly virtualMs: number;
  /** From the healing to when all was whole. */
  readonly wholeAfterMs: number;
  /** Of all that clients were told, and when. */
  readonly hash: number;
}

export interface DataRun {
  readonly code: DataCode;
  readonly plan?: Partial<DataPlan> | undefined;
}

export async function runDataSeed(seed: number, run: DataRun, trace?: (line: string) => void): Promise<DataOutcome> {
  const simulation = new DataSimulation({ ...run, seed, trace });
  let error: Error | undefined;
  try {
    await simulation.run();
  } catch (thrown) {
    error = thrown instanceof Error ? thrown : new Error(String(thrown));
  }
  const { counters, eventsProcessed: events, virtualMs, wholeAfterMs, hash } = simulation;
  return { seed, error, counters, events, virtualMs, wholeAfterMs, hash };
}

/** Sums over many seeds. */
export class DataSummary {
  readonly counters = new DataCounters();
  seeds = 0;
  events = 0;
  virtualMs = 0;
  wholeAfterMsMax = 0;

  add(outcome: DataOutcome): void {
    this.seeds += 1;
    this.events += outcome.events;
    this.virtualMs += outcome.virtualMs;
    this.wholeAfterMsMax = Math.max(this.wholeAfterMsMax, outcome.wholeAfterMs);
    this.counters.add(outcome.counters);
  }
}

/** What to type to see a seed again. */
export function dataReplayCommand(seed: number): string {
  return `npm run sim -- --layer data --seed ${seed} --trace`;
}
