import type { Offset } from '@streamline/core/types/ids';
import type { LogState } from '@streamline/core/log/log-state';
import { findSegment } from '@streamline/core/log/segment';
import type { Segment } from '@streamline/core/log/segment';
import type { IndexPlace } from '@streamline/core/log/sparse-index';
import { BATCH_OVERHEAD_BYTES, BatchField, LOG_OVERHEAD_BYTES, readInt64OrNaN } from '@streamline/wire/records/batch-header';
import { isBatchCrcValid } from '@streamline/wire/records/batch-patch';
import { copyIntoShared } from '../disk/shared-copy';
import type { DiskFile } from '../ports/disk';
import { BadBatchError, endOffsetAt, walkBatches } from './batch-walk';
import type { EngineContext } from './engine-context';
import type { LogFiles } from './log-files';
import type { ReadLimits, ReadResult } from './log-engine';
import { LogError } from './log-error';
import { SEGMENT_HEADER_BYTES } from './segment-header';
import { SegmentIndexes } from './segment-index';
import type { TailQueue } from './tail-queue';

/** Read beyond what was asked for: the batches between an index entry and the offset. */
const LOOKAHEAD_BYTES = 8192;
/** Blocking reads are for small pieces of what is in the page cache. */
const SYNC_READ_BYTES_MAX = 256 << 10;
/** A read that took longer than this (plus a while per byte) went to the disk. */
const HOT_READ_MS = 0.5;
const HOT_BYTES_PER_MS = 500_000;
/** Blocking reads that follow one read that was fast. */
const HOT_CREDIT = 32;
const MAX_ATTEMPTS = 3;

const EMPTY: ReadResult = { chunks: [], bytes: 0 };

/** What the reader needs of its log. */
export interface ReaderHost {
  readonly state: LogState;
  readonly files: LogFiles;
  readonly tail: TailQueue;
  readonly config: { readonly indexIntervalBytes: number };
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  assertUsable(): void;
  goOffline(reason: string): void;
}

/** Where a batch begins. */
export interface LocatedBatch {
  readonly segment: Segment;
  readonly positionBytes: number;
  readonly baseOffset: number;
}

/** Reads of one partition: from the tail where it reaches back far enough, else from segment files. */
export class LogReader {
  readonly indexes: SegmentIndexes;
  /** Blocking reads that may follow, since the last read found its bytes in the page cache. */
  private hotCredit = 0;

  constructor(
    private readonly context: EngineContext,
    private readonly host: ReaderHost,
  ) {
    this.indexes = new SegmentIndexes(context, host.files, () => host.config.indexIntervalBytes);
  }

  read(from: Offset, limits: ReadLimits): ReadResult | Promise<ReadResult> {
    this.assertReadable(from);
    if (from >= limits.upTo) return EMPTY;
    const first = this.host.tail.at(0);
    if (first !== undefined && from >= first.baseOffset) return this.fromTail(from, limits);
    const segment = findSegment(this.host.state.segments, from);
    if (segment === undefined) return EMPTY;
    if (first !== undefined && first.segment === segment && from >= segment.written.endOffset) return this.fromTail(from, limits);
    return this.readHot(segment, from, limits) ?? this.fromFile(from, limits);
  }

  private assertReadable(from: Offset): void {
    this.host.assertUsable();
    const { logStartOffset, logEndOffset } = this.host;
    if (from >= logStartOffset && from <= logEndOffset) return;
    throw new LogError('out-of-range', `offset ${from} is outside ${logStartOffset} to ${logEndOffset}`);
  }

  /** The first batch that holds `offset` or comes after it, in the segment files. */
  async locate(offset: number): Promise<LocatedBatch> {
    const segment = findSegment(this.host.state.segments, offset);
    if (segment === undefined) throw new LogError('out-of-range', `offset ${offset} is past the log's end`);
    const place = await this.indexes.find(segment, offset);
    let found: LocatedBatch | undefined;
    await this.guarded(segment, () =>
      this.context.files.use(this.host.files.fileOf(segment), (file) =>
        walkBatches(file, segment, place.positionBytes, segment.written.bytes, (batch, positionBytes) => {
          if (batch.lastOffset < offset) return false;
          found = { segment, positionBytes, baseOffset: batch.baseOffset };
          return true;
        }),
      ),
    );
    return found ?? { segment, positionBytes: segment.written.bytes, baseOffset: segment.written.endOffset };
  }

  /** Runs a walk; what it finds to be bad takes the replica offline (S-11). */
  async guarded<T>(segment: Segment, walk: () => Promise<T>): Promise<T> {
    const { generation } = segment;
    try {
      return await walk();
    } catch (error) {
      if (error instanceof BadBatchError && segment.generation === generation) throw this.damaged(segment, error);
      throw error;
    }
  }

