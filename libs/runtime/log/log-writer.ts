import type { LogState } from '@streamline/core/log/log-state';
import type { Segment } from '@streamline/core/log/segment';
import type { EngineContext } from './engine-context';
import type { LogFiles } from './log-files';
import { errnoOf } from './log-error';
import type { Slab } from './tail-memory';
import type { TailEntry, TailQueue } from './tail-queue';

/** Most chunks in one write. */
const MAX_RUN_CHUNKS = 1000;
const MAX_REBUILDS = 3;
/** Syncs of this share of a step wait for each other; smaller ones do not. */
const LARGE_SYNC_SHARE = 1 / 4;
/** Times that a sync begins anew because a file was given up meanwhile. */
const MAX_ROUNDS = 5;

interface Run {
  /** `writtenEnd` when the run was chosen. */
  readonly from: number;
  readonly segment: Segment;
  readonly generation: number;
  /** Of the first batch, from the segment's first one on. */
  readonly position: number;
  readonly endOffset: number;
  readonly bytes: number;
  readonly chunks: Buffer[];
  /** Held until the write has ended: a truncation or deletion meanwhile drops the batches (LOG-17). */
  readonly slabs: readonly Slab[];
}

/** What the writer needs of its log. */
export interface WriterHost {
  readonly state: LogState;
  readonly files: LogFiles;
  readonly tail: TailQueue;
  /** `writtenEnd` moved. */
  written(): void;
  /** `syncedEnd` may have moved. */
  synced(): void;
  goOffline(reason: string): void;
}

/**
 * Moves one partition's batches from the tail into segment files, in order, one write at a time, many batches in each; and makes them
 * durable there. Only batches whose journal position is durable are written (S-1).
 */
export class LogWriter {
  /** Everything before it is written. */
  writtenEnd: number;
  private writing: Promise<void> | undefined;
  private syncing: Promise<void> | undefined;
  private rebuilds = 0;

  constructor(
    private readonly context: EngineContext,
    private readonly host: WriterHost,
  ) {
    this.writtenEnd = host.state.endOffset;
  }

  /** Writes what may be written in the background; failures are retried by the next checkpoint. */
  start(): void {
    if (this.writing === undefined) this.writeAll().catch(() => undefined);
  }

  /** Resolves when everything that may be written at the moment is. */
  async writeAll(): Promise<void> {
    for (;;) {
      this.writing ??= this.writeRuns().finally(() => (this.writing = undefined));
      await this.writing;
      if (this.nextWritable() === undefined) return;
    }
  }

  private nextWritable(): TailEntry | undefined {
    const next = this.host.tail.at(this.host.tail.indexOf(this.writtenEnd));
    return next !== undefined && this.mayWrite(next, this.context.durablePosition) ? next : undefined;
  }

  /** Resolves when no write is under way. */
  async idle(): Promise<void> {
    while (this.writing !== undefined || this.syncing !== undefined) {
      await this.writing?.catch(() => undefined);
      await this.syncing?.catch(() => undefined);
    }
  }

  /**
   * Writes and then syncs everything that is durable in the journal now; for page-cache partitions, everything appended.
   * @throws where that could not be done: then nothing is known of how far it got
   */
  async syncAll(): Promise<void> {
    const goal = this.writableEnd();
    for (let round = 1; ; round += 1) {
      await this.writeAll();
      while (this.syncing !== undefined) await this.syncing;
      this.syncing = this.syncSegments().finally(() => (this.syncing = undefined));
      await this.syncing;
      const { state } = this.host;
      // Another sync may have failed meanwhile and put batches into a new file, which is not written yet (S-9).
      if (state.syncedEndOffset >= Math.min(goal, state.endOffset) || state.offlineReason !== undefined) return;
      if (round === MAX_ROUNDS)
        throw new Error(`${this.host.files.directory}: synced to ${state.syncedEndOffset}, not to ${goal}`);
    }
  }

  /** The end of what may be written now. */
  private writableEnd(): number {
    const { tail } = this.host;
    const durable = this.context.durablePosition;
    let end = this.writtenEnd;
    for (let at = tail.indexOf(end); ; at += 1) {
      const entry = tail.at(at);
      if (entry === undefined || !this.mayWrite(entry, durable)) return end;
      end = entry.endOffset;
    }
  }

