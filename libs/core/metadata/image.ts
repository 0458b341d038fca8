import type {
  BrokerEpoch,
  ClusterId,
  DirectoryId,
  LeaderEpoch,
  MetadataIndex,
  NodeId,
  PartitionIndex,
  TopicId,
} from '../types/ids';
import type { SupportedFeature } from './features';

/** The guide's broker states; `Dead` brokers stay listed until they are removed. */
export type BrokerState = 'Starting' | 'Running' | 'ShuttingDown' | 'Dead';

/** Names of a broker's listeners: where Kafka clients go, and the gRPC address of each role. */
export type ListenerName = 'kafka' | 'controller' | 'storage' | 'gateway' | 'admin';

export interface Endpoint {
  readonly name: ListenerName;
  readonly host: string;
  readonly port: number;
}

export interface BrokerImage {
  readonly id: NodeId;
  readonly epoch: BrokerEpoch;
  readonly incarnationId: string;
  readonly directoryId: DirectoryId;
  readonly endpoints: readonly Endpoint[];
  readonly rack: string | undefined;
  /** What it supports; undefined where it registered before that was written (`metadata.version` 1). */
  readonly features: readonly SupportedFeature[] | undefined;
  readonly state: BrokerState;
  /** A fenced broker leads nothing and is not shown to clients. */
  readonly fenced: boolean;
}

export interface PartitionImage {
  readonly topicId: TopicId;
  readonly partition: PartitionIndex;
  readonly replicas: readonly NodeId[];
  readonly isr: readonly NodeId[];
  readonly elr: readonly NodeId[];
  readonly lastKnownElr: readonly NodeId[];
  /** Those of `replicas` that a reassignment adds. */
  readonly addingReplicas: readonly NodeId[];
  /** Those of `replicas` that it drops once all that are added are in the ISR. */
  readonly removingReplicas: readonly NodeId[];
  /** Replicas with a log that failed: until their broker registers anew they are nobody's leader, nor in an ISR. */
  readonly failedReplicas: readonly NodeId[];
  /** Absent: nobody leads. */
  readonly leader: NodeId | undefined;
  readonly leaderEpoch: LeaderEpoch;
  readonly partitionEpoch: number;
}

export interface TopicImage {
  readonly id: TopicId;
  readonly name: string;
  /** Index = partition. */
  readonly partitions: readonly PartitionImage[];
}

/** Kafka's resource types that carry dynamic configs here: 2 a topic, 4 a broker ("" is the cluster-wide default). */
export type ConfigResourceType = 2 | 4;

/**
 * The cluster as one index of the metadata log describes it. Read-only to everyone but `replay`; every role of a
 * process reads the same one. Values handed out are immutable: a change replaces them.
 */
export interface MetadataImage {
  /** The last index applied. */
  readonly index: MetadataIndex;
  readonly clusterId: ClusterId | undefined;
  readonly brokers: ReadonlyMap<NodeId, BrokerImage>;
  readonly topics: ReadonlyMap<TopicId, TopicImage>;
  readonly topicIdsByName: ReadonlyMap<string, TopicId>;
  /** Finalized feature levels, such as `metadata.version`. */
  readonly features: ReadonlyMap<string, number>;
  readonly nextProducerId: number;
  /** Dynamic configs as set (not defaults), empty where none are. */
  dynamicConfigs(type: ConfigResourceType, name: string): ReadonlyMap<string, string>;
}