  private fromTail(from: number, limits: ReadLimits): ReadResult {
    const { tail } = this.host;
    const first = tail.indexOf(from);
    let bytes = 0;
    let end = first;
    for (; ; end += 1) {
      const entry = tail.at(end);
      if (entry === undefined || entry.endOffset > limits.upTo) break;
      if (bytes + entry.bytes.length > limits.maxBytes && (bytes > 0 || !limits.minOneBatch)) break;
      bytes += entry.bytes.length;
    }
    if (bytes === 0) return EMPTY;
    return { chunks: limits.borrowed === true ? viewsOf(tail, first, end) : [copyOf(tail, first, end, bytes)], bytes };
  }

  /** A blocking read of a small piece, where file and index are at hand and the last read was fast; else undefined. */
  private readHot(segment: Segment, from: number, limits: ReadLimits): ReadResult | undefined {
    if (this.hotCredit <= 0 || limits.maxBytes > SYNC_READ_BYTES_MAX) return undefined;
    const handle = this.context.files.peek(this.host.files.fileOf(segment));
    const place = this.indexes.peek(segment, from);
    if (handle === undefined || place === undefined) return undefined;
    this.hotCredit -= 1;
    const window = Buffer.allocUnsafe(wantedBytes(segment.written.bytes, place, limits.maxBytes));
    const startMs = this.context.clock.monotonicMs();
    const got = handle.readSync(SEGMENT_HEADER_BYTES + place.positionBytes, window);
    this.learn(startMs, got);
    const found = pick(window.subarray(0, got), place, place.positionBytes > 0, from, limits);
    return found.kind === 'found' ? found.result : undefined;
  }

  /** The next reads may block where this one was as fast as only the page cache is. */
  private learn(startMs: number, bytes: number): void {
    const tookMs = this.context.clock.monotonicMs() - startMs;
    if (tookMs <= HOT_READ_MS + bytes / HOT_BYTES_PER_MS) this.hotCredit = HOT_CREDIT;
    else this.hotCredit = 0;
  }

  private async fromFile(from: Offset, limits: ReadLimits): Promise<ReadResult> {
    for (let attempt = 1; ; attempt += 1) {
      // The log's start may have passed the offset meanwhile: what is there now is not what was asked for.
      this.assertReadable(from);
      const segment = findSegment(this.host.state.segments, from);
      if (segment === undefined) return EMPTY;
      const { generation, written } = segment;
      try {
        const result = await this.readSegment(segment, written.bytes, from, limits);
        this.assertReadable(from);
        if (result !== undefined) return result;
        const next = Math.max(from, written.endOffset) as Offset;
        return next < limits.upTo ? await this.read(next, limits) : EMPTY;
      } catch (error) {
        const replaced = segment.generation !== generation || !this.host.state.segments.includes(segment);
        if (replaced && attempt < MAX_ATTEMPTS) continue;
        if (!(error instanceof BadBatchError)) throw error;
        if (attempt === 1) await this.guarded(segment, () => this.indexes.rebuild(segment));
        else throw this.damaged(segment, error);
      }
    }
  }

  /** Reads from the segment's first `endBytes` of batches, since it grows meanwhile. Undefined where none of them reaches to `from`. */
  private async readSegment(
    segment: Segment,
    endBytes: number,
    from: number,
    limits: ReadLimits,
  ): Promise<ReadResult | undefined> {
    const place = await this.indexes.find(segment, from);
    return this.context.reads.run(() =>
      this.context.files.use(this.host.files.fileOf(segment), async (file) => {
        let at = place;
        let exact = place.positionBytes > 0;
        let sizeBytes = wantedBytes(endBytes, place, limits.maxBytes);
        for (;;) {
          const window = await this.fill(file, at, limits.memory?.(sizeBytes) ?? Buffer.allocUnsafe(sizeBytes));
          const found = pick(window, at, exact, from, limits);
          switch (found.kind) {
            case 'found':
              this.verify(found.result, at, from);
              return found.result;
            case 'bad':
              throw new BadBatchError(at.positionBytes + found.atBytes, from, 'no batch that fits begins here');
            case 'more':
              if (at.positionBytes + found.atBytes >= endBytes) return undefined;
              if (found.atBytes === 0 && (window.length < sizeBytes || found.sizeBytes === 0))
                throw new BadBatchError(at.positionBytes, from, 'the file ends within it');
              exact = false;
              at = { offset: found.offset, positionBytes: at.positionBytes + found.atBytes };
              sizeBytes = Math.min(
                Math.max(found.sizeBytes, wantedBytes(endBytes, at, limits.maxBytes)),
                endBytes - at.positionBytes,
              );
          }
        }
      }),
    );
  }

