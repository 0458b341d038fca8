import type { RefusalReason } from '@streamline/core/raft/messages';
import type { Entry, LogIndex, Term, VoterId } from '@streamline/core/raft/types';

/**
 * What came of proposals. `applied`: all are committed and applied here, with what the machine says of each. `lost`: others came
 * to stand in their place, at least one was not committed. `unknown`: committed or not, this node cannot tell any more.
 * `timed-out`: they may still be committed. After the last three ask again with the same ids.
 */
export type ProposeReply<Result> =
  | { readonly kind: 'applied'; readonly firstIndex: LogIndex; readonly term: Term; readonly results: readonly Result[] }
  | { readonly kind: 'lost' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'timed-out'; readonly forwardedTo: VoterId | undefined }
  | { readonly kind: 'refused'; readonly reason: RefusalReason | 'too-large' };

export interface PlacedProposals {
  readonly firstIndex: LogIndex;
  readonly count: number;
  readonly term: Term;
}

interface Waiter<Result> extends PlacedProposals {
  readonly settle: (reply: ProposeReply<Result>) => void;
}

interface AppliedEntry<Result> {
  readonly index: LogIndex;
  readonly term: Term;
  readonly result: Result;
}

/** Entries of which the outcome is remembered: an answer from the leader may come after the entry itself. */
const REMEMBERED = 8192;

/** Proposals that have a place in the log and wait for what is applied there (paper section 8). */
export class ProposalWaiters<Result> {
  /** By the index that is looked at next: of the first entry, then of the last. */
  readonly #waiting = new Map<LogIndex, Waiter<Result>[]>();
  readonly #applied: (AppliedEntry<Result> | undefined)[] = Array.from({ length: REMEMBERED });

  constructor(private appliedIndex: LogIndex) {}

  /** The leader appended them. */
  place(placed: PlacedProposals, settle: (reply: ProposeReply<Result>) => void): void {
    this.#look({ ...placed, settle }, placed.firstIndex);
  }

  applied(entries: readonly Entry[], results: readonly Result[]): void {
    for (const [at, { index, term }] of entries.entries()) {
      const result = results[at];
      if (result === undefined) throw new Error(`the state machine has no result for entry ${index}`);
      this.#applied[index % REMEMBERED] = { index, term, result };
      this.appliedIndex = index;
      const waiters = this.#waiting.get(index);
      if (waiters === undefined) continue;
      this.#waiting.delete(index);
      for (const waiter of waiters) this.#look(waiter, index);
    }
  }

  /** The state jumped: of the entries before, nothing is known. */
  restored(index: LogIndex): void {
    this.appliedIndex = index;
    this.#applied.fill(undefined);
    for (const [at, waiters] of [...this.#waiting]) {
      if (at > index) continue;
      this.#waiting.delete(at);
      for (const { settle } of waiters) settle({ kind: 'unknown' });
    }
  }

  /** Looks at one end of a waiter's entries, or waits for it. */
  #look(waiter: Waiter<Result>, index: LogIndex): void {
    if (index > this.appliedIndex) {
      const others = this.#waiting.get(index);
      if (others === undefined) this.#waiting.set(index, [waiter]);
      else others.push(waiter);
      return;
    }
    const lastIndex = waiter.firstIndex + waiter.count - 1;
    const found = this.#find(index);
    if (found === undefined) waiter.settle({ kind: 'unknown' });
    else if (found.term !== waiter.term) waiter.settle({ kind: 'lost' });
    else if (index === lastIndex) this.#settle(waiter);
    else this.#look(waiter, lastIndex);
  }

  /** Both ends are of the term: so is all between. */
  #settle({ firstIndex, count, term, settle }: Waiter<Result>): void {
    const results: Result[] = [];
    for (let index = firstIndex; index < firstIndex + count; index++) {
      const found = this.#find(index);
      if (found === undefined) return settle({ kind: 'unknown' });
      results.push(found.result);
    }
    settle({ kind: 'applied', firstIndex, term, results });
  }

  #find(index: LogIndex): AppliedEntry<Result> | undefined {
    const found = this.#applied[index % REMEMBERED];
    return found?.index === index ? found : undefined;
  }
}
