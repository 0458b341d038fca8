import type { MetadataImage } from '@streamline/core/metadata/image';
import { DEFAULT_GROUP_CONFIG } from '@streamline/core/groups/group-config';
import type { ClusterId } from '@streamline/core/types/ids';
import type { GroupCoordinators } from '@streamline/runtime/groups/group-coordinators';
import { errnoOf } from '@streamline/runtime/log/log-error';
import type { LogEngine } from '@streamline/runtime/log/log-engine';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import type { LocalPartitions } from '@streamline/runtime/partitions/local-partitions';
import type { LogSink } from '@streamline/runtime/partitions/log-sink';
import type { GroupsHost, StorageRole } from '@streamline/runtime/partitions/storage-role';
import type { PeerStream, PeerStreamEvents } from '@streamline/runtime/replication/peer-transport';
import type { BrokerSide } from '@streamline/testing/cluster/broker-side';
import type { ClusterProcess } from '@streamline/testing/cluster/cluster-process';
import { STOP_MS } from '@streamline/testing/cluster/cluster-process';
import type { Directory } from '@streamline/testing/cluster/directory';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { StoragePort } from '@streamline/wire/contracts/ports';
import type { DataCounters } from './counters';
import type { PeerNetwork } from './peer-network';
import type { DataPlan } from './plan';
import type { DataCode } from './shipped-code';
import type { Truth } from './truth';

export const STORAGE_DIRECTORY = '/storage';
const WAITING_FETCHES_MAX = 1_000;
const FETCH_BYTES_MAX = 1 << 20;
const FOREVER_MS = 86_400_000;
/** Of the guide's ten seconds: the rest is for the controller's side. */
const STOP_SHARE = 0.8;

export interface StorageSurroundings {
  readonly code: DataCode;
  readonly plan: DataPlan;
  readonly counters: DataCounters;
  readonly peers: PeerNetwork;
  readonly truth: Truth;
}

/** How often the machine of a directory lost power. */
const BOOTS = new WeakMap<Directory, number>();

/** The storage side of one start of a node: the shipped role with its logs, replicas and group coordinators, on the node's disk. */
export class StorageSide implements BrokerSide {
  engine: LogEngine | undefined;
  role: StorageRole | undefined;
  groups: GroupCoordinators | undefined;
  isServing = false;
  #isStarted = false;
  #isStopping = false;
  #opened: Promise<void> = Promise.resolve();

  constructor(
    readonly process: ClusterProcess,
    readonly replica: MetadataReplica,
    private readonly random: SeededRandom,
    private readonly all: StorageSurroundings,
  ) {}

  get epoch(): number {
    const known = this.replica.image.brokers.get(this.process.nodeId);
    return known?.incarnationId === this.process.incarnationId ? known.epoch : -1;
  }

  /** What clients reach; undefined while the broker has not been let in. */
  get port(): StoragePort | undefined {
    return this.isServing && !this.process.hasEnded ? this.role?.port : undefined;
  }

  get local(): LocalPartitions | undefined {
    return this.role?.local;
  }

  start(clusterId: ClusterId): void {
    if (this.#isStarted || this.#isStopping) return;
    this.#isStarted = true;
    this.#opened = this.#open(clusterId).catch((error: unknown) => this.#failed(error));
  }

  /** What the journal has and memory does not hold is written at a start: without space the process ends, and is started again. */
  #failed(error: unknown): void {
    if (this.engine === undefined && errnoOf(error) === 'ENOSPC') this.process.cannotStart(error);
    else this.process.brokerFailed(error);
  }

  stop(): void {
    this.isServing = false;
    void this.leave();
  }

  /** A controlled shutdown; the logs are closed when it resolves. */
  async leave(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    await this.#opened;
    await this.role?.stop(STOP_MS * STOP_SHARE);
    this.isServing = false;
    if (this.role !== undefined) this.process.all.counters.controlledShutdowns += 1;
  }

