import { clusterConfigInteger } from '@streamline/core/metadata/broker-configs';
import type { ClusterId, DirectoryId, MetadataIndex, NodeId } from '@streamline/core/types/ids';
import type { BrokerListener } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { Check, RoleStatus } from '@streamline/wire/contracts/generated/streamline/node/v1/role';
import type { ControllerPort, GroupPort, StoragePort } from '@streamline/wire/contracts/ports';
import type { LogEngine } from '../log/log-engine';
import type { LogRecovery } from '../log/open-log-engine';
import type { MetadataReplica } from '../metadata/metadata-replica';
import type { Cancel, Clock } from '../ports/clock';
import type { Disk } from '../ports/disk';
import type { Random } from '../ports/random';
import type { PeerDialer, PeerStream, PeerStreamEvents } from '../replication/peer-transport';
import type { ReplicationLimits } from '../replication/replication-limits';
import { BrokerSession } from './broker-session';
import type { PreviousRun } from './broker-session';
import { DiskProbe } from './disk-probe';
import type { FetchLimits } from './fetch-path';
import type { LocalPartitions } from './local-partitions';
import type { LogSink } from './log-sink';
import { PartitionHost } from './partition-host';
import type { PartitionHostFigures } from './partition-host';

/** The group coordinators of a storage role. */
export interface GroupsHost {
  readonly port: GroupPort;
  /** Called once, when partitions are served. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface StorageRoleDeps {
  readonly nodeId: NodeId;
  /** New at each start of the process. */
  readonly incarnationId: string;
  /** What the data directory is bound to; `undefined` before it has joined a cluster. */
  readonly clusterId: ClusterId | undefined;
  readonly directoryId: DirectoryId;
  /** Names and addresses that others reach this node's roles by; the broker registers with them. */
  readonly listeners: readonly BrokerListener[];
  readonly rack: string | undefined;
  /** Open, that is: replayed. The role closes it. */
  readonly engine: LogEngine;
  /** What `openLogEngine` found. */
  readonly recovery: Pick<LogRecovery, 'cleanStop' | 'sameBoot' | 'brokerEpoch' | 'isNew'>;
  readonly metadata: MetadataReplica;
  readonly controller: ControllerPort;
  /** Reaches the storage roles of other brokers. */
  readonly dialer: PeerDialer;
  readonly replicationLimits: ReplicationLimits;
  readonly createGroups: (partitions: LocalPartitions) => GroupsHost;
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  /** The role's own directory, where the engine keeps its files too. */
  readonly directory: string;
  /** This node's session_timeout_ms; once the cluster's is known, that one counts. */
  readonly sessionTimeoutMs: number;
  readonly fetchLimits: FetchLimits;
  /** producer.id.expiration.ms of this node. */
  readonly producerIdExpirationMs: number;
  /** log.retention.check.interval.ms of this node. */
  readonly retentionCheckIntervalMs: number;
  readonly log: LogSink;
  /** Nothing can be acknowledged any more, or the controller refuses this broker for good: the process is to exit. */
  readonly onFatal: (error: Error) => void;
}

export interface StorageRole {
  readonly port: StoragePort;
  readonly local: LocalPartitions;
  /** Resolves once this broker is registered, has caught up with the metadata and serves its partitions. */
  readonly whenServing: Promise<void>;
  /** Begins to register, and goes on in the background; `whenServing` tells when that is done. */
  start(): void;
  /**
   * Takes no more produces, acknowledges what is in flight, moves leaderships away (fetches are served until then), closes
   * the logs. All but the closing takes at most 0.4 of `deadlineMs`; what is left then is cut short.
   */
  stop(deadlineMs: number): Promise<void>;
  /** The readiness checks, each looked at now. */
  status(): Promise<RoleStatus>;
  figures(): PartitionHostFigures;
  /** Another broker opened a stream of replicas to this one. Throws where this broker is not registered yet. */
  acceptPeer(stream: PeerStream): PeerStreamEvents;
}

/** Shares of the stop's time: for what is in flight, and for the leaderships to move. The rest is for the logs to close. */
const DRAIN_SHARE = 0.1;
const LEAVE_SHARE = 0.25;
/** Of what is left then, for syncs to begin; the last of them end and files are closed in the rest. */
const SYNC_SHARE = 0.75;
/** What is in flight needs a disk and a round trip to followers; the leaderships should not wait longer for it. */
const DRAIN_MS_MAX = 1_000;
const METADATA_WAIT_STEP_MS = 5_000;
const SESSION_TIMEOUT = 'broker.session.timeout.ms';

/** Wires a storage role. Nothing happens before `start`. */
export function createStorageRole(deps: StorageRoleDeps): StorageRole {
  return new RunningStorageRole(deps);
}

class RunningStorageRole implements StorageRole {
  readonly port: StoragePort;
  readonly whenServing: Promise<void>;
  private readonly host: PartitionHost;
  private readonly groups: GroupsHost;
  private readonly session: BrokerSession;
  private readonly probe: DiskProbe;
  private cancelRetention: Cancel | undefined;
  private isServing = false;
  private isStopping = false;
  private hasFailed = false;
  private served: () => void = () => undefined;

