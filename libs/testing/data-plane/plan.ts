import type { RaftConfig } from '@streamline/core/raft/types';
import { DEFAULT_RAFT_CONFIG } from '@streamline/core/raft/limits';
import type { GroupHostLimits } from '@streamline/runtime/groups/group-host-limits';
import type { LogJournalOptions } from '@streamline/runtime/log/open-log-engine';
import type { LogLimits } from '@streamline/runtime/log/log-limits';
import type { ReplicationLimits } from '@streamline/runtime/replication/replication-limits';
import { DEFAULT_REPLICATION_LIMITS } from '@streamline/runtime/replication/replication-limits';
import type { NetworkProfile } from '@streamline/testing/raft/plan';
import { SeededRandom } from '@streamline/testing/time/seeded-random';

export const FAULTS = [
  'kill',
  'power-loss',
  'full-kill',
  'full-power-loss',
  'clean-stop',
  'pause',
  'partition',
  'isolated-leader',
  'one-way-cut',
  'client-cut',
  'clock-drift',
  'wall-clock-step',
  'slow-disk',
  'failed-write',
  'failed-sync',
  'full-disk',
  'wiped-disk',
  'reassignment',
  'preferred-election',
  'other-min-isr',
  'delete-records',
  'cancelled-move',
  'recreated-topic',
  'more-partitions',
] as const;

/** Where nodes leave and come back, so often. */
const MEMBERSHIP_INTERVAL_MS = [300, 1_500] as const;
const MEMBERSHIP_CHANCE = 0.8;
const ONE_MORE_CHANCE = 0.2;
/** Whatever is drawn for it leaves all else of a plan as it is. */
export const MEMBERSHIP_SALT = 0x6d656d62;
export type Fault = (typeof FAULTS)[number];

export interface TopicPlan {
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly minInsyncReplicas: number;
  /** `page-cache`: what is acknowledged is written, not synced; a power loss of all that have it may take it. */
  readonly durability: 'fsync' | 'page-cache';
  /** Anybody may lead where nobody else is left. */
  readonly uncleanElection: boolean;
}

export interface ProducerPlan {
  readonly place: number;
  readonly requiredAcks: -1 | 1;
  readonly isIdempotent: boolean;
  readonly inFlightMax: number;
  readonly thinkMs: number;
}

export interface StoragePlan {
  readonly journal: LogJournalOptions;
  readonly log: Partial<LogLimits>;
  readonly replication: ReplicationLimits;
  readonly groups: Partial<GroupHostLimits>;
}

/** All that a seed decides before the first event. */
export interface DataPlan {
  readonly nodes: number;
  readonly raft: RaftConfig;
  readonly sessionTimeoutMs: number;
  readonly network: NetworkProfile;
  readonly storage: StoragePlan;
  readonly topic: TopicPlan;
  readonly offsetsTopic: TopicPlan;
  /** Deleted and created anew, and it grows, where there are such faults; else it is not there. */
  readonly briefTopic: TopicPlan;
  readonly producers: readonly ProducerPlan[];
  /** Members of each group; none where records may be lost, and committed offsets with them go back. */
  readonly groups: readonly number[];
  readonly readers: number;
  /** Groups to which offsets are committed from outside of any membership. */
  readonly committers: number;
  readonly requestTimeoutMs: number;
  /** How long faults go on, in virtual time. */
  readonly safetyMs: number;
  /** Mean time between two faults of a kind; kinds that are not in it do not happen. */
  readonly faultIntervalsMs: ReadonlyMap<Fault, number>;
  /** Mean time between two commands to take a node out of the cluster, or to keep it; Infinity: there are none. */
  readonly membershipIntervalMs: number;
}