  /** Truncation: nothing from `offset` on is written any more. */
  cutTo(offset: number): void {
    this.writtenEnd = Math.min(this.writtenEnd, offset);
  }

  private async writeRuns(): Promise<void> {
    for (let next = this.nextWritable(); next !== undefined; next = this.nextWritable()) {
      await this.writeRun(next.segment);
      if (this.unsyncedBytes(next.segment) >= this.context.limits.syncStepBytes) this.startSync();
    }
  }

  /** Of what a checkpoint will sync, in a partition whose acknowledgements do not wait for it. */
  private unsyncedBytes({ written, synced }: Segment): number {
    return this.host.state.durability === 'fsync' ? written.bytes - synced.bytes : 0;
  }

  /** Leaves checkpoints little to sync at once; beside further writes, and only where the disk has nothing large to sync. Failures are theirs, too. */
  private startSync(): void {
    if (this.syncing !== undefined || !this.context.largeSyncs.isFree) return;
    this.syncing = this.syncSegments().finally(() => (this.syncing = undefined));
    this.syncing.catch(() => undefined);
  }

  /** Writes the next batches of a segment, as many as there are when their turn comes. */
  private async writeRun(segment: Segment): Promise<void> {
    let { generation } = segment;
    let run: Run | undefined;
    try {
      await this.host.files.write(segment, this.host.state.durability === 'page-cache', (bytesMax) => {
        run = this.nextRun(segment, bytesMax);
        generation = segment.generation;
        return run;
      });
    } catch (error) {
      if (errnoOf(error) === 'ENOSPC') this.context.space.noteFull();
      else if (segment.generation === generation) await this.rebuild(segment, error);
      throw error;
    } finally {
      for (const slab of run?.slabs ?? []) this.context.memory.release(slab);
    }
    if (run !== undefined) this.wrote(run);
  }

  private wrote(run: Run): void {
    // A truncation took the batches away, or a failed sync asks for earlier ones again (S-9).
    if (run.segment.generation !== run.generation || this.writtenEnd !== run.from) return;
    run.segment.written = { bytes: run.position + run.bytes, endOffset: run.endOffset };
    this.writtenEnd = run.endOffset;
    this.context.addUnwritten(-run.bytes);
    this.host.written();
  }

  /** The next stretch of batches, where they are of this segment; its memory is held. */
  private nextRun(segment: Segment, bytesMax: number): Run | undefined {
    const { tail } = this.host;
    const durable = this.context.durablePosition;
    const from = tail.indexOf(this.writtenEnd);
    const first = tail.at(from);
    if (first === undefined || first.segment !== segment || !this.mayWrite(first, durable)) return undefined;
    const chunks: Buffer[] = [];
    const slabs: Slab[] = [];
    let bytes = 0;
    let last = first;
    for (let at = from; ; at += 1) {
      const entry = tail.at(at);
      if (entry === undefined || entry.segment !== segment || !this.mayWrite(entry, durable)) break;
      if (bytes > 0 && (bytes + entry.bytes.length > bytesMax || chunks.length >= MAX_RUN_CHUNKS)) break;
      pushMerged(chunks, entry.bytes);
      if (slabs.at(-1) !== entry.slab) slabs.push(entry.slab);
      bytes += entry.bytes.length;
      last = entry;
    }
    for (const slab of slabs) this.context.memory.hold(slab);
    return {
      from: this.writtenEnd,
      segment,
      generation: segment.generation,
      position: first.positionBytes,
      endOffset: last.endOffset,
      bytes,
      chunks,
      slabs,
    };
  }

  /** S-1: a batch goes to its segment only once its group is durable. */
  mayWrite(entry: TailEntry, durable: number): boolean {
    return entry.journalPosition <= durable;
  }

  private async syncSegments(): Promise<void> {
    for (const segment of [...this.host.state.segments]) {
      const file = this.host.files.fileOf(segment);
      // A file that was cut has to be synced too: a scan would take what comes back after a power loss for batches of the log (P-1).
      if (!file.exists || (segment.written.bytes === segment.synced.bytes && !file.unsynced)) continue;
      if (!this.host.state.segments.includes(segment)) continue;
      try {
        await this.syncSegment(segment);
      } catch (error) {
        await this.syncFailed(segment, error);
        throw error;
      }
    }
    await this.host.files.syncNames();
    this.rebuilds = 0;
    this.host.synced();
  }

