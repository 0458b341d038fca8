import type { Consensus } from '@streamline/core/raft/consensus';
import type { Effect, LeadershipEffect, MembershipOutcome, PersistEffect, TransferOutcome } from '@streamline/core/raft/effects';
import type { Input, MembershipChange } from '@streamline/core/raft/inputs';
import type { Message, ProposeOutcome, ReadOutcome, RefusalReason } from '@streamline/core/raft/messages';
import { Raft } from '@streamline/core/raft/raft';
import type {
  Entry,
  LogIndex,
  PlacedConfiguration,
  Proposal,
  RaftConfig,
  RaftInit,
  RaftStatus,
  SnapshotMeta,
  Time,
  VoterId,
} from '@streamline/core/raft/types';
import type { Cancel, Clock } from '@streamline/runtime/ports/clock';
import type { Random } from '@streamline/runtime/ports/random';
import { Callers, type Call } from './callers';
import { ProposalWaiters, type ProposeReply } from './proposal-waiters';
import { ReadWaiters } from './read-waiters';
import { RaftStorageError, type RaftStorage } from './raft-storage';
import type { RaftTransport } from './raft-transport';
import type { Applied, StateMachine } from './state-machine';

/** Messages from peers that wait; what is beyond is dropped, as on a network. */
const INBOX_MAX = 16_384;
/** After so long without one, the event loop gets a turn of its own. */
const BUSY_MS_MAX = 10;
/** What a record takes in an entry beside its bytes, and an entry beside its records, at most. */
const RECORD_FRAME_BYTES = 6;
const ENTRY_FRAME_BYTES = 160;

export interface RaftDriverOptions<Result extends Applied> {
  readonly clock: Clock;
  readonly random: Random;
  readonly self: VoterId;
  readonly config: RaftConfig;
  readonly storage: RaftStorage;
  readonly machine: StateMachine<Result>;
  readonly transport: RaftTransport;
  /** `new Raft(init, time)` by default. */
  readonly createConsensus?: (init: RaftInit, time: Time) => Consensus;
}

/** `timed-out`: ask again. */
export type ReadReply =
  | { readonly kind: 'ready'; readonly index: LogIndex }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'refused'; readonly reason: RefusalReason };

export type TransferReply = TransferOutcome;
export type MembershipReply = MembershipOutcome;

export interface CallOptions {
  readonly deadlineMs: number;
}

export interface ProposeOptions extends CallOptions {
  /** Ask the leader where this node is none. */
  readonly forward: boolean;
}

interface Refused {
  readonly kind: 'refused';
  readonly reason: RefusalReason;
  readonly message: string;
}

const STOPPED = { kind: 'refused', reason: 'not-leader' } as const;

/**
 * The host of one core: takes what happens (messages, deadlines, answers of the storage, calls) as inputs, steps all that wait
 * in one turn, and carries out the effects in order. One turn at a time, in a microtask after the first input came.
 */
export class RaftDriver<Result extends Applied> {
  readonly #core: Consensus;
  readonly #callers: Callers;
  readonly #waiters: ProposalWaiters<Result>;
  #inputs: Input[] = [];
  #waitingMessages = 0;
  /** Dropped since the start, since the inbox was full. */
  droppedMessages = 0;
  #isTurnPlanned = false;
  #isStopped = false;
  #isClosing = false;
  #failure: Error | undefined;
  #idleSinceMs = 0;
  #cancelTimer: Cancel = () => undefined;
  #timerAtMs = Infinity;
  #appliedIndex: LogIndex;
  #configuration: PlacedConfiguration | undefined;
  #leadership: LeadershipEffect | undefined;
  /** The term in which listeners were told that this node leads. */
  #toldTerm: number | undefined;
  readonly #proposals = new Map<
    number,
    { readonly count: number; readonly call: Call<ProposeReply<Result>>; to: VoterId | undefined }
  >();
  readonly #readCalls = new Map<number, Call<ReadReply>>();
  readonly #openReads = new ReadWaiters();
  readonly #transfers = new Map<number, Call<TransferReply>>();
  readonly #membershipCalls = new Map<number, Call<MembershipReply>>();
  readonly #leadershipListeners: ((leads: boolean) => void)[] = [];
  readonly #failureListeners: ((error: Error) => void)[] = [];
  /** Under way in the storage or the machine, writes of the log excepted. */
  readonly #work = new Set<Promise<void>>();

