import type { PatchedLine } from '@streamline/testing/cluster/patched-node';
import { CONTROLLER_EXPORTS, patchedNode, patchesOf } from '@streamline/testing/cluster/patched-node';
import type { Patch } from '@streamline/testing/raft/patched-core';
import type { DataPlan, Fault } from './plan';
import type { DataRun } from './run-seed';
import type { DataCode } from './shipped-code';

/** A bug that the data plane could have. */
export interface PlantedDataBug {
  /** What the buggy code does. */
  readonly does: string;
  /** Lines of the sources of core and runtime. */
  readonly patches: readonly Patch[];
  /** Where it hardly shows otherwise. */
  readonly plan?: Partial<DataPlan> | undefined;
  /** Simulations find it within so many seeds, from this one on. */
  readonly from: number;
  readonly seedsMax: number;
}

/** The code that has the bug, bundled anew; its own assertions are off. */
export async function dataRunWith({ patches, plan }: Pick<PlantedDataBug, 'patches' | 'plan'>): Promise<DataRun> {
  const code: DataCode = await patchedNode(SHIPPED_EXPORTS, patches);
  code.setInvariantsEnabled(false);
  code.setReplicationInvariantsEnabled(false);
  return { code, plan };
}

const SHIPPED_EXPORTS = [
  ...CONTROLLER_EXPORTS,
  ['setInvariantsEnabled as setReplicationInvariantsEnabled', 'core/replication/invariant'],
  ['openLogEngine', 'runtime/log/open-log-engine'],
  ['createStorageRole', 'runtime/partitions/storage-role'],
  ['createGroupCoordinators', 'runtime/groups/group-coordinators'],
] as const;

type Seeds = readonly [from: number, seedsMax: number];

function bug(
  does: string,
  [from, seedsMax]: Seeds,
  plan: Partial<DataPlan> | undefined,
  ...lines: readonly PatchedLine[]
): PlantedDataBug {
  return { does, from, seedsMax, plan, patches: patchesOf(lines) };
}

function faults(...intervals: readonly (readonly [Fault, number])[]): Partial<DataPlan> {
  return { faultIntervalsMs: new Map(intervals) };
}

const THREE_REPLICAS = {
  partitions: 2,
  replicationFactor: 3,
  minInsyncReplicas: 2,
  durability: 'fsync',
  uncleanElection: false,
} as const;
const IDEMPOTENT = { isIdempotent: true, requiredAcks: -1, inFlightMax: 5, thinkMs: 15 } as const;
const AT_LEADER = { isIdempotent: false, requiredAcks: 1, inFlightMax: 5, thinkMs: 15 } as const;

/** Leaders come and go, and write what only they have. */
const MANY_LEADERS: Partial<DataPlan> = {
  nodes: 3,
  sessionTimeoutMs: 1_000,
  topic: { ...THREE_REPLICAS, minInsyncReplicas: 1 },
  offsetsTopic: THREE_REPLICAS,
  producers: [0, 1].flatMap((place) => [
    { ...IDEMPOTENT, place },
    { ...AT_LEADER, place },
  ]),
  safetyMs: 8_000,
  ...faults(['isolated-leader', 900], ['kill', 1_500], ['preferred-election', 700], ['pause', 3_000]),
};

/** Brokers lose power, one by one and all at once, while their disks are slow. */
const POWER_LOSSES: Partial<DataPlan> = {
  ...MANY_LEADERS,
  topic: THREE_REPLICAS,
  ...faults(['full-power-loss', 2_000], ['power-loss', 1_500], ['slow-disk', 700]),
};

/** Records are acknowledged from the page cache, and brokers lose it one by one, also right after they have begun again. */
const PAGE_CACHES_LOST: Partial<DataPlan> = {
  ...MANY_LEADERS,
  topic: { ...THREE_REPLICAS, durability: 'page-cache' },
  groups: [],
  ...faults(['power-loss', 700], ['kill', 900], ['isolated-leader', 1_500]),
};

