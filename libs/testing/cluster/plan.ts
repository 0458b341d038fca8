import { DEFAULT_RAFT_CONFIG } from '@streamline/core/raft/limits';
import type { RaftConfig } from '@streamline/core/raft/types';
import type { NetworkProfile } from '@streamline/testing/raft/plan';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';

export const FAULTS = [
  'partition',
  'isolated-leader',
  'one-way-cut',
  'kill',
  'power-loss',
  'full-restart',
  'clean-stop',
  'pause',
  'clock-drift',
  'wall-clock-step',
  'slow-disk',
  'failed-write',
  'wiped-directory',
  'other-seeds',
  'address-change',
] as const;
export type Fault = (typeof FAULTS)[number];

/**
 * How nodes are told of each other. `chain`: the first without seeds, each of the others with some before it. `equal`: all with the
 * same list. `rotated`: all with the same set, each in an order of its own. `invited`: the first alone, the others wait to be added.
 */
export type SeedLists = 'chain' | 'equal' | 'rotated' | 'invited';

/** All that a seed decides before the first event. */
export interface ClusterPlan {
  readonly nodes: number;
  readonly seedLists: SeedLists;
  /** The last nodes start so late at most. */
  readonly startWithinMs: number;
  readonly clients: number;
  /** Mean pause of a client between two commands. */
  readonly thinkMs: number;
  /** How long faults go on, in virtual time. */
  readonly safetyMs: number;
  readonly raft: RaftConfig;
  readonly sessionTimeoutMs: number;
  readonly network: NetworkProfile;
  /** Mean time between two faults of a kind; kinds that are not in it do not happen. */
  readonly faultIntervalsMs: ReadonlyMap<Fault, number>;
  readonly changeIntervalMs: number;
  readonly transferIntervalMs: number;
}

const NODES = [3, 3, 3, 3, 3, 3, 4, 4, 5, 5, 2, 1] as const;
const FAULT_INTERVALS_MS: Readonly<Record<Fault, readonly [number, number]>> = {
  partition: [3_000, 12_000],
  'isolated-leader': [3_000, 10_000],
  'one-way-cut': [3_000, 12_000],
  kill: [3_000, 12_000],
  'power-loss': [3_000, 12_000],
  'full-restart': [8_000, 25_000],
  'clean-stop': [3_000, 10_000],
  pause: [3_000, 12_000],
  'clock-drift': [1_000, 10_000],
  'wall-clock-step': [1_000, 6_000],
  'slow-disk': [3_000, 12_000],
  'failed-write': [5_000, 20_000],
  'wiped-directory': [4_000, 15_000],
  'other-seeds': [4_000, 15_000],
  'address-change': [5_000, 15_000],
};

/** Seeds differ in what they try: each leaves most kinds of faults out and does the others often ("swarm testing"). */
export function drawPlan(random: SeededRandom): ClusterPlan {
  const faultChance = random.chance(0.1) ? 0.1 : 0.2 + random.next() * 0.5;
  const faultIntervalsMs = new Map<Fault, number>();
  for (const fault of FAULTS) {
    const [from, to] = FAULT_INTERVALS_MS[fault];
    const intervalMs = random.integer(from, to);
    if (random.chance(faultChance)) faultIntervalsMs.set(fault, intervalMs);
  }
  const raft = drawRaft(random);
  const changes = random.chance(0.6);
  return {
    nodes: random.pick(NODES),
    seedLists: random.pick(['chain', 'chain', 'equal', 'rotated', 'invited']),
    startWithinMs: random.pick([10, 500, 4_000]),
    clients: random.integer(1, 4),
    thinkMs: random.integer(50, 400),
    safetyMs: random.integer(8_000, 20_000),
    raft,
    sessionTimeoutMs: random.pick([1_500, 3_000]),
    network: drawNetwork(random, raft.electionTimeoutMinMs),
    faultIntervalsMs,
    changeIntervalMs: changes ? random.integer(1_000, 6_000) : Infinity,
    transferIntervalMs: random.chance(0.4) ? random.integer(1_000, 8_000) : Infinity,
  };
}

function drawNetwork(random: SeededRandom, electionTimeoutMinMs: number): NetworkProfile {
  const delayMinMs = random.pick([0.1, 0.5, 5]);
  return {
    delayMinMs,
    delayMaxMs: delayMinMs + random.pick([0.2, 2, 20, electionTimeoutMinMs / 10]),
    loss: random.pick([0, 0, 0.01, 0.05, 0.15]),
    duplication: random.pick([0, 0, 0.02, 0.1]),
    reordering: random.pick([0, 0, 0.05, 0.2]),
    stragglerMs: random.pick([30, 300, 2_000]),
    queueMax: random.pick([8, 1_000, 1_000]),
  };
}

/** Small bounds, so that each is reached often. */
function drawRaft(random: SeededRandom): RaftConfig {
  const heartbeatIntervalMs = random.pick([100, 150, 250]);
  const electionTimeoutMinMs = heartbeatIntervalMs * random.pick([2, 3, 4]);
  return {
    ...DEFAULT_RAFT_CONFIG,
    heartbeatIntervalMs,
    electionTimeoutMinMs,
    electionTimeoutMaxMs: electionTimeoutMinMs * 2,
    snapshotIntervalLogs: random.pick([5, 20, 50, 200]),
    maxLogsInSnapshot: random.pick([0, 3, 20, 100]),
    purgeBatchSize: random.pick([1, 5, 20]),
    maxPayloadEntries: random.pick([3, 10, 100]),
    batchBytesMax: random.pick([2_000, 100_000]),
    inflightAppendsMax: random.pick([2, 8, 64]),
    windowEntriesMax: random.pick([5, 50, 8_192]),
    snapshotChunkBytes: random.pick([500, 5_000]),
    inflightChunksMax: 2,
  };
}
