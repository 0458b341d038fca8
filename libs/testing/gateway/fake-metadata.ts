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

export const CLUSTER_ID = 'c1usterc1usterc1usterA' as ClusterId;

/** A broker as a test describes it; the rest is made up. */
export interface FakeBroker {
  readonly id: number;
  readonly host?: string;
  readonly port?: number;
  readonly rack?: string;
  readonly fenced?: boolean;
  readonly dead?: boolean;
  readonly withoutKafkaListener?: boolean;
}

export interface FakeTopic {
  readonly name: string;
  /** Of each partition its leader; undefined for none. */
  readonly leaders: readonly (number | undefined)[];
  /** Of each partition; all brokers where it does not say. */
  readonly replicas?: readonly (readonly number[])[];
  /** Of each partition; all its replicas where it does not say. */
  readonly isr?: readonly (readonly number[])[];
  readonly elr?: readonly (readonly number[])[];
  readonly lastKnownElr?: readonly (readonly number[])[];
  /** Of each partition; none where it does not say. */
  readonly adding?: readonly (readonly number[])[];
  readonly removing?: readonly (readonly number[])[];
  readonly failedReplicas?: readonly (readonly number[])[];
  readonly id?: string;
  readonly leaderEpoch?: number;
}

export interface FakeCluster {
  readonly brokers?: readonly FakeBroker[];
  readonly topics?: readonly FakeTopic[];
  /** By `<type>:<name>`, such as `2:my-topic` and `4:`. */
  readonly configs?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly features?: Readonly<Record<string, number>>;
  readonly index?: number;
}

/** An id that can be told from the name: the name, padded to 22 characters of url-safe base64. */
export function fakeTopicId(name: string): TopicId {
  return `${Buffer.from(name).toString('base64url').slice(0, 20).padEnd(21, 'x')}A` as TopicId;
}

/** Metadata as a test wants it. One broker, number 1, where it does not say. */
export class FakeMetadata implements MetadataReplica {
  image: MetadataImage;
  /** Indexes that were waited for. */
  readonly waited: number[] = [];
  private readonly listeners = new Set<(change: MetadataChange, image: MetadataImage) => void>();

  constructor(private cluster: FakeCluster = {}) {
    this.image = imageOf(cluster);
  }

  /** Replaces parts of the cluster. */
  update(changes: Partial<FakeCluster>): void {
    this.cluster = { ...this.cluster, ...changes };
    this.image = imageOf(this.cluster);
  }

  leaderOf(topicId: string, partition: number): number | undefined {
    return this.image.topics.get(topicId as TopicId)?.partitions[partition]?.leader;
  }

  subscribe(listener: (change: MetadataChange, image: MetadataImage) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  waitFor(index: MetadataIndex): Promise<boolean> {
    this.waited.push(index);
    return Promise.resolve(true);
  }
}

function imageOf(cluster: FakeCluster): MetadataImage {
  const brokers = cluster.brokers ?? [{ id: 1 }];
  const topics = (cluster.topics ?? []).map((topic) => topicOf(topic, brokers));
  const none: ReadonlyMap<string, string> = new Map();
  const configs = new Map(Object.entries(cluster.configs ?? {}).map(([key, values]) => [key, new Map(Object.entries(values))]));
  return {
    index: (cluster.index ?? 1) as MetadataIndex,
    clusterId: CLUSTER_ID,
    brokers: new Map(brokers.map((broker) => [broker.id as NodeId, brokerOf(broker)])),
    topics: new Map(topics.map((topic) => [topic.id, topic])),
    topicIdsByName: new Map(topics.map((topic) => [topic.name, topic.id])),
    features: new Map(Object.entries(cluster.features ?? {})),
    nextProducerId: 0,
    dynamicConfigs: (type, name) => configs.get(`${type}:${name}`) ?? none,
  };
}

function brokerOf(broker: FakeBroker): BrokerImage {
  const { id, host = `host${id}`, port = 9092 } = broker;
  return {
    id: id as NodeId,
    epoch: (100 + id) as BrokerEpoch,
    incarnationId: `incarnation-${id}`,
    directoryId: 'd1rectoryd1rectoryd1rA' as DirectoryId,
    endpoints: broker.withoutKafkaListener === true ? [] : [{ name: 'kafka', host, port }],
    rack: broker.rack,
    features: undefined,
    state: broker.dead === true ? 'Dead' : 'Running',
    fenced: broker.fenced ?? false,
  };
}

function topicOf(topic: FakeTopic, brokers: readonly FakeBroker[]): TopicImage {
  const id = (topic.id ?? fakeTopicId(topic.name)) as TopicId;
  const all = brokers.map((broker) => broker.id);
  const partitions = topic.leaders.map((leader, index): PartitionImage => ({
    topicId: id,
    partition: index as PartitionIndex,
    replicas: (topic.replicas?.[index] ?? all) as NodeId[],
    isr: (topic.isr?.[index] ?? topic.replicas?.[index] ?? all) as NodeId[],
    elr: (topic.elr?.[index] ?? []) as NodeId[],
    lastKnownElr: (topic.lastKnownElr?.[index] ?? []) as NodeId[],
    addingReplicas: (topic.adding?.[index] ?? []) as NodeId[],
    removingReplicas: (topic.removing?.[index] ?? []) as NodeId[],
    failedReplicas: (topic.failedReplicas?.[index] ?? []) as NodeId[],
    leader: leader as NodeId | undefined,
    leaderEpoch: (topic.leaderEpoch ?? 3) as LeaderEpoch,
    partitionEpoch: 0,
  }));
  return { id, name: topic.name, partitions };
}
