import { Inject, Injectable } from '@nestjs/common';
import { differingSettings } from '@streamline/core/metadata/cluster';
import type { ClusterId } from '@streamline/core/types/ids';
import type { Host } from '@streamline/platform/host/host';
import { HOST } from '@streamline/platform/host/host';
import type { HostedRole } from '@streamline/platform/host/hosted-role';
import { journalPlace } from '@streamline/platform/lifecycle/journal-place';
import { newUuidText } from '@streamline/platform/lifecycle/node-file';
import { controllerSource } from '@streamline/platform/observability/controller-source';
import { JournalMetrics } from '@streamline/platform/observability/storage-source';
import type { ControllerEvents } from '@streamline/runtime/controller/controller-role';
import type { RoleStatus } from '@streamline/wire/contracts/generated/streamline/node/v1/role';
import { clusterSettings } from './cluster-settings';
import { createControllerRole, type RunningController } from './create-controller-role';

/** Runs the controller role in this process and offers its port to the others in it. */
@Injectable()
export class ControllerService implements HostedRole {
  readonly role = 'controller';
  private readonly journalMetrics = new JournalMetrics('controller');
  private running: RunningController | undefined;

  constructor(@Inject(HOST) private readonly host: Host) {
    host.metrics.add(this.journalMetrics);
  }

  async start(): Promise<void> {
    const { host } = this;
    const { clock, random, disk, nodeId, config, directory } = host;
    const settings = clusterSettings(config);
    const clusterId = directory.clusterId ?? (newUuidText() as ClusterId);
    this.running = await createControllerRole({
      clock,
      random,
      disk,
      nodeId,
      directory: directory.rolePath('controller'),
      journalDirectory: await journalPlace({ directory, role: 'controller', journalDir: config.journalDir }),
      onJournalGroup: this.journalMetrics.onGroup,
      directoryId: directory.directoryId,
      expectedClusterId: directory.clusterId,
      bootstrap: { clusterId, settings },
      snapshotIntervalLogs: config.snapshotIntervalLogs,
      maxLogsInSnapshot: config.maxLogsInSnapshot,
      events: this.events(),
    });
    const { role, log: metadataLog, journal } = this.running;
    this.journalMetrics.watch(journal);
    host.metrics.add(controllerSource(metadataLog, role.replica));
    const { image } = role.replica;
    if (image.clusterId !== undefined) await directory.bindCluster(image.clusterId);
    const log = host.logOf('controller');
    for (const { isDefault, ...difference } of differingSettings(image, settings)) {
      log[isDefault ? 'info' : 'warn'](
        difference,
        'this setting differs from the cluster, whose value holds: change it with kafka-configs.sh --entity-type brokers --entity-default',
      );
    }
    host.local.offerController(role, role.replica);
  }

  async stop(): Promise<void> {
    this.host.local.offerController(undefined);
    await this.running?.stop();
    this.running = undefined;
  }

  async status(): Promise<RoleStatus> {
    if (!this.running)
      return { role: this.role, ready: false, checks: [{ name: 'log-replayed', ok: false, reason: 'not started' }] };
    const quorum = await this.running.role.getQuorumStatus();
    const hasLeader = quorum.leaderId !== undefined;
    const checks = [
      { name: 'log-replayed', ok: true, reason: '' },
      { name: 'leader', ok: hasLeader, reason: hasLeader ? '' : 'no leader elected' },
    ];
    return { role: this.role, ready: hasLeader, checks };
  }

  private events(): ControllerEvents {
    const log = this.host.logOf('controller');
    return {
      onBrokerExpired: (brokerId) =>
        log.warn({ brokerId }, 'a broker was not heard from within the session timeout and is fenced'),
      onPossibleLoss: (brokerId, partitions) =>
        log.error(
          { brokerId, partitions },
          'acknowledged records may be lost: an unclean stop with page-cache durability, or a new disk',
        ),
      onDefect: (error) => log.error({ err: error }, 'a request could not be decided'),
      onFatal: (error) => this.host.fatal(error),
    };
  }
}
