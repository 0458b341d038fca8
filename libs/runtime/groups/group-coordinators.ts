import type { GroupConfig } from '@streamline/core/groups/group-config';
import { joinError, syncError } from '@streamline/core/groups/group-state';
import { OFFSETS_TOPIC } from '@streamline/core/metadata/offsets-topic';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { LeaderEpoch, NodeId, Offset, PartitionIndex, TopicId } from '@streamline/core/types/ids';
import type {
  DeleteGroupsResponse,
  DescribedGroup,
  DescribeGroupsResponse,
  ListGroupsResponse,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/group';
import type { GroupPort } from '@streamline/wire/contracts/ports';
import type { PartitionKey } from '../log/log-engine';
import type { MetadataReplica } from '../metadata/metadata-replica';
import type { LeadershipChange, LocalPartitions } from '../partitions/local-partitions';
import type { LogSink } from '../partitions/log-sink';
import type { Cancel, Clock } from '../ports/clock';
import type { Random } from '../ports/random';
import type { GroupCounters } from './group-counters';
import { newGroupCounters } from './group-counters';
import type { GroupHostLimits } from './group-host-limits';
import { DEFAULT_GROUP_HOST_LIMITS } from './group-host-limits';
import type { GroupShard } from './group-shard';
import { partitionOfGroup } from './offsets-topic';
import { runLimited } from './run-limited';
import type { RunLimited, ShardState } from './shard-host';
import { ShardHost } from './shard-host';
import { TopicRemovals } from './topic-removals';
import { randomUuid } from './random-uuid';

export interface GroupCoordinatorDeps {
  readonly nodeId: NodeId;
  readonly partitions: LocalPartitions;
  readonly metadata: MetadataReplica;
  readonly clock: Clock;
  readonly random: Random;
  readonly config: GroupConfig;
  readonly logSink: LogSink;
  readonly limits?: Partial<GroupHostLimits>;
  /** Runs a task after what is being done now; `setImmediate` by default. */
  readonly defer?: (task: () => void) => void;
}

export interface GroupShardStatus {
  readonly partition: PartitionIndex;
  readonly state: ShardState;
  /** Why it is not served, where it has failed. */
  readonly reason: string | undefined;
  readonly groups: number;
  readonly offsets: number;
  readonly logBytes: number;
}

export interface GroupHostStatus {
  /** No shard is loading. */
  readonly ready: boolean;
  readonly shards: readonly GroupShardStatus[];
}

export interface GroupMetrics extends Readonly<GroupCounters> {
  /** Groups by state: Empty, PreparingRebalance, CompletingRebalance, Stable. */
  readonly groupsByState: ReadonlyMap<string, number>;
  readonly committedNow: number;
  /** What membership takes in memory, roughly. */
  readonly membershipBytes: number;
}

export interface CommittedOffsetOfGroup {
  readonly groupId: string;
  readonly topic: string;
  readonly topicId: TopicId;
  readonly partition: PartitionIndex;
  readonly offset: Offset;
}

export interface GroupCoordinators extends GroupPort {
  /** The same, as the port that it is. */
  readonly port: GroupPort;
  /** Follows leadership and metadata from now on. */
  start(): Promise<void>;
  /** Takes nothing more, lets what is on its way to the log be answered, and tells everyone else NOT_COORDINATOR. */
  stop(): Promise<void>;
  status(): GroupHostStatus;
  metrics(): GroupMetrics;
  /** What all groups here have committed, for `streamline_group_lag`; looks at the state as it is walked. */
  committedOffsets(): IterableIterator<CommittedOffsetOfGroup>;
}

const STOP_STEP_MS = 5;

/** The group coordinators of this node: one shard for each partition of __consumer_offsets that it leads. */
export function createGroupCoordinators(deps: GroupCoordinatorDeps): GroupCoordinators {
  return new NodeGroupCoordinators(deps);
}

class NodeGroupCoordinators implements GroupCoordinators {
  readonly #shards = new Map<PartitionIndex, ShardHost>();
  /** Of partitions without a shard: the leadership that ended last. */
  readonly #ended = new Map<PartitionIndex, Pick<ShardHost, 'key' | 'leaderEpoch'>>();
  readonly #counters = newGroupCounters();
  readonly #usage = { bytes: 0 };
  readonly #limits: GroupHostLimits;
  readonly #defer: (task: () => void) => void;
  readonly #runLoad: RunLimited;
  readonly #removals: TopicRemovals;
  readonly #stops: Cancel[] = [];
  #isStopping = false;

  constructor(private readonly deps: GroupCoordinatorDeps) {
    this.#limits = { ...DEFAULT_GROUP_HOST_LIMITS, ...deps.limits };
    this.#defer = deps.defer ?? ((task) => void setImmediate(task));
    this.#runLoad = runLimited(this.#limits.maxConcurrentLoads);
    this.#removals = new TopicRemovals(deps.metadata.image);
  }

  get port(): GroupPort {
    return this;
  }

  start(): Promise<void> {
    const { metadata, partitions } = this.deps;
    this.#stops.push(
      metadata.subscribe((change, image) => {
        for (const { name, id } of this.#removals.follow(change, image)) {
          for (const host of this.#shards.values()) host.removeTopicOffsets(name, id);
        }
      }),
      partitions.onLeadership((change) => {
        if (change.topicName === OFFSETS_TOPIC) this.#onLeadership(change);
      }),
    );
    this.#every(this.#limits.expirationCheckIntervalMs, (host) => {
      host.expire();
    });
    this.#every(this.#limits.rewriteCheckIntervalMs, (host) => {
      host.checkLogSize();
    });
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    for (const stop of this.#stops.splice(0)) stop();
    const { clock } = this.deps;
    const untilMs = clock.monotonicMs() + this.#limits.stopDrainMs;
    while (this.#waiting() > 0 && clock.monotonicMs() < untilMs) {
      await new Promise<void>((resolve) => {
        clock.schedule(STOP_STEP_MS, resolve);
      });
    }
    for (const host of this.#shards.values()) host.stop();
    this.#shards.clear();
  }

  #waiting(): number {
    let waiting = 0;
    for (const { log } of this.#active()) waiting += log.waiting;
    return waiting;
  }

  joinGroup: GroupPort['joinGroup'] = (request) => {
    const shard = this.#locate(request.groupId);
    if (typeof shard === 'number') return Promise.resolve(joinError(shard, request.memberId));
    return new Promise((resolve) => {
      const protocols = request.protocols.map(({ name, metadata }) => ({ name, metadata: ownedCopy(metadata) }));
      shard.join({ ...request, protocols }, resolve);
    });
  };

  syncGroup: GroupPort['syncGroup'] = (request) => {
    const shard = this.#locate(request.groupId);
    if (typeof shard === 'number') {
      // Clients expect no 14 here and would give up; on 27 they join again, as they have to: the rebalance was forgotten.
      const isLoading = shard === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
      return Promise.resolve(syncError(isLoading ? ErrorCode.REBALANCE_IN_PROGRESS : shard));
    }
    return new Promise((resolve) => {
      const assignments = request.assignments.map((each) => ({ ...each, assignment: ownedCopy(each.assignment) }));
      shard.sync({ ...request, assignments }, resolve);
    });
  };

  heartbeat: GroupPort['heartbeat'] = (request) => {
    const shard = this.#locate(request.groupId);
    if (typeof shard !== 'number') return Promise.resolve({ errorCode: shard.heartbeat(request) });
    // Nobody can know yet whether the member is alive: as in Kafka it is taken to be.
    const isLoading = shard === ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
    return Promise.resolve({ errorCode: isLoading ? ErrorCode.NONE : shard });
  };

  leaveGroup: GroupPort['leaveGroup'] = (request) => {
    const shard = this.#locate(request.groupId);
    if (typeof shard === 'number') return Promise.resolve({ errorCode: shard, members: [] });
    return new Promise((resolve) => {
      shard.leave(request, resolve);
    });
  };

  commitOffsets: GroupPort['commitOffsets'] = (request) => {
    const shard = this.#locate(request.groupId);
    if (typeof shard === 'number') return Promise.resolve({ errorCodes: request.offsets.map(() => shard) });
    return new Promise((resolve) => {
      shard.commit(request, resolve);
    });
  };

  fetchOffsets: GroupPort['fetchOffsets'] = (request) => {
    const shard = this.#locate(request.groupId);
    if (typeof shard === 'number') return Promise.resolve({ errorCode: fetchErrorOf(shard), offsets: [] });
    return new Promise((resolve) => {
      shard.fetchOffsets(request, (answer) => {
        resolve({ ...answer, errorCode: fetchErrorOf(answer.errorCode) });
      });
    });
  };

  deleteOffsets: GroupPort['deleteOffsets'] = (request) => {
    const shard = this.#locate(request.groupId);
    if (typeof shard === 'number') return Promise.resolve({ errorCode: shard, offsets: [] });
    return new Promise((resolve) => {
      shard.deleteOffsets(request, resolve);
    });
  };

  describeGroups: GroupPort['describeGroups'] = async (request): Promise<DescribeGroupsResponse> => {
    const groups = request.groupIds.map((groupId) => this.#describe(groupId));
    return { groups: await Promise.all(groups) };
  };

  listGroups: GroupPort['listGroups'] = (request): Promise<ListGroupsResponse> => {
    const groups: ListGroupsResponse['groups'] = [];
    for (const { use: shard } of this.#shards.values()) {
      if (typeof shard !== 'number') groups.push(...shard.coordinator.list(request.states, request.types));
      else if (shard !== ErrorCode.NOT_COORDINATOR) return Promise.resolve({ errorCode: shard, groups: [] });
    }
    return Promise.resolve({ errorCode: ErrorCode.NONE, groups });
  };

  deleteGroups: GroupPort['deleteGroups'] = async (request): Promise<DeleteGroupsResponse> => {
    const groups = request.groupIds.map((groupId) => this.#deleteGroup(groupId));
    return { groups: await Promise.all(groups) };
  };

  status(): GroupHostStatus {
    const shards = [...this.#shards].map(([partition, host]) => {
      const image = typeof host.use === 'number' ? undefined : host.use.coordinator.image;
      const { state, reason, logBytes } = host;
      return { partition, state, reason, groups: image?.groups.size ?? 0, offsets: image?.offsetCount ?? 0, logBytes };
    });
    return { ready: shards.every(({ state }) => state !== 'loading'), shards };
  }

  metrics(): GroupMetrics {
    const groupsByState = new Map<string, number>();
    let committedNow = 0;
    for (const { coordinator } of this.#active()) {
      let living = 0;
      for (const { groupId, state } of coordinator.live.values()) {
        groupsByState.set(state, (groupsByState.get(state) ?? 0) + 1);
        if (coordinator.image.groups.has(groupId)) living += 1;
      }
      const empty = coordinator.image.groups.size - living;
      groupsByState.set('Empty', (groupsByState.get('Empty') ?? 0) + empty);
      committedNow += coordinator.image.offsetCount;
    }
    return { ...this.#counters, groupsByState, committedNow, membershipBytes: this.#usage.bytes };
  }

  *committedOffsets(): IterableIterator<CommittedOffsetOfGroup> {
    for (const { coordinator } of this.#active()) {
      for (const [groupId, { offsets }] of coordinator.image.groups) {
        for (const [topic, partitions] of offsets) {
          for (const [partition, { offset, topicId }] of partitions) yield { groupId, topic, topicId, partition, offset };
        }
      }
    }
  }

  *#active(): IterableIterator<GroupShard> {
    for (const { use: shard } of this.#shards.values()) if (typeof shard !== 'number') yield shard;
  }

  #describe(groupId: string): Promise<DescribedGroup> {
    const failed = (errorCode: number): DescribedGroup => {
      return { errorCode, groupId, state: '', protocolType: '', protocol: '', members: [] };
    };
    const shard = this.#locate(groupId);
    if (typeof shard === 'number') return Promise.resolve(failed(shard));
    return new Promise((resolve) => {
      shard.read(groupId, (coordinator) => coordinator.describe(groupId), resolve, failed);
    });
  }

  #deleteGroup(groupId: string): Promise<{ groupId: string; errorCode: number }> {
    const shard = this.#locate(groupId);
    if (typeof shard === 'number') return Promise.resolve({ groupId, errorCode: shard });
    return new Promise((resolve) => {
      shard.deleteGroup(groupId, resolve);
    });
  }

  /** The shard that coordinates a group, or the error code that says why there is none here now. */
  #locate(groupId: string): GroupShard | number {
    if (this.#isStopping) return ErrorCode.NOT_COORDINATOR;
    const { metadata, nodeId } = this.deps;
    const { image } = metadata;
    const topicId = image.topicIdsByName.get(OFFSETS_TOPIC);
    const topic = topicId === undefined ? undefined : image.topics.get(topicId);
    if (topic === undefined || topic.partitions.length === 0) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
    const partition = partitionOfGroup(groupId, topic.partitions.length);
    const known = topic.partitions[partition];
    const host = this.#shards.get(partition);
    if (host !== undefined && host.key.topicId === topicId && host.leaderEpoch >= (known?.leaderEpoch ?? -1)) return host.use;
    // Leadership that this node has been given but not taken up yet is on its way; one that is over by the metadata counts no more.
    // So does one that has ended here though the metadata still has it: cut off, this broker would not hear who leads now (REPL-20).
    const ended = this.#ended.get(partition);
    const hasEnded = ended?.key.topicId === topicId && ended?.leaderEpoch === known?.leaderEpoch;
    const isComing = known?.leader === nodeId && !hasEnded;
    return isComing ? ErrorCode.COORDINATOR_LOAD_IN_PROGRESS : ErrorCode.NOT_COORDINATOR;
  }

  #onLeadership({ topicId, partition, leaderEpoch }: LeadershipChange): void {
    const before = this.#shards.get(partition);
    if (before !== undefined && before.key.topicId === topicId && before.leaderEpoch === leaderEpoch) return;
    if (leaderEpoch === undefined) {
      if (before === undefined || before.key.topicId !== topicId) return;
      before.stop();
      this.#shards.delete(partition);
      this.#ended.set(partition, { key: before.key, leaderEpoch: before.leaderEpoch });
      return;
    }
    before?.stop();
    this.#load({ topicId, partition }, leaderEpoch);
  }

  #load(key: PartitionKey, leaderEpoch: LeaderEpoch): void {
    const { partition } = key;
    const { random, logSink } = this.deps;
    const host: ShardHost = new ShardHost(
      {
        ...this.deps,
        limits: this.#limits,
        defer: this.#defer,
        counters: this.#counters,
        usage: this.#usage,
        runLoad: this.#runLoad,
        randomId: () => randomUuid(random),
        onLost: () => {
          this.#defer(() => {
            if (this.#shards.get(partition) !== host || this.#isStopping) return;
            logSink.warn({ partition }, 'what was appended for the groups of this partition may be lost: loading them again');
            this.#load(key, leaderEpoch);
          });
        },
      },
      key,
      leaderEpoch,
    );
    this.#shards.set(partition, host);
    this.#ended.delete(partition);
    host.load().catch((error: unknown) => {
      logSink.error({ err: error, partition }, 'loading the groups of this partition ended in an error of its own');
    });
  }

  #every(intervalMs: number, task: (host: ShardHost) => void): void {
    let cancel: Cancel;
    const run = (): void => {
      cancel = this.deps.clock.schedule(intervalMs, run);
      for (const host of this.#shards.values()) task(host);
    };
    cancel = this.deps.clock.schedule(intervalMs, run);
    this.#stops.push(() => {
      cancel();
    });
  }
}

/** Consumers before Kafka 3.9 take COORDINATOR_NOT_AVAILABLE in an OffsetFetch for final; NOT_COORDINATOR they try again. */
function fetchErrorOf(errorCode: number): number {
  return errorCode === ErrorCode.COORDINATOR_NOT_AVAILABLE ? ErrorCode.NOT_COORDINATOR : errorCode;
}

/** A member's bytes stay for as long as it does, and must not keep the request in memory that they came in. */
function ownedCopy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}