/** Records are deleted all the time, while leaders come and go. */
const DELETIONS: Partial<DataPlan> = {
  ...MANY_LEADERS,
  ...faults(['delete-records', 150], ['isolated-leader', 1_000], ['preferred-election', 400]),
};

/** A topic is deleted and created anew all the time, while brokers come and go. */
const BRIEF_TOPICS: Partial<DataPlan> = {
  ...MANY_LEADERS,
  briefTopic: { ...THREE_REPLICAS, partitions: 1 },
  ...faults(['recreated-topic', 300], ['more-partitions', 600], ['kill', 1_500], ['isolated-leader', 1_500]),
};

/** Disks refuse syncs until logs are given up. */
const LOGS_GIVEN_UP: Partial<DataPlan> = {
  ...MANY_LEADERS,
  topic: THREE_REPLICAS,
  ...faults(['failed-sync', 500], ['preferred-election', 700], ['kill', 1_500], ['isolated-leader', 1_500]),
};

/** Followers leave the ISR and come back all the time. */
const ISR_CHANGES: Partial<DataPlan> = {
  ...MANY_LEADERS,
  network: { delayMinMs: 3, delayMaxMs: 18, loss: 0, duplication: 0, reordering: 0, stragglerMs: 30, queueMax: 1_000 },
  ...faults(['isolated-leader', 1_000], ['one-way-cut', 800], ['pause', 1_000], ['power-loss', 2_000], ['slow-disk', 400]),
};

/** Leaders are gone while one follower has what another has not, and neither knows yet what is committed. */
const DIVERGENCES: Partial<DataPlan> = {
  ...ISR_CHANGES,
  producers: MANY_LEADERS.producers?.map((producer) => ({ ...producer, thinkMs: 5 })),
  ...faults(['isolated-leader', 300], ['kill', 500]),
};

/** Coordinators move all the time. */
const MANY_COORDINATORS: Partial<DataPlan> = {
  ...MANY_LEADERS,
  groups: [2, 2],
  committers: 2,
  offsetsTopic: { ...THREE_REPLICAS, partitions: 1 },
  producers: [0, 1].map((place) => ({ ...IDEMPOTENT, place, thinkMs: 40 })),
  ...faults(['isolated-leader', 800], ['kill', 1_500], ['preferred-election', 700], ['pause', 1_500], ['client-cut', 400]),
};

const DURABILITY_BUGS: readonly PlantedDataBug[] = [
  bug("acknowledges before the follower's fsync (R-1, REPL-12)", [0, 20], POWER_LOSSES, [
    'core/replication/follower',
    'const { writtenEndOffset, durableEndOffset, startOffset } = this.context.log; const ack',
    'const { endOffset: writtenEndOffset, endOffset: durableEndOffset, startOffset } = this.context.log; const ack',
  ]),
  bug('counts itself before its own disk has the batch (REPL-2)', [0, 20], POWER_LOSSES, [
    'core/replication/leader',
    'let least = context.ownStableEnd;',
    'let least = context.log.endOffset;',
  ]),
  bug('does not replay the journal (LOG-14)', [0, 20], POWER_LOSSES, [
    'runtime/log/recovery',
    'if (record.position <= this.redo) return; await this.prepare();',
    'if (record.position >= 0) return; await this.prepare();',
  ]),
  bug('keeps in the ISR who has another disk (R-6)', [45, 20], faults(['wiped-disk', 1_500], ['kill', 2_000]), [
    'core/metadata/leadership',
    'standing.isr = without(partition.isr, node);',
    "standing.isr = departure === 'new-disk' ? partition.isr : without(partition.isr, node);",
  ]),
];

const PAGE_CACHE_BUGS: readonly PlantedDataBug[] = [
  bug('keeps in the ISR who has lost its page cache (P-2, META-15)', [0, 20], PAGE_CACHES_LOST, [
    'core/metadata/brokers',
    "(pageCacheLost && flushMessages > 1 ? 'unclean' : 'restarted')",
    "(pageCacheLost && flushMessages < 1 ? 'unclean' : 'restarted')",
  ]),
  bug('forgets between two starts that its page cache was lost (P-2)', [0, 40], PAGE_CACHES_LOST, [
    'runtime/log/incarnation-marker',
    'this.bootId = isSettled ? ownBootId : before.bootId;',
    'this.bootId = isSettled ? ownBootId : ownBootId;',
  ]),
];

