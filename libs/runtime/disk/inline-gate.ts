/** What one group took longer than this is more than a copy into the page cache: the platform holds the writer back. */
export const HELD_MS = 5;
/** After a group that took so long all go to the thread for a while; each time that the next trial is slow, too, for twice as long. */
export const BACK_OFF_MS_MIN = 1000;
export const BACK_OFF_MS_MAX = 32_000;

/**
 * Decides which groups of writes the event loop does itself in place of handing them to a thread (docs/adr/0013): small ones, as long as the
 * page cache takes them at the speed of memory. The loop is held by at most one group in each back-off. Times in milliseconds, on any
 * clock that never jumps.
 */
export class InlineGate {
  private backOffMs = BACK_OFF_MS_MIN;
  private closedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly bytesMax: number) {}

  allows(bytes: number, nowMs: number): boolean {
    return bytes <= this.bytesMax && nowMs >= this.closedUntilMs;
  }

  /** A group was written in the event loop. */
  ended(startedMs: number, nowMs: number): void {
    if (nowMs - startedMs < HELD_MS) {
      this.backOffMs = BACK_OFF_MS_MIN;
      return;
    }
    this.closedUntilMs = nowMs + this.backOffMs;
    this.backOffMs = Math.min(this.backOffMs * 2, BACK_OFF_MS_MAX);
  }
}
