import type { ReplicationConfig } from '@streamline/core/replication/config';
import type { PushLimits } from '@streamline/core/replication/push-scheduler';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { BATCH_BYTES } from './broker-process';
import type { ProducerKind } from './clients';
import type { ControllerLinkProfile } from './controller-link';
import type { PartitionRules } from './controller-model';
import type { NetworkProfile } from './network';

export const FAULTS = [
  'kill',
  'power-loss',
  'full-power-loss',
  'full-kill',
  'clean-stop',
  'pause',
  'wiped-disk',
  'slow-disk',
  'cut',
  'one-way-cut',
  'isolated-leader',
  'controller-cut',
  'reassignment',
  'preferred-election',
  'delete-records',
  'full-disk',
] as const;

export type Fault = (typeof FAULTS)[number];

/** Everything about a run that is drawn before it begins. */
export interface Plan {
  readonly brokers: number;
  readonly partitions: readonly { readonly rules: PartitionRules; readonly replicas: readonly number[] }[];
  readonly producers: readonly { readonly partition: number; readonly kind: ProducerKind }[];
  readonly thinkMs: number;
  readonly safetyMs: number;
  readonly sessionTimeoutMs: number;
  readonly config: ReplicationConfig;
  readonly pushLimits: PushLimits;
  readonly metadataDelayMaxMs: number;
  readonly network: NetworkProfile;
  readonly controllerLink: ControllerLinkProfile;
  readonly faultIntervalsMs: ReadonlyMap<Fault, number>;
}

export function drawPlan(random: SeededRandom): Plan {
  // Drawn apart: it came later, and seeds without it are to stay the runs that they were.
  const apart = new SeededRandom(random.seed + 2 ** 32);
  const brokers = random.pick([1, 2, 3, 3, 3, 4, 5]);
  const partitions = Array.from({ length: random.pick([1, 1, 2, 3]) }, () => drawPartition(random, brokers));
  const producers = partitions.flatMap((_, partition) =>
    Array.from({ length: random.integer(1, 3) }, () => ({ partition, kind: drawProducer(random) })),
  );
  const lag = random.pick([300, 600, 1_000]);
  return {
    brokers,
    partitions,
    producers,
    thinkMs: random.pick([6, 20, 60]),
    safetyMs: random.integer(3_000, 7_000),
    sessionTimeoutMs: random.pick([400, 700, 1_500]),
    config: { replicaLagTimeMaxMs: lag, helloTimeoutMs: 150, helloBackoffMs: 20, alterPartitionRetryMs: random.pick([20, 100]) },
    pushLimits: {
      windowBytes: random.pick([3, 10, 1_000]) * BATCH_BYTES,
      frameBytesMax: random.pick([1, 5, 100]) * BATCH_BYTES,
      framePartitionsMax: random.pick([1, 2, 100]),
      catchUpReadsMax: random.pick([1, 2]),
      catchUpBytesPerSecond: random.pick([Infinity, Infinity, 400 * BATCH_BYTES]),
      announceDelayMs: random.pick([0, 5, 50]),
    },
    metadataDelayMaxMs: random.pick([1, 10, 60, 300]),
    network: drawNetwork(random),
    controllerLink: {
      delayMaxMs: random.pick([1, 10, 80]),
      loss: random.pick([0, 0, 0.05, 0.2]),
      lateness: random.pick([0, 0, 0.03, 0.15]),
    },
    faultIntervalsMs: drawFaults(random, apart),
  };
}

function drawPartition(random: SeededRandom, brokers: number): Plan['partitions'][number] {
  const factor = Math.min(random.pick([1, 2, 3, 3, 3, 4]), brokers);
  const first = random.integer(1, brokers);
  const replicas = Array.from({ length: factor }, (_, at) => ((first - 1 + at) % brokers) + 1);
  const rules: PartitionRules = {
    minInsyncReplicas: random.pick([1, 1, 2, 2, 3]),
    durability: random.pick(['fsync', 'fsync', 'page-cache']),
    uncleanElection: random.chance(0.05),
  };
  return { rules, replicas };
}

function drawProducer(random: SeededRandom): ProducerKind {
  return { requiredAcks: random.pick([-1, -1, -1, 1, 0] as const), isIdempotent: random.chance(0.6) };
}

function drawNetwork(random: SeededRandom): NetworkProfile {
  const delayMinMs = random.pick([0.1, 0.5, 3]);
  return {
    delayMinMs,
    delayMaxMs: delayMinMs + random.pick([0.2, 2, 15]),
    detectMaxMs: random.pick([5, 50, 400]),
    lateness: random.pick([0, 0.3, 0.8]),
  };
}

/** Each seed leaves most kinds out and does the others often. */
function drawFaults(random: SeededRandom, apart: SeededRandom): ReadonlyMap<Fault, number> {
  const intervals = new Map<Fault, number>();
  for (const fault of FAULTS) {
    const drawn = fault === 'full-disk' ? apart : random;
    if (drawn.chance(0.35)) intervals.set(fault, drawn.pick([400, 1_000, 2_500]));
  }
  return intervals;
}
