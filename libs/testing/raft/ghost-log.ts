import type { Entry, LogIndex, LogSummary, PlacedConfiguration, SnapshotMeta, Term } from '@streamline/core/raft/types';
import type { PersistEffect } from '@streamline/core/raft/effects';

/**
 * A member's log as its effects tell it, never purged: invariants look at it and not at what the core says of itself.
 * Entries are shared, not copied.
 */
export class GhostLog {
  #baseIndex: LogIndex = 0;
  #baseTerm: Term = 0;
  /** `#entries[i]` has the index `#baseIndex + 1 + i`. */
  #entries: Entry[] = [];
  /** Ascending; the first is the one at or before the base. */
  #configurations: PlacedConfiguration[];

  constructor(bootstrap: PlacedConfiguration) {
    this.#configurations = [bootstrap];
  }

  copy(): GhostLog {
    const copy = new GhostLog(this.configuration);
    copy.#baseIndex = this.#baseIndex;
    copy.#baseTerm = this.#baseTerm;
    copy.#entries = [...this.#entries];
    copy.#configurations = [...this.#configurations];
    return copy;
  }

  /** The entry before the first that is known: where a snapshot was installed. */
  get baseIndex(): LogIndex {
    return this.#baseIndex;
  }

  get lastIndex(): LogIndex {
    return this.#baseIndex + this.#entries.length;
  }

  get lastTerm(): Term {
    return this.#entries.at(-1)?.term ?? this.#baseTerm;
  }

  /** In force: the last one in the log. */
  get configuration(): PlacedConfiguration {
    const last = this.#configurations.at(-1);
    if (last === undefined) throw new Error('a log without a configuration');
    return last;
  }

  /** The last one before an index. */
  configurationBefore(index: LogIndex): PlacedConfiguration | undefined {
    return this.#configurations.findLast((placed) => placed.index < index);
  }

  entryAt(index: LogIndex): Entry | undefined {
    return this.#entries[index - this.#baseIndex - 1];
  }

  /** Undefined before the base and after the end. */
  termAt(index: LogIndex): Term | undefined {
    return index === this.#baseIndex ? this.#baseTerm : this.entryAt(index)?.term;
  }

  /** Has the entry, or a snapshot that covers it. */
  covers(index: LogIndex, term: Term): boolean {
    return index < this.#baseIndex || this.termAt(index) === term;
  }

  apply(effect: PersistEffect): void {
    if (effect.installSnapshot !== undefined) this.#install(effect.installSnapshot);
    if (effect.truncateAfter !== undefined) this.#truncate(effect.truncateAfter);
    for (const entry of effect.entries) {
      this.#entries.push(entry);
      if (entry.configuration !== undefined) {
        this.#configurations.push({ index: entry.index, configuration: entry.configuration });
      }
    }
  }

  /** Whether recovery can have found this log when it found `summary`. */
  matches(summary: LogSummary): boolean {
    if (summary.lastIndex !== this.lastIndex || summary.baseIndex < this.#baseIndex) return false;
    if (this.termAt(summary.baseIndex) !== summary.baseTerm) return false;
    let run = -1;
    for (let index = summary.baseIndex + 1; index <= summary.lastIndex; index += 1) {
      if (summary.termRuns[run + 1]?.firstIndex === index) run += 1;
      if (summary.termRuns[run]?.term !== this.termAt(index)) return false;
    }
    return run === summary.termRuns.length - 1;
  }

  #install(snapshot: SnapshotMeta): void {
    this.#baseIndex = snapshot.index;
    this.#baseTerm = snapshot.term;
    this.#entries = [];
    this.#configurations = [snapshot.configuration];
  }

  #truncate(index: LogIndex): void {
    this.#entries.length = Math.max(index - this.#baseIndex, 0);
    while (this.#configurations.length > 1 && this.configuration.index > index) this.#configurations.pop();
  }
}
