import { Inject, Injectable } from '@nestjs/common';
import type * as grpc from '@grpc/grpc-js';
import { differingSettings } from '@streamline/core/metadata/cluster';
import type { MetadataImage } from '@streamline/core/metadata/image';
import type { ClusterId } from '@streamline/core/types/ids';
import type { Host } from '@streamline/platform/host/host';
import { HOST } from '@streamline/platform/host/host';
import type { HostedRole } from '@streamline/platform/host/hosted-role';
import { journalPlace } from '@streamline/platform/lifecycle/journal-place';
import { newUuidText } from '@streamline/platform/lifecycle/node-file';
import { writeRetirement } from '@streamline/platform/lifecycle/retirement-file';
import { controllerSource } from '@streamline/platform/observability/controller-source';
import { JournalMetrics } from '@streamline/platform/observability/storage-source';
import { formatAddress } from '@streamline/platform/config/address';
import { wayBack } from '@streamline/platform/config/way-back';
import { GrpcRaftTransport } from '@streamline/platform/rpc/raft-transport';
import { ClusterMember, type ClusterMemberEvents } from '@streamline/runtime/controller/cluster-member';
import type { FormationRefusedError } from '@streamline/runtime/controller/formation';
import { OwnAddressWatch } from '@streamline/runtime/controller/own-address-watch';
import { copied } from '@streamline/runtime/controller/retirement';
import type { MemberIdentity, OpenedLog } from '@streamline/runtime/controller/open-metadata-log';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import { openRocksStore } from '@streamline/runtime/rocks/rocks-store';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { RoleStatus } from '@streamline/wire/contracts/generated/streamline/node/v1/role';
import { clusterSettings } from './cluster-settings';

/** Runs the controller role in this process and offers its ports to the others in it, and to other nodes. */
@Injectable()
export class ControllerService implements HostedRole {
  readonly role = 'controller';
  private readonly journalMetrics = new JournalMetrics('controller');
  /** Partitions with a leader that may lack acknowledged records, elected by this controller. */
  private uncleanElections = 0;
  private member: ClusterMember | undefined;
  private transport: GrpcRaftTransport | undefined;
  private isStopping = false;
  private readonly incarnationId = newUuidText();
  private readonly ownAddress: OwnAddressWatch;

  constructor(@Inject(HOST) private readonly host: Host) {
    host.metrics.add(this.journalMetrics);
    this.ownAddress = this.watchOwnAddress();
  }

  /** Does not wait for a cluster to be part of, nor for a leader: operators are answered meanwhile. */
  async start(): Promise<void> {
    const { host } = this;
    const { directory } = host;
    const journalDirectory = await journalPlace({ directory, role: 'controller', journalDir: host.config.journalDir });
    const member = new ClusterMember({ ...this.raftOptions(), ...this.clusterOptions(), journalDirectory });
    this.member = member;
    host.local.offerController(member.controller, member.membership);
    this.begin(member).catch((error: unknown) => {
      if (!this.isStopping) host.fatal(error);
    });
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    this.ownAddress.stop();
    await this.member?.stop();
    this.host.local.offerController(undefined, undefined);
    this.member = undefined;
  }

  /** Takes no part in anything before it has looked whether another process does in its name. */
  private async begin(member: ClusterMember): Promise<void> {
    if ((await this.ownAddress.start()) && !this.isStopping) await member.start();
  }

  private watchOwnAddress(): OwnAddressWatch {
    const { host, incarnationId } = this;
    const { clock, peers, nodeId, directory, config } = host;
    const address = formatAddress(config.advertisedInterBrokerAddr);
    return new OwnAddressWatch({
      clock,
      peers,
      self: { nodeId, directoryId: directory.directoryId, incarnationId },
      address,
      onCopy: () => host.fatal(copied(nodeId, address)),
      onOther: (other) =>
        host
          .logOf('controller')
          .warn({ address, node: other }, 'another node answers at the inter-broker address that this one advertises'),
    });
  }

  /** A stream that another member opened to this one. */
  acceptPeer(call: grpc.ServerDuplexStream<Buffer, Buffer>): void {
    if (this.transport === undefined) throw new PortError('unavailable', 'this node is not part of a cluster yet');
    this.transport.accept(call);
  }

  async status(): Promise<RoleStatus> {
    const outside = { role: this.role, ready: false };
    if (!this.member) return { ...outside, checks: [{ name: 'log-replayed', ok: false, reason: 'not started' }] };
    const quorum = await this.member.controller.getQuorumStatus({ ofLeader: false });
    if (quorum.formationNote !== '') {
      return { ...outside, checks: [{ name: 'log-replayed', ok: false, reason: quorum.formationNote }] };
    }
    const hasLeader = quorum.leaderId !== undefined;
    const checks = [
      { name: 'log-replayed', ok: true, reason: '' },
      { name: 'leader', ok: hasLeader, reason: hasLeader ? '' : 'no leader elected' },
    ];
    return { role: this.role, ready: hasLeader, checks };
  }

  /** Said on disk as well, so that it is true also after a restart, whether or not the cluster can be asked then. */
  private retired(refusal: FormationRefusedError): void {
    const { host } = this;
    const log = host.logOf('controller');
    log.error(
      { reason: refusal.message, remedy: refusal.remedy },
      'this node has no place in the cluster any more and serves no clients',
    );
    writeRetirement(host.directory.rolePath('controller'), refusal)
      .catch((error: unknown) =>
        log.error({ err: error }, 'it could not be written down that this node has no place in the cluster'),
      )
      .finally(() => host.withdraw(refusal));
  }

