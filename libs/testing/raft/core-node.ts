import type { Consensus } from '@streamline/core/raft/consensus';
import type { ApplyEffect, Effect, MembershipOutcome, PersistEffect, TransferOutcome } from '@streamline/core/raft/effects';
import type { Input, MembershipChange } from '@streamline/core/raft/inputs';
import type { Message, ProposeOutcome } from '@streamline/core/raft/messages';
import type {
  Entry,
  LogIndex,
  Proposal,
  RaftInit,
  RaftStatus,
  SnapshotMeta,
  Term,
  Time,
  VoterId,
} from '@streamline/core/raft/types';
import type { MemberGhost } from './cluster-ghost';
import type { ScheduledEvent } from './event-queue';
import { KeyMachine } from './key-machine';
import type { Applied } from './key-machine';
import { ModelledStorage } from './modelled-storage';
import type { NodeKind, ProcessHost, ProposeReply, ReadReply, SimulatedDisk, SimulatedProcess } from './simulated-process';
import { SnapshotFiles } from './snapshot-files';

export type ConsensusFactory = (init: RaftInit, time: Time) => Consensus;

/** What the modelled host does around the core; planted bugs replace parts of it. */
export interface HostRules {
  /** What recovery hands to the core. */
  readonly recover: (init: RaftInit) => RaftInit;
  /** When the messages of a persist effect leave. */
  readonly messagesLeave: 'durable' | 'at once';
  readonly apply: (machine: KeyMachine, entry: Entry) => Applied;
  /** The bytes of a snapshot that is taken. */
  readonly encode: (machine: KeyMachine, fillerBytes: number) => Buffer;
}

export const SOUND_HOST: HostRules = {
  recover: (init) => init,
  messagesLeave: 'durable',
  apply: (machine, entry) => machine.apply(entry),
  encode: (machine, fillerBytes) => machine.encode(fillerBytes),
};

/** The core itself, on a modelled storage: fast, and exact about what is durable when. */
export function coreNode(make: ConsensusFactory, rules: HostRules = SOUND_HOST): NodeKind {
  return {
    name: 'core',
    // Of files and bytes it knows nothing.
    neverCounts: ['snapshotWriteFaults', 'snapshotSyncFaults', 'damagedSnapshots', 'messagesEncoded'],
    format: (random, counters) => new ModelledStorage(random, counters),
    start(disk: SimulatedDisk, host: ProcessHost) {
      if (!(disk instanceof ModelledStorage)) throw new TypeError('a core runs on a modelled storage');
      return disk.isDamaged ? 'refused' : new CoreProcess(make, rules, disk, host);
    },
  };
}

interface WaitingProposal {
  readonly term: Term;
  readonly firstIndex: LogIndex;
  readonly count: number;
  readonly applied: Applied[];
  readonly done: (reply: ProposeReply) => void;
}

interface WaitingRead {
  readonly index: LogIndex;
  readonly answer: () => void;
}

/** Milliseconds from an input to the turn that takes it. */
const TURN_DELAY_MS = 0.3;
/** How often the state machine's image becomes durable after a batch. */
const IMAGE_CHANCE = 0.02;
const INCARNATION_MAX = 2 ** 52 - 1;

class CoreProcess implements SimulatedProcess {
  readonly id: VoterId;
  status: RaftStatus | undefined;
  readonly #core: Consensus;
  readonly #member: MemberGhost;
  #machine: KeyMachine;
  readonly #snapshots: SnapshotFiles;
  #inbox: Input[] = [];
  /** What the operating system will deliver when the process goes on. */
  #heldBack: (() => void)[] = [];
  #isPaused = false;
  #hasEnded = false;
  #turn: ScheduledEvent | undefined;
  #timer: ScheduledEvent | undefined;
  #crashAfter = -1;
  #requests = 0;
  readonly #proposeAnswers = new Map<number, { readonly count: number; readonly done: (reply: ProposeReply) => void }>();
  readonly #readAnswers = new Map<
    number,
    { readonly key: string; readonly floor: LogIndex; readonly done: (reply: ReadReply) => void }
  >();
  readonly #transferAnswers = new Map<number, (outcome: TransferOutcome) => void>();
  readonly #membershipAnswers = new Map<number, (outcome: MembershipOutcome) => void>();
  #waitingProposals: WaitingProposal[] = [];
  #waitingReads: WaitingRead[] = [];