  private syncSegment(segment: Segment): Promise<void> {
    const { largeSyncs, limits } = this.context;
    const isLarge = this.unsyncedBytes(segment) >= limits.syncStepBytes * LARGE_SYNC_SHARE;
    return isLarge ? largeSyncs.run(() => this.host.files.sync(segment)) : this.host.files.sync(segment);
  }

  private async syncFailed(segment: Segment, error: unknown): Promise<void> {
    if (errnoOf(error) === 'ENOSPC') this.context.space.noteFull();
    await this.rebuild(segment, error);
  }

  /**
   * A file that was cut, and lacks nothing, could not be synced: what it may hold behind the cut means nothing, and nothing is put into it
   * any more. What is whole of it stands; where that is nothing another file takes its place.
   */
  private async abandonFile(segment: Segment): Promise<void> {
    const { state, files } = this.host;
    if (segment.appended.bytes > 0) {
      segment.closed = true;
      files.giveUpRest(segment);
      return;
    }
    const { given } = state.replaceUnsynced(segment, segment.baseOffset, this.context.clock.wallMs());
    if (given !== undefined) await files.remove(given).catch(() => undefined);
  }

  /**
   * S-9: after a failed write or sync nothing is known of the file past its synced end. A new file takes the unsynced range from
   * memory; where memory does not hold it, or that fails time and again, the replica is given up. So is a page-cache partition at once:
   * its batches are in no journal, and between the two files a kill would lose what was acknowledged.
   */
  async rebuild(segment: Segment, error: unknown): Promise<void> {
    const { state, tail, files } = this.host;
    if (!state.segments.includes(segment)) return;
    if (state.durability === 'fsync' && segment.appended.bytes === segment.synced.bytes) {
      return this.abandonFile(segment);
    }
    this.rebuilds += 1;
    const path = files.pathOf(segment, 'log');
    const from = tail.indexOf(segment.synced.endOffset);
    const first = tail.at(from);
    const complete = first !== undefined && first.segment === segment && first.positionBytes === segment.synced.bytes;
    const lacking = !complete && segment.written.bytes > segment.synced.bytes;
    if (lacking || state.durability === 'page-cache' || this.rebuilds > MAX_REBUILDS) {
      this.host.goOffline(`${path}: not durable from offset ${segment.synced.endOffset} on (${String(error)})`);
      return;
    }
    if (first === undefined || first.segment !== segment) return;
    const { fresh, given } = state.replaceUnsynced(segment, first.baseOffset, this.context.clock.wallMs());
    for (let at = from; ; at += 1) {
      const entry = tail.at(at);
      if (entry === undefined || entry.segment !== segment) break;
      entry.segment = fresh;
      entry.positionBytes = fresh.append(extentOf(entry), 0);
    }
    const unwritten = this.writtenEnd - fresh.baseOffset > 0 ? bytesBetween(tail, fresh.baseOffset, this.writtenEnd) : 0;
    this.context.addUnwritten(unwritten);
    this.writtenEnd = Math.min(this.writtenEnd, fresh.baseOffset);
    if (given !== undefined) await files.remove(given).catch(() => undefined);
    else files.giveUpRest(segment);
  }
}

function extentOf(entry: TailEntry): { baseOffset: number; lastOffset: number; sizeBytes: number; maxTimestamp: number } {
  return {
    baseOffset: entry.baseOffset,
    lastOffset: entry.endOffset - 1,
    sizeBytes: entry.bytes.length,
    maxTimestamp: entry.maxTimestamp,
  };
}

function bytesBetween(tail: TailQueue, from: number, to: number): number {
  let sum = 0;
  for (let at = tail.indexOf(from); ; at += 1) {
    const entry = tail.at(at);
    if (entry === undefined || entry.endOffset > to) return sum;
    sum += entry.bytes.length;
  }
}

/** Adds a chunk, joining it with the last one where both lie next to each other in one allocation. */
function pushMerged(chunks: Buffer[], chunk: Buffer): void {
  const last = chunks[chunks.length - 1];
  if (last !== undefined && last.buffer === chunk.buffer && last.byteOffset + last.length === chunk.byteOffset) {
    chunks[chunks.length - 1] = Buffer.from(last.buffer as ArrayBuffer, last.byteOffset, last.length + chunk.length);
  } else {
    chunks.push(chunk);
  }
}