  private constructor(private readonly options: RaftDriverOptions<Result>) {
    const { clock, random, self, storage, machine, config, createConsensus } = options;
    this.#callers = new Callers(clock);
    this.#appliedIndex = machine.appliedIndex;
    this.#waiters = new ProposalWaiters(machine.appliedIndex);
    const bytes = random.bytes(12);
    const init: RaftInit = {
      ...storage.recovered,
      self,
      config: { ...config, entryBytesMax: Math.min(config.entryBytesMax, storage.entryBytesMax) },
      seed: bytes.readUInt32LE(0),
      incarnation: bytes.readUIntLE(4, 6),
      appliedIndex: machine.appliedIndex,
    };
    this.#core = createConsensus?.(init, this.#time()) ?? new Raft(init, this.#time());
  }

  /**
   * Takes up the member's work. The first turn follows in a microtask: a single voter elects itself in it.
   * Fails with RaftStorageError or RaftInvariantError for state that contradicts itself.
   */
  static start<Result extends Applied>(options: RaftDriverOptions<Result>): RaftDriver<Result> {
    const { storage, transport, machine } = options;
    const { log, snapshot } = storage.recovered;
    if (machine.appliedIndex > Math.max(log.lastIndex, snapshot?.index ?? 0)) {
      throw new RaftStorageError(
        `The state machine has applied entry ${machine.appliedIndex}, but the log ends at ${log.lastIndex}: the log was lost or replaced.`,
      );
    }
    const driver = new RaftDriver(options);
    storage.onFailure((error) => driver.#fail(error));
    transport.listen({
      onMessages: (messages) => driver.#receive(messages),
      onRefused: (peer) => driver.#enqueue({ kind: 'peer-refused', peer }),
      onUnreachable: (peer) => driver.#enqueue({ kind: 'peer-unreachable', peer }),
    });
    driver.#tellPeers();
    driver.#enqueue({ kind: 'tick' });
    return driver;
  }

  /** As of the last turn. */
  get status(): RaftStatus {
    return this.#core.status;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Why nothing goes on. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** This node leads and has applied everything that was committed before its term. */
  get leads(): boolean {
    return this.#toldTerm !== undefined;
  }

  /** Appends all or none, and waits until they are applied here. Never rejects but when the node is broken (see `onFailure`). */
  propose(proposals: readonly Proposal[], { deadlineMs, forward }: ProposeOptions): Promise<ProposeReply<Result>> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (proposals.length === 0) return Promise.reject(new RangeError('a call proposes one entry at least'));
    if (proposals.some((proposal) => this.#isTooLarge(proposal))) {
      return Promise.resolve({ kind: 'refused', reason: 'too-large' });
    }
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.resolve({ kind: 'refused', reason: refusal });
    // The journal is full: nothing is to be added where it would be written first (J-7).
    if (this.#leadership?.leads === true && this.options.storage.isPressed) {
      return Promise.resolve({ kind: 'refused', reason: 'busy' });
    }
    let opened: number | undefined;
    const reply = this.#callers.open<ProposeReply<Result>>({
      deadlineMs,
      begin: (call) => {
        opened = call.requestId;
        this.#proposals.set(call.requestId, { count: proposals.length, call, to: undefined });
        this.#enqueue({ kind: 'propose', requestId: call.requestId, proposals, forward });
      },
      atDeadline: () => ({ kind: 'timed-out', forwardedTo: this.#proposals.get(opened ?? 0)?.to }),
      atEnd: { kind: 'unknown' },
    });
    return reply.finally(() => this.#proposals.delete(opened ?? 0));
  }

  /** A linearizable read: ready once everything committed before the call is applied here (thesis 6.4). */
  readIndex({ deadlineMs }: CallOptions): Promise<ReadReply> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.resolve({ kind: 'refused', reason: refusal });
    let opened: number | undefined;
    const reply = this.#callers.open<ReadReply>({
      deadlineMs,
      begin: (call) => {
        opened = call.requestId;
        this.#readCalls.set(call.requestId, call);
        this.#enqueue({ kind: 'read-index', requestId: call.requestId });
      },
      atDeadline: () => ({ kind: 'timed-out' }),
      atEnd: STOPPED,
    });
    return reply.finally(() => {
      this.#readCalls.delete(opened ?? 0);
      this.#openReads.delete(opened ?? 0);
    });
  }

