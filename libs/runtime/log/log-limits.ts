/** Bounds of one log engine; sizes in bytes, times in ms. */
export interface LogLimits {
  /** Memory for the newest batches of all partitions. */
  readonly tailCacheBytes: number;
  /** Pieces that this memory is taken in; a batch that is larger gets one of its own. */
  readonly slabBytes: number;
  /** A partition's durable bytes that are worth a write of their own. */
  readonly writeRunBytes: number;
  /** Unwritten bytes of all partitions at which everything is written. */
  readonly unwrittenBytes: number;
  readonly maxOpenFiles: number;
  /** Segments that are opened or made for a write at a time. */
  readonly parallelOpens: number;
  /** Segment syncs at a time; the thread pool has four threads. */
  readonly parallelSyncs: number;
  /**
   * Unsynced bytes of a journaled partition that are worth a sync between checkpoints: what goes to a disk at once holds up everything else
   * that is written there, journals above all (docs/adr/0014).
   */
  readonly syncStepBytes: number;
  /** Syncs of a quarter of that and more at a time, those of checkpoints too. */
  readonly parallelLargeSyncs: number;
  /** Reads from segment files at a time that may wait for the disk (J-8). */
  readonly parallelReads: number;
  readonly checkpointStepBytes: number;
  readonly checkpointIntervalMs: number;
  /** So many partitions are synced before the catalogue hears of them: a kill during a checkpoint leaves that much less to replay. */
  readonly publishedTogether: number;
  /** A stop does not sync journaled partitions with fewer unsynced bytes: to replay them takes less time. */
  readonly stopSyncBytes: number;
  /** How long a stop syncs the others. */
  readonly stopSyncMs: number;
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
  slabBytes: 1 << 20,
  writeRunBytes: 1 << 20,
  unwrittenBytes: 32 << 20,
  maxOpenFiles: 2000,
  parallelOpens: 64,
  parallelSyncs: 4,
  syncStepBytes: 4 << 20,
  parallelLargeSyncs: 2,
  parallelReads: 2,
  checkpointStepBytes: 64 << 20,
  checkpointIntervalMs: 5000,
  publishedTogether: 1000,
  stopSyncBytes: 256 << 10,
  stopSyncMs: 500,
  spaceMarginBytes: 256 << 20,
  pageCacheUnsyncedBytes: 256 << 20,
  indexCacheBytes: 32 << 20,
  decompressedBatchBytes: 64 << 20,
};