  constructor(private readonly deps: StorageRoleDeps) {
    const { clock, disk, directory, metadata, controller, dialer, random, replicationLimits } = deps;
    const replication = { controller, dialer, random, limits: replicationLimits };
    this.host = new PartitionHost({ ...deps, replication, onFatal: (error) => this.fail(error) });
    this.groups = deps.createGroups(this.host);
    this.port = { partitions: this.host, groups: this.groups.port };
    this.probe = new DiskProbe(disk, directory, clock);
    this.session = new BrokerSession({
      ...deps,
      sessionTimeoutMs: () => this.sessionTimeoutMs,
      appliedIndex: () => metadata.image.index,
      mayHeartbeat: () => this.diskResponds(),
      onSession: (endsMs) => this.host.sessionEnds(endsMs),
    });
    this.whenServing = new Promise((resolve) => (this.served = resolve));
  }

  /** The cluster's, once the metadata says it. */
  private get sessionTimeoutMs(): number {
    const { image } = this.deps.metadata;
    return image.dynamicConfigs(4, '').has(SESSION_TIMEOUT)
      ? clusterConfigInteger(image, SESSION_TIMEOUT)
      : this.deps.sessionTimeoutMs;
  }

  get local(): LocalPartitions {
    return this.host;
  }

  start(): void {
    const { cleanStop, brokerEpoch, sameBoot, isNew } = this.deps.recovery;
    void this.join({ cleanBrokerEpoch: cleanStop ? brokerEpoch : -1, sameBoot, storageIsNew: isNew });
    this.scheduleRetention();
  }

  async stop(deadlineMs: number): Promise<void> {
    if (this.isStopping) return;
    this.isStopping = true;
    const startMs = this.deps.clock.monotonicMs();
    this.cancelRetention?.();
    this.host.stopAccepting();
    await this.host.drain(Math.min(DRAIN_MS_MAX, deadlineMs * DRAIN_SHARE));
    const moved = this.isServing ? await this.session.leave(deadlineMs * LEAVE_SHARE) : false;
    this.session.stop();
    if (moved) this.deps.log.info({}, 'the controller has moved all leaderships of this broker, which shuts down');
    else if (this.isServing) this.deps.log.warn({}, 'stopping before the controller has moved all leaderships');
    if (this.isServing) await this.groups.stop();
    await this.host.close();
    await this.probe.close();
    const leftMs = deadlineMs - (this.deps.clock.monotonicMs() - startMs);
    await this.deps.engine.close(Math.max(0, leftMs * SYNC_SHARE));
  }

  async status(): Promise<RoleStatus> {
    const disk = await this.probe.check();
    const { brokerEpoch, isFenced } = this.session;
    const checks: Check[] = [
      { name: 'disk-writable', ok: disk.ok, reason: disk.reason },
      check('log-replayed', !this.hasFailed, 'the journal has failed; nothing is acknowledged any more'),
      check('registered', brokerEpoch >= 0, 'not registered with the controller yet'),
      check('serving', this.isServing && !this.isStopping, this.isStopping ? 'stopping' : 'catching up with the metadata'),
      check('unfenced', !isFenced, 'fenced: the controller has not let this broker in, or has not heard from it in time'),
    ];
    return { role: 'storage', ready: checks.every((each) => each.ok), checks };
  }

  figures(): PartitionHostFigures {
    return this.host.figures();
  }

  acceptPeer(stream: PeerStream): PeerStreamEvents {
    return this.host.acceptPeer(stream);
  }

  /** Registers, catches up, serves, and says so; again whenever the registration is lost. */
  private async join(previous: PreviousRun): Promise<void> {
    try {
      const index = await this.session.register(previous);
      this.deps.engine.setBrokerEpoch(this.session.brokerEpoch);
      await this.catchUp(index);
      await this.host.endIncarnation();
      if (this.isStopping) return;
      this.host.activate(this.session.brokerEpoch);
      if (!this.isServing) await this.groups.start();
      this.isServing = true;
      const again = { cleanBrokerEpoch: this.session.brokerEpoch, sameBoot: true, storageIsNew: false };
      await this.session.run(() => void this.join(again));
      this.served();
    } catch (error) {
      if (!this.isStopping) this.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private async catchUp(index: MetadataIndex): Promise<void> {
    while (!this.isStopping && !(await this.deps.metadata.waitFor(index, METADATA_WAIT_STEP_MS))) {
      this.deps.log.warn({ index, applied: this.deps.metadata.image.index }, 'waiting for the metadata log');
    }
  }

  /** Every heartbeat looks at the disk too; one that hangs for a whole session ends them (J-9). */
  private diskResponds(): boolean {
    void this.probe.check();
    return this.probe.stalledMs < this.sessionTimeoutMs;
  }

  private scheduleRetention(): void {
    this.cancelRetention = this.deps.clock.schedule(this.deps.retentionCheckIntervalMs, () => {
      void this.deps.engine
        .runRetention()
        .catch((error: unknown) => this.deps.log.error({ err: error }, 'retention failed; it is tried again at the next check'))
        .then(() => {
          if (!this.isStopping) this.scheduleRetention();
        });
    });
  }

  private fail(error: Error): void {
    if (this.hasFailed) return;
    this.hasFailed = true;
    this.session.stop();
    this.deps.onFatal(error);
  }
}

function check(name: string, ok: boolean, reason: string): Check {
  return { name, ok, reason: ok ? '' : reason };
}
