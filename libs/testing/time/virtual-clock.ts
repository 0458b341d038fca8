import type { TimestampMs } from '@streamline/core/types/ids';
import type { Cancel, Clock } from '@streamline/runtime/ports/clock';

interface Timer {
  readonly atMs: number;
  readonly task: () => void;
}

/** Time that stands still until a test moves it. Timers run in the order of their times, equal ones as they were made. */
export class VirtualClock implements Clock {
  private nowMs = 0;
  private timers: Timer[] = [];

  constructor(private wallStartMs = 1_700_000_000_000) {}

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): TimestampMs {
    return Math.floor(this.wallStartMs + this.nowMs) as TimestampMs;
  }

  schedule(delayMs: number, task: () => void): Cancel {
    const timer = { atMs: this.nowMs + Math.max(delayMs, 0), task };
    const after = this.timers.findIndex((other) => other.atMs > timer.atMs);
    this.timers.splice(after < 0 ? this.timers.length : after, 0, timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  /** How long until the next timer; undefined where there is none. */
  get nextTimerInMs(): number | undefined {
    const [first] = this.timers;
    return first === undefined ? undefined : first.atMs - this.nowMs;
  }

  /** Moves time on and runs what is due, also what that schedules within the span. */
  advance(spanMs: number): void {
    const untilMs = this.nowMs + spanMs;
    for (let timer = this.timers[0]; timer !== undefined && timer.atMs <= untilMs; timer = this.timers[0]) {
      this.timers.shift();
      this.nowMs = timer.atMs;
      timer.task();
    }
    this.nowMs = untilMs;
  }

  /** Sets the wall clock forwards or back, as an administrator or NTP does; timers do not notice. */
  stepWall(byMs: number): void {
    this.wallStartMs += byMs;
  }
}
