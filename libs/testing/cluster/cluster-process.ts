import type { Consensus } from '@streamline/core/raft/consensus';
import type { Effect, PersistEffect } from '@streamline/core/raft/effects';
import type { Input } from '@streamline/core/raft/inputs';
import type { Message } from '@streamline/core/raft/messages';
import type { RaftConfig, RaftInit, RaftStatus, Time, VoterId } from '@streamline/core/raft/types';
import { voterId } from '@streamline/core/raft/types';
import type { ClusterSettings } from '@streamline/core/metadata/cluster';
import type { ClusterId, NodeId, TimestampMs } from '@streamline/core/types/ids';
import { FormationRefusedError } from '@streamline/runtime/controller/formation';
import type { ClusterMember } from '@streamline/runtime/controller/cluster-member';
import type { MemberIdentity, OpenedLog } from '@streamline/runtime/controller/open-metadata-log';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import type { Cancel, Clock } from '@streamline/runtime/ports/clock';
import type { RaftDriver, RaftDriverOptions } from '@streamline/runtime/raft/raft-driver';
import type { RaftStorage } from '@streamline/runtime/raft/raft-storage';
import type { Applied, StateMachine } from '@streamline/runtime/raft/state-machine';
import { MemoryStore } from '@streamline/testing/controller/memory-store';
import type { ClusterGhost, MemberGhost } from '@streamline/testing/raft/cluster-ghost';
import type { EventQueue } from '@streamline/testing/raft/event-queue';
import type { NodeClock } from '@streamline/testing/raft/node-clock';
import { isDiskFault } from '@streamline/testing/raft/shipped-disk';
import { Violation } from '@streamline/testing/raft/violation';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { BrokerSide, MakeBroker } from './broker-side';
import type { CallNetwork, CallProcess, OpenCall, Service } from './call-network';
import type { ClusterCounters } from './counters';
import type { Directory } from './directory';
import type { MetadataGhost } from './metadata-ghost';
import { RaftWire } from './raft-wire';
import type { RaftWireSurroundings } from './raft-wire';
import type { ShippedCode } from './shipped-code';

const CONTROLLER_DIRECTORY = '/controller';
const JOURNAL = { fileBytes: 96 * 1024, fileCount: 6, groupBytesMax: 24 * 1024, pendingBytesMax: 128 * 1024 };
/** How long the node's file takes to be bound to the cluster, at most. */
const BIND_MS = 20;
/** The guide's ten seconds, after which a process that stops is killed. */
export const STOP_MS = 10_000;

/** How a node was started. */
export interface CommandLine {
  readonly address: string;
  readonly seeds: readonly string[];
  readonly mode: 'auto' | 'never';
}

/** Why a process ended by itself. */
export type ProcessEnd =
  /** A write failed. */
  | 'disk-fault'
  /** It was told, or found out, that it must not go on as it was started. */
  | { readonly refused: string };

export interface ProcessSurroundings extends Omit<RaftWireSurroundings, 'ghostSent' | 'memberRefused' | 'memberHeard' | 'met'> {
  readonly code: ShippedCode;
  readonly raft: Partial<RaftConfig>;
  readonly settings: ClusterSettings;
  readonly events: EventQueue;
  readonly counters: ClusterCounters;
  readonly ghost: ClusterGhost;
  readonly metadata: MetadataGhost;
  readonly calls: CallNetwork;
  readonly makeBroker: MakeBroker;
  /** Fails the run. */
  broken(error: unknown): void;
  readonly trace?: ((line: string) => void) | undefined;
}

/** One start of a node: the shipped controller and broker session, with only the ports replaced. */
export class ClusterProcess implements CallProcess {
  readonly id: VoterId;
  readonly clock: Clock;
  readonly serving = new Set<OpenCall>();
  readonly member: ClusterMember;
  readonly ports: Readonly<Record<Service, object>>;
  readonly incarnationId: string;
  readonly wire: RaftWire;
  readonly startedMs: number;
  broker: BrokerSide | undefined;
  opened: OpenedLog | undefined;
  replica: MetadataReplica | undefined;
  status: RaftStatus | undefined;
  isRemoved = false;
  isStopping = false;
  isPaused = false;
  hasEnded = false;
  note = '';
  #heldBack: (() => void)[] = [];
  #ghost: MemberGhost | undefined;

  constructor(
    readonly nodeId: NodeId,
    readonly line: CommandLine,
    readonly directory: Directory,
    private readonly nodeClock: NodeClock,
    private readonly random: SeededRandom,
    readonly all: ProcessSurroundings,
    private readonly onEnd: (why: ProcessEnd) => void,
  ) {
    this.id = voterId(nodeId, directory.id);
    this.startedMs = all.events.nowMs;
    this.clock = this.#clock();
    this.incarnationId = random.bytes(16).toString('base64url');
    directory.disk.hold = (run) => this.#hold(run);
    this.wire = new RaftWire(this, {
      ...all,
      ghostSent: (message) => this.#ghostSent(message),
      met: (foreign) => this.member.met(foreign),
      memberRefused: (address) => this.member.connectionRefused(address),
      memberHeard: (address) => this.member.memberHeard(address),
    });
    this.member = this.#member();
    this.ports = { controller: this.member.controller, membership: this.member.membership };
    this.#run().catch((error: unknown) => this.#failed(error));
  }

