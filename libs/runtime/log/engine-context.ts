import type { ControlRecord } from '@streamline/core/log/replay-plan';
import type { Clock } from '../ports/clock';
import type { Disk } from '../ports/disk';
import type { Journal, JournalPosition } from '../ports/journal';
import type { Random } from '../ports/random';
import type { DirectorySync } from './directory-sync';
import type { DiskPartitionLog } from './disk-partition-log';
import type { FileTable } from './file-table';
import type { IndexCache } from './index-cache';
import type { LogLimits } from './log-limits';
import type { SegmentWrites } from './segment-writes';
import type { Semaphore } from './semaphore';
import type { SpaceGuard } from './space-guard';
import type { TailCache } from './tail-cache';
import type { TailMemory } from './tail-memory';
import type { TailEntry } from './tail-queue';

/** What the partition logs of one engine share. */
export interface EngineContext {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly journal: Journal;
  /** The journal's durable position; during replay everything counts as durable. */
  readonly durablePosition: number;
  /** The engine's directory. */
  readonly root: string;
  readonly limits: LogLimits;
  readonly files: FileTable;
  readonly indexes: IndexCache;
  readonly cache: TailCache;
  readonly memory: TailMemory;
  readonly space: SpaceGuard;
  readonly partitionsDirectory: DirectorySync;
  readonly writes: SegmentWrites;
  /** Writes to segments that are not open. */
  readonly opens: Semaphore;
  readonly reads: Semaphore;
  /** Syncs of much that journaled partitions have written. */
  readonly largeSyncs: Semaphore;
  /** Set once: nothing is acknowledged any more (J-9), or the engine is closed. */
  readonly stopped: string | undefined;
  /** Puts a record other than a batch into the journal. */
  journalControl(control: ControlRecord): JournalPosition;
  /** Puts a batch into the journal; the entry's owner hears when it is durable. */
  journalBatch(entry: TailEntry, prefix: Buffer): void;
  /** Starts the partition's writer when its control records are durable (S-2, S-3). */
  writeWhenDurable(log: DiskPartitionLog): void;
  /** The partition's `stableEndOffset` moved. */
  stable(log: DiskPartitionLog): void;
  /** The partition differs from what the catalogue says of it. */
  dirty(log: DiskPartitionLog): void;
  /** Bytes that are appended but in no segment yet: grows and shrinks. */
  addUnwritten(bytes: number): void;
  /** The tail cache became smaller. */
  tellHeadroom(): void;
  /** Makes the partition's present state durable in the catalogue. */
  checkpointNow(log: DiskPartitionLog): Promise<void>;
}
