import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { Inject, Injectable } from '@nestjs/common';
import { BLOCK_BYTES } from '@streamline/core/journal/format';
import type { GroupConfig } from '@streamline/core/groups/group-config';
import { DEFAULT_GROUP_CONFIG } from '@streamline/core/groups/group-config';
import type { NodeConfig } from '@streamline/platform/config/schema';
import type { Host } from '@streamline/platform/host/host';
import { HOST } from '@streamline/platform/host/host';
import type { HostedRole } from '@streamline/platform/host/hosted-role';
import { journalPlace } from '@streamline/platform/lifecycle/journal-place';
import type { StopDeadline } from '@streamline/platform/lifecycle/stop-deadline';
import { Links } from '@streamline/platform/links/links';
import { groupSource } from '@streamline/platform/observability/group-source';
import { replicationSource } from '@streamline/platform/observability/replication-source';
import { JournalMetrics, logSource } from '@streamline/platform/observability/storage-source';
import { createGroupCoordinators } from '@streamline/runtime/groups/group-coordinators';
import type { LogEngine } from '@streamline/runtime/log/log-engine';
import type { OpenedLogEngine } from '@streamline/runtime/log/open-log-engine';
import { DEFAULT_LOG_JOURNAL, openLogEngine } from '@streamline/runtime/log/open-log-engine';
import type { LocalPartitions } from '@streamline/runtime/partitions/local-partitions';
import type { GroupsHost, StorageRole } from '@streamline/runtime/partitions/storage-role';
import { createStorageRole } from '@streamline/runtime/partitions/storage-role';
import type { ReplicationLimits } from '@streamline/runtime/replication/replication-limits';
import { DEFAULT_REPLICATION_LIMITS } from '@streamline/runtime/replication/replication-limits';
import type { RoleStatus } from '@streamline/wire/contracts/generated/streamline/node/v1/role';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { StoragePort } from '@streamline/wire/contracts/ports';

/**
 * Fetches beyond this many are answered with what there is instead of being kept waiting, on which clients ask again at once:
 * more than the gateways of a node have connections, at about 2 KB each.
 */
const WAITING_FETCHES_MAX = 100_000;
const MS_PER_MINUTE = 60_000;

function groupConfig(config: NodeConfig): GroupConfig {
  return {
    ...DEFAULT_GROUP_CONFIG,
    initialRebalanceDelayMs: config.groupInitialRebalanceDelayMs,
    minSessionTimeoutMs: config.groupMinSessionTimeoutMs,
    maxSessionTimeoutMs: config.groupMaxSessionTimeoutMs,
    maxSize: config.groupMaxSize,
    offsetMetadataMaxBytes: config.offsetMetadataMaxBytes,
    offsetsRetentionMs: config.offsetsRetentionMinutes * MS_PER_MINUTE,
  };
}

/** How the replicas of this node are kept, and what streams to other nodes may take. */
export function replicationLimitsOf({ replicaLagTimeMaxMs, replicaCatchUpBytesPerSecond }: NodeConfig): ReplicationLimits {
  const { replica, push, peer } = DEFAULT_REPLICATION_LIMITS;
  return {
    replica: { ...replica, replicaLagTimeMaxMs },
    push: { ...push, catchUpBytesPerSecond: replicaCatchUpBytesPerSecond },
    peer,
  };
}

/** Runs the storage role in this process: opens its logs, then registers the broker and serves. */
@Injectable()
export class StorageService implements HostedRole {
  readonly role = 'storage';
  private readonly journalMetrics = new JournalMetrics('storage');
  private links: Links | undefined;
  private running: StorageRole | undefined;

  constructor(@Inject(HOST) private readonly host: Host) {
    host.metrics.add(this.journalMetrics);
  }

  /** Fails with a PortError until `start` has opened the logs. */
  get port(): StoragePort {
    return this.host.local.startedStorage;
  }

