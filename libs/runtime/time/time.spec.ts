import { afterEach, describe, expect, it, vi } from 'vitest';
import { NodeClock } from './node-clock';
import { NodeRandom } from './node-random';

describe('NodeClock', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('runs a task once, not before its time, and not when it was cancelled', () => {
    vi.useFakeTimers();
    const clock = new NodeClock();
    const ran: string[] = [];
    clock.schedule(10, () => ran.push('kept'));
    clock.schedule(10, () => ran.push('cancelled'))();
    vi.advanceTimersByTime(9);
    expect(ran).toEqual([]);
    vi.advanceTimersByTime(100);
    expect(ran).toEqual(['kept']);
  });

  it('waits longer than the longest timer of the platform, and can still be cancelled then', () => {
    vi.useFakeTimers();
    const clock = new NodeClock();
    let ran = 0;
    clock.schedule(2 ** 32, () => (ran += 1));
    const cancel = clock.schedule(2 ** 32, () => (ran += 100));
    vi.advanceTimersByTime(2 ** 32 - 1);
    expect(ran).toBe(0);
    cancel();
    vi.advanceTimersByTime(1);
    expect(ran).toBe(1);
  });

  it('calls back in a later turn of the event loop, behind what is ready by then', async () => {
    const clock = new NodeClock();
    const ran: string[] = [];
    const over = new Promise<void>((resolve) => {
      clock.nextTurn(() => {
        ran.push('turn');
        resolve();
      });
    });
    void Promise.resolve().then(() => ran.push('microtask'));
    ran.push('now');
    await over;
    expect(ran).toEqual(['now', 'microtask', 'turn']);
  });

  it('tells monotonic and wall time', () => {
    const clock = new NodeClock();
    const before = clock.monotonicMs();
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(before);
    expect(Math.abs(clock.wallMs() - Date.now())).toBeLessThan(1000);
  });
});

describe('NodeRandom', () => {
  it('gives numbers in [0, 1) and bytes that differ', () => {
    const random = new NodeRandom();
    expect(random.next()).toBeLessThan(1);
    expect(random.bytes(16)).toHaveLength(16);
    expect(random.bytes(16).equals(random.bytes(16))).toBe(false);
  });
});
