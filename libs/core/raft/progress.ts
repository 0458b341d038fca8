import type { LogIndex, ProgressState, SnapshotMeta, VoterId } from './types';

/** Appends that a peer has not answered, oldest first, in a ring of fixed size. */
export class Inflight {
  readonly #lastIndexes: Float64Array;
  readonly #bytes: Float64Array;
  #head = 0;
  #count = 0;
  #bytesTotal = 0;

  constructor(
    countMax: number,
    private readonly bytesMax: number,
  ) {
    this.#lastIndexes = new Float64Array(countMax);
    this.#bytes = new Float64Array(countMax);
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  get isFull(): boolean {
    return this.#count === this.#lastIndexes.length || this.#bytesTotal >= this.bytesMax;
  }

  add(lastIndex: LogIndex, bytes: number): void {
    const at = (this.#head + this.#count) % this.#lastIndexes.length;
    this.#lastIndexes[at] = lastIndex;
    this.#bytes[at] = bytes;
    this.#count++;
    this.#bytesTotal += bytes;
  }

  /** The peer has everything up to `index`: appends that end there or before are answered. */
  freeUpTo(index: LogIndex): void {
    while (this.#count > 0 && (this.#lastIndexes[this.#head] ?? 0) <= index) {
      this.#bytesTotal -= this.#bytes[this.#head] ?? 0;
      this.#head = (this.#head + 1) % this.#lastIndexes.length;
      this.#count--;
    }
  }

  clear(): void {
    this.#head = 0;
    this.#count = 0;
    this.#bytesTotal = 0;
  }
}

/** A snapshot on its way to a peer: few chunks at a time, the peer's answers bring the next. */
export class OutgoingSnapshot {
  /** Bytes that the peer has, from the start on. */
  ackedOffset = 0;
  /** The next byte to send. */
  nextOffset = 0;
  /** The last chunk was sent. */
  isEndSent = false;
  /** Since when there is no news of what was sent. */
  waitingSinceMs = 0;
  /** When an answer last made it go on elsewhere: others of what was sent before are still on their way. */
  #correctedAtMs = -Infinity;

  constructor(readonly meta: SnapshotMeta) {}

  get isAwaited(): boolean {
    return this.isEndSent || this.nextOffset > this.ackedOffset;
  }

  sent(bytes: number, isEnd: boolean, nowMs: number): void {
    if (!this.isAwaited) this.waitingSinceMs = nowMs;
    this.nextOffset += bytes;
    this.isEndSent = isEnd;
  }

  /**
   * The peer has everything up to `offset`. No news means a gap, and less than before that it lost what it had: what it lacks is
   * sent again, yet once in `paceMs`, for every chunk behind a gap is answered, and a disk may fail at any pace.
   */
  acknowledge(offset: number, nowMs: number, paceMs: number): void {
    if (offset > this.ackedOffset && offset <= this.nextOffset) {
      this.ackedOffset = offset;
      this.waitingSinceMs = nowMs;
    } else if (offset > this.nextOffset || nowMs - this.#correctedAtMs >= paceMs) {
      this.#correctedAtMs = nowMs;
      this.goOnFrom(offset);
    }
  }

  goOnFrom(offset: number): void {
    this.ackedOffset = this.nextOffset = offset;
    this.isEndSent = false;
  }
}

/** What a leader knows of a peer and how it sends to it. Begins as a probe. */
export class Progress {
  state: ProgressState = 'probe';
  /** Durable at the peer and equal to the leader's log up to here; only grows within a term (RAFT-20). */
  matchIndex: LogIndex = 0;
  /** The next entry to send. */
  nextIndex: LogIndex;
  /** Of a probe: one was sent, and nothing more is until it is answered or given up. */
  paused = false;
  /** When the last probe left, or since when the oldest append in the pipeline has waited. */
  waitingSinceMs = 0;
  /** When the leader last heard from the peer in this term. */
  heardMs: number;
  /** The last round of reads that it answered. */
  ackedRound = 0;
  /** The highest commit index that was sent to it. */
  commitSent: LogIndex = 0;
  /** The open `read-entries`, 0 if none is. */
  readId = 0;
  /** Where that read begins; the peer may have come past it before the answer is there. */
  readFirstIndex: LogIndex = 0;
  snapshot: OutgoingSnapshot | undefined;
  /** The open `read-snapshot-chunk` and what it is of, perhaps of what is no longer wanted; undefined if none is. */
  chunkRead: { readonly readId: number; readonly snapshot: OutgoingSnapshot; readonly offset: number } | undefined;
  /** Set when the configuration no longer has the peer: it is sent the log up to here, so that it learns of it. */
  departIndex: LogIndex | undefined;
  departDeadlineMs = Infinity;
  readonly inflight: Inflight;

  constructor(
    readonly id: VoterId,
    nextIndex: LogIndex,
    nowMs: number,
    inflightMax: number,
    inflightBytesMax: number,
  ) {
    this.nextIndex = nextIndex;
    this.heardMs = nowMs;
    this.inflight = new Inflight(inflightMax, inflightBytesMax);
  }

  becomeProbe(): void {
    this.state = 'probe';
    this.nextIndex = this.matchIndex + 1;
    this.paused = false;
    this.readId = 0;
    this.snapshot = undefined;
    this.inflight.clear();
  }

  becomeReplicate(): void {
    this.becomeProbe();
    this.state = 'replicate';
  }

  becomeSnapshot(): void {
    this.becomeProbe();
    this.state = 'snapshot';
  }

  /** The peer acknowledged up to `index`. Returns whether that is news; an answer that comes late or twice never moves back. */
  acknowledge(index: LogIndex, nowMs: number): boolean {
    if (index <= this.matchIndex) return false;
    this.matchIndex = index;
    this.nextIndex = Math.max(this.nextIndex, index + 1);
    this.inflight.freeUpTo(index);
    this.waitingSinceMs = nowMs;
    return true;
  }

  /** An append with entries left in the pipeline. */
  sent(lastIndex: LogIndex, bytes: number, nowMs: number): void {
    if (this.inflight.isEmpty) this.waitingSinceMs = nowMs;
    this.inflight.add(lastIndex, bytes);
    this.nextIndex = lastIndex + 1;
  }
}
