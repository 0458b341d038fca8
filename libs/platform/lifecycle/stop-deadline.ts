/** Until when one part of a node may take to stop. `Lifecycle` alone sets it; whoever stops in steps divides what is left. */
export class StopDeadline {
  /** Aborts when the time is over: what then still runs is abandoned. Holds no process. */
  readonly signal: AbortSignal;
  readonly #atMs: number;

  constructor(inMs: number) {
    this.#atMs = performance.now() + inMs;
    this.signal = AbortSignal.timeout(Math.ceil(inMs));
  }

  /** 0 when it is over. */
  get remainingMs(): number {
    return Math.max(0, this.#atMs - performance.now());
  }
}
