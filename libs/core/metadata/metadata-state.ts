import type { LeaderEpoch, MetadataIndex, NodeId, TopicId } from '../types/ids';
import type { BrokerImage, ConfigResourceType, MetadataImage, PartitionImage, TopicImage } from './image';
import type {
  BrokerStateRecord,
  ConfigRecord,
  MetadataRecord,
  PartitionChangeRecord,
  PartitionRecord,
  RegisterBrokerRecord,
} from './records';
import { isUncleanElection } from './leadership';
import { collisionKey } from './topic-name';

const NO_CONFIGS: ReadonlyMap<string, string> = new Map();
const NO_NODES: readonly NodeId[] = Object.freeze([]);
/** How many different replica lists are shared between partitions; beyond that they get lists of their own. */
const SHARED_LISTS_MAX = 4096;
/** Ids of removed topics that are remembered; of more it is only known that there were some. */
const REMOVED_TOPICS_MAX = 10_000;

/** What applying a stretch of the log touched. */
export interface TouchedMetadata {
  /** New, or with changed partitions. */
  readonly topics: Set<TopicId>;
  readonly removedTopics: Set<TopicId>;
  /** Names of topics whose configs changed; "" for cluster-wide ones. */
  readonly configs: Set<string>;
  brokers: boolean;
  /** Partitions whose leader was elected though it may lack acknowledged records. */
  uncleanElections: number;
}

export function nothingTouched(): TouchedMetadata {
  return { topics: new Set(), removedTopics: new Set(), configs: new Set(), brokers: false, uncleanElections: 0 };
}

interface Draft {
  readonly topics: Map<TopicId, PartitionImage[]>;
  readonly configs: Map<string, Map<string, string>>;
  readonly index: MetadataIndex;
}

/**
 * The metadata at one index of its log. `apply` is the only way it changes (decide/replay); it works in place, so that a
 * change to one of 10,000 partitions costs one partition, while every value handed out stays as it was.
 *
 * A record that does not fit the state (an unknown topic, a gap in the partitions, an epoch that goes back) means that the
 * log is not the one this state came from: it throws, and the state must not be used any more.
 */
export class MetadataState implements MetadataImage {
  #index = 0 as MetadataIndex;
  #clusterId: MetadataImage['clusterId'];
  #nextProducerId = 0;
  readonly #brokers = new Map<NodeId, BrokerImage>();
  readonly #topics = new Map<TopicId, TopicImage>();
  readonly #topicIdsByName = new Map<string, TopicId>();
  readonly #namesByCollisionKey = new Map<string, string>();
  readonly #features = new Map<string, number>();
  readonly #configs = new Map<string, ReadonlyMap<string, string>>();
  readonly #lists = new Map<NodeId | string, readonly NodeId[]>();
  /** The last that were removed, and when. */
  readonly #removedTopics = new Map<TopicId, MetadataIndex>();
  /** What was removed up to there is not known any more. */
  #removalsForgottenTo = 0 as MetadataIndex;

  get index(): MetadataIndex {
    return this.#index;
  }

  get clusterId(): MetadataImage['clusterId'] {
    return this.#clusterId;
  }

  get nextProducerId(): number {
    return this.#nextProducerId;
  }

  get brokers(): ReadonlyMap<NodeId, BrokerImage> {
    return this.#brokers;
  }

  get topics(): ReadonlyMap<TopicId, TopicImage> {
    return this.#topics;
  }

  get topicIdsByName(): ReadonlyMap<string, TopicId> {
    return this.#topicIdsByName;
  }

  get features(): ReadonlyMap<string, number> {
    return this.#features;
  }

  /**
   * Whether there may have been a topic with this id that is gone. `drawnAt`: the id is younger than that index. Of what was removed before a
   * snapshot was taken in, or long ago, nothing is known.
   */
  mayHaveRemoved(id: TopicId, drawnAt: MetadataIndex): boolean {
    return this.#removedTopics.has(id) || (!this.#topics.has(id) && drawnAt < this.#removalsForgottenTo);
  }