  get leads(): boolean {
    return !this.hasEnded && this.opened?.log.leads === true;
  }

  tell(line: string | (() => string)): void {
    const { trace, events } = this.all;
    if (trace === undefined) return;
    const text = typeof line === 'string' ? line : line();
    trace(`${events.nowMs.toFixed(1).padStart(9)} ${this.id.slice(0, 6)} ${text}`);
  }

  broken(error: unknown): void {
    this.all.broken(error);
  }

  /** The same signs of life as over the wire: the connection to an address broke, or was refused. */
  connectionLost(address: string): void {
    this.unlessHeld(() => this.member.connectionLost(address));
  }

  unlessHeld(run: () => void): void {
    if (!this.hasEnded && !this.#hold(run)) run();
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    if (this.hasEnded || !this.isPaused) return;
    this.isPaused = false;
    const heldBack = this.#heldBack;
    this.#heldBack = [];
    for (const run of heldBack) run();
  }

  /** SIGTERM: resolves when the process has nothing left to do. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.broker?.leave();
    await this.member.stop();
  }

  /** From here on nothing happens in it: none of its ports gives an answer any more. */
  end(): void {
    this.hasEnded = true;
    this.#heldBack = [];
    if (this.#ghost !== undefined) this.all.ghost.stopped(this.#ghost);
  }

  async #run(): Promise<void> {
    const { files } = this.directory.disk;
    if (!(await files.exists(CONTROLLER_DIRECTORY))) {
      await files.makeDirectory(CONTROLLER_DIRECTORY);
      await files.syncDirectory('/');
    }
    await this.member.start();
  }

  #member(): ClusterMember {
    const { all, directory, line, clock, random } = this;
    const { ClusterMember: Member } = all.code;
    return new Member({
      clock,
      random,
      disk: directory.disk.files,
      directory: CONTROLLER_DIRECTORY,
      nodeId: this.nodeId,
      directoryId: directory.id,
      expectedClusterId: directory.clusterId,
      openStore: async (_, mode) => {
        await Promise.resolve();
        if (this.hasEnded) await new Promise(() => undefined);
        return new MemoryStore(directory.medium, mode);
      },
      snapshotIntervalLogs: all.raft.snapshotIntervalLogs ?? 1_000,
      maxLogsInSnapshot: all.raft.maxLogsInSnapshot ?? 1_000,
      raft: all.raft,
      journalSize: JOURNAL,
      onLogProblem: () => undefined,
      connect: (identity: MemberIdentity) => this.wire.as(identity),
      startDriver: (options) => this.#startDriver(options),
      address: line.address,
      incarnationId: this.incarnationId,
      softwareVersion: 'simulated',
      mode: line.mode,
      seeds: line.seeds,
      wayBack: () => 'with an empty directory',
      peers: all.calls.portsOf(this),
      bootstrap: { clusterId: random.bytes(16).toString('base64url') as ClusterId, settings: all.settings },
      events: {
        onWaiting: (note) => {
          all.counters.waits += 1;
          this.tell(`waits: ${note}`);
        },
        onOpened: (opened, replica) => this.#opened(opened, replica),
        onMembershipProblem: (problem) => {
          this.note = problem;
          this.tell(`is not what it is to be: ${problem}`);
        },
        onRetired: (refusal) => this.#retired(refusal),
        onBrokerExpired: (brokerId, why) => {
          all.counters[why === 'silent' ? 'brokersSilent' : 'brokersGone'] += 1;
          this.tell(`declares broker ${brokerId} dead: ${why}`);
        },
        onPossibleLoss: () => undefined,
        onUncleanElections: () => undefined,
        onLeadership: () => undefined,
        onLeadersBalanced: () => undefined,
        onDefect: (error) => this.broken(new Violation('no-defects', `${this.id} cannot decide: ${String(error.stack)}`)),
        onFatal: (error) => this.#failed(error),
      },
    });
  }

