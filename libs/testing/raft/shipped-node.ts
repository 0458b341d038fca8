import type { Consensus } from '@streamline/core/raft/consensus';
import type { Effect, MembershipOutcome, PersistEffect, TransferOutcome } from '@streamline/core/raft/effects';
import type { Input, MembershipChange } from '@streamline/core/raft/inputs';
import type { Message } from '@streamline/core/raft/messages';
import { Raft } from '@streamline/core/raft/raft';
import { directoryIdOf, nodeIdOf } from '@streamline/core/raft/types';
import type { Entry, LogIndex, Proposal, RaftInit, RaftStatus, Time, VoterId } from '@streamline/core/raft/types';
import type { ClusterId, TimestampMs } from '@streamline/core/types/ids';
import type { Cancel, Clock } from '@streamline/runtime/ports/clock';
import type { Disk } from '@streamline/runtime/ports/disk';
import { openRaftStorage } from '@streamline/runtime/raft/open-raft-storage';
import { RaftDriver } from '@streamline/runtime/raft/raft-driver';
import type { RaftStorage } from '@streamline/runtime/raft/raft-storage';
import type { RaftTransport, RaftTransportListener } from '@streamline/runtime/raft/raft-transport';
import type { SnapshotBytes, StateMachine } from '@streamline/runtime/raft/state-machine';
import { decodeFrame, framesOf, messagesOf } from '@streamline/platform/rpc/raft-frames';
import type { MemberGhost } from './cluster-ghost';
import type { ConsensusFactory } from './core-node';
import { KeyMachine } from './key-machine';
import type { Applied } from './key-machine';
import { ShippedDisk, isDiskFault } from './shipped-disk';
import type { NodeKind, ProcessHost, ProposeReply, ReadReply, SimulatedProcess } from './simulated-process';
import { Violation } from './violation';

const DIRECTORY = '/controller';
const CLUSTER = 'clusterclustercluster0' as ClusterId;
/** Small, so that the journal goes round and segments are closed and purged. */
const JOURNAL = { fileBytes: 80 * 1024, fileCount: 6, groupBytesMax: 16 * 1024, pendingBytesMax: 64 * 1024 };
const SEGMENTS = { segmentBytesMax: 6_000, segmentEntriesMax: 12, batchBytesMax: 3_000, gatherMs: 10 };
const IMAGE_CHANCE = 0.05;
/** Whoever asks keeps deadlines of their own. */
const CALL = { deadlineMs: 20_000 };

/** What bugs replace, of what is around the driver. */
export interface PlantedPorts {
  readonly disk?: (disk: Disk) => Disk;
  readonly storage?: (storage: RaftStorage) => RaftStorage;
  readonly core?: ConsensusFactory;
  readonly driver?: typeof RaftDriver;
  readonly openStorage?: typeof openRaftStorage;
}

/** Everything that is shipped: core, driver, storage and journal, with only the ports replaced. */
export function shippedNode(planted: PlantedPorts = {}): NodeKind {
  return {
    name: 'full',
    isAsynchronous: true,
    neverCounts: ['emptyReadsFromDisk'],
    format: (random, counters, events) => new ShippedDisk(random, counters, events),
    start(disk, host) {
      if (!(disk instanceof ShippedDisk)) throw new TypeError('a shipped node runs on a memory disk');
      return new ShippedProcess(planted, disk, host);
    },
  };
}

class ShippedProcess implements SimulatedProcess {
  readonly id: VoterId;
  #driver: RaftDriver<Applied> | undefined;
  #listener: RaftTransportListener | undefined;
  #machine: KeyMachine;
  #member: MemberGhost | undefined;
  #isPaused = false;
  #hasEnded = false;
  #heldBack: (() => void)[] = [];
  #crashAfter = -1;

  constructor(
    private readonly planted: PlantedPorts,
    private readonly disk: ShippedDisk,
    private readonly host: ProcessHost,
  ) {
    this.id = host.id;
    const { image } = disk;
    this.#machine = image === undefined ? new KeyMachine(host.sessionLimits) : KeyMachine.decode(image.bytes, host.sessionLimits);
    disk.hold = (run) => this.#hold(run);
    this.#open().catch((error: unknown) => this.#failed(error));
  }

  get status(): RaftStatus | undefined {
    return this.#member?.status;
  }

  receive(message: Message): void {
    const received = message.kind === 'snapshot-chunk' ? { ...message, data: this.disk.chunk(message.data) } : message;
    this.#unlessHeld(() => this.#listener?.onMessages([received]));
  }

  peerRefused(peer: VoterId): void {
    this.#unlessHeld(() => this.#listener?.onRefused(peer));
  }

