import { describe, expect, it } from 'vitest';
import { ReadWaiters } from './read-waiters';

describe('ReadWaiters', () => {
  it('tell each when its index is reached, once, whatever the order in which they came', () => {
    const waiters = new ReadWaiters();
    const ready: number[] = [];
    for (const [requestId, index] of [5, 3, 9, 3].entries()) waiters.add(requestId, index, () => ready.push(requestId));
    waiters.reached(2);
    expect(ready).toEqual([]);
    waiters.reached(4);
    expect(ready).toEqual([1, 3]);
    waiters.add(4, 7, () => ready.push(4));
    waiters.reached(8);
    expect(ready).toEqual([1, 3, 0, 4]);
    waiters.reached(20);
    expect([ready, waiters.size]).toEqual([[1, 3, 0, 4, 2], 0]);
  });

  it('forget who waits no longer', () => {
    const waiters = new ReadWaiters();
    for (let requestId = 0; requestId < 100; requestId++) {
      waiters.add(requestId, 10, () => expect.fail('nobody waits'));
      waiters.delete(requestId);
    }
    expect(waiters.size).toBe(0);
    waiters.reached(10);
  });
});
