import type { ClusterSettings } from '@streamline/core/metadata/cluster';
import type { NodeConfig } from '@streamline/platform/config/schema';

/** The settings that seed the cluster's metadata when this node bootstraps it. */
export function clusterSettings(config: NodeConfig): ClusterSettings {
  return {
    defaultReplicationFactor: config.defaultReplicationFactor,
    minInsyncReplicas: config.minInsyncReplicas,
    uncleanLeaderElection: config.uncleanLeaderElection,
    durability: config.durability,
    sessionTimeoutMs: config.sessionTimeoutMs,
    rackAwareAssignment: config.rackAwareAssignment,
    offsetsTopicReplicationFactor: config.offsetsTopicReplicationFactor,
    numPartitions: config.numPartitions,
    messageMaxBytes: config.messageMaxBytes,
    logSegmentBytes: config.logSegmentBytes,
    logRetentionMs: config.logRetentionMs,
    logRetentionBytes: config.logRetentionBytes,
    maxDecompressedMessageBytes: config.maxDecompressedMessageBytes,
  };
}
