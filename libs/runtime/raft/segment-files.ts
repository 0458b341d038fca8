import { join } from 'node:path';
import type { LogIndex, Term } from '@streamline/core/raft/types';
import type { Disk } from '@streamline/runtime/ports/disk';
import type { JournalPosition } from '@streamline/runtime/ports/journal';
import { splitPayload } from '@streamline/wire/contracts/bulk-frame';
import { SegmentBatch, SegmentHeader } from '@streamline/wire/contracts/generated/streamline/raft/v1/log';
import { decode, decodeEntry } from './entry-codec';
import type { FileKind, Frame } from './file-frames';
import { FrameReader } from './file-frames';
import { LogGapError, type LogReplay } from './log-replay';
import { RaftStorageError } from './raft-storage';

export const SEGMENT_FILE: FileKind = { magic: 'SLRL', formatVersion: 1 };
const NAME = /^(\d{10})\.segment$/;

/** One frame of a segment: entries next to each other. */
export interface PlacedBatch {
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly offset: number;
}

/** A file of entries that follow each other, the first right after its base. */
export interface Segment {
  /** Grows by one from file to file. */
  readonly sequence: number;
  readonly path: string;
  readonly baseIndex: LogIndex;
  readonly baseTerm: Term;
  readonly batches: PlacedBatch[];
  sizeBytes: number;
  lastIndex: LogIndex;
}

export interface RecoveredSegments {
  /** Oldest first. */
  readonly segments: Segment[];
  /** Of the journal: the segments hold everything up to it. */
  readonly position: JournalPosition;
  /** Files that a later one made void, and one whose beginning was never written. */
  readonly voidPaths: readonly string[];
  /** The last file goes on here; what follows was never synced. */
  readonly isTorn: boolean;
}

export function segmentPath(directory: string, sequence: number): string {
  return join(directory, `${String(sequence).padStart(10, '0')}.segment`);
}

export function segmentDamage(path: string, offset: number, problem: string): RaftStorageError {
  return new RaftStorageError(
    `The log segment ${path} is damaged at offset ${offset}: ${problem}. Nothing was changed. ` +
      "Restore the controller's directory as a whole from a copy, or, where other members hold the log, remove this node and let it join again with an empty directory.",
  );
}

/** Reads all segments into `replay`; changes nothing. Fails with RaftStorageError or RaftFormatError. */
export async function recoverSegments(disk: Disk, directory: string, replay: LogReplay): Promise<RecoveredSegments> {
  const names = (await disk.exists(directory)) ? await disk.list(directory) : [];
  const sequences = names.flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number);
  sequences.sort((a, b) => a - b);
  const recovery = new SegmentRecovery(disk, replay);
  for (const [at, sequence] of sequences.entries()) {
    const isLast = at === sequences.length - 1;
    await recovery.read(segmentPath(directory, sequence), sequence, isLast);
  }
  return recovery;
}

class SegmentRecovery implements RecoveredSegments {
  readonly segments: Segment[] = [];
  readonly voidPaths: string[] = [];
  position = 0 as JournalPosition;
  isTorn = false;

  constructor(
    private readonly disk: Disk,
    private readonly replay: LogReplay,
  ) {}

  async read(path: string, sequence: number, isLast: boolean): Promise<void> {
    const file = await this.disk.open(path, 'read');
    try {
      const reader = new FrameReader(file, await file.size());
      const header = (await reader.readPreamble(SEGMENT_FILE)) ? await reader.next() : undefined;
      if (header === undefined) {
        if (!isLast) throw segmentDamage(path, 0, 'it has no valid beginning');
        this.voidPaths.push(path);
        return;
      }
      const segment = this.#begin(path, sequence, header);
      for (let frame = await reader.next(); frame !== undefined; frame = await reader.next()) this.#take(segment, frame);
      segment.sizeBytes = reader.offset;
      if (reader.isAtEnd) return;
      if (!isLast) throw segmentDamage(path, reader.offset, 'there is no valid batch, and later segments follow');
      this.isTorn = true;
    } catch (error) {
      if (error instanceof LogGapError) throw segmentDamage(path, 0, error.message);
      throw error;
    } finally {
      await file.close();
    }
  }

  #begin(path: string, sequence: number, frame: Frame): Segment {
    const header = decode(SegmentHeader, frame.head, 'the head of a segment');
    const { baseIndex, baseTerm, installed } = header;
    const previous = this.segments.at(-1);
    // A gap, or leftovers that are cut whole, are what a power loss leaves of a purge, which needs no order; whether the log
    // reaches back far enough is checked later.
    const isFirst = installed || previous?.sequence !== sequence - 1 || baseIndex < this.replay.baseIndex;
    if (isFirst) {
      this.voidPaths.push(...this.segments.splice(0).map((segment) => segment.path));
      this.replay.begin(baseIndex, baseTerm);
    } else {
      if (this.replay.termAt(baseIndex) !== baseTerm) {
        throw segmentDamage(path, 0, `it continues entry ${baseIndex} of term ${baseTerm}, which is not in the log before it`);
      }
      this.replay.truncate(baseIndex);
    }
    this.position = Math.max(this.position, header.journalPosition) as JournalPosition;
    const segment = { sequence, path, baseIndex, baseTerm, batches: [], sizeBytes: 0, lastIndex: baseIndex };
    this.segments.push(segment);
    return segment;
  }

  #take(segment: Segment, frame: Frame): void {
    const { firstIndex, journalPosition, entryBytes } = decode(SegmentBatch, frame.head, 'the head of a batch');
    const entries = splitPayload(frame.payload, entryBytes).map(decodeEntry);
    this.replay.append(entries);
    segment.lastIndex = this.replay.lastIndex;
    segment.batches.push({ firstIndex, lastIndex: segment.lastIndex, offset: frame.offset });
    this.position = journalPosition as JournalPosition;
  }
}
