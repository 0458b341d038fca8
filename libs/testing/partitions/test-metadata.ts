import type { BrokerImage, MetadataImage, PartitionImage, TopicImage } from '@streamline/core/metadata/image';
import type {
  BrokerEpoch,
  ClusterId,
  DirectoryId,
  LeaderEpoch,
  MetadataIndex,
  NodeId,
  PartitionIndex,
  TopicId,
} from '@streamline/core/types/ids';
import type { MetadataChange, MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';

export const SELF = 1 as NodeId;
/** Of this node's registration, as the metadata has it. */
export const SELF_EPOCH = 41 as BrokerEpoch;

export interface TestTopic {
  readonly id: TopicId;
  readonly name: string;
  readonly partitions: readonly Partial<PartitionImage>[];
  readonly configs?: Readonly<Record<string, string>>;
}

/** An id made of one letter; the last character of 16 bytes in base64 has two bits only. */
export function topicId(letter: string): TopicId {
  return `${letter.repeat(21)}A` as TopicId;
}

/** Metadata that a test changes; changes reach subscribers at once. */
export class TestMetadata implements MetadataReplica {
  image: MetadataImage;
  private topics = new Map<TopicId, TestTopic>();
  private clusterConfigs: Readonly<Record<string, string>> = {};
  private readonly brokers = new Map<NodeId, BrokerImage>([[SELF, brokerImage(SELF, SELF_EPOCH)]]);
  private readonly listeners = new Set<(change: MetadataChange, image: MetadataImage) => void>();
  private readonly waits = new Set<() => void>();

  constructor(topics: readonly TestTopic[] = []) {
    for (const topic of topics) this.topics.set(topic.id, topic);
    this.image = this.build(1);
  }

  /** How many wait for metadata that has not come. */
  get waiting(): number {
    return this.waits.size;
  }

  subscribe(listener: (change: MetadataChange, image: MetadataImage) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  waitFor(index: MetadataIndex, timeoutMs: number): Promise<boolean> {
    if (this.image.index >= index) return Promise.resolve(true);
    if (timeoutMs <= 0) return Promise.resolve(false);
    return new Promise((resolve) => {
      const look = () => {
        if (this.image.index < index) return;
        this.waits.delete(look);
        resolve(true);
      };
      this.waits.add(look);
    });
  }

  put(...topics: TestTopic[]): void {
    const configsOf = topics.filter((topic) => this.topics.get(topic.id)?.configs !== topic.configs).map((topic) => topic.name);
    for (const topic of topics) this.topics.set(topic.id, topic);
    this.publish({ changedTopics: new Set(topics.map((topic) => topic.id)), changedConfigs: new Set(configsOf) });
  }

  /** A broker is registered anew, or its state is another. */
  putBroker(broker: BrokerImage): void {
    this.brokers.set(broker.id, broker);
    this.publish({ brokersChanged: true });
  }

  remove(id: TopicId): void {
    this.topics.delete(id);
    this.publish({ removedTopics: new Set([id]) });
  }

  setClusterConfigs(configs: Readonly<Record<string, string>>): void {
    this.clusterConfigs = configs;
    this.publish({ changedConfigs: new Set(['']) });
  }

  /** Replaces everything, as a snapshot does. */
  snapshot(topics: readonly TestTopic[]): void {
    this.topics = new Map(topics.map((topic) => [topic.id, topic]));
    this.publish({ isSnapshot: true, changedTopics: new Set(this.topics.keys()) });
  }

  private publish(change: Partial<MetadataChange>): void {
    this.image = this.build(this.image.index + 1);
    const whole: MetadataChange = {
      isSnapshot: false,
      changedTopics: new Set(),
      removedTopics: new Set(),
      changedConfigs: new Set(),
      brokersChanged: false,
      ...change,
    };
    for (const listener of this.listeners) listener(whole, this.image);
    for (const look of [...this.waits]) look();
  }

  private build(index: number): MetadataImage {
    const topics = new Map([...this.topics.values()].map((topic) => [topic.id, imageOf(topic)]));
    const configs = new Map([...this.topics.values()].map((topic) => [topic.name, new Map(Object.entries(topic.configs ?? {}))]));
    const cluster = new Map(Object.entries(this.clusterConfigs));
    return {
      index: index as MetadataIndex,
      clusterId: 'clusterclustercluster0' as ClusterId,
      brokers: new Map(this.brokers),
      topics,
      topicIdsByName: new Map([...topics.values()].map((topic) => [topic.name, topic.id])),
      features: new Map(),
      nextProducerId: 0,
      dynamicConfigs: (type, name) => (type === 4 ? cluster : (configs.get(name) ?? new Map<string, string>())),
    };
  }
}

/** A broker that is registered and lives. */
export function brokerImage(id: NodeId, epoch: BrokerEpoch, parts: Partial<BrokerImage> = {}): BrokerImage {
  return {
    id,
    epoch,
    incarnationId: `incarnation-${epoch}`,
    directoryId: topicId('D') as string as DirectoryId,
    endpoints: [{ name: 'storage', host: `host${id}`, port: 9093 }],
    rack: undefined,
    features: [],
    state: 'Running',
    fenced: false,
    ...parts,
  };
}

function imageOf(topic: TestTopic): TopicImage {
  const partitions = topic.partitions.map((partition, index) => ({
    topicId: topic.id,
    partition: index as PartitionIndex,
    replicas: [SELF],
    isr: [SELF],
    elr: [],
    lastKnownElr: [],
    addingReplicas: [],
    removingReplicas: [],
    failedReplicas: [],
    leader: SELF,
    leaderEpoch: 1 as LeaderEpoch,
    partitionEpoch: 0,
    ...partition,
  }));
  return { id: topic.id, name: topic.name, partitions };
}
