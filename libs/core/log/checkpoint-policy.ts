/** Bounds on how far checkpoints may fall behind (J-7). Times in ms on the monotonic clock. */
export interface CheckpointSettings {
  /** Journal bytes since the redo position that start a checkpoint. */
  readonly stepBytes: number;
  /** Longest time between checkpoints while there is something to checkpoint. */
  readonly intervalMs: number;
}

/** What the decision looks at. */
export interface CheckpointFacts {
  readonly journalBytesSinceRedo: number;
  /** Something changed since the last checkpoint. */
  readonly dirty: boolean;
  readonly sinceLastMs: number;
  readonly lastDurationMs: number;
  readonly consecutiveFailures: number;
  /** The journal asked for room. */
  readonly pressed: boolean;
}

/** A checkpoint by the clock takes at most this share of the time, so that many idle partitions do not keep the disk busy. */
const DUTY_DIVISOR = 4;

/** A checkpoint that could not give any room is not repeated at once. */
export const PRESSED_GAP_MS = 10;

const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 5000;

/** Whether to start a checkpoint now. */
export function checkpointDue(facts: CheckpointFacts, settings: CheckpointSettings): boolean {
  if (!facts.dirty) return false;
  if (facts.sinceLastMs < retryDelayMs(facts.consecutiveFailures)) return false;
  if (facts.journalBytesSinceRedo >= settings.stepBytes) return true;
  if (facts.pressed && facts.sinceLastMs >= PRESSED_GAP_MS) return true;
  return facts.sinceLastMs >= Math.max(settings.intervalMs, facts.lastDurationMs * DUTY_DIVISOR);
}

/** How long to wait after that many failures in a row: 100 ms, doubled up to 5 s; 0 after a success. */
export function retryDelayMs(consecutiveFailures: number): number {
  if (consecutiveFailures === 0) return 0;
  return Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(consecutiveFailures - 1, 10));
}
