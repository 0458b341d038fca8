import { Module } from '@nestjs/common';
import type { NodeConfig } from '@streamline/platform/config/schema';
import { HOST, type Host } from '@streamline/platform/host/host';
import type { HostedRole, RoleService } from '@streamline/platform/host/hosted-role';
import { gatewaySource } from '@streamline/platform/observability/gateway-source';
import { apisByKey } from '@streamline/wire/kafka/api-table';
import { kafkaConfigsOf } from './context/static-configs';
import { createGatewayRole, type GatewayRole } from './gateway-role';

/** Nest's token for the gateway as a HostedRole. */
export const GATEWAY = Symbol('Gateway');

@Module({ providers: [{ provide: GATEWAY, inject: [HOST], useFactory: hostGateway }] })
export class GatewayModule {}

/** The gateway for `runRoles`. It adds nothing to the inter-broker listener: clients come to the Kafka listener. */
export const gatewayService: RoleService = { role: 'gateway', module: GatewayModule, token: GATEWAY, served: () => [] };

function hostGateway(host: Host): HostedRole {
  const gateway = gatewayOf(host);
  host.metrics.add(gatewaySource(gateway.metrics, gateway.gauges, (key) => apisByKey.get(key)?.name));
  return {
    role: 'gateway',
    start: () => gateway.start(),
    stop: (signal) => gateway.stop(signal),
    status: () => Promise.resolve(gateway.status()),
  };
}

function gatewayOf(host: Host): GatewayRole {
  const { config, nodeId, replica, controller, storage, clock, random } = host;
  return createGatewayRole({
    nodeId,
    listen: config.listenAddr,
    metadata: replica,
    controller,
    storage,
    clock,
    random,
    log: host.logOf('gateway'),
    limits: limitsOf(config),
    config: {
      autoCreateTopics: config.autoCreateTopicsEnable,
      fetchMaxBytes: config.fetchMaxBytes,
      offsetsTopicPartitions: config.offsetsTopicNumPartitions,
      fetchSessionSlots: config.maxIncrementalFetchSessionCacheSlots,
      staticConfigs: kafkaConfigsOf(config),
    },
  });
}

function limitsOf(config: NodeConfig) {
  return {
    maxConnections: config.maxConnections,
    maxConnectionsPerIp: config.maxConnectionsPerIp,
    maxFrameBytes: config.socketRequestMaxBytes,
    maxInFlightBytes: config.maxInFlightBytesPerConnection,
    totalInFlightBytes: config.maxInFlightBytes,
    totalUnsentBytes: config.maxInFlightBytes,
    idleMs: config.connectionsMaxIdleMs,
  };
}
