import { Violation } from '@streamline/testing/raft/violation';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { ClusterMachine } from '../cluster-machine';
import type { ClusterCounters } from '../counters';
import type { ClusterPlan } from '../plan';

/** What does not happen where all is well. */
const QUIET = [
  'elections',
  'learnersAdded',
  'promotions',
  'removals',
  'removalsNoticed',
  'brokersSilent',
  'brokersGone',
  'registrations',
] as const satisfies readonly (keyof ClusterCounters)[];
const STEPS = 12;
const WALL_STEP_MS = 20_000;

export interface CalmSurroundings {
  readonly counters: ClusterCounters;
  readonly machines: readonly ClusterMachine[];
  readonly random: SeededRandom;
  readonly plan: ClusterPlan;
  pass(ms: number): Promise<void>;
}

/** A cluster that is whole stays so, for two sessions, whatever is done to the wall clocks: no session and no timeout rests on them. */
export async function expectCalm({ counters, machines, random, plan, pass }: CalmSurroundings): Promise<void> {
  const before = QUIET.map((name) => counters[name]);
  const stepMs = (2 * (plan.sessionTimeoutMs + plan.raft.electionTimeoutMaxMs)) / STEPS;
  for (let step = 0; step < STEPS; step += 1) {
    for (const { clock } of machines) clock.stepWall(random.integer(-WALL_STEP_MS, WALL_STEP_MS));
    await pass(stepMs);
  }
  const found = QUIET.filter((name, at) => counters[name] !== before[at]);
  if (found.length > 0) throw new Violation('calm', `where all was well there were ${found.join(', ')}`);
}