  peerUnreachable(peer: VoterId): void {
    this.#unlessHeld(() => this.#listener?.onUnreachable(peer));
  }

  propose(proposals: readonly Proposal[], forward: boolean, done: (reply: ProposeReply) => void): void {
    this.#ask(async (driver): Promise<ProposeReply> => {
      const reply = await driver.propose(proposals, { ...CALL, forward });
      if (reply.kind === 'applied') return { kind: 'applied', firstIndex: reply.firstIndex, applied: reply.results };
      return reply.kind === 'refused' ? reply : { kind: 'unknown' };
    }, done);
  }

  read(key: string, done: (reply: ReadReply) => void): void {
    const floor = this.host.ghost.commitIndex;
    this.#ask(async (driver): Promise<ReadReply | undefined> => {
      const reply = await driver.readIndex(CALL);
      if (reply.kind === 'refused') return reply;
      if (reply.kind === 'timed-out' || this.#member === undefined) return undefined;
      this.host.ghost.readReady(this.#member, reply.index, floor);
      return { kind: 'value', value: this.#machine.read(key) };
    }, done);
  }

  transfer(to: VoterId | undefined, done: (outcome: TransferOutcome) => void): void {
    this.#ask((driver) => driver.transferLeadership(to, CALL), done);
  }

  changeMembership(changes: readonly MembershipChange[], done: (outcome: MembershipOutcome) => void): void {
    this.#ask((driver) => driver.changeMembership(changes, CALL), done);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (this.#hasEnded || !this.#isPaused) return;
    this.#isPaused = false;
    const heldBack = this.#heldBack;
    this.#heldBack = [];
    for (const run of heldBack) run();
  }

  crashAfter(afterEffects: number): void {
    this.#crashAfter = afterEffects;
  }

  end(): void {
    this.#hasEnded = true;
    this.#driver?.kill();
    if (this.#member !== undefined) this.host.ghost.stopped(this.#member);
  }

  async #open(): Promise<void> {
    const { host, disk } = this;
    const { files } = disk;
    if (!(await files.exists(DIRECTORY))) {
      await files.makeDirectory(DIRECTORY);
      await files.syncDirectory('/');
    }
    const clock = this.#clock();
    const { driver: Driver = RaftDriver, openStorage = openRaftStorage } = this.planted;
    const storage = await openStorage({
      disk: this.planted.disk?.(files) ?? files,
      clock,
      random: host.random,
      directory: DIRECTORY,
      nodeId: nodeIdOf(host.id),
      directoryId: directoryIdOf(host.id),
      clusterId: CLUSTER,
      bootstrap: host.bootstrap,
      journalSize: JOURNAL,
      segmentLimits: SEGMENTS,
      onProblem: (problem) => this.#countProblem(problem),
    });
    if (this.#hasEnded) return;
    const driver = Driver.start<Applied>({
      clock,
      random: host.random,
      self: host.id,
      config: host.config,
      storage: this.#watched(this.planted.storage?.(storage) ?? storage),
      machine: this.#stateMachine(),
      transport: this.#transport(),
      createConsensus: (init, time) => this.#consensus(init, time),
    });
    this.#driver = driver;
    driver.onFailure((error) => this.#failed(error));
  }

  /** Of a snapshot: nothing is lost by it. */
  #countProblem(problem: Error): void {
    const { counters } = this.host;
    if (!('code' in problem)) counters.damagedSnapshots += 1;
    else if (problem.code === 'ENOSPC') counters.snapshotWriteFaults += 1;
    else counters.snapshotSyncFaults += 1;
  }

  /** Also called for what the simulation itself finds, on its way through the driver. */
  #failed(error: unknown): void {
    if (this.#hasEnded) return;
    const { host, disk } = this;
    if (isDiskFault(error)) {
      host.counters.failedWrites += 1;
      host.exited('kill');
    } else if (disk.isSuspect && !(error instanceof Violation)) {
      host.counters.bitFlipsRefused += 1;
      host.refused();
    } else if (error instanceof Violation) host.broken(error);
    else host.broken(new Violation('unforced-end', `${this.id} ends by itself: ${String(error)}`));
  }

  #ask<Reply>(ask: (driver: RaftDriver<Applied>) => Promise<Reply | undefined>, done: (reply: Reply) => void): void {
    const driver = this.#driver;
    if (driver === undefined) return;
    this.#unlessHeld(() => {
      ask(driver)
        .then((reply) => {
          if (!this.#hasEnded && reply !== undefined) done(reply);
        })
        // Also of what the simulation finds in the answer.
        .catch((error: unknown) => this.#failed(error));
    });
  }

  #hold(run: () => void): boolean {
    if (this.#isPaused && !this.#hasEnded) this.#heldBack.push(run);
    return this.#isPaused;
  }

  #unlessHeld(run: () => void): void {
    if (!this.#hasEnded && !this.#hold(run)) run();
  }

  #clock(): Clock {
    const { clock, events } = this.host;
    const schedule = (delayMs: number, task: () => void): Cancel => {
      const event = events.at(clock.virtualAt(clock.monotonicMs + delayMs), () => this.#unlessHeld(task));
      return () => {
        event.isCancelled = true;
      };
    };
    const ports = {
      monotonicMs: () => clock.monotonicMs,
      wallMs: () => clock.time.wallMs as TimestampMs,
      schedule,
      nextTurn: (task: () => void) => void schedule(0, task),
    };
    return ports;
  }

  #transport(): RaftTransport {
    return {
      listen: (listener) => {
        this.#listener = listener;
      },
      setPeers: () => undefined,
      send: (messages) => {
        for (const message of messages) {
          if (this.#member !== undefined) this.host.ghost.sent(this.#member, message);
          this.host.send(this.#carried(message));
        }
      },
      close: () => Promise.resolve(),
    };
  }

  /** As it arrives: encoded and decoded as between processes. */
  #carried(message: Message): Message {
    const frames = framesOf([message]).map(decodeFrame);
    const [carried] = frames.flatMap((frame) => messagesOf(frame, message.from, message.to));
    if (carried === undefined) throw new Violation('wire', `${message.kind} is lost on its way through the codec`);
    this.host.counters.messagesEncoded += 1;
    return carried;
  }

  /** The storage as it is, and the ghost is told what became durable. */
  #watched(storage: RaftStorage): RaftStorage {
    const persist = async (effect: PersistEffect): Promise<void> => {
      await storage.persist(effect);
      if (!this.#hasEnded && this.#member !== undefined) this.host.ghost.durable(this.#member, effect);
    };
    return new Proxy(storage, {
      get: (target, name) => {
        if (name === 'persist') return persist;
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  #consensus(init: RaftInit, time: Time): Consensus {
    this.#member = this.host.ghost.started(init, this.#machine.digest);
    const raft = this.planted.core?.(init, time) ?? new Raft(init, time);
    const step = (inputs: readonly Input[], now: Time): readonly Effect[] => this.#step(raft, inputs, now);
    return {
      step,
      get nextDeadlineMs() {
        return raft.nextDeadlineMs;
      },
      get status() {
        return raft.status;
      },
    };
  }

  #step(raft: Consensus, inputs: readonly Input[], time: Time): readonly Effect[] {
    const member = this.#member;
    if (member === undefined) throw new Error('a core steps before it is made');
    const before = member.status;
    const effects = raft.step(inputs, time);
    const { status: after, nextDeadlineMs } = raft;
    this.host.ghost.stepped({ member, inputs, effects, before, after, nextDeadlineMs, monotonicMs: time.monotonicMs });
    const begun = this.#crashAfter < 0 ? effects.length : this.#crashAfter;
    if (begun >= effects.length) return effects;
    // The driver begins the first of them, and the process ends before anything else happens in it.
    queueMicrotask(() => {
      if (this.#hasEnded) return;
      this.host.counters.crashesWithinTurns += 1;
      this.host.exited(this.host.random.chance(0.5) ? 'kill' : 'power');
    });
    return effects.slice(0, begun);
  }

  #stateMachine(): StateMachine<Applied> {
    const { host, disk } = this;
    return {
      appliedIndex: this.#machine.index,
      apply: (entries) => entries.map((entry) => this.#applyEntry(entry)),
      capture: (): SnapshotBytes => [this.#machine.encode(host.snapshotFillerBytes)],
      restore: async (index: LogIndex, bytes: AsyncIterable<Uint8Array>) => {
        const pieces: Uint8Array[] = [];
        for await (const piece of bytes) pieces.push(Buffer.from(piece));
        if (this.#hasEnded || this.#member === undefined) return;
        this.#machine = KeyMachine.decode(Buffer.concat(pieces), host.sessionLimits);
        disk.image = undefined;
        host.ghost.restored(this.#member, index, this.#machine.digest);
      },
    };
  }

  #applyEntry(entry: Entry): Applied {
    const { host, disk } = this;
    const applied = this.#machine.apply(entry);
    if (this.#member !== undefined) host.ghost.applied(this.#member, entry, this.#machine.digest);
    if (host.random.chance(IMAGE_CHANCE)) disk.image = { index: entry.index, bytes: this.#machine.encode(0) };
    return applied;
  }
}
