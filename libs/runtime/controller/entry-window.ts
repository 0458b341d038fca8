import type { MetadataIndex } from '@streamline/core/types/ids';
import type { CommittedEntry } from './metadata-log';

/** How much of the committed log is kept in memory for followers; one that is further behind gets a snapshot. */
export interface EntryWindowLimits {
  /** The guide's max_logs_in_snapshot. */
  readonly entriesMax: number;
  readonly bytesMax: number;
}

/** The newest committed entries, shared by all followers: each has a place in it, none has a buffer of its own. */
export class EntryWindow {
  #entries: CommittedEntry[] = [];
  #bytes = 0;

  constructor(private readonly limits: EntryWindowLimits) {}

  push(entry: CommittedEntry): void {
    this.#entries.push(entry);
    this.#bytes += bytesOf(entry);
    let drop = 0;
    while (this.#entries.length - drop > 1 && this.#overfull(this.#entries.length - drop)) {
      const oldest = this.#entries[drop];
      if (oldest !== undefined) this.#bytes -= bytesOf(oldest);
      drop++;
    }
    // Dropping one by one from the front of a large array costs its length: wait until it is worth it.
    if (drop > 0) this.#entries = this.#entries.slice(drop);
  }

  /** True where every entry from `index` on is here (or none is there yet). */
  reaches(index: MetadataIndex, lastApplied: MetadataIndex): boolean {
    if (index > lastApplied) return index === lastApplied + 1;
    const oldest = this.#entries[0];
    return oldest !== undefined && index >= oldest.index;
  }

  /** Entries from `index` on, at least one where there is one, up to about `bytesMax`. */
  from(index: MetadataIndex, bytesMax: number): readonly CommittedEntry[] {
    const oldest = this.#entries[0];
    if (oldest === undefined) return [];
    const taken: CommittedEntry[] = [];
    let bytes = 0;
    for (let at = index - oldest.index; at >= 0 && at < this.#entries.length; at++) {
      const entry = this.#entries[at];
      if (entry === undefined) break;
      bytes += bytesOf(entry);
      if (taken.length > 0 && bytes > bytesMax) break;
      taken.push(entry);
    }
    return taken;
  }

  #overfull(count: number): boolean {
    return count > this.limits.entriesMax || this.#bytes > this.limits.bytesMax;
  }
}

function bytesOf(entry: CommittedEntry): number {
  return entry.records.reduce((sum, record) => sum + record.length, 64);
}