  constructor(
    make: ConsensusFactory,
    private readonly rules: HostRules,
    private readonly storage: ModelledStorage,
    private readonly host: ProcessHost,
  ) {
    this.id = host.id;
    const init = rules.recover(this.#recover());
    this.#machine =
      storage.image === undefined
        ? new KeyMachine(host.sessionLimits)
        : KeyMachine.decode(storage.image.bytes, host.sessionLimits);
    this.#member = host.ghost.started(init, this.#machine.digest);
    this.#snapshots = new SnapshotFiles(storage, host, (delayMs, run) => this.#later(delayMs, run));
    this.#core = make(init, host.clock.time);
    this.#input({ kind: 'tick' });
  }

  receive(message: Message): void {
    this.#input({ kind: 'message', message });
  }

  peerRefused(peer: VoterId): void {
    this.#input({ kind: 'peer-refused', peer });
  }

  peerUnreachable(peer: VoterId): void {
    this.#input({ kind: 'peer-unreachable', peer });
  }

  propose(proposals: readonly Proposal[], forward: boolean, done: (reply: ProposeReply) => void): void {
    const requestId = this.#request();
    this.#proposeAnswers.set(requestId, { count: proposals.length, done });
    this.#input({ kind: 'propose', requestId, proposals, forward });
  }

  read(key: string, done: (reply: ReadReply) => void): void {
    const requestId = this.#request();
    this.#readAnswers.set(requestId, { key, floor: this.host.ghost.commitIndex, done });
    this.#input({ kind: 'read-index', requestId });
  }

  transfer(to: VoterId | undefined, done: (outcome: TransferOutcome) => void): void {
    const requestId = this.#request();
    this.#transferAnswers.set(requestId, done);
    this.#input({ kind: 'transfer-leadership', requestId, to });
  }

  changeMembership(changes: readonly MembershipChange[], done: (outcome: MembershipOutcome) => void): void {
    const requestId = this.#request();
    this.#membershipAnswers.set(requestId, done);
    this.#input({ kind: 'change-membership', requestId, changes });
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
    this.#input({ kind: 'tick' });
  }

  crashAfter(afterEffects: number): void {
    this.#crashAfter = afterEffects;
  }

  end(): void {
    this.#hasEnded = true;
    if (this.#turn !== undefined) this.#turn.isCancelled = true;
    if (this.#timer !== undefined) this.#timer.isCancelled = true;
    this.host.ghost.stopped(this.#member);
  }

  #recover(): RaftInit {
    const { storage, host } = this;
    return {
      self: host.id,
      config: host.config,
      seed: host.random.integer(0, 2 ** 32 - 1),
      incarnation: host.random.integer(1, INCARNATION_MAX),
      hardState: storage.hardState,
      log: storage.summary,
      snapshot: storage.newestSnapshot?.meta,
      bootstrap: host.bootstrap,
      appliedIndex: storage.image?.index ?? 0,
    };
  }

  #request(): number {
    this.#requests += 1;
    return this.#requests;
  }

  /** Later in virtual time, unless the process has ended by then; when it goes on, if it is paused. */
  #later(delayMs: number, run: () => void): ScheduledEvent {
    return this.host.events.after(delayMs, () => this.#unlessHeld(run));
  }

  #unlessHeld(run: () => void): void {
    if (this.#hasEnded) return;
    if (this.#isPaused) this.#heldBack.push(run);
    else run();
  }

  #input(input: Input): void {
    if (this.#hasEnded) return;
    this.#inbox.push(input);
    if (this.#isPaused || (this.#turn !== undefined && !this.#turn.isCancelled)) return;
    this.#turn = this.host.events.after(this.host.random.next() * TURN_DELAY_MS, () => {
      this.#turn = undefined;
      if (!this.#hasEnded && !this.#isPaused) this.#takeTurn();
    });
  }

  #takeTurn(): void {
    const inputs = this.#inbox;
    this.#inbox = [];
    const { time } = this.host.clock;
    const before = this.status;
    const effects = this.#core.step(inputs, time);
    const after = this.#core.status;
    this.status = after;
    const { nextDeadlineMs } = this.#core;
    this.host.ghost.stepped({
      member: this.#member,
      inputs,
      effects,
      before,
      after,
      nextDeadlineMs,
      monotonicMs: time.monotonicMs,
    });
    for (const [at, effect] of effects.entries()) {
      if (at === this.#crashAfter) {
        this.host.counters.crashesWithinTurns += 1;
        this.host.exited(this.host.random.chance(0.5) ? 'kill' : 'power');
        return;
      }
      this.#begin(effect);
    }
    this.#arm(nextDeadlineMs);
  }

  #arm(nextDeadlineMs: number): void {
    if (this.#timer !== undefined) this.#timer.isCancelled = true;
    this.#timer = undefined;
    if (nextDeadlineMs === Infinity) return;
    this.#timer = this.host.events.at(this.host.clock.virtualAt(nextDeadlineMs), () => {
      this.#timer = undefined;
      if (this.#hasEnded || this.#isPaused) return;
      this.#inbox.unshift({ kind: 'tick' });
      if (this.#turn !== undefined) this.#turn.isCancelled = true;
      this.#turn = undefined;
      this.#takeTurn();
    });
  }

  #begin(effect: Effect): void {
    switch (effect.kind) {
      case 'send':
        this.#send(effect.messages);
        break;
      case 'persist':
        this.#persist(effect);
        break;
      case 'apply':
        this.#apply(effect);
        break;
      case 'restore':
        this.#restore(effect.snapshot);
        break;
      case 'read-entries':
        this.#readEntries(effect);
        break;
      case 'take-snapshot':
        this.#takeSnapshot(effect.snapshot);
        break;
      case 'purge':
        this.storage.purge(effect);
        break;
      case 'read-snapshot-chunk':
        this.#snapshots.readChunk(effect, (input) => this.#input(input));
        break;
      case 'write-snapshot-chunk':
        this.#snapshots.writeChunk(effect, (input) => this.#input(input));
        break;
      case 'drop-snapshot':
        this.#snapshots.drop(effect.snapshotId);
        break;
      case 'leadership':
        break;
      case 'propose-result':
        this.#proposeResult(effect.requestId, effect.outcome);
        break;
      case 'read-result':
        this.#readResult(effect);
        break;
      case 'transfer-result':
        answer(this.#transferAnswers, effect.requestId)?.(effect.outcome);
        break;
      case 'membership-result':
        answer(this.#membershipAnswers, effect.requestId)?.(effect.outcome);
        break;
    }
  }

  #send(messages: readonly Message[]): void {
    for (const message of messages) {
      this.host.ghost.sent(this.#member, message);
      this.host.send(message);
    }
  }

  #persist(effect: PersistEffect): void {
    if (this.rules.messagesLeave === 'at once') this.#send(effect.messages);
    const onDurable = (): void =>
      this.#unlessHeld(() => {
        this.host.ghost.durable(this.#member, effect);
        const isSentFirst = this.host.random.chance(0.5);
        if (!isSentFirst) this.#input({ kind: 'persisted', persistId: effect.persistId });
        if (this.rules.messagesLeave === 'durable') this.#send(effect.messages);
        if (isSentFirst) this.#input({ kind: 'persisted', persistId: effect.persistId });
      });
    this.storage.persist(this.host.events, effect, onDurable, () => {
      if (this.#hasEnded) return;
      this.host.counters.failedWrites += 1;
      this.host.exited('kill');
    });
  }

  #apply({ entries }: ApplyEffect): void {
    const { random } = this.host;
    this.#later(random.next() * (random.chance(0.02) ? 200 : 2), () => {
      for (const entry of entries) this.#applyEntry(entry);
      const { index } = this.#machine;
      if (random.chance(IMAGE_CHANCE)) this.storage.image = { index, bytes: this.#machine.encode(0) };
      this.#input({ kind: 'applied', index });
      this.#answerReads();
    });
  }

