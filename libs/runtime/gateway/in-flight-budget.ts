import { AnswerBudget } from './answer-budget';

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
  private exempt: BudgetWaiter | undefined;
  private readonly waiters = new Set<BudgetWaiter>();
  /** Of answers that clients have not taken, and of fetches that are being answered. */
  readonly answers: AnswerBudget;

  constructor(
    private readonly requestLimitBytes: number,
    unsentLimitBytes: number,
  ) {
    this.answers = new AnswerBudget(unsentLimitBytes);
  }

  /** Bytes of requests held, finished frames or not. */
  get requestBytes(): number {
    return this.bufferedBytes + this.executingBytes;
  }

  /** Bytes of answers that clients have not taken. */
  get unsentBytes(): number {
    return this.answers.heldBytes;
  }

  get full(): boolean {
    return this.requestBytes >= this.requestLimitBytes;
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
    this.answers.hold(bytes);
  }

  sent(bytes: number): void {
    this.answers.release(bytes);
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