  /** Hands leadership to `to`, or to the voter that is furthest. */
  transferLeadership(to: VoterId | undefined, { deadlineMs }: CallOptions): Promise<TransferReply> {
    return this.#ask(this.#transfers, deadlineMs, { kind: 'timed-out' }, (requestId) => {
      return { kind: 'transfer-leadership', requestId, to };
    });
  }

  changeMembership(changes: readonly MembershipChange[], { deadlineMs }: CallOptions): Promise<MembershipReply> {
    return this.#ask(this.#membershipCalls, deadlineMs, { kind: 'unknown' }, (requestId) => {
      return { kind: 'change-membership', requestId, changes };
    });
  }

  /** Told at once, and whenever it changes, whether this node leads (see `leads`). */
  onLeadership(listener: (leads: boolean) => void): void {
    this.#leadershipListeners.push(listener);
    listener(this.leads);
  }

  /** Called once when nothing can go on (J-9, or a defect): the process is to exit. */
  onFailure(listener: (error: Error) => void): void {
    if (this.#failure !== undefined) listener(this.#failure);
    else this.#failureListeners.push(listener);
  }

  /** Nothing happens in this process any more, as after a kill. */
  kill(): void {
    this.#stop();
  }

  /** Hands leadership over where there is somebody to take it, and ends once what is under way is done. Closes what it was given. */
  async close(): Promise<void> {
    if (this.#isClosing) return;
    const { config, transport, storage } = this.options;
    const hasOthers = this.#core.status.configuration.configuration.voters.length > 1;
    if (this.leads && hasOthers) await this.transferLeadership(undefined, { deadlineMs: config.electionTimeoutMinMs });
    this.#isClosing = true;
    this.#stop();
    await transport.close();
    // Of a broken storage nothing ends.
    while (this.#work.size > 0 && this.#failure === undefined) await Promise.race([...this.#work]);
    await storage.close();
  }

  /** For what works beside the log, such as an image on disk that cannot be written. */
  fail(error: Error): void {
    this.#fail(error);
  }

  #refusal(): RefusalReason | undefined {
    if (this.#isStopped) return 'not-leader';
    return this.#callers.isFull ? 'busy' : undefined;
  }

  #ask<Answer>(
    calls: Map<number, Call<Answer | Refused>>,
    deadlineMs: number,
    late: Answer,
    input: (requestId: number) => Input,
  ): Promise<Answer | Refused> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const reason = this.#refusal();
    if (reason !== undefined) return Promise.resolve({ kind: 'refused', reason, message: 'this node takes no calls now' });
    let opened: number | undefined;
    const reply = this.#callers.open<Answer | Refused>({
      deadlineMs,
      begin: (call) => {
        opened = call.requestId;
        calls.set(call.requestId, call);
        this.#enqueue(input(call.requestId));
      },
      atDeadline: () => late,
      atEnd: late,
    });
    return reply.finally(() => calls.delete(opened ?? 0));
  }

  #time(): Time {
    const { clock } = this.options;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
  }

  /** The journal's bound holds for bytes as they are encoded, also for proposals that another node forwards. */
  #isTooLarge({ records }: Proposal): boolean {
    let bytes = ENTRY_FRAME_BYTES;
    for (const record of records) bytes += record.length + RECORD_FRAME_BYTES;
    return bytes > this.options.storage.entryBytesMax;
  }

  #receive(messages: readonly Message[]): void {
    for (const message of messages) {
      const isTooLarge = message.kind === 'forward-proposals' && message.proposals.some((proposal) => this.#isTooLarge(proposal));
      if (this.#waitingMessages >= INBOX_MAX || isTooLarge) {
        this.droppedMessages++;
        continue;
      }
      this.#waitingMessages++;
      this.#enqueue({ kind: 'message', message });
    }
  }

  #enqueue(input: Input): void {
    if (this.#isStopped) return;
    this.#inputs.push(input);
    if (this.#isTurnPlanned) return;
    this.#isTurnPlanned = true;
    const { clock } = this.options;
    // Microtasks keep timers and sockets waiting: after a while these go first.
    if (this.#idleSinceMs > 0 && clock.monotonicMs() - this.#idleSinceMs > BUSY_MS_MAX) {
      clock.schedule(0, () => this.#turn());
    } else {
      queueMicrotask(() => this.#turn());
    }
  }

  #turn(): void {
    this.#isTurnPlanned = false;
    if (this.#isStopped) return;
    const inputs = this.#inputs;
    this.#inputs = [];
    this.#waitingMessages = 0;
    const begunMs = this.options.clock.monotonicMs();
    if (this.#idleSinceMs === 0 || begunMs - this.#idleSinceMs > BUSY_MS_MAX) this.#idleSinceMs = begunMs;
    try {
      for (const effect of this.#core.step(inputs, this.#time())) {
        if (this.#isStopped) return;
        this.#begin(effect);
      }
      this.#arm();
    } catch (error) {
      this.#fail(error);
    }
    if (!this.#isTurnPlanned) this.#idleSinceMs = 0;
  }

  /** One timer: a tick too early is harmless, so it is only moved forward. */
  #arm(): void {
    const { nextDeadlineMs } = this.#core;
    if (nextDeadlineMs >= this.#timerAtMs) return;
    this.#cancelTimer();
    this.#timerAtMs = nextDeadlineMs;
    const delayMs = Math.max(nextDeadlineMs - this.options.clock.monotonicMs(), 0);
    this.#cancelTimer = this.options.clock.schedule(delayMs, () => {
      this.#timerAtMs = Infinity;
      this.#enqueue({ kind: 'tick' });
    });
  }

  #begin(effect: Effect): void {
    const { storage, transport, machine } = this.options;
    switch (effect.kind) {
      case 'send':
        return transport.send(effect.messages);
      case 'persist':
        return this.#persist(effect);
      case 'apply':
        return this.#apply(effect.entries);
      case 'restore':
        return this.#restore(effect.snapshot);
      case 'read-entries':
        return this.#track(
          storage.readEntries(effect).then((entries) => this.#enqueue({ kind: 'entries-read', readId: effect.readId, entries })),
        );
      case 'take-snapshot':
        return this.#track(
          storage
            .takeSnapshot(effect.snapshot, machine.capture())
            .then((taken) => this.#enqueue({ kind: 'snapshot-taken', snapshotId: effect.snapshot.id, taken })),
        );
      case 'purge':
        return storage.purge(effect);
      case 'read-snapshot-chunk': {
        const { readId, snapshotId, offset, bytesMax } = effect;
        return this.#track(
          storage
            .readSnapshotChunk(snapshotId, offset, bytesMax)
            .then((chunk) => this.#enqueue({ kind: 'snapshot-chunk-read', readId, chunk })),
        );
      }
      case 'write-snapshot-chunk': {
        const { writeId, snapshot, offset, data, last } = effect;
        return this.#track(
          storage
            .writeSnapshotChunk(snapshot, offset, data, last)
            .then((written) => this.#enqueue({ kind: 'snapshot-chunk-written', writeId, written })),
        );
      }
      case 'drop-snapshot':
        return storage.dropSnapshot(effect.snapshotId);
      case 'leadership':
        this.#leadership = effect;
        return this.#tellLeadership();
      case 'propose-result':
        return this.#proposeResult(effect.requestId, effect.outcome);
      case 'read-result':
        return this.#readResult(effect.requestId, effect.outcome);
      case 'transfer-result':
        return this.#transfers.get(effect.requestId)?.settle(effect.outcome);
      case 'membership-result':
        return this.#membershipCalls.get(effect.requestId)?.settle(effect.outcome);
    }
  }

  #persist(effect: PersistEffect): void {
    const { storage, transport } = this.options;
    // Not waited for by a stop: while a disk is full it does not end, and nobody was told of it.
    void storage.persist(effect).then(() => {
      if (this.#isStopped) return;
      if (effect.messages.length > 0) transport.send(effect.messages);
      this.#enqueue({ kind: 'persisted', persistId: effect.persistId });
    });
    const { entries, installSnapshot, truncateAfter } = effect;
    const mayChangePeers = installSnapshot !== undefined || truncateAfter !== undefined;
    if (mayChangePeers || entries.some(({ configuration }) => configuration !== undefined)) this.#tellPeers();
  }

  #apply(entries: readonly Entry[]): void {
    const last = entries[entries.length - 1];
    if (last === undefined) return;
    const results = this.options.machine.apply(entries);
    this.#waiters.applied(entries, results);
    this.#reached(last.index);
  }

  #restore(snapshot: SnapshotMeta): void {
    const { storage, machine } = this.options;
    this.#track(
      machine.restore(snapshot.index, storage.openSnapshot(snapshot)).then(() => {
        if (this.#isStopped) return;
        this.#waiters.restored(snapshot.index);
        this.#reached(snapshot.index);
      }),
    );
  }

  #reached(index: LogIndex): void {
    this.#appliedIndex = index;
    this.#enqueue({ kind: 'applied', index });
    this.#tellLeadership();
    this.#openReads.reached(index);
  }

  #proposeResult(requestId: number, outcome: ProposeOutcome): void {
    const open = this.#proposals.get(requestId);
    if (open === undefined) return;
    if (outcome.kind === 'refused') open.call.settle(outcome);
    else if (outcome.kind === 'forwarded') open.to = outcome.to;
    else this.#waiters.place({ ...outcome, count: open.count }, (reply) => open.call.settle(reply));
  }

  #readResult(requestId: number, outcome: ReadOutcome): void {
    const call = this.#readCalls.get(requestId);
    if (call === undefined) return;
    if (outcome.kind === 'refused' || outcome.index <= this.#appliedIndex) call.settle(outcome);
    else this.#openReads.add(requestId, outcome.index, () => call.settle(outcome));
  }

  /** A leader may decide from its state once that has everything of earlier terms. */
  #tellLeadership(): void {
    const { leads = false, term, termStartIndex = Infinity } = this.#leadership ?? {};
    if (this.#toldTerm !== undefined && (!leads || term !== this.#toldTerm)) {
      this.#toldTerm = undefined;
      for (const listener of this.#leadershipListeners) listener(false);
    }
    if (!leads || this.#toldTerm !== undefined || this.#appliedIndex < termStartIndex) return;
    this.#toldTerm = term;
    for (const listener of this.#leadershipListeners) listener(true);
  }

  #tellPeers(): void {
    const { configuration } = this.#core.status;
    if (configuration === this.#configuration) return;
    this.#configuration = configuration;
    const { members } = configuration.configuration;
    this.options.transport.setPeers(members.filter(({ id }) => id !== this.options.self));
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#work.delete(tracked);
      });
    this.#work.add(tracked);
  }

  #stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#cancelTimer();
    this.#inputs = [];
    this.#leadership = undefined;
    this.#tellLeadership();
    this.#callers.endAll();
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined || this.#isStopped) return;
    this.#failure = error instanceof Error ? error : new Error(String(error));
    this.#callers.failAll(this.#failure);
    this.#stop();
    for (const listener of this.#failureListeners) listener(this.#failure);
  }
}
