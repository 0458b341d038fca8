import { DEFAULT_GROUP_CONFIG } from '@streamline/core/groups/group-config';
import type { GroupConfig } from '@streamline/core/groups/group-config';
import type { MetadataImage, PartitionImage, TopicImage } from '@streamline/core/metadata/image';
import type { LeaderEpoch, MetadataIndex, NodeId, PartitionIndex, TopicId } from '@streamline/core/types/ids';
import { VirtualClock } from '../time/virtual-clock';
import type { JoinGroupRequest } from '@streamline/wire/contracts/generated/streamline/storage/v1/group';
import type { MetadataChange, MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import type { GroupCoordinators } from '@streamline/runtime/groups/group-coordinators';
import { createGroupCoordinators } from '@streamline/runtime/groups/group-coordinators';
import type { GroupHostLimits } from '@streamline/runtime/groups/group-host-limits';
import { OFFSETS_TOPIC } from '@streamline/core/metadata/offsets-topic';
import { MemoryPartitions } from './memory-partitions';

export const NODE = 1 as NodeId;
export const OFFSETS_TOPIC_ID = `${'O'.repeat(21)}A` as TopicId;

/** A topic of the metadata, all of whose partitions the node leads (or nobody does). */
export function topicImage(name: string, id: TopicId, partitionCount: number, leader: NodeId | 'nobody' = NODE): TopicImage {
  const partitions = Array.from({ length: partitionCount }, (_, index): PartitionImage => {
    return {
      topicId: id,
      partition: index as PartitionIndex,
      replicas: [NODE],
      isr: [NODE],
      elr: [],
      lastKnownElr: [],
      addingReplicas: [],
      removingReplicas: [],
      failedReplicas: [],
      leader: leader === 'nobody' ? undefined : leader,
      leaderEpoch: 0 as LeaderEpoch,
      partitionEpoch: 0,
    };
  });
  return { id, name, partitions };
}

/** A metadata replica that a spec moves. */
export class StaticReplica implements MetadataReplica {
  image: MetadataImage;
  readonly #listeners = new Set<(change: MetadataChange, image: MetadataImage) => void>();

  constructor(topics: readonly TopicImage[]) {
    this.image = imageOf(topics);
  }

  subscribe(listener: (change: MetadataChange, image: MetadataImage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  waitFor(): Promise<boolean> {
    return Promise.resolve(true);
  }

  become(topics: readonly TopicImage[], isSnapshot = false): void {
    const before = this.image;
    this.image = imageOf(topics);
    const removed = [...before.topics.keys()].filter((id) => !this.image.topics.has(id));
    const change = {
      isSnapshot,
      changedTopics: new Set(this.image.topics.keys()),
      removedTopics: new Set(isSnapshot ? [] : removed),
      changedConfigs: new Set<string>(),
      brokersChanged: false,
    };
    for (const listener of this.#listeners) listener(change, this.image);
  }
}

function imageOf(topics: readonly TopicImage[]): MetadataImage {
  return {
    index: 1 as MetadataIndex,
    clusterId: undefined,
    brokers: new Map(),
    topics: new Map(topics.map((topic) => [topic.id, topic])),
    topicIdsByName: new Map(topics.map((topic) => [topic.name, topic.id])),
    features: new Map(),
    nextProducerId: 0,
    dynamicConfigs: () => new Map(),
  };
}

export interface BenchOptions {
  readonly partitionCount?: number;
  readonly config?: Partial<GroupConfig>;
  readonly limits?: Partial<GroupHostLimits>;
  readonly partitions?: MemoryPartitions;
}

/** The groups of a node on partitions in memory and on virtual time. */
export class GroupHostBench {
  readonly clock = new VirtualClock();
  readonly partitions: MemoryPartitions;
  readonly replica: StaticReplica;
  readonly groups: GroupCoordinators;
  readonly logged: { readonly level: string; readonly message: string }[] = [];
  #ids = 0;

  constructor({ partitionCount = 1, config = {}, limits = {}, partitions }: BenchOptions = {}) {
    this.partitions = partitions ?? new MemoryPartitions(OFFSETS_TOPIC_ID, partitionCount);
    this.replica = new StaticReplica([topicImage(OFFSETS_TOPIC, OFFSETS_TOPIC_ID, this.partitions.partitions.size)]);
    const log = (level: string) => (_: object, message: string) => {
      this.logged.push({ level, message });
    };
    this.groups = createGroupCoordinators({
      nodeId: NODE,
      partitions: this.partitions,
      metadata: this.replica,
      clock: this.clock,
      random: { next: () => 0.5, bytes: (length) => Buffer.alloc(length, (this.#ids += 1)) },
      config: { ...DEFAULT_GROUP_CONFIG, initialRebalanceDelayMs: 0, ...config },
      limits,
      logSink: { info: log('info'), warn: log('warn'), error: log('error') },
    });
  }

  /** Leads all partitions and waits until they are loaded. */
  async start(): Promise<this> {
    await this.groups.start();
    for (const index of this.partitions.partitions.keys()) this.partitions.lead(index);
    await this.until(() => this.groups.status().ready);
    return this;
  }

  /** Lets the event loop turn until something is so; virtual time stands still. */
  async until(isSo: () => boolean): Promise<void> {
    for (let turn = 0; turn < 10_000; turn += 1) {
      if (isSo()) return;
      await turnOfTheLoop();
    }
    throw new Error('it never came to be');
  }

  commit(
    groupId: string,
    offset: number,
    more: Partial<{ topic: string; partition: number; topicId: string; metadata: string }> = {},
  ) {
    const { topic = 't', partition = 0, topicId = '', metadata = '' } = more;
    return this.groups.commitOffsets({
      groupId,
      generationId: -1,
      memberId: '',
      retentionTimeMs: -1,
      offsets: [{ topic, topicId, partition, offset, leaderEpoch: -1, metadata }],
      apiVersion: 9,
      timeoutMs: 0,
    });
  }

  async committed(groupId: string, topic = 't', partition = 0): Promise<number> {
    const { errorCode, offsets } = await this.groups.fetchOffsets({
      groupId,
      topics: [{ topic, topicId: '', partitions: [partition] }],
      allTopics: false,
      requireStable: true,
      memberId: '',
      memberEpoch: -1,
    });
    return errorCode === 0 ? (offsets[0]?.offset ?? -1) : -errorCode * 1_000;
  }
}

export function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** A promise whose state can be looked at. */
export function watch<T>(promise: Promise<T>): { readonly value: T | undefined; readonly promise: Promise<T> } {
  const seen: { value: T | undefined; promise: Promise<T> } = { value: undefined, promise };
  void promise.then((value) => {
    seen.value = value;
  });
  return seen;
}

export function joinRequest(groupId: string, clientId: string, more: Partial<JoinGroupRequest> = {}): JoinGroupRequest {
  return {
    groupId,
    memberId: '',
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: new Uint8Array([0, 0, 0, 0, 0, 0]) }],
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    clientId,
    clientHost: '/127.0.0.1',
    requireKnownMemberId: false,
    supportsSkipAssignment: true,
    ...more,
  };
}
