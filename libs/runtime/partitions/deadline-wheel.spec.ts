import { describe, expect, it } from 'vitest';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { DeadlineWheel } from './deadline-wheel';

describe('DeadlineWheel', () => {
  it('expires at the deadline or up to two ticks later, never before', () => {
    const clock = new VirtualClock();
    const wheel = new DeadlineWheel(clock, 50);
    const expired: [number, number][] = [];
    for (const delayMs of [0, 1, 49, 50, 51, 730, 30_000]) {
      wheel.add(delayMs, { expire: () => expired.push([delayMs, clock.monotonicMs()]) });
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
    const item = { expire: () => (expired += 1) };
    wheel.add(10_000, item).delete(item);
    clock.advance(50);
    expect(clock.nextTimerInMs).toBeUndefined();
    clock.advance(20_000);
    expect(expired).toBe(0);
    wheel.add(100, item);
    clock.advance(200);
    expect(expired).toBe(1);
  });
});
