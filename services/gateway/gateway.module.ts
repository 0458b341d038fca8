import { Module } from '@nestjs/common';
import type { NodeConfig } from '@streamline/platform/config/schema';
import { HOST, type Host } from '@streamline/platform/host/host';
import type { HostedRole, RoleService } from '@streamline/platform/host/hosted-role';
import { gatewaySource } from '@streamline/platform/observability/gateway-source';
import { openChannel } from '@streamline/platform/rpc/channel';
import { remotePort } from '@streamline/platform/rpc/remote-port';
import type { LogSink } from '@streamline/runtime/gateway/rate-limited-log';
import type { StorageRouter } from '@streamline/runtime/gateway/storage-router';
import { MembershipServiceDefinition } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import { apisByKey } from '@streamline/wire/kafka/api-table';
import { MembershipAtLeader, type MembershipConnection, type VoterCommands } from './context/membership-at-leader';
import { kafkaConfigsOf } from './context/static-configs';
import { createGatewayRole, type GatewayRole } from './gateway-role';

/** Nest's token for the gateway as a HostedRole. */
export const GATEWAY = Symbol('Gateway');

@Module({ providers: [{ provide: GATEWAY, inject: [HOST], useFactory: hostGateway }] })
export class GatewayModule {}

/** The gateway for `runRoles`. It adds nothing to the inter-broker listener: clients come to the Kafka listener. */
export const gatewayService: RoleService = { role: 'gateway', module: GatewayModule, token: GATEWAY, served: () => [] };

function hostGateway(host: Host): HostedRole {
  const { controller, security } = host;
  const connect = (address: string) => connectMembership(address, security);
  const gateway = gatewayOf(host, new MembershipAtLeader({ controller, connect }));
  host.metrics.add(gatewaySource(gateway.metrics, gateway.gauges, (key) => apisByKey.get(key)?.name));
  return {
    role: 'gateway',
    start: () => gateway.start(),
    stop: ({ signal }) => gateway.stop(signal),
    status: () => Promise.resolve(gateway.status()),
  };
}

function connectMembership(address: string, { channelCredentials }: Host['security']): MembershipConnection {
  const channel = openChannel(address, channelCredentials);
  return { port: remotePort(MembershipServiceDefinition, channel), close: () => channel.close() };
}

/** Of the host, what a gateway is made from. */
export type GatewayHost = Pick<Host, 'config' | 'nodeId' | 'replica' | 'controller' | 'clock' | 'random'> & {
  readonly storage: StorageRouter;
  readonly local?: Pick<Host['local'], 'recordMemory'>;
  logOf(role: 'gateway'): LogSink;
};

/** A gateway with the settings of this process. Nothing happens before its `start`. */
export function gatewayOf(host: GatewayHost, membership: VoterCommands): GatewayRole {
  const { config, nodeId, replica, controller, storage, clock, random, local } = host;
  return createGatewayRole({
    nodeId,
    listen: config.listenAddr,
    metadata: replica,
    controller,
    membership,
    storage,
    clock,
    random,
    log: host.logOf('gateway'),
    records: () => local?.recordMemory,
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
