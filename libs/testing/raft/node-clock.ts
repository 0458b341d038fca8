import type { Time } from '@streamline/core/raft/types';
import type { EventQueue } from './event-queue';

/** The wall clock of virtual time 0, ms since 1970. */
const WALL_START_MS = 1_700_000_000_000;

/** A machine's clocks: they run faster or slower than virtual time, and the wall clock can be set. */
export class NodeClock {
  #fromMs = 0;
  #localFromMs: number;
  #rate = 1;
  #wallOffsetMs = 0;

  constructor(
    private readonly events: EventQueue,
    startMs: number,
  ) {
    this.#localFromMs = startMs;
  }

  get time(): Time {
    return { monotonicMs: this.monotonicMs, wallMs: Math.floor(WALL_START_MS + this.events.nowMs + this.#wallOffsetMs) };
  }

  get monotonicMs(): number {
    return this.#shownAt(this.events.nowMs);
  }

  /** Virtual time when the monotonic clock will show `monotonicMs` or, by a rounding error, more; if the rate stays. */
  virtualAt(monotonicMs: number): number {
    let atMs = this.#fromMs + (monotonicMs - this.#localFromMs) / this.#rate;
    // Less would be a timer that is set anew for the same time, for ever.
    for (let stepMs = Math.max(atMs, 1) * Number.EPSILON; this.#shownAt(atMs) < monotonicMs; stepMs *= 2) atMs += stepMs;
    return atMs;
  }

  /** Seconds of this clock in a second of virtual time. Timers that are armed keep their virtual time. */
  setRate(rate: number): void {
    this.#localFromMs = this.monotonicMs;
    this.#fromMs = this.events.nowMs;
    this.#rate = rate;
  }

  /** As an administrator or NTP sets it. */
  stepWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  #shownAt(virtualMs: number): number {
    return this.#localFromMs + (virtualMs - this.#fromMs) * this.#rate;
  }
}
