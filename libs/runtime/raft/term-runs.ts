import type { LogIndex, LogSummary, Term, TermRun } from '@streamline/core/raft/types';
import type { LogWrite } from './journal-records';

/** The terms of a log, of which only the runs are kept. */
export class TermRuns {
  #baseIndex: LogIndex;
  #baseTerm: Term;
  #lastIndex: LogIndex;
  #runs: TermRun[];

  constructor({ baseIndex, baseTerm, lastIndex, termRuns }: LogSummary) {
    this.#baseIndex = baseIndex;
    this.#baseTerm = baseTerm;
    this.#lastIndex = lastIndex;
    this.#runs = [...termRuns];
  }

  /** Undefined for what is not in the log. */
  termAt(index: LogIndex): Term | undefined {
    if (index === this.#baseIndex) return this.#baseTerm;
    if (index < this.#baseIndex || index > this.#lastIndex) return undefined;
    return this.#runs.findLast(({ firstIndex }) => firstIndex <= index)?.term;
  }

  apply({ installSnapshot, truncateAfter, entries }: LogWrite): void {
    if (installSnapshot !== undefined) {
      this.#baseIndex = installSnapshot.index;
      this.#baseTerm = installSnapshot.term;
      this.#lastIndex = installSnapshot.index;
      this.#runs = [];
    }
    if (truncateAfter !== undefined) {
      this.#lastIndex = Math.min(this.#lastIndex, truncateAfter);
      this.#runs = this.#runs.filter(({ firstIndex }) => firstIndex <= this.#lastIndex);
    }
    for (const { index, term } of entries) {
      if (this.#runs.at(-1)?.term !== term) this.#runs.push({ firstIndex: index, term });
      this.#lastIndex = index;
    }
  }

  /** Forgets runs that end at or before `index`, but for the last. */
  compact(index: LogIndex): void {
    const kept = this.#runs.findLastIndex(({ firstIndex }) => firstIndex <= index);
    if (kept > 0) this.#runs.splice(0, kept);
  }
}