const DELETION_BUGS: readonly PlantedDataBug[] = [
  bug('says that records are deleted which followers still have (REPL-13)', [0, 20], DELETIONS, [
    'runtime/partitions/offset-queries',
    'if (this.allBeginAt(partition, offset)) return ErrorCode.NONE;',
    'return ErrorCode.NONE;',
  ]),
  bug('keeps the logs of topics that were deleted while it was there (S-2)', [0, 20], BRIEF_TOPICS, [
    'runtime/partitions/metadata-follower',
    'for (const topicId of change.removedTopics) this.removeTopic(topicId);',
    '',
  ]),
  bug('keeps the logs of topics that were deleted while it was away (S-2)', [0, 20], BRIEF_TOPICS, [
    'runtime/partitions/metadata-follower',
    'for (const key of gone) this.remove(',
    'for (const key of gone.slice(gone.length)) this.remove(',
  ]),
  bug('gives a topic the id of the one that had its name before (S-2)', [0, 20], BRIEF_TOPICS, [
    'runtime/controller/forwarding-controller',
    'topicId: topic.topicId ?? newTopicId(random)',
    "topicId: topic.name === 'brief' ? 'AAAAAAAAAAAAAAAAAAAAAQ' : newTopicId(random)",
  ]),
];

const FAILED_LOG_BUGS: readonly PlantedDataBug[] = [
  bug(
    'takes a log that began anew for what it was (REPL-12, REPL-21)',
    [40, 20],
    LOGS_GIVEN_UP,
    [
      'core/replication/follower-progress',
      'isSame ? earlier(this.writtenEnd, writtenEndOffset) : UNKNOWN_END',
      'isSame ? this.writtenEnd : UNKNOWN_END',
    ],
    [
      'core/replication/follower-progress',
      'isSame ? earlier(this.durableEnd, durableEndOffset) : UNKNOWN_END',
      'isSame ? this.durableEnd : UNKNOWN_END',
    ],
    ['runtime/replication/replica-host', 'this.isRefilling = true;', 'this.around.recovered(this);'],
  ),
];

const HIGH_WATERMARK_BUGS: readonly PlantedDataBug[] = [
  bug('acknowledges acks=all once its own disk has the batch (R-2)', [0, 10], MANY_LEADERS, [
    'runtime/partitions/append-path',
    'else partition.whenCommitted(outcome.lastOffset, ack);',
    'else partition.whenDurable(outcome.lastOffset, ack);',
  ]),
  bug('acknowledges what waits when it resigns (REPL-4)', [0, 10], MANY_LEADERS, [
    'runtime/partitions/hosted-partition',
    'this.committedAcks.fail(errorCode);',
    'this.committedAcks.fail(ErrorCode.NONE);',
  ]),
  bug('drops from the ISR before the controller said so (REPL-5)', [0, 30], ISR_CHANGES, [
    'core/replication/isr-state',
    'this.maximal = added.length === 0 ? this.committed : [...this.committed, ...added];',
    'this.maximal = effect.newIsr.map(({ nodeId }) => nodeId);',
  ]),
  bug('moves the high watermark under min ISR (KIP-966, REPL-2)', [0, 20], { ...ISR_CHANGES, topic: THREE_REPLICAS }, [
    'core/replication/leader',
    'if (this.isUnderMinIsr) return;',
    '',
  ]),
  bug('takes and acknowledges acks=all under min ISR (REPL-4)', [0, 20], { ...ISR_CHANGES, topic: THREE_REPLICAS }, [
    'core/replication/leader',
    'return this.#isr.committed.length < effectiveMinIsr(this.context.metadata); }',
    'return false; }',
  ]),
  bug('takes a follower in that is not at the high watermark (R-4, REPL-6)', [0, 20], ISR_CHANGES, [
    'core/replication/isr-keeper',
    'return end >= this.context.highWatermark && end >= this.epochStartOffset && this.#isEligible(follower);',
    'return end >= 0 && this.#isEligible(follower);',
  ]),
  bug('shows consumers what is not committed (REPL-15)', [0, 20], MANY_LEADERS, [
    'runtime/partitions/fetch-path',
    'const upTo = partition.highWatermark;',
    'const upTo = partition.log.logEndOffset;',
  ]),
];