  async start(): Promise<void> {
    const { host } = this;
    const { engine, recovery } = await this.openEngine();
    engine.onFatal((error) => host.fatal(error));
    const links = new Links({ ...host, records: () => engine.recordMemory });
    const role = createStorageRole({
      ...host,
      incarnationId: randomUUID(),
      clusterId: host.directory.clusterId,
      directoryId: host.directory.directoryId,
      rack: host.config.rackId,
      engine,
      recovery,
      metadata: host.replica,
      dialer: links,
      replicationLimits: replicationLimitsOf(host.config),
      createGroups: (partitions) => this.createGroups(partitions, engine),
      directory: host.directory.rolePath('storage'),
      sessionTimeoutMs: host.config.sessionTimeoutMs,
      producerIdExpirationMs: host.config.producerIdExpirationMs,
      retentionCheckIntervalMs: host.config.logRetentionCheckIntervalMs,
      fetchLimits: { maxBytes: host.config.fetchMaxBytes, maxWaiting: WAITING_FETCHES_MAX },
      log: host.logOf('storage'),
      onFatal: (error) => host.fatal(error),
    });
    this.running = role;
    this.links = links;
    host.metrics.add(logSource(engine, host.replica));
    host.metrics.add(replicationSource(() => role.figures().replication));
    role.start();
    host.local.offerStorage(role.port, engine.recordMemory);
    await role.whenServing;
  }

  async stop({ remainingMs }: StopDeadline): Promise<void> {
    await this.running?.stop(remainingMs);
    this.host.local.offerStorage(undefined);
    this.links?.close();
    this.running = undefined;
  }

  /** A link that another broker opened. */
  takeLink(socket: Socket, first: Buffer): void {
    const { running, links } = this;
    if (running === undefined || links === undefined) throw new PortError('unavailable', 'the storage role has not started yet');
    links.take(socket, first, (stream) => running.acceptPeer(stream));
  }

  status(): Promise<RoleStatus> {
    if (this.running) return this.running.status();
    const checks = [{ name: 'log-replayed', ok: false, reason: 'the logs are not open yet' }];
    return Promise.resolve({ role: this.role, ready: false, checks });
  }

  private async openEngine(): Promise<OpenedLogEngine> {
    const { host } = this;
    const { config, disk, clock, random, bootId } = host;
    const opened = await openLogEngine({
      disk,
      clock,
      random,
      bootId,
      directory: host.directory.rolePath('storage'),
      journalDirectory: await journalPlace({ directory: host.directory, role: 'storage', journalDir: config.journalDir }),
      journal: {
        ...DEFAULT_LOG_JOURNAL,
        fileBytes: config.journalFileBytes - (config.journalFileBytes % BLOCK_BYTES),
        fileCount: config.journalFiles,
        onGroup: this.journalMetrics.onGroup,
      },
      limits: { tailCacheBytes: config.tailCacheBytes, spaceMarginBytes: config.diskFreeBytesMin },
    });
    this.journalMetrics.watch(opened.journal);
    const { partitions, durationMs, cleanStop, offline } = opened.recovery;
    host.logOf('storage').debug({ partitions, durationMs, cleanStop, offline: offline.length }, 'logs are open');
    for (const { key, reason } of offline) host.logOf('storage').error({ ...key, reason }, 'a partition cannot be served');
    return opened;
  }

  private createGroups(partitions: LocalPartitions, engine: LogEngine): GroupsHost {
    const { nodeId, replica, clock, random, config, metrics } = this.host;
    const groups = createGroupCoordinators({
      nodeId,
      partitions,
      metadata: replica,
      clock,
      random,
      config: groupConfig(config),
      logSink: this.host.logOf('storage'),
      limits: { expirationCheckIntervalMs: config.offsetsRetentionCheckIntervalMs },
    });
    metrics.add(groupSource({ groups, engine, replica }));
    return {
      port: groups.port,
      start: () => groups.start(),
      stop: () => groups.stop(),
    };
  }
}