  private async fill(file: DiskFile, at: IndexPlace, window: Buffer): Promise<Buffer> {
    const startMs = this.context.clock.monotonicMs();
    const got = await file.read(SEGMENT_HEADER_BYTES + at.positionBytes, window);
    this.learn(startMs, got);
    return window.subarray(0, got);
  }

  /** Bytes that may have come from the disk are checked before anyone gets them (S-11). */
  private verify(result: ReadResult, at: IndexPlace, from: number): void {
    if (this.hotCredit > 0) return;
    for (const chunk of result.chunks) {
      for (let position = 0; position < chunk.length;) {
        const sizeBytes = chunk.readInt32BE(position + BatchField.length) + LOG_OVERHEAD_BYTES;
        const batch = chunk.subarray(position, position + sizeBytes);
        if (!isBatchCrcValid(batch)) throw new BadBatchError(at.positionBytes, from, 'a batch has a wrong CRC');
        position += sizeBytes;
      }
    }
  }

  private damaged(segment: Segment, error: BadBatchError): LogError {
    const reason = `${this.host.files.pathOf(segment, 'log')}: ${error.message}`;
    this.host.goOffline(reason);
    return new LogError('offline', reason);
  }
}

/** The entries' bytes in memory of their own: that of the tail is used again while a reader still has them (LOG-17). */
function copyOf(tail: TailQueue, first: number, end: number, bytes: number): Buffer {
  const copy = Buffer.allocUnsafe(bytes);
  let filled = 0;
  for (let at = first; at < end; at += 1) {
    const entry = tail.at(at);
    if (entry === undefined) break;
    copyIntoShared(copy, filled, entry.bytes);
    filled += entry.bytes.length;
  }
  return copy.subarray(0, filled);
}

function viewsOf(tail: TailQueue, first: number, end: number): Buffer[] {
  const views: Buffer[] = [];
  for (let at = first; at < end; at += 1) {
    const entry = tail.at(at);
    if (entry !== undefined) views.push(entry.bytes);
  }
  return views;
}

function wantedBytes(endBytes: number, place: IndexPlace, maxBytes: number): number {
  return Math.max(Math.min(endBytes - place.positionBytes, maxBytes + LOOKAHEAD_BYTES), 0);
}

type Picked =
  | { readonly kind: 'found'; readonly result: ReadResult }
  /** The batch looked for begins `atBytes` into the window, or later, and takes `sizeBytes` as far as is known. */
  | { readonly kind: 'more'; readonly atBytes: number; readonly sizeBytes: number; readonly offset: number }
  | { readonly kind: 'bad'; readonly atBytes: number };

/**
 * Cuts whole batches out of a window that begins with the batch at `place`.
 * @param exact that batch begins at the place's offset; otherwise at it or later
 */
function pick(window: Buffer, place: IndexPlace, exact: boolean, from: number, limits: ReadLimits): Picked {
  let at = 0;
  let start = -1;
  let lowest = place.offset;
  while (at + BATCH_OVERHEAD_BYTES <= window.length) {
    const sizeBytes = window.readInt32BE(at + BatchField.length) + LOG_OVERHEAD_BYTES;
    const baseOffset = readInt64OrNaN(window, at + BatchField.baseOffset);
    const wrongStart = at === 0 && exact && baseOffset !== place.offset;
    if (sizeBytes < BATCH_OVERHEAD_BYTES || window[at + BatchField.magic] !== 2 || !(baseOffset >= lowest) || wrongStart) {
      return start >= 0 ? chunkOf(window, start, at) : { kind: 'bad', atBytes: at };
    }
    const endOffset = endOffsetAt(window, at);
    if (start < 0 && endOffset > from) {
      if (endOffset > limits.upTo || (sizeBytes > limits.maxBytes && !limits.minOneBatch))
        return { kind: 'found', result: EMPTY };
      if (at + sizeBytes > window.length) return { kind: 'more', atBytes: at, sizeBytes, offset: baseOffset };
      start = at;
    } else if (
      start >= 0 &&
      (endOffset > limits.upTo || at + sizeBytes - start > limits.maxBytes || at + sizeBytes > window.length)
    ) {
      return chunkOf(window, start, at);
    }
    lowest = endOffset;
    at += sizeBytes;
  }
  return start >= 0
    ? chunkOf(window, start, Math.min(at, window.length))
    : { kind: 'more', atBytes: at, sizeBytes: 0, offset: lowest };
}

function chunkOf(window: Buffer, start: number, end: number): Picked {
  return { kind: 'found', result: { chunks: [window.subarray(start, end)], bytes: end - start } };
}