const TRUNCATION_BUGS: readonly PlantedDataBug[] = [
  bug('truncates to its high watermark (KIP-101, REPL-9)', [5, 20], DIVERGENCES, [
    'core/replication/follower',
    'earlier(diverging.offset, context.log.endOffset)',
    'earlier(context.highWatermark, context.log.endOffset)',
  ]),
  bug('does not compare the logs (REPL-9)', [0, 20], MANY_LEADERS, [
    'core/replication/leader',
    "if (agreement.kind !== 'agreed') return",
    "if (agreement.kind === 'start-at') return",
  ]),
  bug(
    'does not begin an epoch in the log when it leads (R-5)',
    [0, 20],
    MANY_LEADERS,
    ['runtime/replication/replica-host', 'if (log.leaderEpoch < effect.leaderEpoch) log.startEpoch(effect.leaderEpoch);', ''],
    ['runtime/partitions/hosted-partition', 'if (this.log.leaderEpoch < epoch) this.log.startEpoch(epoch);', ''],
  ),
];

const ELECTION_BUGS: readonly PlantedDataBug[] = [
  bug('leaves a leader that is gone (META-11)', [0, 10], MANY_LEADERS, [
    'core/metadata/leadership',
    'if (partition.leader === node) standing.leader = undefined;',
    '',
  ]),
  bug('elects outside of the ISR (REPL-16)', [0, 20], MANY_LEADERS, [
    'core/metadata/leadership',
    'const inSync = first(standing.isr); if (inSync !== undefined) {',
    'const inSync = first(standing.replicas); if (inSync !== undefined) { if (!standing.isr.includes(inSync)) standing.isr = [inSync];',
  ]),
];

const PRODUCER_BUGS: readonly PlantedDataBug[] = [
  bug('forgets the producer window (LOG-5, REPL-17)', [0, 20], MANY_LEADERS, [
    'runtime/log/disk-partition-log',
    'const verdict = this.state.producers.check(header);',
    'const verdict = this.state.producers.check({ ...header, producerId: -1 });',
  ]),
];

const GROUP_BUGS: readonly PlantedDataBug[] = [
  bug('acknowledges a commit before it is replicated (GROUP-4)', [0, 20], MANY_COORDINATORS, [
    'runtime/groups/shard-log',
    'if (batch.uncommitted === 0) this.#finish(batch, batch.errorCode); }',
    'this.#finish(batch, batch.errorCode); }',
  ]),
  bug('answers before its groups are loaded (GROUP-9)', [0, 20], MANY_COORDINATORS, [
    'runtime/groups/shard-host',
    'return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;',
    'return this.#shard;',
  ]),
  bug('tells a reader what is not committed (GROUP-10)', [0, 40], MANY_COORDINATORS, [
    'runtime/groups/group-shard',
    'this.log.afterGroup(groupId, settled);',
    'settled(ErrorCode.NONE);',
  ]),
];

export const PLANTED_DATA_BUGS: readonly PlantedDataBug[] = [
  ...DURABILITY_BUGS,
  ...PAGE_CACHE_BUGS,
  ...DELETION_BUGS,
  ...FAILED_LOG_BUGS,
  ...HIGH_WATERMARK_BUGS,
  ...TRUNCATION_BUGS,
  ...ELECTION_BUGS,
  ...PRODUCER_BUGS,
  ...GROUP_BUGS,
];
