import type { BrokerEpoch, ClusterId, DirectoryId, LeaderEpoch, NodeId, PartitionIndex, TopicId } from '../types/ids';
import type { SupportedFeature } from './features';
import type { BrokerState, ConfigResourceType, Endpoint } from './image';

/** Names the cluster, once and for ever. */
export interface ClusterRecord {
  readonly kind: 'cluster';
  readonly clusterId: ClusterId;
}

/** Finalizes a feature at a level; 0 takes it away. */
export interface FeatureLevelRecord {
  readonly kind: 'featureLevel';
  readonly name: string;
  readonly level: number;
}

/** One incarnation of a broker; it is `Starting` from here on. */
export interface RegisterBrokerRecord {
  readonly kind: 'registerBroker';
  readonly brokerId: NodeId;
  readonly brokerEpoch: BrokerEpoch;
  readonly incarnationId: string;
  readonly directoryId: DirectoryId;
  readonly endpoints: readonly Endpoint[];
  readonly rack: string | undefined;
  /** From `metadata.version` 2 on. */
  readonly features: readonly SupportedFeature[] | undefined;
  readonly fenced: boolean;
}

export interface BrokerStateRecord {
  readonly kind: 'brokerState';
  readonly brokerId: NodeId;
  readonly brokerEpoch: BrokerEpoch;
  readonly state: BrokerState;
  readonly fenced: boolean;
}

export interface UnregisterBrokerRecord {
  readonly kind: 'unregisterBroker';
  readonly brokerId: NodeId;
  readonly brokerEpoch: BrokerEpoch;
}

export interface TopicRecord {
  readonly kind: 'topic';
  readonly topicId: TopicId;
  readonly name: string;
}

/** A new partition (index = as many as the topic has), or all of an existing one in a snapshot. */
export interface PartitionRecord {
  readonly kind: 'partition';
  readonly topicId: TopicId;
  readonly partition: PartitionIndex;
  readonly replicas: readonly NodeId[];
  readonly isr: readonly NodeId[];
  readonly elr: readonly NodeId[];
  readonly lastKnownElr: readonly NodeId[];
  /** From `metadata.version` 2 on, as are the next two. */
  readonly addingReplicas: readonly NodeId[];
  readonly removingReplicas: readonly NodeId[];
  readonly failedReplicas: readonly NodeId[];
  readonly leader: NodeId | undefined;
  readonly leaderEpoch: LeaderEpoch;
  readonly partitionEpoch: number;
}

/** What is absent stays. The partition epoch grows by one with each; the leader epoch where `bumpLeaderEpoch` says so. */
export interface PartitionChangeRecord {
  readonly kind: 'partitionChange';
  readonly topicId: TopicId;
  readonly partition: PartitionIndex;
  readonly replicas?: readonly NodeId[];
  readonly isr?: readonly NodeId[];
  readonly elr?: readonly NodeId[];
  readonly lastKnownElr?: readonly NodeId[];
  readonly addingReplicas?: readonly NodeId[];
  readonly removingReplicas?: readonly NodeId[];
  readonly failedReplicas?: readonly NodeId[];
  /** null: nobody leads. */
  readonly leader?: NodeId | null;
  readonly bumpLeaderEpoch: boolean;
}

/** Takes the topic, its partitions and its configs away. */
export interface RemoveTopicRecord {
  readonly kind: 'removeTopic';
  readonly topicId: TopicId;
}

/** Sets a dynamic config, or takes it back to its default where `value` is absent. */
export interface ConfigRecord {
  readonly kind: 'config';
  readonly resourceType: ConfigResourceType;
  readonly resourceName: string;
  readonly name: string;
  readonly value: string | undefined;
}

/** Everything below `nextProducerId` is given away. */
export interface ProducerIdsRecord {
  readonly kind: 'producerIds';
  readonly brokerId: NodeId;
  readonly brokerEpoch: BrokerEpoch;
  readonly nextProducerId: number;
}

/** What the metadata log is made of; the wire form is streamline.metadata.v1.MetadataRecord. */
export type MetadataRecord =
  | ClusterRecord
  | FeatureLevelRecord
  | RegisterBrokerRecord
  | BrokerStateRecord
  | UnregisterBrokerRecord
  | TopicRecord
  | PartitionRecord
  | PartitionChangeRecord
  | RemoveTopicRecord
  | ConfigRecord
  | ProducerIdsRecord;
