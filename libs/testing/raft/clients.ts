import type { Proposal, ProposalId } from '@streamline/core/raft/types';
import type { History, HistoryEntry, KeyOperation } from '@streamline/testing/history/history';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { SimulationCounters } from './counters';
import type { EventQueue } from './event-queue';
import { LIST_PREFIX, encodeOperation } from './key-machine';
import type { Machine } from './machine';
import type { ProposeReply, SimulatedProcess } from './simulated-process';

/** A machine that clients still reach while others do not, and prefer meanwhile. */
export interface Reachable {
  machine: Machine | undefined;
  untilMs: number;
}

/** What clients share. */
export interface ClientSurroundings {
  readonly reachable: Reachable;
  readonly events: EventQueue;
  readonly machines: readonly Machine[];
  readonly history: History;
  readonly counters: SimulationCounters;
  /** Keeps that an operation was acknowledged. */
  acknowledged(operationId: string): void;
}

export interface ClientOptions {
  readonly thinkMs: number;
  /** Always asks this machine; any machine otherwise. */
  readonly pinnedTo?: Machine;
}

/** Registers and lists that all clients share: few, so that they meet. */
const KEYS = ['a', 'b', 'c', `${LIST_PREFIX}x`, `${LIST_PREFIX}y`] as const;
const READ_CHANCE = 0.4;
const BATCH_CHANCE = 0.15;
const SECOND_RECORD_CHANCE = 0.1;
const UNNAMED_CHANCE = 0.05;
const FORWARD_CHANCE = 0.85;
const TOO_LARGE_CHANCE = 0.01;
const STAY_CHANCE = 0.7;
const ATTEMPT_MS = [100, 3_000] as const;
const BACK_OFF_MS = [5, 200] as const;
/** After it a client gives an operation up, and its session with it. */
const OPERATION_MS = 12_000;

interface Session {
  readonly clientId: string;
  index: number;
  sequence: number;
}

/** One proposal of a client, with the operations in it. */
interface Planned {
  readonly proposal: Proposal;
  readonly entries: readonly { readonly operationId: string; readonly entry: HistoryEntry }[];
}

/**
 * A client works one step at a time: opens a session, then proposes or reads, through any node, again after a time without an
 * answer, with the same proposal ids.
 */
export class Client {
  /** Steps that ended with an answer. */
  completed = 0;
  #session: Session | undefined;
  #sessions = 0;
  #operations = 0;
  #isStopped = false;
  #machine: Machine | undefined;
  /** Answers to earlier steps are of no interest. */
  #step = 0;

  constructor(
    private readonly number: number,
    private readonly options: ClientOptions,
    private readonly random: SeededRandom,
    private readonly all: ClientSurroundings,
  ) {}

  start(): void {
    this.#next();
  }

  stop(): void {
    this.#isStopped = true;
    this.#step += 1;
  }

