import type { ClusterSettings } from '@streamline/core/metadata/cluster';

/** The settings of a cluster that a node with nothing configured begins. */
export const CLUSTER_SETTINGS: ClusterSettings = {
  defaultReplicationFactor: 1,
  minInsyncReplicas: 1,
  uncleanLeaderElection: false,
  durability: 'fsync',
  sessionTimeoutMs: 10_000,
  rackAwareAssignment: true,
  offsetsTopicReplicationFactor: 3,
  numPartitions: 1,
  messageMaxBytes: 1_048_588,
  logSegmentBytes: 1_073_741_824,
  logRetentionMs: 604_800_000,
  logRetentionBytes: -1,
  maxDecompressedMessageBytes: 67_108_864,
};
