/** A connection that stopped reading because the process holds enough. */
export interface BudgetWaiter {
  /** It holds a part of a frame, which only reading on can turn into a request. */
  readonly holdsUnfinishedFrame: boolean;
  /** Read again. `exempt`: until the frame under way is complete, however full the budget is. */
  resumeReading(exempt: boolean): void;
}

/**
 * The request and answer bytes that all connections of a process hold together. Connections charge what arrived, stop
 * reading while the budget is full and queue up here.
 *
 * Unfinished frames alone could fill it, each waiting for the others to go: then the connection that has waited longest
 * is exempt until its frame is complete. One at a time, and only while less than half of the budget is at work, so that
 * what is held stays below 1.5 budgets plus one frame.
 */
export class InFlightBudget {
  private bufferedBytes = 0;
  private executingBytes = 0;
  private unsent = 0;
  private readsUnderWay = 0;
  private exempt: BudgetWaiter | undefined;
  private readonly waiters = new Set<BudgetWaiter>();

  constructor(
    private readonly requestLimitBytes: number,
    private readonly unsentLimitBytes: number,
  ) {}

  /** Bytes of requests held, finished frames or not. */
  get requestBytes(): number {
    return this.bufferedBytes + this.executingBytes;
  }

  /** Bytes of answers that clients have not taken. */
  get unsentBytes(): number {
    return this.unsent;
  }

  get full(): boolean {
    return this.requestBytes >= this.requestLimitBytes;
  }

  /** Answer bytes that may still be made before all connections together hold too many; 0 at least. */
  get answerHeadroomBytes(): number {
    return Math.max(0, this.unsentLimitBytes - this.unsent);
  }

  /**
   * What one more answer may take: all that are being made may become as large, so that they share what is free. Those that
   * began when fewer were under way may take more; a thousand together stay below ten times the limit.
   */
  get answerShareBytes(): number {
    return this.answerHeadroomBytes / (this.readsUnderWay + 1);
  }

  /** An answer is being made, of a size that nobody knows yet. */
  readBegan(): void {
    this.readsUnderWay += 1;
  }

  readEnded(): void {
    this.readsUnderWay -= 1;
  }

  arrived(bytes: number): void {
    this.bufferedBytes += bytes;
  }

  /** Buffered bytes became a request that is executed. */
  started(bytes: number): void {
    this.bufferedBytes -= bytes;
    this.executingBytes += bytes;
  }

  /** A request no longer needs its bytes. */
  finished(bytes: number): void {
    this.executingBytes -= bytes;
    if (this.waiters.size > 0) this.wake();
  }

  /** Buffered bytes were thrown away with their connection. */
  dropped(bytes: number): void {
    this.bufferedBytes -= bytes;
    if (this.waiters.size > 0) this.wake();
  }

  answered(bytes: number): void {
    this.unsent += bytes;
  }

  sent(bytes: number): void {
    this.unsent -= bytes;
  }

  /** Queues a connection that stopped reading; it is resumed when there is room, or exempt. */
  wait(waiter: BudgetWaiter): void {
    this.waiters.add(waiter);
    this.wake();
  }

  /** The connection no longer waits, is no longer exempt, or is gone. */
  leave(waiter: BudgetWaiter): void {
    this.waiters.delete(waiter);
    if (this.exempt === waiter) {
      this.exempt = undefined;
      this.wake();
    }
  }

  private wake(): void {
    for (const waiter of this.waiters) {
      if (this.full) break;
      this.waiters.delete(waiter);
      waiter.resumeReading(false);
    }
    if (this.waiters.size === 0 || this.exempt !== undefined || this.executingBytes * 2 >= this.requestLimitBytes) return;
    for (const waiter of this.waiters) {
      if (!waiter.holdsUnfinishedFrame) continue;
      this.waiters.delete(waiter);
      this.exempt = waiter;
      waiter.resumeReading(true);
      return;
    }
  }
}
