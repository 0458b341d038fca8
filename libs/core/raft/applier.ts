import type { RaftContext } from './context';
import { invariant } from './invariant';
import type { Entry, LogIndex } from './types';

/** Entries in one `apply` effect at most. */
const APPLY_ENTRIES_MAX = 1024;

/**
 * Hands committed entries to the state machine, one batch at a time, in order and once (RAFT-5), and only what is durable here
 * too, so that a state machine on disk never runs ahead of its log (S-12).
 */
export class Applier {
  /** End of the open `apply` or `restore`; undefined if none is. */
  #openIndex: LogIndex | undefined;
  /** The open `read-entries`, 0 if none is. */
  #readId = 0;

  constructor(private readonly context: RaftContext) {}

  get isIdle(): boolean {
    return this.#openIndex === undefined;
  }

  applied(index: LogIndex): void {
    invariant(index === this.#openIndex, 'RAFT-5', 'the host applied something else than it was given', index, this.#openIndex);
    this.#openIndex = undefined;
    this.context.appliedIndex = index;
  }

  /** Returns false if the answer is not to a question of this part. */
  entriesRead(readId: number, entries: readonly Entry[]): boolean {
    if (readId !== this.#readId) return false;
    this.#readId = 0;
    const { appliedIndex, log } = this.context;
    // A snapshot may have been installed meanwhile.
    if (appliedIndex < log.baseIndex) return true;
    const [first] = entries;
    invariant(first?.index === appliedIndex + 1, 'RAFT-5', 'the storage lacks committed entries', appliedIndex + 1);
    for (const { index, term } of entries) {
      invariant(term === log.termAt(index), 'RAFT-3', 'the storage has another entry than the log', index, term);
    }
    if (first !== undefined) this.#apply(entries);
    return true;
  }

  /** Begins the next batch if there is one and nothing is under way. */
  pump(): void {
    const { context } = this;
    const { log, appliedIndex, snapshot, config } = context;
    if (!this.isIdle || this.#readId !== 0) return;
    const limit = Math.min(context.commitIndex, context.durability.durableIndex);
    if (appliedIndex < log.baseIndex) {
      // The entries are purged here, or never were: the state comes from the snapshot, once it is this node's own.
      if (snapshot !== undefined && limit >= snapshot.index) this.#restore();
      return;
    }
    if (appliedIndex >= limit) return;
    const firstIndex = appliedIndex + 1;
    const entries = log.slice(firstIndex, limit, APPLY_ENTRIES_MAX);
    if (entries !== undefined) {
      this.#apply(entries);
      return;
    }
    const lastIndex = Math.min(limit, firstIndex + APPLY_ENTRIES_MAX - 1, log.windowFirstIndex - 1);
    this.#readId = context.nextReadId();
    const bytesMax = config.batchBytesMax;
    context.effects.push({ kind: 'read-entries', readId: this.#readId, firstIndex, lastIndex, bytesMax });
  }

  #apply(entries: readonly Entry[]): void {
    this.#openIndex = entries[entries.length - 1]?.index;
    this.context.effects.push({ kind: 'apply', entries });
  }

  #restore(): void {
    const { snapshot, effects } = this.context;
    if (snapshot === undefined) return;
    this.#openIndex = snapshot.index;
    effects.push({ kind: 'restore', snapshot });
  }
}