  private tellRoom(hasRoom: boolean): void {
    const log = this.host.logOf('controller');
    if (hasRoom) log.info('the image of the metadata is written again');
    else log.warn('no space left for the image of the metadata: it stays behind, and the log keeps what it lacks');
  }

  private raftOptions() {
    const { host } = this;
    const { clock, random, disk, nodeId, config, directory } = host;
    const log = host.logOf('controller');
    return {
      clock,
      random,
      disk,
      nodeId,
      directory: directory.rolePath('controller'),
      directoryId: directory.directoryId,
      expectedClusterId: directory.clusterId,
      openStore: openRocksStore,
      onGroup: this.journalMetrics.onGroup,
      snapshotIntervalLogs: config.snapshotIntervalLogs,
      maxLogsInSnapshot: config.maxLogsInSnapshot,
      raft: {
        heartbeatIntervalMs: config.heartbeatIntervalMs,
        electionTimeoutMinMs: config.electionTimeoutMinMs,
        electionTimeoutMaxMs: config.electionTimeoutMaxMs,
        purgeBatchSize: config.purgeBatchSize,
        maxPayloadEntries: config.maxPayloadEntries,
      },
      connect: (identity: MemberIdentity) => {
        this.transport = new GrpcRaftTransport({
          identity,
          credentials: host.security.channelCredentials,
          onProblem: (problem) => log.warn({ problem }, 'a member of the cluster cannot be reached, or is not one'),
          onLost: (address) => this.member?.connectionLost(address),
          onRefused: (address) => this.member?.connectionRefused(address),
          onHeard: (address) => this.member?.memberHeard(address),
          onForeign: (foreign) => this.member?.met(foreign),
          onDifference: (difference) =>
            log.warn({ difference }, 'members run with different settings of Raft: give all nodes the same'),
        });
        return this.transport;
      },
      onImageRoom: (hasRoom: boolean) => this.tellRoom(hasRoom),
      onSnapshotRestored: (index: number, from: 'disk' | 'leader') =>
        log.info(
          { index },
          from === 'leader' ? 'took a snapshot of the metadata from the leader' : 'read the snapshot of the metadata on disk',
        ),
      onLogProblem: (error: Error) => log.warn({ err: error }, 'a snapshot of the metadata is of no use'),
    };
  }

  private clusterOptions() {
    const { config, origins, version, peers } = this.host;
    return {
      address: formatAddress(config.advertisedInterBrokerAddr),
      incarnationId: this.incarnationId,
      softwareVersion: version,
      mode: config.bootstrap,
      seeds: config.seedNodes.map(formatAddress),
      wayBack: (memberAddresses: readonly string[]) => wayBack({ config, origins }, memberAddresses),
      peers,
      bootstrap: { clusterId: newUuidText() as ClusterId, settings: clusterSettings(config) },
      events: this.events(),
    };
  }

  private opened({ log: metadataLog, journal }: OpenedLog, replica: MetadataReplica): void {
    const { host } = this;
    this.journalMetrics.watch(journal);
    host.metrics.add(controllerSource(metadataLog, replica, () => this.uncleanElections));
    host.local.offerReplica(replica);
    const tell = (): boolean => {
      if (replica.image.clusterId === undefined) return false;
      this.tellDifferences(replica.image);
      return true;
    };
    if (tell()) return;
    const unsubscribe = replica.subscribe(() => {
      if (tell()) unsubscribe();
    });
  }

  private tellDifferences(image: MetadataImage): void {
    const log = this.host.logOf('controller');
    for (const { isDefault, ...difference } of differingSettings(image, clusterSettings(this.host.config))) {
      log[isDefault ? 'info' : 'warn'](
        difference,
        'this setting differs from the cluster, whose value holds: change it with kafka-configs.sh --entity-type brokers --entity-default',
      );
    }
  }

  private events(): ClusterMemberEvents {
    const log = this.host.logOf('controller');
    return {
      onWaiting: (note) => log.info({ note }, 'not part of a cluster yet'),
      onOpened: (opened, replica) => this.opened(opened, replica),
      onMembershipProblem: (problem) => log.info({ problem }, 'not the member yet that it is to be'),
      onRetired: (refusal) => this.retired(refusal),
      onLeadership: (leads, term) =>
        log.info({ term }, leads ? 'this node leads: it controls the cluster' : 'this node leads no longer'),
      onBrokerExpired: (brokerId, why, wasLeaving) => {
        if (wasLeaving) return log.info({ brokerId }, 'a broker that was stopping is gone');
        log.warn(
          { brokerId },
          why === 'silent'
            ? 'a broker was not heard from within the session timeout and is fenced'
            : 'the process of a broker is gone, since its address refuses connections: it is fenced',
        );
      },
      onPossibleLoss: (brokerId, partitions) =>
        log.error(
          { brokerId, partitions },
          'acknowledged records may be lost: an unclean stop with page-cache durability, or a new disk',
        ),
      onUncleanElections: (partitions) => {
        this.uncleanElections += partitions;
        log.error({ partitions }, 'acknowledged records may be lost: leaders were elected that were not in sync');
      },
      onLeadersBalanced: (partitions) => log.info({ partitions }, 'partitions went back to their preferred leaders'),
      onDefect: (error) => log.error({ err: error }, 'a request could not be decided'),
      onFatal: (error) => this.host.fatal(error),
    };
  }
}
