/** Bounds of one log engine; sizes in bytes, times in ms. */
export interface LogLimits {
  /** Memory for the newest batches of all partitions. */
  readonly tailCacheBytes: number;
  /** A partition's durable bytes that are worth a write of their own. */
  readonly writeRunBytes: number;
  /** Unwritten bytes of all partitions at which everything is written. */
  readonly unwrittenBytes: number;
  readonly maxOpenFiles: number;
  /** Segment writes and syncs at a time; the thread pool has four threads. */
  readonly parallelWrites: number;
  readonly parallelSyncs: number;
  /** Reads from segment files at a time that may wait for the disk (J-8). */
  readonly parallelReads: number;
  readonly checkpointStepBytes: number;
  readonly checkpointIntervalMs: number;
  /** Free space that appends leave alone (S-10). */
  readonly spaceMarginBytes: number;
  /** Unsynced bytes of a page-cache partition at which it is synced whatever its settings, so that a restart scans little (P-1). */
  readonly pageCacheUnsyncedBytes: number;
  /** Memory for indexes of older segments. */
  readonly indexCacheBytes: number;
  /** Largest that the records of one batch may be when decompressed to find a timestamp. */
  readonly decompressedBatchBytes: number;
}

export const DEFAULT_LOG_LIMITS: LogLimits = {
  tailCacheBytes: 96 << 20,
  writeRunBytes: 1 << 20,
  unwrittenBytes: 32 << 20,
  maxOpenFiles: 2000,
  parallelWrites: 2,
  parallelSyncs: 4,
  parallelReads: 2,
  checkpointStepBytes: 64 << 20,
  checkpointIntervalMs: 5000,
  spaceMarginBytes: 256 << 20,
  pageCacheUnsyncedBytes: 256 << 20,
  indexCacheBytes: 32 << 20,
  decompressedBatchBytes: 64 << 20,
};