const FAULT_INTERVALS_MS: Readonly<Record<Fault, readonly [number, number]>> = {
  kill: [1_500, 6_000],
  'power-loss': [1_500, 6_000],
  'full-kill': [4_000, 12_000],
  'full-power-loss': [4_000, 12_000],
  'clean-stop': [1_500, 6_000],
  pause: [1_500, 6_000],
  partition: [1_500, 6_000],
  'isolated-leader': [1_500, 5_000],
  'one-way-cut': [1_500, 6_000],
  'client-cut': [1_000, 5_000],
  'clock-drift': [1_000, 6_000],
  'wall-clock-step': [1_000, 6_000],
  'slow-disk': [1_500, 6_000],
  'failed-write': [3_000, 12_000],
  'failed-sync': [3_000, 12_000],
  'full-disk': [3_000, 12_000],
  'wiped-disk': [4_000, 12_000],
  reassignment: [1_000, 5_000],
  'preferred-election': [1_000, 5_000],
  'other-min-isr': [1_500, 6_000],
  'delete-records': [400, 3_000],
  'cancelled-move': [1_000, 5_000],
  'recreated-topic': [500, 3_000],
  'more-partitions': [500, 3_000],
};

/** Seeds differ in what they try: each leaves most kinds of faults out and does the others often ("swarm testing"). */
export function drawPlan(random: SeededRandom): DataPlan {
  const nodes = random.pick([3, 3, 3, 3, 3, 4, 5]);
  const faultChance = random.chance(0.1) ? 0.1 : 0.15 + random.next() * 0.35;
  const faultIntervalsMs = new Map<Fault, number>();
  for (const fault of FAULTS) {
    const [from, to] = FAULT_INTERVALS_MS[fault];
    const intervalMs = random.integer(from, to);
    if (random.chance(faultChance)) faultIntervalsMs.set(fault, intervalMs);
  }
  const topic = drawTopic(random, nodes, faultIntervalsMs);
  // A log in the page cache is given up with its first failed sync (LOG-9); where the others may lose theirs it would be the last.
  const losesPower = faultIntervalsMs.has('power-loss') || faultIntervalsMs.has('full-power-loss');
  if (topic.durability === 'page-cache' && losesPower) faultIntervalsMs.delete('failed-sync');
  return {
    nodes,
    raft: drawRaft(random),
    sessionTimeoutMs: random.pick([1_000, 1_500, 3_000]),
    network: drawNetwork(random),
    storage: drawStorage(random),
    topic,
    offsetsTopic: {
      ...drawTopic(random, nodes, faultIntervalsMs),
      partitions: random.integer(1, 2),
      durability: 'fsync',
      uncleanElection: false,
    },
    briefTopic: { ...drawTopic(random, nodes, faultIntervalsMs), partitions: 1, durability: 'fsync', uncleanElection: false },
    producers: Array.from({ length: topic.partitions * random.integer(1, 2) }, (_, at) =>
      drawProducer(random, at % topic.partitions),
    ),
    groups: mayLose(topic) ? [] : Array.from({ length: random.integer(1, 2) }, () => random.integer(1, 2)),
    readers: random.integer(1, 2),
    committers: random.integer(0, 2),
    requestTimeoutMs: random.pick([500, 1_000, 2_000]),
    safetyMs: random.integer(5_000, 12_000),
    faultIntervalsMs,
    membershipIntervalMs: Infinity,
  };
}

/** With nodes that leave and come back, in clusters where replicas can go to others; what takes a disk away does nothing else besides. */
export function withMembership(plan: DataPlan, seed: number): DataPlan {
  const random = new SeededRandom(seed ^ MEMBERSHIP_SALT);
  const nodes = plan.nodes + (plan.nodes === 3 && random.chance(ONE_MORE_CHANCE) ? 1 : 0);
  if (nodes === 3 || plan.faultIntervalsMs.has('wiped-disk') || !random.chance(MEMBERSHIP_CHANCE)) return plan;
  return { ...plan, nodes, membershipIntervalMs: random.integer(...MEMBERSHIP_INTERVAL_MS) };
}

/** Whether there is a topic that comes and goes. */
export function hasBriefTopic({ faultIntervalsMs }: DataPlan): boolean {
  return faultIntervalsMs.has('recreated-topic') || faultIntervalsMs.has('more-partitions');
}

function drawTopic(random: SeededRandom, nodes: number, faults: ReadonlyMap<Fault, number>): TopicPlan {
  const partitions = random.integer(1, 3);
  const replicationFactor = faults.has('wiped-disk') ? 3 : Math.min(nodes, random.pick([1, 2, 3, 3, 3, 3]));
  const minInsyncReplicas = faults.has('wiped-disk') ? 2 : random.pick([1, 2, 2]);
  const durability = random.chance(0.2) ? 'page-cache' : 'fsync';
  return { partitions, replicationFactor, minInsyncReplicas, durability, uncleanElection: random.chance(0.1) };
}

