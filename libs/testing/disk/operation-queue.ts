import type { SeededRandom } from '@streamline/testing/time/seeded-random';

interface Queued {
  readonly isHeld: () => boolean;
  readonly run: () => void;
}

/**
 * Operations that are under way. They end one at a time, each in a turn of its own of the event loop (or of a simulation), in an order that
 * the seed draws: what is submitted together ends in any order, and the process goes on in between.
 */
export class OperationQueue {
  private queued: Queued[] = [];
  private isScheduled = false;
  private isStopped = false;
  private left = Infinity;
  private whenStopped: (() => void)[] = [];
  completed = 0;

  constructor(
    private readonly random: SeededRandom,
    private readonly later: (turn: () => void) => void = setImmediate,
  ) {}

  get length(): number {
    return this.queued.length;
  }

  get hasStopped(): boolean {
    return this.isStopped;
  }

  /** `run` is called when the operation's turn has come. */
  submit(run: () => void, isHeld: () => boolean): void {
    if (this.isStopped) return;
    this.queued.push({ run, isHeld });
    this.schedule();
  }

  /** Looks again for operations that are not held back any more. */
  schedule(): void {
    if (this.isScheduled || this.isStopped) return;
    this.isScheduled = true;
    this.later(() => this.turn());
  }

  /** After so many more operations nothing ends any more: the machine has stopped. Resolves then. */
  stopAfter(operations: number): Promise<void> {
    this.left = operations;
    return new Promise((resolve) => {
      this.whenStopped.push(resolve);
      if (operations <= 0) this.stop();
    });
  }

  stop(): void {
    this.isStopped = true;
    const waiting = this.whenStopped;
    this.whenStopped = [];
    for (const resolve of waiting) resolve();
  }

  private turn(): void {
    this.isScheduled = false;
    if (this.isStopped) return;
    const ready = this.queued.filter((operation) => !operation.isHeld());
    if (ready.length === 0) return;
    const next = this.random.pick(ready);
    this.queued.splice(this.queued.indexOf(next), 1);
    next.run();
    this.completed += 1;
    this.left -= 1;
    if (this.left <= 0) this.stop();
    else if (this.queued.length > 0) this.schedule();
  }
}
