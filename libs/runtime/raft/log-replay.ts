import type { Entry, LogIndex, LogSummary, PlacedConfiguration, SnapshotMeta, Term } from '@streamline/core/raft/types';
import type { LogWrite } from './journal-records';

/** Recent entries that a start hands to the core, so that it need not read them again. */
const RECENT_BYTES_MAX = 4 * 1024 * 1024;

/** Entries that do not continue the log: something is missing. */
export class LogGapError extends Error {
  override readonly name = 'LogGapError';
}

/** Builds the log that a start finds, from segments and then from the writes of the journal that these do not hold yet. */
export class LogReplay {
  #baseIndex: LogIndex = 0;
  #baseTerm: Term = 0;
  #entries: Entry[] = [];

  get lastIndex(): LogIndex {
    return this.#baseIndex + this.#entries.length;
  }

  get baseIndex(): LogIndex {
    return this.#baseIndex;
  }

  /** The log begins anew after this entry. */
  begin(index: LogIndex, term: Term): void {
    this.#baseIndex = index;
    this.#baseTerm = term;
    this.#entries = [];
  }

  /** Undefined where nothing tells it. */
  termAt(index: LogIndex): Term | undefined {
    return index === this.#baseIndex ? this.#baseTerm : this.#entries[index - this.#baseIndex - 1]?.term;
  }

  truncate(after: LogIndex): void {
    if (after < this.#baseIndex) throw new LogGapError(`it is cut after ${after}, but begins after ${this.#baseIndex}`);
    this.#entries.length = Math.min(this.#entries.length, after - this.#baseIndex);
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.index !== this.lastIndex + 1) {
        throw new LogGapError(`entry ${entry.index} follows ${this.lastIndex}: entries are missing`);
      }
      this.#entries.push(entry);
    }
  }

  apply({ installSnapshot, truncateAfter, entries }: LogWrite): void {
    if (installSnapshot !== undefined) this.begin(installSnapshot.index, installSnapshot.term);
    if (truncateAfter !== undefined) this.truncate(truncateAfter);
    this.append(entries);
  }

  summary(snapshot: SnapshotMeta | undefined): LogSummary {
    const termRuns: { firstIndex: LogIndex; term: Term }[] = [];
    const configurations: PlacedConfiguration[] = [];
    for (const { index, term, configuration } of this.#entries) {
      if (termRuns.at(-1)?.term !== term) termRuns.push({ firstIndex: index, term });
      if (configuration !== undefined && index > (snapshot?.index ?? 0)) configurations.push({ index, configuration });
    }
    return {
      baseIndex: this.#baseIndex,
      baseTerm: this.#baseTerm,
      lastIndex: this.lastIndex,
      termRuns,
      configurations,
      recentEntries: this.#recent(),
    };
  }

  /** All, for a directory that is taken over. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  #recent(): readonly Entry[] {
    let bytes = 0;
    let from = this.#entries.length;
    while (from > 0) {
      bytes += this.#entries[from - 1]?.sizeBytes ?? 0;
      if (bytes > RECENT_BYTES_MAX) break;
      from--;
    }
    return this.#entries.slice(from);
  }
}
