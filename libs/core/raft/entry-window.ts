import type { Entry, LogIndex } from './types';

/** In the place of an entry that was let go, so that its bytes are freed before the array is moved together. */
const GONE: Entry = {
  index: 0,
  term: 0,
  kind: 'noop',
  records: [],
  id: undefined,
  configuration: undefined,
  timestampMs: 0,
  sizeBytes: 0,
};

/** The last entries of the log, contiguous, kept in memory so that followers which keep up cost no disk reads. */
export class EntryWindow {
  #entries: Entry[] = [];
  /** Where the window begins in `#entries`; before it stands GONE. */
  #head = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  get length(): number {
    return this.#entries.length - this.#head;
  }

  /** Index of the first entry; Infinity if there is none. */
  get firstIndex(): LogIndex {
    return this.#entries[this.#head]?.index ?? Infinity;
  }

  get lastIndex(): LogIndex {
    return this.#entries[this.#entries.length - 1]?.index ?? 0;
  }

  push(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += entry.sizeBytes;
  }

  at(index: LogIndex): Entry | undefined {
    const { firstIndex } = this;
    return index < firstIndex ? undefined : this.#entries[this.#head + index - firstIndex];
  }

  /**
   * Entries from `first` to `last` (both included) as far as both bounds allow, at least one. Undefined if `first` is not in
   * the window.
   */
  slice(first: LogIndex, last: LogIndex, countMax: number, bytesMax: number): Entry[] | undefined {
    const { firstIndex } = this;
    if (first < firstIndex || first > this.lastIndex) return undefined;
    const begin = this.#head + first - firstIndex;
    const endMax = Math.min(this.#entries.length, begin + Math.min(countMax, last - first + 1));
    let end = begin;
    for (let bytes = 0; end < endMax; end++) {
      bytes += this.#entries[end]?.sizeBytes ?? 0;
      if (bytes > bytesMax && end > begin) break;
    }
    return this.#entries.slice(begin, end);
  }

  truncate(after: LogIndex): void {
    while (this.length > 0 && this.lastIndex > after) this.#bytes -= this.#entries.pop()?.sizeBytes ?? 0;
  }

  /** Lets the oldest entries go while there are more than the bounds allow, none after `indexMax`. */
  evict(entriesMax: number, bytesMax: number, indexMax: LogIndex): void {
    while ((this.length > entriesMax || this.#bytes > bytesMax) && this.firstIndex <= indexMax) this.#evictFirst();
    this.#squeeze();
  }

  /** Lets everything up to `index` go. */
  evictUpTo(index: LogIndex): void {
    while (this.firstIndex <= index) this.#evictFirst();
    this.#squeeze();
  }

  clear(): void {
    this.#entries = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  #evictFirst(): void {
    this.#bytes -= this.#entries[this.#head]?.sizeBytes ?? 0;
    this.#entries[this.#head++] = GONE;
  }

  /** Moves the array together when half of it is gone, at a constant cost an entry. */
  #squeeze(): void {
    if (this.#head < 256 || this.#head * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }
}
