import type { TimestampMs } from '@streamline/core/types/ids';

/** Cancels what was scheduled; harmless when it already ran. */
export type Cancel = () => void;

/**
 * Time, as hosts see it. Timeouts run on the monotonic clock; only timestamps in records and files use the wall clock.
 * The simulator replaces this with virtual time.
 */
export interface Clock {
  /** Milliseconds (with fractions) on a clock that never jumps; its zero means nothing. */
  monotonicMs(): number;
  /** Milliseconds since 1970. */
  wallMs(): TimestampMs;
  /** Calls `task` once, `delayMs` from now or later. Never keeps the process alive by itself. */
  schedule(delayMs: number, task: () => void): Cancel;
  /** Calls `task` in the next turn of the event loop, after what has arrived by then was taken. */
  nextTurn(task: () => void): void;
}