  /** Of this state, which was made from what is in the other one now, the removals that the other one knows. */
  takeRemovals(other: MetadataState): void {
    for (const [id, index] of other.#removedTopics) this.#removedTopics.set(id, index);
    this.#removalsForgottenTo = other.#removalsForgottenTo;
  }

  dynamicConfigs(type: ConfigResourceType, name: string): ReadonlyMap<string, string> {
    return this.#configs.get(configKey(type, name)) ?? NO_CONFIGS;
  }

  /** The topic whose name is `key` but for `.` and `_` (see `collisionKey`); no two topics share one. */
  topicWithCollisionKey(key: string): string | undefined {
    return this.#namesByCollisionKey.get(key);
  }

  /** Every resource that has dynamic configs. */
  *configResources(): Generator<{ type: ConfigResourceType; name: string; configs: ReadonlyMap<string, string> }> {
    for (const [key, configs] of this.#configs) {
      yield { type: key.startsWith('2') ? 2 : 4, name: key.slice(2), configs };
    }
  }

  /** Replays what was committed at `index` (or, of a snapshot, at or before it). Tells in `touched` what that changed. */
  apply(index: MetadataIndex, records: readonly MetadataRecord[], touched: TouchedMetadata = nothingTouched()): void {
    if (index < this.#index) throw new Error(`Metadata goes back: index ${index} after ${this.#index}`);
    if (this.#index === 0) this.#removalsForgottenTo = index;
    const draft: Draft = { topics: new Map(), configs: new Map(), index };
    for (const record of records) this.#replay(record, draft, touched);
    for (const [id, partitions] of draft.topics) {
      this.#topics.set(id, { ...this.#topic(id), partitions });
    }
    for (const [key, configs] of draft.configs) {
      if (configs.size === 0) this.#configs.delete(key);
      else this.#configs.set(key, configs);
    }
    this.#index = index;
  }

  #replay(record: MetadataRecord, draft: Draft, touched: TouchedMetadata): void {
    switch (record.kind) {
      case 'cluster':
        this.#clusterId = record.clusterId;
        return;
      case 'featureLevel':
        if (record.level === 0) this.#features.delete(record.name);
        else this.#features.set(record.name, record.level);
        return;
      case 'registerBroker':
        touched.brokers = true;
        return this.#registerBroker(record);
      case 'brokerState':
        touched.brokers = true;
        return this.#changeBroker(record);
      case 'unregisterBroker':
        touched.brokers = true;
        this.#brokers.delete(record.brokerId);
        return;
      case 'topic':
        touched.topics.add(record.topicId);
        touched.removedTopics.delete(record.topicId);
        return this.#addTopic(record.topicId, record.name);
      case 'partition':
        touched.topics.add(record.topicId);
        return this.#setPartition(record, draft);
      case 'partitionChange':
        touched.topics.add(record.topicId);
        return this.#changePartition(record, draft, touched);
      case 'removeTopic':
        touched.topics.delete(record.topicId);
        touched.removedTopics.add(record.topicId);
        return this.#removeTopic(record.topicId, draft);
      case 'config':
        touched.configs.add(record.resourceType === 2 ? record.resourceName : '');
        return this.#setConfig(record, draft);
      case 'producerIds':
        this.#nextProducerId = Math.max(this.#nextProducerId, record.nextProducerId);
        return;
    }
  }

  #registerBroker(record: RegisterBrokerRecord): void {
    const known = this.#brokers.get(record.brokerId);
    if (known !== undefined && known.epoch >= record.brokerEpoch) {
      throw new Error(`Broker ${record.brokerId} cannot go from epoch ${known.epoch} to ${record.brokerEpoch}`);
    }
    this.#brokers.set(record.brokerId, {
      id: record.brokerId,
      epoch: record.brokerEpoch,
      incarnationId: record.incarnationId,
      directoryId: record.directoryId,
      endpoints: record.endpoints,
      rack: record.rack,
      features: record.features,
      state: 'Starting',
      fenced: record.fenced,
    });
  }

  #changeBroker(record: BrokerStateRecord): void {
    const known = this.#brokers.get(record.brokerId);
    if (known === undefined || known.epoch !== record.brokerEpoch) {
      throw new Error(`Broker ${record.brokerId} is not registered with epoch ${record.brokerEpoch}`);
    }
    this.#brokers.set(record.brokerId, { ...known, state: record.state, fenced: record.fenced });
  }

  #addTopic(id: TopicId, name: string): void {
    if (this.#topicIdsByName.has(name)) throw new Error(`Topic ${name} is there already`);
    this.#topics.set(id, { id, name, partitions: [] });
    this.#topicIdsByName.set(name, id);
    this.#removedTopics.delete(id);
    const key = collisionKey(name);
    if (key !== undefined) this.#namesByCollisionKey.set(key, name);
  }

  #removeTopic(id: TopicId, draft: Draft): void {
    const { name } = this.#topic(id);
    this.#topics.delete(id);
    this.#removedTopics.set(id, draft.index);
    const [oldest] = this.#removedTopics;
    if (this.#removedTopics.size > REMOVED_TOPICS_MAX && oldest !== undefined) {
      this.#removedTopics.delete(oldest[0]);
      this.#removalsForgottenTo = oldest[1];
    }
    this.#topicIdsByName.delete(name);
    const key = collisionKey(name);
    if (key !== undefined) this.#namesByCollisionKey.delete(key);
    draft.topics.delete(id);
    draft.configs.delete(configKey(2, name));
    this.#configs.delete(configKey(2, name));
  }

  #setPartition(record: PartitionRecord, draft: Draft): void {
    const partitions = this.#draftPartitions(record.topicId, draft);
    if (record.partition !== partitions.length) {
      throw new Error(
        `Topic ${record.topicId} has ${partitions.length} partitions, so partition ${record.partition} cannot be next`,
      );
    }
    partitions.push({
      topicId: record.topicId,
      partition: record.partition,
      replicas: this.#shared(record.replicas),
      isr: this.#shared(record.isr),
      elr: this.#shared(record.elr),
      lastKnownElr: this.#shared(record.lastKnownElr),
      addingReplicas: this.#shared(record.addingReplicas),
      removingReplicas: this.#shared(record.removingReplicas),
      failedReplicas: this.#shared(record.failedReplicas),
      leader: record.leader,
      leaderEpoch: record.leaderEpoch,
      partitionEpoch: record.partitionEpoch,
    });
  }

  #changePartition(record: PartitionChangeRecord, draft: Draft, touched: TouchedMetadata): void {
    const partitions = this.#draftPartitions(record.topicId, draft);
    const old = partitions[record.partition];
    if (old === undefined) throw new Error(`Topic ${record.topicId} has no partition ${record.partition}`);
    if (isUncleanElection(old, record)) touched.uncleanElections++;
    const listed = (now: readonly NodeId[] | undefined, before: readonly NodeId[]): readonly NodeId[] => {
      return now === undefined ? before : this.#shared(now);
    };
    partitions[record.partition] = {
      topicId: old.topicId,
      partition: old.partition,
      replicas: listed(record.replicas, old.replicas),
      isr: listed(record.isr, old.isr),
      elr: listed(record.elr, old.elr),
      lastKnownElr: listed(record.lastKnownElr, old.lastKnownElr),
      addingReplicas: listed(record.addingReplicas, old.addingReplicas),
      removingReplicas: listed(record.removingReplicas, old.removingReplicas),
      failedReplicas: listed(record.failedReplicas, old.failedReplicas),
      leader: record.leader === undefined ? old.leader : (record.leader ?? undefined),
      leaderEpoch: (record.bumpLeaderEpoch ? old.leaderEpoch + 1 : old.leaderEpoch) as LeaderEpoch,
      partitionEpoch: old.partitionEpoch + 1,
    };
  }

  #setConfig(record: ConfigRecord, draft: Draft): void {
    const key = configKey(record.resourceType, record.resourceName);
    let configs = draft.configs.get(key);
    if (configs === undefined) draft.configs.set(key, (configs = new Map(this.#configs.get(key))));
    if (record.value === undefined) configs.delete(record.name);
    else configs.set(record.name, record.value);
  }

  #draftPartitions(id: TopicId, draft: Draft): PartitionImage[] {
    let partitions = draft.topics.get(id);
    if (partitions === undefined) draft.topics.set(id, (partitions = [...this.#topic(id).partitions]));
    return partitions;
  }

  #topic(id: TopicId): TopicImage {
    const topic = this.#topics.get(id);
    if (topic === undefined) throw new Error(`There is no topic with id ${id}`);
    return topic;
  }

  /** One list for all partitions with the same nodes in it: with few brokers, 40,000 lists become a handful. */
  #shared(nodes: readonly NodeId[]): readonly NodeId[] {
    const [first] = nodes;
    if (first === undefined) return NO_NODES;
    const key = nodes.length === 1 ? first : nodes.join(',');
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    const list = Object.freeze([...nodes]);
    if (this.#lists.size < SHARED_LISTS_MAX) this.#lists.set(key, list);
    return list;
  }
}

function configKey(type: ConfigResourceType, name: string): string {
  return `${type}:${name}`;
}
