import { brokerConfigDefinition } from '@streamline/core/metadata/broker-config-definitions';
import type { NodeConfig } from '@streamline/platform/config/schema';
import { formatAddress } from '@streamline/platform/config/address';

/**
 * The settings of this node under Kafka's config names, as DescribeConfigs of the broker tells them; those that are the
 * default are left out, since they are told as such.
 */
export function kafkaConfigsOf(config: NodeConfig): ReadonlyMap<string, string> {
  const settings: Readonly<Record<string, string | number | boolean | undefined>> = {
    'advertised.listeners': `PLAINTEXT://${formatAddress(config.advertisedAddr)}`,
    'auto.create.topics.enable': config.autoCreateTopicsEnable,
    'broker.rack': config.rackId,
    'connections.max.idle.ms': config.connectionsMaxIdleMs,
    'fetch.max.bytes': config.fetchMaxBytes,
    'group.initial.rebalance.delay.ms': config.groupInitialRebalanceDelayMs,
    'group.max.session.timeout.ms': config.groupMaxSessionTimeoutMs,
    'group.max.size': config.groupMaxSize,
    'group.min.session.timeout.ms': config.groupMinSessionTimeoutMs,
    listeners: `PLAINTEXT://${formatAddress(config.listenAddr)}`,
    'log.dirs': config.dataDir,
    'log.retention.check.interval.ms': config.logRetentionCheckIntervalMs,
    'max.connections': config.maxConnections,
    'max.connections.per.ip': config.maxConnectionsPerIp,
    'max.incremental.fetch.session.cache.slots': config.maxIncrementalFetchSessionCacheSlots,
    'offset.metadata.max.bytes': config.offsetMetadataMaxBytes,
    'offsets.retention.check.interval.ms': config.offsetsRetentionCheckIntervalMs,
    'offsets.retention.minutes': config.offsetsRetentionMinutes,
    'offsets.topic.num.partitions': config.offsetsTopicNumPartitions,
    'process.roles': config.roles.join(','),
    'producer.id.expiration.ms': config.producerIdExpirationMs,
    'queued.max.request.bytes': config.maxInFlightBytes,
    'socket.request.max.bytes': config.socketRequestMaxBytes,
  };
  return new Map(
    Object.entries(settings).flatMap(([name, value]) => {
      if (value === undefined || String(value) === brokerConfigDefinition(name)?.defaultValue) return [];
      return [[name, String(value)] as const];
    }),
  );
}
