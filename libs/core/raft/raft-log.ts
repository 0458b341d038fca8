import { EntryWindow } from './entry-window';
import { invariant } from './invariant';
import { TermTable } from './term-table';
import type { Entry, LogIndex, LogSummary, RaftConfig, Term } from './types';

/**
 * The log as the core knows it: every term, the entries of a window, and what was not yet handed out to be made durable.
 * Older entries are asked from the storage.
 */
export class RaftLog {
  #terms: TermTable;
  readonly #window = new EntryWindow();
  /** Up to here a `persist` effect has been handed out. */
  #handedIndex: LogIndex;
  #truncateAfter: LogIndex | undefined;

  constructor(
    private readonly config: RaftConfig,
    summary: LogSummary,
  ) {
    const { baseIndex, baseTerm, termRuns, lastIndex, recentEntries } = summary;
    this.#terms = new TermTable(baseIndex, baseTerm, termRuns, lastIndex);
    for (const entry of recentEntries) this.#window.push(entry);
    this.#handedIndex = lastIndex;
  }

  get baseIndex(): LogIndex {
    return this.#terms.baseIndex;
  }

  get lastIndex(): LogIndex {
    return this.#terms.lastIndex;
  }

  get lastTerm(): Term {
    return this.#terms.lastTerm;
  }

  /** First entry in memory; Infinity if none is. */
  get windowFirstIndex(): LogIndex {
    return this.#window.firstIndex;
  }

  get windowBytes(): number {
    return this.#window.bytes;
  }

  termAt(index: LogIndex): Term | undefined {
    return this.#terms.termAt(index);
  }

  entryAt(index: LogIndex): Entry | undefined {
    return this.#window.at(index);
  }

  lastIndexUpToTerm(index: LogIndex, term: Term): LogIndex {
    return this.#terms.lastIndexUpToTerm(index, term);
  }

  /** True if a log that ends so may lead this one (paper 5.4.1, RAFT-7). */
  isUpToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  /** Entries in memory within the bounds of one message, at least one; undefined if `first` is not in memory. */
  slice(first: LogIndex, last: LogIndex, countMax: number): Entry[] | undefined {
    return this.#window.slice(first, last, countMax, this.config.batchBytesMax);
  }

  append(entry: Entry): void {
    invariant(entry.index === this.lastIndex + 1, 'RAFT-3', 'an entry does not follow the last', entry.index, this.lastIndex);
    this.#terms.append(entry.index, entry.term);
    this.#window.push(entry);
  }

  /** Discards what comes after `index` (paper 5.3). */
  truncate(index: LogIndex): void {
    this.#terms.truncate(index);
    this.#window.truncate(index);
    if (index >= this.#handedIndex) return;
    this.#truncateAfter = index;
    this.#handedIndex = index;
  }

  /** An installed snapshot takes the place of everything. */
  reset(index: LogIndex, term: Term): void {
    this.#terms = new TermTable(index, term, [], index);
    this.#window.clear();
    this.#handedIndex = index;
    this.#truncateAfter = undefined;
  }

  /** Entries up to `index` are purged. */
  compact(index: LogIndex): void {
    this.#terms.compact(index);
    this.#window.evictUpTo(index);
  }

  /** Keeps the window within its bounds; entries after `indexMax` (not committed or not durable) stay whatever they weigh. */
  evict(indexMax: LogIndex): void {
    this.#window.evict(this.config.windowEntriesMax, this.config.windowBytesMax, indexMax);
  }

  get hasUnhanded(): boolean {
    return this.lastIndex > this.#handedIndex || this.#truncateAfter !== undefined;
  }

  /** What is to be made durable next, once. */
  hand(): { readonly truncateAfter: LogIndex | undefined; readonly entries: readonly Entry[] } {
    const first = this.#handedIndex + 1;
    const entries = this.#window.slice(first, this.lastIndex, Infinity, Infinity) ?? [];
    const truncateAfter = this.#truncateAfter;
    this.#handedIndex = this.lastIndex;
    this.#truncateAfter = undefined;
    return { truncateAfter, entries };
  }
}
