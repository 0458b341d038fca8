import type { LogIndex } from '@streamline/core/raft/types';

/** Whoever waits until something is applied here, by request id. */
export class ReadWaiters {
  readonly #waiting = new Map<number, { readonly index: LogIndex; readonly ready: () => void }>();
  /** Nobody waits for less. */
  #lowestIndex: LogIndex = Infinity;

  get size(): number {
    return this.#waiting.size;
  }

  add(requestId: number, index: LogIndex, ready: () => void): void {
    this.#waiting.set(requestId, { index, ready });
    this.#lowestIndex = Math.min(this.#lowestIndex, index);
  }

  /** It waits no longer. */
  delete(requestId: number): void {
    this.#waiting.delete(requestId);
  }

  /** Everything up to `index` is applied. */
  reached(index: LogIndex): void {
    if (index < this.#lowestIndex) return;
    this.#lowestIndex = Infinity;
    for (const [requestId, waiter] of this.#waiting) {
      if (waiter.index > index) this.#lowestIndex = Math.min(this.#lowestIndex, waiter.index);
      else {
        this.#waiting.delete(requestId);
        waiter.ready();
      }
    }
  }
}
