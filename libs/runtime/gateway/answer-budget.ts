import type { AnswerRoom } from '@streamline/wire/contracts/ports';

/** However little memory is free, one look into the logs may find so much, so that nobody starves. */
export const LEAST_ANSWER_BYTES = 64 * 1024;

/**
 * Memory for answers: what is held of those that are made, and a share of the rest for each that is being made. A poll that
 * waits is not being made, and costs nothing, however many there are.
 */
export class AnswerBudget {
  private held = 0;
  private looks = 0;
  private waiting: (() => void)[] = [];

  constructor(private readonly limitBytes: number) {}

  /** Bytes of answers that were made and have not been taken. */
  get heldBytes(): number {
    return this.held;
  }

  /** An answer of so many bytes was made. */
  hold(bytes: number): void {
    this.held += bytes;
  }

  /** So many bytes were taken, or given up. */
  release(bytes: number): void {
    this.held -= bytes;
    if (this.waiting.length === 0 || this.isFull) return;
    const tasks = this.waiting;
    this.waiting = [];
    for (const task of tasks) task();
  }

  /** For one fetch. */
  room(): AnswerRoom {
    return new Room(this);
  }

  /** Runs a task when less than the limit is held: at once where it is. */
  whenFree(task: () => void): void {
    if (this.isFull) this.waiting.push(task);
    else task();
  }

  /**
   * A look begins; returns the bytes that it may find. All that go on may find as much, so that they share what is free. Those
   * that began when fewer went on may find more; a thousand together stay below ten times the limit.
   */
  lookBegan(): number {
    this.looks += 1;
    return Math.max(LEAST_ANSWER_BYTES, Math.floor((this.limitBytes - this.held) / this.looks));
  }

  lookEnded(): void {
    this.looks -= 1;
  }

  private get isFull(): boolean {
    return this.held >= this.limitBytes;
  }
}

class Room implements AnswerRoom {
  private isLooking = false;

  constructor(private readonly budget: AnswerBudget) {}

  enter(): number {
    this.leave();
    this.isLooking = true;
    return this.budget.lookBegan();
  }

  leave(): void {
    if (!this.isLooking) return;
    this.isLooking = false;
    this.budget.lookEnded();
  }

  whenFree(task: () => void): void {
    this.budget.whenFree(task);
  }
}
