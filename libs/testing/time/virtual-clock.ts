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
  private turnTasks: (() => void)[] = [];

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

  nextTurn(task: () => void): void {
    this.turnTasks.push(task);
  }

  /** One turn of the event loop, which takes no time: runs what was put off to it. False where nothing was. */
  turn(): boolean {
    const tasks = this.turnTasks;
    this.turnTasks = [];
    for (const task of tasks) task();
    return tasks.length > 0;
  }

  /** How long until the next timer or turn; undefined where there is none. */
  get nextTimerInMs(): number | undefined {
    const [first] = this.timers;
    if (this.turnTasks.length > 0) return 0;
    return first === undefined ? undefined : first.atMs - this.nowMs;
  }

  /** Moves time on and runs what is due, also what that schedules within the span; before each timer, all turns. */
  advance(spanMs: number): void {
    const untilMs = this.nowMs + spanMs;
    this.allTurns();
    for (let timer = this.timers[0]; timer !== undefined && timer.atMs <= untilMs; timer = this.timers[0]) {
      this.timers.shift();
      this.nowMs = timer.atMs;
      timer.task();
      this.allTurns();
    }
    this.nowMs = untilMs;
  }

  private allTurns(): void {
    for (let more = true; more;) more = this.turn();
  }

  /** Sets the wall clock forwards or back, as an administrator or NTP does; timers do not notice. */
  stepWall(byMs: number): void {
    this.wallStartMs += byMs;
  }
}