/** Acknowledged records may be lost by it, where everything goes wrong at once. */
export function mayLose({ durability, uncleanElection }: TopicPlan): boolean {
  return durability === 'page-cache' || uncleanElection;
}

function drawProducer(random: SeededRandom, place: number): ProducerPlan {
  const isIdempotent = random.chance(0.7);
  return {
    place,
    isIdempotent,
    requiredAcks: isIdempotent || random.chance(0.6) ? -1 : 1,
    inFlightMax: random.pick([1, 3, 5]),
    thinkMs: random.pick([15, 40, 120]),
  };
}

function drawNetwork(random: SeededRandom): NetworkProfile {
  const delayMinMs = random.pick([0.1, 0.5, 3]);
  return {
    delayMinMs,
    delayMaxMs: delayMinMs + random.pick([0.2, 2, 15]),
    loss: random.pick([0, 0, 0.01, 0.05]),
    duplication: random.pick([0, 0, 0.02]),
    reordering: random.pick([0, 0, 0.05]),
    stragglerMs: random.pick([30, 300]),
    queueMax: 1_000,
  };
}

function drawRaft(random: SeededRandom): RaftConfig {
  const heartbeatIntervalMs = random.pick([100, 150]);
  const electionTimeoutMinMs = heartbeatIntervalMs * random.pick([3, 4]);
  return {
    ...DEFAULT_RAFT_CONFIG,
    heartbeatIntervalMs,
    electionTimeoutMinMs,
    electionTimeoutMaxMs: 2 * electionTimeoutMinMs,
    snapshotIntervalLogs: random.pick([20, 50, 1_000]),
    maxLogsInSnapshot: random.pick([5, 20, 500]),
    purgeBatchSize: random.pick([1, 20]),
    batchBytesMax: 16_000,
    snapshotChunkBytes: 8_000,
  };
}

/** Small bounds, so that each is reached. */
function drawStorage(random: SeededRandom): StoragePlan {
  const { replica, push, peer } = DEFAULT_REPLICATION_LIMITS;
  const fileBytes = random.pick([96, 192]) * 1024;
  return {
    journal: { fileBytes, fileCount: 4, groupBytesMax: 16 * 1024, pendingBytesMax: 64 * 1024, sealDelayMs: 20 },
    log: {
      tailCacheBytes: random.pick([16, 256]) * 1024,
      slabBytes: 8 * 1024,
      writeRunBytes: random.pick([1, 16]) * 1024,
      unwrittenBytes: 32 * 1024,
      checkpointStepBytes: 32 * 1024,
      checkpointIntervalMs: random.pick([500, 3_000]),
      spaceMarginBytes: 0,
      stopSyncBytes: 1024,
    },
    replication: {
      replica: {
        ...replica,
        replicaLagTimeMaxMs: random.pick([500, 1_000, 2_500]),
        helloTimeoutMs: 300,
        helloBackoffMs: 40,
        alterPartitionRetryMs: random.pick([40, 200]),
      },
      push: {
        ...push,
        windowBytes: random.pick([2, 64]) * 1024,
        frameBytesMax: random.pick([1, 16]) * 1024,
        catchUpBytesPerSecond: random.pick([Infinity, 64 * 1024]),
        announceDelayMs: random.pick([5, 50]),
      },
      peer: {
        ...peer,
        greetingTimeoutMs: 800,
        heartbeatMs: 300,
        silenceMaxMs: 1_500,
        backOffMs: 30,
        backOffMaxMs: 300,
        retryMs: 150,
        controllerTimeoutMs: 1_000,
      },
    },
    groups: {
      commitTimeoutMs: 1_500,
      loadRetryMs: 50,
      loadRetryMaxMs: 400,
      rewriteCheckIntervalMs: 1_000,
      rewriteMinBytes: random.pick([2 * 1024, 1 << 20]),
      loadChunkBytes: random.pick([512, 262_144]),
      maxBatchBytes: random.pick([400, 1 << 16]),
    },
  };
}
