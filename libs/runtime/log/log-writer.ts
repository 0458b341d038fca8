import type { LogState } from '@streamline/core/log/log-state';
import type { Segment } from '@streamline/core/log/segment';
import type { EngineContext } from './engine-context';
import type { LogFiles } from './log-files';
import { errnoOf } from './log-error';
import type { TailEntry, TailQueue } from './tail-queue';

/** Most bytes and most chunks in one write. */
const MAX_RUN_BYTES = 4 << 20;
const MAX_RUN_CHUNKS = 1000;
const MAX_REBUILDS = 3;
/** Times that a sync begins anew because a file was given up meanwhile. */
const MAX_ROUNDS = 5;

interface Run {
  /** `writtenEnd` when the run was chosen. */
  readonly from: number;
  readonly segment: Segment;
  readonly generation: number;
  readonly positionBytes: number;
  readonly endOffset: number;
  readonly bytes: number;
  readonly chunks: Buffer[];
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
      if (!this.hasWritable()) return;
    }
  }

  private hasWritable(): boolean {
    const next = this.host.tail.at(this.host.tail.indexOf(this.writtenEnd));
    return next !== undefined && this.mayWrite(next, this.context.durablePosition);
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
    for (;;) {
      const run = this.nextRun();
      if (run === undefined) return;
      await this.context.writes.run(() => this.writeRun(run));
    }
  }

  private async writeRun(run: Run): Promise<void> {
    try {
      await this.host.files.write(run.segment, run.positionBytes, run.chunks);
    } catch (error) {
      if (errnoOf(error) === 'ENOSPC') this.context.space.noteFull();
      else if (run.segment.generation === run.generation) await this.rebuild(run.segment, error);
      throw error;
    }
    // A truncation took the batches away, or a failed sync asks for earlier ones again (S-9).
    if (run.segment.generation !== run.generation || this.writtenEnd !== run.from) return;
    run.segment.written = { bytes: run.positionBytes + run.bytes, endOffset: run.endOffset };
    this.writtenEnd = run.endOffset;
    this.context.addUnwritten(-run.bytes);
    this.host.written();
  }

  /** The next stretch of batches that lie one after the other in one segment. */
  private nextRun(): Run | undefined {
    const { tail } = this.host;
    const durable = this.context.durablePosition;
    const from = tail.indexOf(this.writtenEnd);
    const first = tail.at(from);
    if (first === undefined || !this.mayWrite(first, durable)) return undefined;
    const chunks: Buffer[] = [];
    let bytes = 0;
    let last = first;
    for (let at = from; ; at += 1) {
      const entry = tail.at(at);
      if (entry === undefined || entry.segment !== first.segment || !this.mayWrite(entry, durable)) break;
      if (bytes > 0 && (bytes + entry.bytes.length > MAX_RUN_BYTES || chunks.length >= MAX_RUN_CHUNKS)) break;
      pushMerged(chunks, entry.bytes);
      bytes += entry.bytes.length;
      last = entry;
    }
    const { segment, positionBytes } = first;
    return {
      from: this.writtenEnd,
      segment,
      generation: segment.generation,
      positionBytes,
      endOffset: last.endOffset,
      bytes,
      chunks,
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
        await this.host.files.sync(segment);
      } catch (error) {
        await this.syncFailed(segment, error);
        throw error;
      }
    }
    await this.host.files.syncNames();
    this.rebuilds = 0;
    this.host.synced();
  }

  private async syncFailed(segment: Segment, error: unknown): Promise<void> {
    if (errnoOf(error) === 'ENOSPC') this.context.space.noteFull();
    await this.rebuild(segment, error);
  }

  /**
   * S-9: after a failed write or sync nothing is known of the file past its synced end. A new file takes the unsynced range from
   * memory; where memory does not hold it, or that fails time and again, the replica is given up. So is a page-cache partition at once:
   * its batches are in no journal, and between the two files a kill would lose what was acknowledged.
   */
  async rebuild(segment: Segment, error: unknown): Promise<void> {
    const { state, tail, files } = this.host;
    if (!state.segments.includes(segment)) return;
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
export function pushMerged(chunks: Buffer[], chunk: Buffer): void {
  const last = chunks[chunks.length - 1];
  if (last !== undefined && last.buffer === chunk.buffer && last.byteOffset + last.length === chunk.byteOffset) {
    chunks[chunks.length - 1] = Buffer.from(last.buffer as ArrayBuffer, last.byteOffset, last.length + chunk.length);
  } else {
    chunks.push(chunk);
  }
}
