/** Bounds and intervals of the groups' host. */
export interface GroupHostLimits {
  /** offsets.commit.timeout.ms: an answer that waits longer for its records is an error. */
  readonly commitTimeoutMs: number;
  /** A stop waits at most this long for what is on its way to the log. */
  readonly stopDrainMs: number;
  /** offsets.retention.check.interval.ms */
  readonly expirationCheckIntervalMs: number;
  /** Calls of one shard that may wait for their records at a time. */
  readonly maxWaiting: number;
  /** A batch is closed when its records take this many bytes; a single larger record gets a batch of its own. */
  readonly maxBatchBytes: number;
  /** Bytes replayed in one turn of the event loop while loading: about 4 ms. */
  readonly loadChunkBytes: number;
  /** Shards that load at the same time. */
  readonly maxConcurrentLoads: number;
  /** The first retry of a load that failed to read; doubles with each. */
  readonly loadRetryMs: number;
  readonly loadRetryMaxMs: number;
  /** How often the sizes of the logs are looked at. */
  readonly rewriteCheckIntervalMs: number;
  /** A log is rewritten when it is larger than this (over all 50 partitions 50 MiB, which load in about 0.5 s) ... */
  readonly rewriteMinBytes: number;
  /** ... and this many times what lives in it. */
  readonly rewriteRatio: number;
  /** Bytes that a rewrite appends in one turn of the event loop. */
  readonly rewriteStepBytes: number;
  /** Groups that the expiration looks at in one turn of the event loop. */
  readonly expirationStepGroups: number;
}

export const DEFAULT_GROUP_HOST_LIMITS: GroupHostLimits = {
  commitTimeoutMs: 5_000,
  stopDrainMs: 1_000,
  expirationCheckIntervalMs: 600_000,
  maxWaiting: 10_000,
  maxBatchBytes: 1_048_576,
  loadChunkBytes: 262_144,
  maxConcurrentLoads: 4,
  loadRetryMs: 100,
  loadRetryMaxMs: 5_000,
  rewriteCheckIntervalMs: 1_000,
  rewriteMinBytes: 1_048_576,
  rewriteRatio: 2,
  rewriteStepBytes: 262_144,
  expirationStepGroups: 500,
};
