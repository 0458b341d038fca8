import type { LogIndex, Proposal } from '@streamline/core/raft/types';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { Random } from '@streamline/runtime/ports/random';
import { backOff } from '@streamline/runtime/time/back-off';
import type { ProposeReply } from './proposal-waiters';
import type { ProposeOptions } from './raft-driver';
import type { Applied } from './state-machine';

/** Calls that wait; above it they are refused. */
const WAITING_MAX = 4096;
/** Proposals that go together. */
const BATCH_MAX = 128;
/** One attempt waits no longer for its answer: it may have got lost on the way to a leader or back. */
const ATTEMPT_MS = 1_000;
const BACK_OFF_MS = 10;
const BACK_OFF_MS_MAX = 200;

/**
 * `applied`: it took effect once, with this result. `repeated`: it took effect once, the result is not known here. `unknown`: it
 * took effect once or not at all, now or later. `refused`: it has no effect.
 */
export type SessionReply<Result> =
  | { readonly kind: 'applied'; readonly result: Result }
  | { readonly kind: 'repeated' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly reason: 'too-large' | 'busy' };

export interface SessionClientOptions<Result extends Applied> {
  readonly clock: Clock;
  readonly random: Random;
  readonly propose: (proposals: readonly Proposal[], options: ProposeOptions) => Promise<ProposeReply<Result>>;
}

interface Waiting<Result> {
  readonly records: readonly Uint8Array[];
  readonly dueMs: number;
  readonly resolve: (reply: SessionReply<Result>) => void;
}

/**
 * Proposes with exactly-once effect, through changes of the leader and lost answers (thesis 6.3): each proposal has a number in
 * this process's session and is proposed again, with the same number, until it is known to be applied or its deadline has
 * passed. One batch is under way at a time, so that numbers are applied without gaps; when one is given up, a new session begins.
 */
export class SessionClient<Result extends Applied> {
  readonly #clientId: string;
  #sessionIndex: LogIndex | undefined;
  #sequence = 0;
  #waiting: Waiting<Result>[] = [];
  #isRunning = false;

  constructor(private readonly options: SessionClientOptions<Result>) {
    this.#clientId = options.random.bytes(16).toString('base64url');
  }

  /** Never rejects but when the node is broken. */
  propose(records: readonly Uint8Array[], deadlineMs: number): Promise<SessionReply<Result>> {
    if (this.#waiting.length >= WAITING_MAX) return Promise.resolve({ kind: 'refused', reason: 'busy' });
    return new Promise((resolve, reject) => {
      this.#waiting.push({ records, dueMs: this.options.clock.monotonicMs() + deadlineMs, resolve });
      if (!this.#isRunning) this.#run().catch(reject);
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    try {
      while (this.#waiting.length > 0) {
        if (this.#sessionIndex === undefined) await this.#open();
        else await this.#proposeBatch(this.#waiting.splice(0, BATCH_MAX), this.#sessionIndex);
      }
    } finally {
      this.#isRunning = false;
      for (const { resolve } of this.#waiting.splice(0)) resolve({ kind: 'unknown' });
    }
  }

  /** Nothing under a session can be lost before it is open: what waits longer than it may has had no effect. */
  async #open(): Promise<void> {
    const id = { clientId: this.#clientId, sessionIndex: 0, sequence: 0 };
    const dueMs = Math.max(...this.#waiting.map((waiting) => waiting.dueMs));
    const reply = await this.#attempts([{ records: [], id }], dueMs);
    if (reply?.kind !== 'applied') {
      for (const { resolve } of this.#waiting.splice(0)) resolve({ kind: 'refused', reason: 'busy' });
      return;
    }
    this.#sessionIndex = reply.firstIndex;
    this.#sequence = 0;
  }

  async #proposeBatch(batch: readonly Waiting<Result>[], sessionIndex: LogIndex): Promise<void> {
    const proposals = batch.map(({ records }, at): Proposal => {
      return { records, id: { clientId: this.#clientId, sessionIndex, sequence: this.#sequence + 1 + at } };
    });
    const reply = await this.#attempts(proposals, Math.max(...batch.map(({ dueMs }) => dueMs)));
    if (reply?.kind === 'refused' && reply.reason === 'too-large') return this.#tooLarge(batch);
    if (reply?.kind !== 'applied') {
      // Their numbers may be used or not: nothing can follow them.
      this.#sessionIndex = undefined;
      for (const { resolve } of batch) resolve({ kind: 'unknown' });
      return;
    }
    this.#sequence += batch.length;
    for (const [at, { resolve }] of batch.entries()) resolve(this.#replyOf(reply.results[at]));
  }

  #replyOf(result: Result | undefined): SessionReply<Result> {
    switch (result?.verdict) {
      case 'apply':
        return { kind: 'applied', result };
      case 'duplicate':
        return { kind: 'repeated' };
      default:
        // The session was forgotten: of what was sent in it nothing more can be known.
        this.#sessionIndex = undefined;
        return { kind: 'unknown' };
    }
  }

  /** One at a time: the others of a batch must not fail with the one that does not fit. */
  #tooLarge(batch: readonly Waiting<Result>[]): void {
    const [first, ...others] = batch;
    if (others.length === 0) return first?.resolve({ kind: 'refused', reason: 'too-large' });
    const largest = batch.reduce((most, waiting) => (bytesOf(waiting.records) > bytesOf(most.records) ? waiting : most));
    largest.resolve({ kind: 'refused', reason: 'too-large' });
    this.#waiting.unshift(...batch.filter((waiting) => waiting !== largest));
  }

  /** Proposes until it is applied or cannot be; undefined when the time is over. */
  async #attempts(proposals: readonly Proposal[], dueMs: number): Promise<ProposeReply<Result> | undefined> {
    const { clock, propose } = this.options;
    for (let failures = 0; ; failures++) {
      const leftMs = dueMs - clock.monotonicMs();
      if (leftMs <= 0) return undefined;
      const reply = await propose(proposals, { deadlineMs: Math.min(leftMs, ATTEMPT_MS), forward: true });
      if (reply.kind === 'applied' || (reply.kind === 'refused' && reply.reason === 'too-large')) return reply;
      await this.#pause(failures);
    }
  }

  #pause(attempt: number): Promise<void> {
    const { clock, random } = this.options;
    const delayMs = backOff({ attempt, minMs: BACK_OFF_MS, maxMs: BACK_OFF_MS_MAX, random });
    return new Promise((resolve) => {
      clock.schedule(delayMs, resolve);
    });
  }
}

function bytesOf(records: readonly Uint8Array[]): number {
  return records.reduce((sum, { length }) => sum + length, 0);
}
