import { invariant } from './invariant';
import type { LogIndex, Term, TermRun } from './types';

interface Run {
  readonly firstIndex: LogIndex;
  readonly term: Term;
}

/**
 * The term of every entry of the log as runs of equal terms, so that logs can be compared without their entries. Terms never
 * go down along a log (RAFT-3). The first run begins at the base: the entry before the first that is stored.
 */
export class TermTable {
  #runs: Run[];
  #lastIndex: LogIndex;

  /** `runs` are those of the entries after the base. */
  constructor(baseIndex: LogIndex, baseTerm: Term, runs: readonly TermRun[], lastIndex: LogIndex) {
    this.#runs = [{ firstIndex: baseIndex, term: baseTerm }];
    this.#lastIndex = baseIndex;
    for (const { firstIndex, term } of runs) this.append(firstIndex, term);
    this.#lastIndex = lastIndex;
  }

  get baseIndex(): LogIndex {
    return this.#runs[0]?.firstIndex ?? 0;
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  get lastTerm(): Term {
    return this.#runs[this.#runs.length - 1]?.term ?? 0;
  }

  /** Of the entry at `index`; undefined before the base and after the end. */
  termAt(index: LogIndex): Term | undefined {
    if (index > this.#lastIndex) return undefined;
    // From the end: nearly every question is about recent entries.
    for (let at = this.#runs.length - 1; at >= 0; at--) {
      const run = this.#runs[at];
      if (run !== undefined && run.firstIndex <= index) return run.term;
    }
    return undefined;
  }

  append(index: LogIndex, term: Term): void {
    const { lastTerm } = this;
    invariant(term >= lastTerm, 'RAFT-3', 'terms go down along the log', lastTerm, term);
    if (term !== lastTerm) this.#runs.push({ firstIndex: index, term });
    this.#lastIndex = index;
  }

  truncate(after: LogIndex): void {
    while (this.#runs.length > 1 && (this.#runs[this.#runs.length - 1]?.firstIndex ?? 0) > after) this.#runs.pop();
    this.#lastIndex = after;
  }

  /** The base moves up to `index`, whose term stays known. */
  compact(index: LogIndex): void {
    const term = this.termAt(index);
    if (term === undefined || index <= this.baseIndex) return;
    this.#runs = [{ firstIndex: index, term }, ...this.#runs.filter(({ firstIndex }) => firstIndex > index)];
  }

  /**
   * The largest index up to `index` whose entry has at most `term`: above it the log cannot agree with one whose entry at
   * `index` has `term`, since terms only grow (paper 5.3, end). Before the base if there is none.
   */
  lastIndexUpToTerm(index: LogIndex, term: Term): LogIndex {
    let end = Math.min(index, this.#lastIndex);
    for (let at = this.#runs.length - 1; at >= 0; at--) {
      const run = this.#runs[at];
      if (run === undefined || run.firstIndex > end) continue;
      if (run.term <= term) return end;
      end = run.firstIndex - 1;
    }
    return end;
  }
}
