import type { NodeId } from '@streamline/core/types/ids';
import { DEFAULT_CONNECTION_LIMITS, type ConnectionLimits } from '@streamline/runtime/gateway/connection-limits';
import { ConnectionServer } from '@streamline/runtime/gateway/connection-server';
import { FetchSessionCache } from '@streamline/runtime/gateway/fetch-sessions';
import { GatewayMetrics } from '@streamline/runtime/gateway/gateway-metrics';
import { InFlightBudget } from '@streamline/runtime/gateway/in-flight-budget';
import { RateLimitedLog, type LogSink } from '@streamline/runtime/gateway/rate-limited-log';
import type { StorageRouter } from '@streamline/runtime/gateway/storage-router';
import type { RecordMemory } from '@streamline/runtime/log/record-memory';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { Random } from '@streamline/runtime/ports/random';
import type { RoleStatus } from '@streamline/wire/contracts/generated/streamline/node/v1/role';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import { KafkaRequestProcessor } from './connection/request-processor';
import { DEFAULT_GATEWAY_CONFIG, type GatewayConfig } from './context/gateway-config';
import type { VoterCommands } from './context/membership-at-leader';
import { ProducerIdSource } from './context/producer-ids';
import type { Gateway } from './context/request-context';
import { LeaderGuesses } from './context/leader-guesses';
import { TopicCreator } from './context/topic-creator';
import { advertise, handlers } from './handlers/registry';

/** Everything that a gateway needs of its process. */
export interface GatewayDependencies {
  /** The broker that this gateway belongs to. */
  readonly nodeId: NodeId;
  /** Where Kafka clients connect; port 0 takes any free one. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly metadata: MetadataReplica;
  readonly controller: ControllerPort;
  /** Who takes part in the consensus, changed at the leader. */
  readonly membership: VoterCommands;
  readonly storage: StorageRouter;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: LogSink;
  /** The record memory of this process while its storage runs here; else requests are read to memory of the gateway's own. */
  readonly records?: () => RecordMemory | undefined;
  /** What differs from the defaults. */
  readonly limits?: Partial<ConnectionLimits>;
  readonly config?: Partial<GatewayConfig>;
}

/** A running gateway, as the process that composes it sees it. */
export interface GatewayRole {
  /** Opens the listener; fails with the platform's error, such as EADDRINUSE. */
  start(): Promise<void>;
  /** Stops accepting, answers what was started, closes; cuts off what is not done when the signal aborts. */
  stop(signal: AbortSignal): Promise<void>;
  status(): RoleStatus;
  /** The port that was opened; 0 before. */
  readonly port: number;
  readonly metrics: GatewayMetrics;
  /** Figures that are read when metrics are scraped. */
  gauges(): GatewayGauges;
}

export interface GatewayGauges {
  readonly connections: number;
  readonly requestBytesInFlight: number;
  readonly answerBytesUnsent: number;
  readonly fetchSessions: number;
  readonly fetchSessionPartitions: number;
  readonly fetchSessionEvictions: number;
}

/** Puts a gateway together. Nothing happens before `start`. */
export function createGatewayRole(dependencies: GatewayDependencies): GatewayRole {
  const { clock, random, listen, nodeId, metadata, controller, membership, storage } = dependencies;
  const limits = { ...DEFAULT_CONNECTION_LIMITS, ...dependencies.limits };
  const config = { ...DEFAULT_GATEWAY_CONFIG, ...dependencies.config };
  const metrics = new GatewayMetrics();
  const log = new RateLimitedLog(dependencies.log, () => clock.monotonicMs());
  const budget = new InFlightBudget(limits.totalInFlightBytes, limits.totalUnsentBytes);
  const fetchSessions = new FetchSessionCache(
    config.fetchSessionSlots,
    () => clock.monotonicMs(),
    () => random.next(),
  );
  const gateway: Gateway = {
    nodeId,
    config,
    metadata,
    controller,
    membership,
    storage,
    clock,
    fetchSessions,
    producerIds: new ProducerIdSource(nodeId, metadata, controller),
    topicCreator: new TopicCreator(controller, metadata, log, config.offsetsTopicPartitions),
    leaderGuesses: new LeaderGuesses(nodeId, clock),
    budget,
    metrics,
    log,
    advertised: advertise(handlers),
  };
  const processor = new KafkaRequestProcessor(handlers, gateway);
  const server = new ConnectionServer({ limits, clock, processor, budget, metrics, log, records: dependencies.records });
  let port = 0;
  return {
    async start() {
      port = await server.listen(listen.host, listen.port);
    },
    stop: (signal) => server.stop(signal),
    status: () => statusOf(server, gateway),
    get port() {
      return port;
    },
    metrics,
    gauges: () => ({
      connections: server.openConnections,
      requestBytesInFlight: budget.requestBytes,
      answerBytesUnsent: budget.unsentBytes,
      fetchSessions: fetchSessions.sessionCount,
      fetchSessionPartitions: fetchSessions.partitionCount,
      fetchSessionEvictions: fetchSessions.evictions,
    }),
  };
}

function statusOf(server: ConnectionServer, gateway: Gateway): RoleStatus {
  const { clusterId, brokers } = gateway.metadata.image;
  const registered = brokers.has(gateway.nodeId);
  const checks = [
    { name: 'listener', ok: server.listening, reason: server.listening ? '' : 'the Kafka listener is not open' },
    {
      name: 'metadata',
      ok: clusterId !== undefined && registered,
      reason:
        clusterId === undefined
          ? 'no metadata has arrived from the controller yet'
          : registered
            ? ''
            : `broker ${gateway.nodeId} is not registered yet`,
    },
  ];
  return { role: 'gateway', ready: checks.every(({ ok }) => ok), checks };
}
