/** The node's own settings that handlers need, by Kafka's names. Cluster-wide ones are in the metadata. */
export interface GatewayConfig {
  /** `auto.create.topics.enable` */
  readonly autoCreateTopics: boolean;
  /** `fetch.max.bytes` */
  readonly fetchMaxBytes: number;
  /** `max.incremental.fetch.session.cache.slots` */
  readonly fetchSessionSlots: number;
  /** `offsets.topic.num.partitions` */
  readonly offsetsTopicPartitions: number;
  /** `offsets.commit.timeout.ms` */
  readonly offsetsCommitTimeoutMs: number;
  /** `max.request.partition.size.limit`: of DescribeTopicPartitions. */
  readonly describePartitionsLimit: number;
  /** How long an answer waits for this process to see a change that the controller has committed. */
  readonly metadataWaitMs: number;
  /** The settings of this node by Kafka's config names, for DescribeConfigs of the broker. */
  readonly staticConfigs: ReadonlyMap<string, string>;
}

export const DEFAULT_GATEWAY_CONFIG: GatewayConfig = {
  autoCreateTopics: true,
  fetchMaxBytes: 57_671_680,
  fetchSessionSlots: 1000,
  offsetsTopicPartitions: 50,
  offsetsCommitTimeoutMs: 5000,
  describePartitionsLimit: 2000,
  metadataWaitMs: 5000,
  staticConfigs: new Map(),
};
