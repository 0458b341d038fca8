import { PartitionReplica } from '@streamline/core/replication/replica';
import { ControllerModel } from './controller-model';
import type { ReplicationCounters } from './counters';
import { SOUND_HOST } from './replica-host';
import { Simulation } from './simulation';
import type { SimulationKind } from './simulation';

/** What is shipped. */
export const SHIPPED: SimulationKind = {
  make: (init, config, facts) => new PartitionReplica(init, config, facts),
  rules: SOUND_HOST,
  controller: ControllerModel,
};

export interface SeedOutcome {
  readonly seed: number;
  /** What went wrong, if anything: a Violation, or an error of the code under test. */
  readonly error: Error | undefined;
  readonly counters: ReplicationCounters;
  readonly events: number;
  readonly virtualMs: number;
}

export function runSeed(seed: number, kind: SimulationKind, trace?: (line: string) => void): SeedOutcome {
  const simulation = new Simulation(seed, kind, trace);
  let error: Error | undefined;
  try {
    simulation.run();
  } catch (thrown) {
    error = thrown instanceof Error ? thrown : new Error(String(thrown));
  }
  const { counters, eventsProcessed: events, virtualMs } = simulation;
  return { seed, error, counters, events, virtualMs };
}

/** What to type to see a seed again, with a line for everything that happens. */
export function replayCommand(seed: number): string {
  return `REPLICATION_TRACE=1 STORY_FIRST_SEED=${seed} STORY_SEEDS=1 npm run unit -- libs/testing/replication/simulation.spec.ts`;
}
