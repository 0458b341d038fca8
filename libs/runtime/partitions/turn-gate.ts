import type { Clock } from '../ports/clock';

/** Lets one through in each turn of the event loop, in the order in which they came; the first one at once. */
export class TurnGate {
  private readonly waiting: (() => void)[] = [];
  private isTaken = false;

  constructor(private readonly clock: Clock) {}

  async enter(): Promise<void> {
    if (this.isTaken) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.take();
  }

  private take(): void {
    this.isTaken = true;
    this.clock.nextTurn(() => {
      const next = this.waiting.shift();
      this.isTaken = false;
      if (next === undefined) return;
      this.take();
      next();
    });
  }
}
