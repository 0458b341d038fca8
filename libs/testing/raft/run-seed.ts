import { SimulationCounters } from './counters';
import { Simulation } from './simulation';
import type { NodeKind } from './simulated-process';

export interface SeedOutcome {
  readonly seed: number;
  /** What went wrong, if anything: a Violation, or an error of the code under test. */
  readonly error: Error | undefined;
  readonly counters: SimulationCounters;
  readonly events: number;
  readonly virtualMs: number;
  /** The history was too long for the linearizability checker. */
  readonly undecided: boolean;
}

export async function runSeed(seed: number, kind: NodeKind, trace?: (line: string) => void): Promise<SeedOutcome> {
  const simulation = new Simulation({ seed, kind, trace });
  let error: Error | undefined;
  try {
    await simulation.run();
  } catch (thrown) {
    error = thrown instanceof Error ? thrown : new Error(String(thrown));
  }
  const { counters, eventsProcessed: events, virtualMs, undecided } = simulation;
  return { seed, error, counters, events, virtualMs, undecided };
}

/** Sums over many seeds. */
export class SeedSummary {
  readonly counters = new SimulationCounters();
  seeds = 0;
  events = 0;
  virtualMs = 0;
  undecided = 0;

  add(outcome: SeedOutcome): void {
    this.seeds += 1;
    this.events += outcome.events;
    this.virtualMs += outcome.virtualMs;
    this.undecided += outcome.undecided ? 1 : 0;
    this.counters.add(outcome.counters);
  }
}

/** What to type to see a seed again. */
export function replayCommand(seed: number, kind: NodeKind): string {
  return `npm run sim -- --layer ${kind.name} --seed ${seed} --trace`;
}
