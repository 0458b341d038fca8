import { DEFAULT_RAFT_CONFIG } from '@streamline/core/raft/limits';
import type { RaftConfig } from '@streamline/core/raft/types';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { SessionLimits } from './key-machine';

/** How the network treats messages while it is at its worst. */
export interface NetworkProfile {
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
  readonly loss: number;
  readonly duplication: number;
  readonly reordering: number;
  /** Messages that are overtaken come up to so much later. */
  readonly stragglerMs: number;
  /** Messages under way from one node to another; more are thrown away. */
  readonly queueMax: number;
}

export const FAULTS = [
  'partition',
  'isolated-leader',
  'one-way-cut',
  'kill',
  'power-loss',
  'crash-within-turn',
  'full-restart',
  'pause',
  'clock-drift',
  'wall-clock-step',
  'slow-disk',
  'failed-write',
  'bit-flip',
  'wiped-disk',
] as const;
export type Fault = (typeof FAULTS)[number];

/** All that a seed decides before the first event. */
export interface Plan {
  readonly voters: number;
  /** Nodes that wait to be added. */
  readonly spares: number;
  readonly clients: number;
  /** Mean pause of a client between two operations. */
  readonly thinkMs: number;
  /** How long faults go on, in virtual time. */
  readonly safetyMs: number;
  readonly config: RaftConfig;
  readonly sessionLimits: SessionLimits;
  readonly snapshotFillerBytes: number;
  readonly network: NetworkProfile;
  /** Mean time between two faults of a kind; kinds that are not in it do not happen. */
  readonly faultIntervalsMs: ReadonlyMap<Fault, number>;
  readonly changeIntervalMs: number;
  readonly transferIntervalMs: number;
}

const VOTERS = [3, 3, 3, 3, 3, 5, 5, 5, 4, 4, 2, 1, 7, 6] as const;
const FAULT_INTERVALS_MS: Readonly<Record<Fault, readonly [number, number]>> = {
  partition: [2_000, 12_000],
  'isolated-leader': [3_000, 8_000],
  'one-way-cut': [2_000, 12_000],
  kill: [2_000, 12_000],
  'power-loss': [2_000, 12_000],
  'crash-within-turn': [2_000, 8_000],
  'full-restart': [8_000, 25_000],
  pause: [2_000, 12_000],
  'clock-drift': [1_000, 10_000],
  'wall-clock-step': [2_000, 10_000],
  'slow-disk': [3_000, 12_000],
  'failed-write': [5_000, 20_000],
  'bit-flip': [6_000, 25_000],
  'wiped-disk': [6_000, 25_000],
};

/** Seeds differ in what they try: each leaves most kinds of faults out and does the others often ("swarm testing"). */
export function drawPlan(random: SeededRandom): Plan {
  const isCalm = random.chance(0.1);
  const faultChance = isCalm ? 0.1 : 0.2 + random.next() * 0.6;
  const faultIntervalsMs = new Map<Fault, number>();
  for (const fault of FAULTS) {
    const [least, most] = FAULT_INTERVALS_MS[fault];
    if (random.chance(faultChance)) faultIntervalsMs.set(fault, random.integer(least, most));
  }
  const isStormy = random.chance(0.15);
  const config = drawConfig(random, isStormy);
  if (isStormy) {
    // Leader after leader loses touch while proposals come in: logs diverge over several terms, as in the paper's figure 7.
    faultIntervalsMs.set('isolated-leader', 2 * config.electionTimeoutMaxMs);
    faultIntervalsMs.set('kill', 5 * config.electionTimeoutMaxMs);
  }
  const changesMembers = random.chance(0.7);
  return {
    voters: random.pick(VOTERS),
    spares: changesMembers ? random.integer(0, 3) : 0,
    clients: random.integer(1, 5),
    thinkMs: isStormy ? 20 : random.integer(30, 400),
    safetyMs: random.integer(8_000, 25_000),
    config,
    sessionLimits: random.chance(0.25)
      ? { expiryMs: random.integer(3_000, 30_000), sessionsMax: random.integer(16, 24) }
      : { expiryMs: 3_600_000, sessionsMax: 4096 },
    snapshotFillerBytes: random.pick([0, 0, 1_000, 5_000]),
    network: drawNetwork(random, config.electionTimeoutMinMs),
    faultIntervalsMs,
    changeIntervalMs: changesMembers ? random.integer(200, 3_000) : Infinity,
    transferIntervalMs: random.chance(0.4) ? random.integer(1_000, 8_000) : Infinity,
  };
}

function drawNetwork(random: SeededRandom, electionTimeoutMinMs: number): NetworkProfile {
  const delayMinMs = random.pick([0.1, 0.5, 5, electionTimeoutMinMs / 40]);
  return {
    delayMinMs,
    delayMaxMs: delayMinMs + random.pick([0.2, 2, 20, electionTimeoutMinMs / 8]),
    loss: random.pick([0, 0, 0.01, 0.05, 0.2]),
    duplication: random.pick([0, 0, 0.02, 0.2]),
    reordering: random.pick([0, 0, 0.05, 0.4]),
    stragglerMs: random.pick([30, 300, 4_000]),
    queueMax: random.pick([4, 20, 1_000, 1_000]),
  };
}

/** Small bounds, so that each is reached often. */
function drawConfig(random: SeededRandom, isStormy: boolean): RaftConfig {
  const isQuick = isStormy || random.chance(0.3);
  const heartbeatIntervalMs = isQuick ? 100 : DEFAULT_RAFT_CONFIG.heartbeatIntervalMs;
  const electionTimeoutMinMs = heartbeatIntervalMs * random.pick([2, 2, 3]);
  const config = {
    ...DEFAULT_RAFT_CONFIG,
    heartbeatIntervalMs,
    electionTimeoutMinMs,
    electionTimeoutMaxMs: electionTimeoutMinMs * random.pick([1.2, 2, 2, 5]),
    snapshotIntervalLogs: random.pick([5, 20, 50, 200]),
    maxLogsInSnapshot: random.pick([0, 3, 20, 100]),
    purgeBatchSize: random.pick([1, 5, 20]),
    maxPayloadEntries: random.pick([1, 3, 10, 100]),
    entryBytesMax: 2_000,
    batchBytesMax: random.pick([300, 1_000, 100_000]),
    inflightAppendsMax: random.pick([1, 2, 8, 64]),
    inflightBytesMax: random.pick([500, 4_000, 1_000_000]),
    uncommittedBytesMax: random.pick([2_500, 10_000, 1_000_000]),
    windowBytesMax: random.pick([500, 4_000, 1_000_000]),
    windowEntriesMax: random.pick([1, 5, 50, 8_192]),
    heldLogsMax: random.pick([10, 100, 100_000]),
    snapshotChunkBytes: random.pick([200, 1_000, 10_000]),
    pendingReadsMax: random.pick([1, 3, 4_096]),
  };
  return { ...config, inflightChunksMax: Math.min(config.inflightAppendsMax, DEFAULT_RAFT_CONFIG.inflightChunksMax) };
}