  isUnfencedIn(brokers: MetadataImage['brokers']): boolean {
    const known = brokers.get(this.process.nodeId);
    return known?.fenced === false && known.incarnationId === this.process.incarnationId;
  }

  acceptPeer(stream: PeerStream): PeerStreamEvents {
    if (this.role === undefined) throw new Error('the storage role has not started yet');
    return this.role.acceptPeer(stream);
  }

  async #open(clusterId: ClusterId): Promise<void> {
    const { process, random, replica } = this;
    const { code, plan, peers } = this.all;
    const { directory, clock, nodeId } = process;
    const disk = directory.disk.files;
    const { engine, recovery } = await code.openLogEngine({
      disk,
      clock,
      random: random.fork(),
      directory: STORAGE_DIRECTORY,
      bootId: bootOf(directory),
      journal: plan.storage.journal,
      limits: plan.storage.log,
    });
    if (this.#isStopping) {
      await engine.close(0);
      return;
    }
    this.engine = engine;
    engine.onFatal((error) => process.brokerFailed(error));
    for (const { key, reason } of recovery.offline) process.tell(`cannot serve ${key.topicId}/${key.partition}: ${reason}`);
    const [host = '', port = ''] = process.line.address.split(':');
    this.role = code.createStorageRole({
      nodeId,
      incarnationId: process.incarnationId,
      clusterId,
      directoryId: directory.id,
      listeners: [
        { name: 'kafka', host, port: 9092 },
        { name: 'storage', host, port: Number(port) },
      ],
      rack: undefined,
      engine,
      recovery,
      metadata: replica,
      controller: process.member.controller,
      dialer: peers.dialerOf(process),
      replicationLimits: plan.storage.replication,
      createGroups: (partitions) => this.#createGroups(partitions),
      clock,
      random: random.fork(),
      disk,
      directory: STORAGE_DIRECTORY,
      sessionTimeoutMs: plan.sessionTimeoutMs,
      fetchLimits: { maxBytes: FETCH_BYTES_MAX, maxWaiting: WAITING_FETCHES_MAX },
      producerIdExpirationMs: FOREVER_MS,
      retentionCheckIntervalMs: FOREVER_MS,
      log: this.#sink('storage'),
      onFatal: (error) => process.brokerFailed(error),
    });
    this.all.truth.serves(this);
    this.role.start();
    await this.role.whenServing;
    if (this.#isStopping) return;
    this.isServing = true;
    process.tell('serves');
  }

  #createGroups(partitions: LocalPartitions): GroupsHost {
    const { process, replica, random } = this;
    const { code, plan } = this.all;
    const groups = code.createGroupCoordinators({
      nodeId: process.nodeId,
      partitions,
      metadata: replica,
      clock: process.clock,
      random: random.fork(),
      config: { ...DEFAULT_GROUP_CONFIG, initialRebalanceDelayMs: 60, minSessionTimeoutMs: 100 },
      limits: plan.storage.groups,
      logSink: this.#sink('groups'),
      defer: (task) => void process.clock.schedule(0, task),
    });
    this.groups = groups;
    return { port: groups.port, start: () => groups.start(), stop: () => groups.stop() };
  }

  #sink(name: string): LogSink {
    const { process, all } = this;
    const tell = (fields: object, message: string): void => {
      all.truth.logged(this, fields, message);
      process.tell(() => `${name}: ${message} ${textOf(fields)}`);
    };
    return { info: tell, warn: tell, error: tell };
  }
}

function textOf(fields: object): string {
  return JSON.stringify(fields, (_, value: unknown) => (value instanceof Error ? String(value) : value));
}

/** Another one after each power loss. */
function bootOf(directory: Directory): string {
  const boot = (BOOTS.get(directory) ?? 0) + (directory.sameBoot ? 0 : 1);
  BOOTS.set(directory, boot);
  directory.sameBoot = true;
  return `boot-${boot}`;
}
