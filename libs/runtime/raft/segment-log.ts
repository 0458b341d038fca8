import type { Entry, LogIndex, Term } from '@streamline/core/raft/types';
import type { Cancel, Clock } from '@streamline/runtime/ports/clock';
import type { Disk, DiskFile } from '@streamline/runtime/ports/disk';
import type { JournalPosition } from '@streamline/runtime/ports/journal';
import { splitPayload } from '@streamline/wire/contracts/bulk-frame';
import { SegmentBatch, SegmentHeader } from '@streamline/wire/contracts/generated/streamline/raft/v1/log';
import { hasCode, isFull } from './disk-errors';
import { decode, decodeEntry, encodeEntry } from './entry-codec';
import { encodeFrame, encodePreamble, FrameReader, sizeOf } from './file-frames';
import type { LogWrite } from './journal-records';
import type { RecoveredSegments, Segment } from './segment-files';
import { SEGMENT_FILE, segmentDamage, segmentPath } from './segment-files';

export interface SegmentLimits {
  /** A segment is closed once it has so many bytes or entries: what is purged together. */
  readonly segmentBytesMax: number;
  readonly segmentEntriesMax: number;
  /** One write holds about so much. */
  readonly batchBytesMax: number;
  /** How long entries are gathered before they are written; they are durable in the journal meanwhile. */
  readonly gatherMs: number;
}

export const DEFAULT_SEGMENT_LIMITS: SegmentLimits = {
  segmentBytesMax: 4 * 1024 * 1024,
  segmentEntriesMax: 2048,
  batchBytesMax: 512 * 1024,
  gatherMs: 100,
};

/** How often a full disk is tried again. */
const RETRY_MS = 1000;

/** A write that is durable in the journal. */
export interface DurableWrite extends LogWrite {
  /** Of its last part. */
  readonly position: JournalPosition;
  /** Of the entry at `truncateAfter`. */
  readonly truncateTerm: Term | undefined;
}

export interface SegmentLogOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  /** Exists; its name is durable. */
  readonly directory: string;
  readonly limits: SegmentLimits;
  /** Makes sure that the installed snapshot has its final name, durably, before the log forgets what it replaced. */
  readonly keepInstalled: (write: DurableWrite) => Promise<void>;
  readonly onFailure: (error: Error) => void;
}

/**
 * The entries behind the journal (J-6): what is durable there is written here in the background, in merged writes, so that the
 * journal can be recycled while entries stay for followers. Each batch says up to where in the journal the segments go: a
 * start reads segments first, and then of the journal what comes after.
 * A truncation or an installed snapshot begins a new segment, so that a segment only ever grows.
 */
export class SegmentLog {
  /** Durable in the journal, not yet in a segment. */
  readonly #tail = new Map<LogIndex, Entry>();
  #queue: DurableWrite[] = [];
  #segments: Segment[];
  #file: DiskFile | undefined;
  /** What the files hold, synced or not. */
  #written: JournalPosition;
  #isUnsynced = true;
  #areNamesUnsynced = true;
  /** One at a time: what opens, writes, syncs or removes files. */
  #last: Promise<unknown> = Promise.resolve();
  #running: Promise<void> | undefined;
  #cancelGathering: Cancel | undefined;
  #isClosing = false;
  #purgeTo: LogIndex = 0;
  #wakeRetry: () => void = () => undefined;
  #lastIndex: LogIndex;

  constructor(
    private readonly options: SegmentLogOptions,
    recovered: Pick<RecoveredSegments, 'segments' | 'position'>,
    lastIndex: LogIndex,
  ) {
    this.#segments = recovered.segments;
    this.#written = recovered.position;
    this.#lastIndex = lastIndex;
  }