  #next(): void {
    this.#step += 1;
    if (this.#isStopped) return;
    this.all.events.after(-Math.log(1 - this.random.next()) * this.options.thinkMs, () => {
      if (this.#isStopped) return;
      if (this.#session === undefined) this.#openSession();
      else if (this.random.chance(READ_CHANCE)) this.#read();
      else this.#write(this.#session);
    });
  }

  #openSession(): void {
    this.#sessions += 1;
    const session: Session = { clientId: `client-${this.number}-${this.#sessions}`, index: 0, sequence: 0 };
    const id: ProposalId = { clientId: session.clientId, sessionIndex: 0, sequence: 0 };
    const step = this.#begin(() => undefined);
    this.#attempt(step, (process, again) => {
      process.propose([{ records: [], id }], this.#forwards, (reply) => {
        if (step !== this.#step) return;
        if (reply.kind !== 'applied') {
          again(reply);
          return;
        }
        session.index = reply.firstIndex;
        this.#session = session;
        this.#next();
      });
    });
  }

  #read(): void {
    const { events, history, counters } = this.all;
    const key = this.random.pick(KEYS);
    const entry = history.call(this.number, key, { kind: 'read' }, events.nowMs);
    const step = this.#begin(() => undefined);
    this.#attempt(step, (process, again) => {
      process.read(key, (reply) => {
        if (step !== this.#step) return;
        if (reply.kind === 'refused') {
          counters.readsRefused += 1;
          again(undefined);
          return;
        }
        counters.reads += 1;
        this.#return(entry, reply.value);
        this.completed += 1;
        this.#next();
      });
    });
  }

  #write(session: Session): void {
    const isPinned = this.options.pinnedTo !== undefined;
    if (!isPinned && this.random.chance(TOO_LARGE_CHANCE)) {
      this.#proposeTooMuch();
      return;
    }
    const isNamed = isPinned || !this.random.chance(UNNAMED_CHANCE);
    const count = isNamed && this.random.chance(BATCH_CHANCE) ? this.random.integer(2, 4) : 1;
    const planned = Array.from({ length: count }, () => this.#plan(isNamed ? session : undefined));
    const proposals = planned.map(({ proposal }) => proposal);
    const step = this.#begin(() => {
      this.#session = undefined;
    });
    this.#attempt(
      step,
      (process, again) => {
        this.all.counters.proposals += 1;
        // Without a name a proposal must not be forwarded: the network may carry it twice.
        process.propose(proposals, isNamed && this.#forwards, (reply) => {
          if (step !== this.#step) return;
          if (reply.kind === 'applied' && this.#accept(planned, reply)) {
            this.completed += 1;
            this.#next();
          } else if (isNamed || reply.kind === 'refused') again(reply);
          else this.#next();
        });
      },
      isNamed,
    );
  }

  #proposeTooMuch(): void {
    const step = this.#begin(() => undefined);
    this.#attempt(step, (process) => {
      process.propose([{ records: [Buffer.alloc(100_000)] }], this.#forwards, (reply) => {
        if (reply.kind === 'applied') throw new Error('a proposal above the bound was applied');
        if (step === this.#step) this.#next();
      });
    });
  }

  #plan(session: Session | undefined): Planned {
    const { history, events } = this.all;
    const entries: { readonly operationId: string; readonly entry: HistoryEntry }[] = [];
    const records: Uint8Array[] = [];
    const isDouble = this.random.chance(SECOND_RECORD_CHANCE);
    for (let at = 0; at < (isDouble ? 2 : 1); at += 1) {
      this.#operations += 1;
      const operationId = `${this.number}.${this.#operations}`;
      const key = this.random.pick(KEYS);
      const operation = this.#operation(key, operationId);
      entries.push({ operationId, entry: history.call(this.number, key, operation, events.nowMs) });
      records.push(encodeOperation({ operationId, key, operation }));
    }
    if (session === undefined) return { proposal: { records }, entries };
    session.sequence += 1;
    const id: ProposalId = { clientId: session.clientId, sessionIndex: session.index, sequence: session.sequence };
    return { proposal: { records, id }, entries };
  }

  #operation(key: string, operationId: string): KeyOperation {
    if (key.startsWith(LIST_PREFIX)) return { kind: 'append', value: operationId };
    if (this.random.chance(0.7)) return { kind: 'write', value: operationId };
    const writes = this.all.history.entries.slice(-20).map(({ operation }) => operation);
    const values = writes.flatMap((operation) => (operation.kind === 'write' ? [operation.value] : []));
    const expected = values.length === 0 ? '' : this.random.pick(values);
    return { kind: 'compare-and-set', expected, value: operationId };
  }

  /** False if the whole has to be asked again. */
  #accept(planned: readonly Planned[], { applied }: ProposeReply & { kind: 'applied' }): boolean {
    const { counters } = this.all;
    for (const [at, { verdict, results }] of applied.entries()) {
      if (verdict === 'out-of-order') return false;
      if (verdict === 'unknown-session') {
        counters.sessionsForgotten += 1;
        this.#session = undefined;
        return true;
      }
      for (const [place, { operationId, entry }] of (planned[at]?.entries ?? []).entries()) {
        if (entry.returnedAt !== undefined) continue;
        counters.proposalsApplied += 1;
        this.all.acknowledged(operationId);
        this.#return(entry, verdict === 'apply' ? results[place] : undefined);
      }
    }
    return true;
  }

  #return(entry: HistoryEntry, result: string | undefined): void {
    entry.returnedAt = this.all.events.nowMs;
    entry.result = result;
  }

  get #forwards(): boolean {
    return this.random.chance(FORWARD_CHANCE);
  }

  /** Begins a step that is given up after a time. */
  #begin(onGivenUp: () => void): number {
    this.#step += 1;
    const step = this.#step;
    this.all.events.after(OPERATION_MS, () => {
      if (step !== this.#step) return;
      onGivenUp();
      this.#next();
    });
    return step;
  }

  /** Asks a node, and the next one where no answer comes in time or `again` is called. */
  #attempt(
    step: number,
    ask: (process: SimulatedProcess, again: (reply: ProposeReply | undefined) => void) => void,
    mayRepeat = true,
  ): void {
    if (step !== this.#step) return;
    const { events, counters } = this.all;
    const machine = this.#choose();
    if (machine?.process === undefined) {
      this.#machine = undefined;
      events.after(this.random.integer(...BACK_OFF_MS), () => this.#attempt(step, ask, mayRepeat));
      return;
    }
    let isOver = false;
    const retry = (delayMs: number): void => {
      if (isOver || step !== this.#step) return;
      isOver = true;
      this.#machine = undefined;
      counters.retries += 1;
      events.after(delayMs, () => this.#attempt(step, ask, mayRepeat));
    };
    ask(machine.process, (reply) => {
      if (reply?.kind === 'unknown') counters.proposalsLost += 1;
      if (reply?.kind === 'refused') counters[reply.reason === 'busy' ? 'proposalsBusy' : 'proposalsRefused'] += 1;
      retry(this.random.integer(...BACK_OFF_MS));
    });
    if (mayRepeat) events.after(this.random.integer(...ATTEMPT_MS), () => retry(0));
  }

  #choose(): Machine | undefined {
    if (this.options.pinnedTo !== undefined) return this.options.pinnedTo;
    const { machine, untilMs } = this.all.reachable;
    if (this.all.events.nowMs < untilMs && this.random.chance(STAY_CHANCE)) return machine;
    if (this.#machine === undefined || !this.random.chance(STAY_CHANCE)) this.#machine = this.random.pick(this.all.machines);
    return this.#machine;
  }
}