  #applyEntry(entry: Entry): void {
    const applied = this.rules.apply(this.#machine, entry);
    this.host.ghost.applied(this.#member, entry, this.#machine.digest);
    if (this.#waitingProposals.length === 0) return;
    const ended = new Set<WaitingProposal>();
    for (const waiting of this.#waitingProposals) {
      const at = entry.index - waiting.firstIndex;
      if (at < 0) continue;
      if (at >= waiting.count || entry.term !== waiting.term) {
        ended.add(waiting);
        waiting.done({ kind: 'unknown' });
        continue;
      }
      waiting.applied.push(applied);
      if (waiting.applied.length < waiting.count) continue;
      ended.add(waiting);
      waiting.done({ kind: 'applied', firstIndex: waiting.firstIndex, applied: waiting.applied });
    }
    if (ended.size > 0) this.#waitingProposals = this.#waitingProposals.filter((waiting) => !ended.has(waiting));
  }

  /** Whoever waits for an entry that the snapshot covers does not learn of it here. */
  #restore(meta: SnapshotMeta): void {
    this.#later(this.host.random.next() * 5, () => {
      const snapshot = this.storage.snapshots.get(meta.id);
      if (snapshot === undefined) throw new Error(`${this.id} restores ${meta.id}, which it has not`);
      this.#machine = KeyMachine.decode(snapshot.bytes, this.host.sessionLimits);
      this.host.ghost.restored(this.#member, meta.index, this.#machine.digest);
      this.#input({ kind: 'applied', index: meta.index });
      const isKnown = ({ firstIndex, count }: WaitingProposal): boolean => firstIndex + count - 1 > meta.index;
      for (const waiting of this.#waitingProposals) if (!isKnown(waiting)) waiting.done({ kind: 'unknown' });
      this.#waitingProposals = this.#waitingProposals.filter(isKnown);
      this.#answerReads();
    });
  }

  #readEntries({ readId, firstIndex, lastIndex, bytesMax }: Effect & { kind: 'read-entries' }): void {
    const { random } = this.host;
    const early = this.storage.read(firstIndex, lastIndex, bytesMax);
    const isEarly = random.chance(0.5);
    this.#later(random.next() * (random.chance(0.1) ? 50 : 2), () => {
      const read = isEarly ? early : this.storage.read(firstIndex, lastIndex, bytesMax);
      const entries = read.slice(0, random.chance(0.2) ? random.integer(1, Math.max(read.length, 1)) : read.length);
      this.#input({ kind: 'entries-read', readId, entries });
    });
  }

  #takeSnapshot(meta: SnapshotMeta): void {
    if (this.#machine.index !== meta.index) {
      throw new Error(`${this.id} is to take a snapshot at ${meta.index} with the state machine at ${this.#machine.index}`);
    }
    const bytes = this.rules.encode(this.#machine, this.host.snapshotFillerBytes);
    this.#snapshots.take(meta, bytes, (input) => this.#input(input));
  }

  #proposeResult(requestId: number, outcome: ProposeOutcome): void {
    const asked = this.#proposeAnswers.get(requestId);
    if (asked === undefined) return;
    if (outcome.kind === 'forwarded') {
      return;
    }
    this.#proposeAnswers.delete(requestId);
    if (outcome.kind === 'refused') {
      asked.done({ kind: 'refused', reason: outcome.reason });
      return;
    }
    const { term, firstIndex } = outcome;
    if (firstIndex <= this.#machine.index) {
      asked.done({ kind: 'unknown' });
      return;
    }
    this.#waitingProposals.push({ term, firstIndex, count: asked.count, applied: [], done: asked.done });
  }

  #readResult({ requestId, outcome }: Effect & { kind: 'read-result' }): void {
    const asked = this.#readAnswers.get(requestId);
    if (asked === undefined) return;
    this.#readAnswers.delete(requestId);
    if (outcome.kind === 'refused') {
      asked.done({ kind: 'refused', reason: outcome.reason });
      return;
    }
    this.host.ghost.readReady(this.#member, outcome.index, asked.floor);
    const answerRead = (): void => asked.done({ kind: 'value', value: this.#machine.read(asked.key) });
    this.#waitingReads.push({ index: outcome.index, answer: answerRead });
    this.#answerReads();
  }

  #answerReads(): void {
    const ready = this.#waitingReads.filter(({ index }) => index <= this.#machine.index);
    if (ready.length === 0) return;
    this.#waitingReads = this.#waitingReads.filter(({ index }) => index > this.#machine.index);
    for (const { answer: answerRead } of ready) answerRead();
  }
}

function answer<T>(answers: Map<number, T>, requestId: number): T | undefined {
  const found = answers.get(requestId);
  answers.delete(requestId);
  return found;
}