  #opened(opened: OpenedLog, replica: MetadataReplica): void {
    if (this.hasEnded) return;
    this.opened = opened;
    this.replica = replica;
    const { all, directory } = this;
    const look = (): boolean => {
      const { clusterId } = replica.image;
      if (clusterId === undefined) return false;
      this.#belongsTo(clusterId);
      return true;
    };
    this.broker = all.makeBroker(this, replica, this.random.fork());
    if (opened.clusterId !== undefined) all.metadata.belongs(directory.id, opened.clusterId);
    if (look()) return;
    const unsubscribe = replica.subscribe(() => {
      if (look()) unsubscribe();
    });
  }

  #belongsTo(clusterId: ClusterId): void {
    const { directory, all } = this;
    all.metadata.belongs(directory.id, clusterId);
    this.clock.schedule(this.random.next() * BIND_MS, () => (directory.clusterId ??= clusterId));
    this.broker?.start(clusterId);
  }

  #retired({ message }: FormationRefusedError): void {
    this.isRemoved = true;
    this.all.counters.removalsNoticed += 1;
    this.tell(`has no place any more: ${message}`);
    this.broker?.stop();
    try {
      this.all.metadata.toldRemoved(this.id, this.all.ghost);
    } catch (error) {
      this.broken(error);
    }
  }

  /** Also called for what the simulation itself finds, on its way through the code under test. */
  #failed(error: unknown): void {
    if (this.hasEnded || this.isStopping) return;
    if (error instanceof Violation) return this.broken(error);
    this.tell(`ends: ${String(error)}`);
    if (isDiskFault(error)) return this.onEnd('disk-fault');
    const isRefusal =
      error instanceof Error && (error.name === FormationRefusedError.name || error instanceof this.all.code.BrokerRefusedError);
    if (isRefusal) return this.onEnd({ refused: error.message });
    const stack = error instanceof Error ? error.stack : '';
    this.broken(new Violation('unforced-end', `${this.id} ends by itself: ${String(error)} ${stack}`));
  }

  /** The broker of this node may not go on. */
  brokerFailed(error: unknown): void {
    this.#failed(error);
  }

  /** It cannot start for want of space on its disk. */
  cannotStart(error: unknown): void {
    if (this.hasEnded || this.isStopping) return;
    this.tell(`cannot start: ${String(error)}`);
    this.onEnd('disk-fault');
  }

  #hold(run: () => void): boolean {
    if (this.isPaused && !this.hasEnded) this.#heldBack.push(run);
    return this.isPaused;
  }

  #clock(): Clock {
    const { nodeClock, all } = this;
    const schedule = (delayMs: number, task: () => void): Cancel => {
      const event = all.events.at(nodeClock.virtualAt(nodeClock.monotonicMs + Math.max(delayMs, 0)), () => this.unlessHeld(task));
      return () => {
        event.isCancelled = true;
      };
    };
    return {
      monotonicMs: () => nodeClock.monotonicMs,
      wallMs: () => nodeClock.time.wallMs as TimestampMs,
      schedule,
      nextTurn: (task: () => void) => void schedule(0, task),
    };
  }

  #startDriver(options: RaftDriverOptions<Applied>): RaftDriver<Applied> {
    return this.all.code.RaftDriver.start<Applied>({
      ...options,
      storage: this.#watchedStorage(options.storage),
      machine: this.#watchedMachine(options.machine),
      createConsensus: (init, time) => this.#consensus(init, time, options.machine),
    });
  }

  /** The storage as it is, and the ghost is told what became durable. */
  #watchedStorage(storage: RaftStorage): RaftStorage {
    const persist = async (effect: PersistEffect): Promise<void> => {
      await storage.persist(effect);
      if (!this.hasEnded && this.#ghost !== undefined) this.all.ghost.durable(this.#ghost, effect);
    };
    return new Proxy(storage, {
      get: (target, name) => {
        if (name === 'persist') return persist;
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  #watchedMachine(machine: StateMachine<Applied>): StateMachine<Applied> {
    const { all } = this;
    return {
      get appliedIndex() {
        return machine.appliedIndex;
      },
      apply: (entries) => {
        const results = machine.apply(entries);
        if (this.#ghost !== undefined) for (const entry of entries) all.ghost.applied(this.#ghost, entry, 0);
        all.metadata.applied(this.id, machine);
        return results;
      },
      capture: () => {
        all.counters.snapshotsTaken += 1;
        return machine.capture();
      },
      restore: async (index, bytes) => {
        await machine.restore(index, bytes);
        if (this.hasEnded || this.#ghost === undefined) return;
        all.counters.snapshotsInstalled += 1;
        all.ghost.restored(this.#ghost, index, 0);
        all.metadata.compare(this.id, machine, 'after a snapshot');
      },
    };
  }

  #consensus(init: RaftInit, time: Time, machine: StateMachine<Applied>): Consensus {
    const { all } = this;
    all.metadata.starts(this.id, init, all.ghost);
    this.#ghost = all.ghost.started(init, 0);
    all.metadata.compare(this.id, machine, 'as it starts');
    const raft = new all.code.Raft(init, time);
    return {
      step: (inputs, now) => this.#step(raft, inputs, now),
      get nextDeadlineMs() {
        return raft.nextDeadlineMs;
      },
      get status() {
        return raft.status;
      },
    };
  }

  #step(raft: Consensus, inputs: readonly Input[], time: Time): readonly Effect[] {
    const member = this.#ghost;
    if (member === undefined) throw new Error('a core steps before it is made');
    const before = member.status;
    const effects = raft.step(inputs, time);
    const { status: after, nextDeadlineMs } = raft;
    this.status = after;
    this.all.ghost.stepped({ member, inputs, effects, before, after, nextDeadlineMs, monotonicMs: time.monotonicMs });
    return effects;
  }

  #ghostSent(message: Message): void {
    if (this.#ghost !== undefined) this.all.ghost.sent(this.#ghost, message);
  }
}