  /** Takes a write that became durable. */
  push(write: DurableWrite): void {
    if (write.installSnapshot !== undefined) {
      this.#tail.clear();
      this.#lastIndex = write.installSnapshot.index;
    }
    if (write.truncateAfter !== undefined) {
      for (let index = this.#lastIndex; index > write.truncateAfter; index--) this.#tail.delete(index);
      this.#lastIndex = Math.min(this.#lastIndex, write.truncateAfter);
    }
    for (const entry of write.entries) this.#tail.set(entry.index, entry);
    this.#lastIndex = write.entries.at(-1)?.index ?? this.#lastIndex;
    if (write.installSnapshot === undefined && write.truncateAfter === undefined && write.entries.length === 0) return;
    this.#queue.push(write);
    if (this.#running !== undefined || this.#isClosing) return;
    this.#cancelGathering ??= this.options.clock.schedule(this.options.limits.gatherMs, () => this.#run());
  }

  /**
   * Writes and syncs everything that was pushed. Resolves with the position up to which the journal is not needed, or
   * undefined where the disk stayed full until `close`.
   */
  async checkpoint(): Promise<JournalPosition | undefined> {
    while (this.#queue.length > 0 || this.#running !== undefined) {
      if (this.#running === undefined) this.#run();
      await this.#running;
      if (this.#isClosing && this.#queue.length > 0) return undefined;
    }
    return this.#exclusively(async () => {
      const written = this.#written;
      await this.#sync();
      return written;
    });
  }

  /** Begins the log of a directory that is taken over, or whose first entries are elsewhere; what there was is void. */
  async beginAt(baseIndex: LogIndex, baseTerm: Term, journalPosition: JournalPosition): Promise<void> {
    await this.#exclusively(() => this.#begin(baseIndex, baseTerm, journalPosition, true));
    this.#written = journalPosition;
    this.#lastIndex = Math.max(this.#lastIndex, baseIndex);
  }

  /** Entries from `firstIndex` to `lastIndex`, at most `bytesMax` but at least one; those that are gone are missing. */
  async read(firstIndex: LogIndex, lastIndex: LogIndex, bytesMax: number): Promise<readonly Entry[]> {
    const entries: Entry[] = [];
    let bytes = 0;
    const take = (entry: Entry): boolean => {
      bytes += entry.sizeBytes;
      if (entry.index > lastIndex || (entries.length > 0 && bytes > bytesMax)) return false;
      entries.push(entry);
      return true;
    };
    for (let index = firstIndex; index <= Math.min(lastIndex, this.#lastIndex); index = firstIndex + entries.length) {
      const waiting = this.#tail.get(index);
      if (waiting !== undefined) {
        if (!take(waiting)) break;
        continue;
      }
      const stored = await this.#readSegment(index);
      if (stored === undefined || stored.length === 0) break;
      // What waits has been cut and written anew since.
      const newerAt = stored.findIndex((entry) => this.#tail.has(entry.index));
      if (!(newerAt < 0 ? stored : stored.slice(0, newerAt)).every(take)) break;
    }
    return entries;
  }

  /**
   * Removes segments whose entries are all at or before `index`, the oldest first, never the last one; now, or once the segments
   * have caught up: what they hold may be cut by a write that waits.
   */
  async purge(index: LogIndex): Promise<void> {
    this.#purgeTo = Math.max(this.#purgeTo, index);
    if (this.#queue.length === 0 && this.#running === undefined) await this.#purge();
  }

  /** Files, for tests and metrics. */
  get segmentCount(): number {
    return this.#segments.length;
  }

  /** From now on a full disk is not waited for. */
  stopWaiting(): void {
    this.#isClosing = true;
    this.#wakeRetry();
  }

  async close(): Promise<void> {
    this.stopWaiting();
    this.#cancelGathering?.();
    await this.#running;
    await this.#exclusively(async () => {
      await this.#file?.close();
      this.#file = undefined;
    });
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  #run(): void {
    this.#cancelGathering?.();
    this.#cancelGathering = undefined;
    if (this.#running !== undefined) return;
    this.#running = this.#writeAll()
      .catch((error: unknown) => {
        this.#queue = [];
        this.options.onFailure(error instanceof Error ? error : new Error(String(error)));
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  async #writeAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const taken = this.#takeBatch();
      while (!(await this.#attempt(taken))) {
        if (this.#isClosing) {
          this.#queue.unshift(...taken);
          return;
        }
        await this.#untilRetry();
      }
      this.#forget(taken);
    }
    await this.#purge();
  }

  /** Writes that go into one batch: only the first of them may cut or replace the log. */
  #takeBatch(): readonly DurableWrite[] {
    let count = 0;
    let bytes = 0;
    for (const { entries, truncateAfter, installSnapshot } of this.#queue) {
      if (count > 0 && (truncateAfter !== undefined || installSnapshot !== undefined)) break;
      for (const { sizeBytes } of entries) bytes += sizeBytes;
      if (count > 0 && bytes > this.options.limits.batchBytesMax) break;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  /** False where the disk is full. */
  async #attempt(writes: readonly DurableWrite[]): Promise<boolean> {
    try {
      await this.#exclusively(() => this.#write(writes));
      return true;
    } catch (error) {
      if (isFull(error)) return false;
      throw error;
    }
  }

  async #write(writes: readonly DurableWrite[]): Promise<void> {
    const [first] = writes;
    if (first === undefined) return;
    const entries = writes.flatMap((write) => write.entries);
    const position = writes[writes.length - 1]?.position ?? first.position;
    const segment = await this.#segmentFor(first);
    if (entries.length > 0) {
      const encoded = entries.map(encodeEntry);
      const firstIndex = entries[0]?.index ?? 0;
      const head = SegmentBatch.encode({
        firstIndex,
        journalPosition: position,
        entryBytes: encoded.map(({ length }) => length),
      }).finish();
      const frame = encodeFrame(head, encoded);
      await this.#file?.write(segment.sizeBytes, frame);
      segment.lastIndex = firstIndex + entries.length - 1;
      segment.batches.push({ firstIndex, lastIndex: segment.lastIndex, offset: segment.sizeBytes });
      segment.sizeBytes += sizeOf(frame);
    }
    this.#written = position;
    this.#isUnsynced = true;
  }

  /** The segment that these entries belong to, open for writing. */
  async #segmentFor(write: DurableWrite): Promise<Segment> {
    const { installSnapshot, truncateAfter, truncateTerm, position } = write;
    const last = this.#segments.at(-1);
    // The segment's beginning is all that there is of a write without entries; of another one only the batch ends it.
    const before = (write.entries.length > 0 ? position - 1 : position) as JournalPosition;
    if (installSnapshot !== undefined) {
      await this.options.keepInstalled(write);
      return this.#begin(installSnapshot.index, installSnapshot.term, before, true);
    }
    if (last === undefined) return this.#begin(0, 0, this.#written, false);
    if (truncateAfter !== undefined && truncateAfter < last.lastIndex) {
      return this.#begin(truncateAfter, truncateTerm ?? 0, before, false);
    }
    const { segmentBytesMax, segmentEntriesMax } = this.options.limits;
    const isFullSegment = last.sizeBytes >= segmentBytesMax || last.lastIndex - last.baseIndex >= segmentEntriesMax;
    if (isFullSegment) return this.#begin(last.lastIndex, await this.#lastTerm(last), this.#written, false);
    this.#file ??= await this.options.disk.open(last.path, 'write');
    return last;
  }

  /** Everything before is synced first: of a file that is not the last one, every byte is there. */
  async #begin(baseIndex: LogIndex, baseTerm: Term, journalPosition: JournalPosition, installed: boolean): Promise<Segment> {
    const { disk, directory } = this.options;
    await this.#sync();
    await this.#file?.close();
    this.#file = undefined;
    const sequence = (this.#segments.at(-1)?.sequence ?? 0) + 1;
    const path = segmentPath(directory, sequence);
    const head = SegmentHeader.encode({ baseIndex, baseTerm, installed, journalPosition }).finish();
    const chunks = [encodePreamble(SEGMENT_FILE), ...encodeFrame(head, [])];
    // What an attempt on a full disk left.
    if (await disk.exists(path)) await disk.unlink(path);
    const file = await disk.open(path, 'create');
    try {
      await file.write(0, chunks);
    } catch (error) {
      await file.close();
      throw error;
    }
    const segment = { sequence, path, baseIndex, baseTerm, batches: [], sizeBytes: sizeOf(chunks), lastIndex: baseIndex };
    this.#file = file;
    this.#isUnsynced = true;
    this.#areNamesUnsynced = true;
    const replaced = installed ? this.#segments.splice(0) : [];
    this.#segments.push(segment);
    await this.#remove(replaced);
    return segment;
  }

  /** Of a snapshot's predecessors. Their successor is durable before they go. */
  async #remove(replaced: readonly Segment[]): Promise<void> {
    if (replaced.length === 0) return;
    await this.#sync();
    for (const { path } of replaced) await this.options.disk.unlink(path);
    this.#areNamesUnsynced = true;
  }

  async #sync(): Promise<void> {
    const last = this.#segments.at(-1);
    if (this.#isUnsynced && last !== undefined) {
      this.#isUnsynced = false;
      this.#file ??= await this.options.disk.open(last.path, 'write');
      await this.#file.datasync();
    }
    if (this.#areNamesUnsynced) {
      this.#areNamesUnsynced = false;
      await this.options.disk.syncDirectory(this.options.directory);
    }
  }

  #forget(writes: readonly DurableWrite[]): void {
    for (const { entries } of writes) {
      // Another entry may have come to stand at the index meanwhile.
      for (const entry of entries) if (this.#tail.get(entry.index) === entry) this.#tail.delete(entry.index);
    }
  }

  /** What stays is durable before anything goes: it may be all that tells how far the journal was released. */
  async #purge(): Promise<void> {
    await this.#exclusively(async () => {
      if ((this.#segments[1]?.baseIndex ?? Infinity) <= this.#purgeTo) await this.#sync();
      for (let next = this.#segments[1]; next !== undefined && next.baseIndex <= this.#purgeTo; next = this.#segments[1]) {
        const oldest = this.#segments.shift();
        if (oldest !== undefined) await this.options.disk.unlink(oldest.path);
        this.#areNamesUnsynced = true;
      }
    });
  }

  async #untilRetry(): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.options.clock.schedule(RETRY_MS, resolve);
      this.#wakeRetry = () => {
        cancel();
        resolve();
      };
    });
  }

  async #lastTerm(segment: Segment): Promise<Term> {
    if (segment.lastIndex === segment.baseIndex) return segment.baseTerm;
    const stored = await this.#readBatch(segment, segment.lastIndex);
    return stored?.at(-1)?.term ?? segment.baseTerm;
  }

  /** Entries from `index` to the end of its batch; undefined if they are purged. */
  async #readSegment(index: LogIndex): Promise<readonly Entry[] | undefined> {
    const segment = this.#segments.findLast(({ baseIndex }) => baseIndex < index);
    if (segment === undefined || index > segment.lastIndex) return undefined;
    try {
      const stored = await this.#readBatch(segment, index);
      // Later segments, also those that were begun meanwhile, may have cut what this one holds.
      const later = this.#segments.filter(({ sequence }) => sequence > segment.sequence);
      const validTo = Math.min(this.#lastIndex, ...later.map(({ baseIndex }) => baseIndex));
      return stored?.filter((entry) => entry.index <= validTo);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  async #readBatch(segment: Segment, index: LogIndex): Promise<readonly Entry[] | undefined> {
    const batch = batchWith(segment, index);
    if (batch === undefined) return undefined;
    const file = await this.options.disk.open(segment.path, 'read');
    try {
      const frame = await new FrameReader(file, segment.sizeBytes).readAt(batch.offset);
      if (frame === undefined) throw segmentDamage(segment.path, batch.offset, 'a batch cannot be read any more');
      const { entryBytes } = decode(SegmentBatch, frame.head, 'the head of a batch');
      return splitPayload(frame.payload, entryBytes)
        .map(decodeEntry)
        .slice(index - batch.firstIndex);
    } finally {
      await file.close();
    }
  }
}

function batchWith({ batches }: Segment, index: LogIndex): Segment['batches'][number] | undefined {
  let [from, to] = [0, batches.length - 1];
  while (from <= to) {
    const middle = (from + to) >> 1;
    const batch = batches[middle];
    if (batch === undefined) return undefined;
    if (index < batch.firstIndex) to = middle - 1;
    else if (index > batch.lastIndex) from = middle + 1;
    else return batch;
  }
  return undefined;
}
