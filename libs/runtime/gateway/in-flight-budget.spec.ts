import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InFlightBudget, type BudgetWaiter } from './in-flight-budget';

const LIMIT = 1000;
const CHUNK = 100;

/** A connection as the budget sees it: frames of chunks, one after the other, and requests that end when told to. */
class Peer implements BudgetWaiter {
  buffered = 0;
  waits = false;
  exempt = false;
  readonly requests: number[] = [];
  private left = 0;
  constructor(
    private readonly budget: InFlightBudget,
    private readonly frames: number[],
  ) {}
  get holdsUnfinishedFrame(): boolean {
    return this.buffered > 0;
  }
  get done(): boolean {
    return this.frames.length === 0 && this.left === 0 && this.requests.length === 0;
  }
  resumeReading(exempt: boolean): void {
    this.waits = false;
    this.exempt = exempt;
  }
  /** Reads one chunk, unless it waits. */
  read(): void {
    if (this.waits) return;
    if (this.left === 0) this.left = this.frames.shift() ?? 0;
    if (this.left === 0) return;
    const bytes = Math.min(CHUNK, this.left);
    this.left -= bytes;
    this.buffered += bytes;
    this.budget.arrived(bytes);
    if (this.left === 0) {
      this.budget.started(this.buffered);
      this.requests.push(this.buffered);
      this.buffered = 0;
      if (this.exempt) {
        this.exempt = false;
        this.budget.leave(this);
      }
    }
    if (!this.exempt && this.budget.full) {
      this.waits = true;
      this.budget.wait(this);
    }
  }
  finish(): void {
    const bytes = this.requests.shift();
    if (bytes !== undefined) this.budget.finished(bytes);
  }
}

describe('InFlightBudget', () => {
  it('stays within 1.5 budgets, one frame and a chunk of each connection, and lets every frame through', () => {
    const frames = fc.array(fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 6 }), { minLength: 1, maxLength: 8 });
    const steps = fc.array(fc.tuple(fc.nat(7), fc.boolean()), { maxLength: 300 });
    fc.assert(
      fc.property(frames, steps, (plan, schedule) => {
        const budget = new InFlightBudget(LIMIT, LIMIT);
        const peers = plan.map((sizes) => new Peer(budget, [...sizes]));
        const bound = 1.5 * LIMIT + 900 + CHUNK * peers.length;
        for (const [at, reads] of schedule) {
          const peer = peers[at % peers.length];
          if (reads) peer?.read();
          else peer?.finish();
          expect(budget.requestBytes).toBeLessThanOrEqual(bound);
        }
        // Everybody reads on and every request ends: nobody may be left waiting for another.
        for (let round = 0; round < 500 && peers.some((peer) => !peer.done); round++) {
          for (const peer of peers) peer.read();
          for (const peer of peers) peer.finish();
        }
        expect(peers.every((peer) => peer.done)).toBe(true);
        expect(budget.requestBytes).toBe(0);
      }),
    );
  });

  it('exempts the one that waits longest where only unfinished frames fill it', () => {
    const budget = new InFlightBudget(LIMIT, LIMIT);
    const peers = [new Peer(budget, [900]), new Peer(budget, [900]), new Peer(budget, [900])];
    for (let i = 0; i < 6; i++) for (const peer of peers) peer.read();
    expect(peers.map(({ exempt, waits }) => [exempt, waits])).toEqual([
      [true, false],
      [false, true],
      [false, true],
    ]);
    for (let i = 0; i < 3; i++) peers[0]?.read();
    expect(peers[0]?.requests).toEqual([900]);
    expect(peers.some(({ exempt }) => exempt)).toBe(false);
    peers[0]?.finish();
    expect(peers[1]?.exempt || peers[1]?.waits === false).toBe(true);
  });

  it('knows the answers that clients have not taken', () => {
    const budget = new InFlightBudget(LIMIT, 500);
    budget.answered(800);
    expect([budget.unsentBytes, budget.answers.heldBytes]).toEqual([800, 800]);
    budget.sent(700);
    expect([budget.unsentBytes, budget.answers.heldBytes]).toEqual([100, 100]);
  });
});
