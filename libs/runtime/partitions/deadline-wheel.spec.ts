import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { DeadlineWheel, Expiring } from './deadline-wheel';

class Item extends Expiring {
  constructor(private readonly onExpired: () => void) {
    super();
  }
  expire(): void {
    this.onExpired();
  }
}

describe('DeadlineWheel', () => {
  it('expires at the deadline or up to two ticks later, never before', () => {
    const clock = new VirtualClock();
    const wheel = new DeadlineWheel(clock, 50);
    const expired: [number, number][] = [];
    for (const delayMs of [0, 1, 49, 50, 51, 730, 30_000]) {
      wheel.add(delayMs, new Item(() => expired.push([delayMs, clock.monotonicMs()])));
    }
    clock.advance(31_000);
    expect(expired).toHaveLength(7);
    for (const [delayMs, atMs] of expired) {
      expect(atMs).toBeGreaterThanOrEqual(delayMs);
      expect(atMs).toBeLessThanOrEqual(delayMs + 100);
    }
  });

  it('does not expire what was deleted, and keeps no timer when nothing waits', () => {
    const clock = new VirtualClock();
    const wheel = new DeadlineWheel(clock, 50);
    let expired = 0;
    const item = new Item(() => (expired += 1));
    wheel.add(10_000, item);
    wheel.delete(item);
    wheel.delete(item);
    clock.advance(50);
    expect(clock.nextTimerInMs).toBeUndefined();
    clock.advance(20_000);
    expect(expired).toBe(0);
    wheel.add(100, item);
    clock.advance(200);
    expect(expired).toBe(1);
  });

  it('expires what was neither deleted nor expired yet, each once, in whatever order they come and go', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), n: fc.nat(500) }),
      fc.record({ kind: fc.constant('delete' as const), n: fc.nat(40) }),
      fc.record({ kind: fc.constant('wait' as const), n: fc.nat(200) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const clock = new VirtualClock();
        const wheel = new DeadlineWheel(clock, 50);
        const waiting = new Set<Item>();
        const items: Item[] = [];
        let wrong = 0;
        for (const { kind, n } of steps) {
          if (kind === 'add') {
            const item: Item = new Item(() => (wrong += waiting.delete(item) ? 0 : 1));
            items.push(item);
            waiting.add(item);
            wheel.add(n, item);
          } else if (kind === 'delete') {
            const item = items[n % Math.max(1, items.length)];
            if (item === undefined) continue;
            waiting.delete(item);
            wheel.delete(item);
          } else clock.advance(n);
          expect(wheel.size).toBe(waiting.size);
        }
        wheel.expireAll();
        expect([wheel.size, waiting.size, wrong]).toEqual([0, 0, 0]);
      }),
    );
  });
});
