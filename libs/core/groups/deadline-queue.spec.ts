import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeadlineQueue } from './deadline-queue';

describe('DeadlineQueue', () => {
  it('hands out what a plain map of deadlines would, however they are moved and cancelled', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('schedule' as const), key: fc.nat(5), inMs: fc.nat(20) }),
      fc.record({ kind: fc.constant('cancel' as const), key: fc.nat(5) }),
      fc.record({ kind: fc.constant('advance' as const), ms: fc.nat(15) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new DeadlineQueue<string>();
        const model = new Map<string, number>();
        let nowMs = 0;
        for (const one of steps) {
          if (one.kind === 'schedule') {
            queue.schedule(String(one.key), nowMs + one.inMs, String(one.key));
            model.set(String(one.key), nowMs + one.inMs);
          } else if (one.kind === 'cancel') {
            queue.cancel(String(one.key));
            model.delete(String(one.key));
          } else {
            nowMs += one.ms;
            const due = [...model].filter(([, atMs]) => atMs <= nowMs).map(([key]) => key);
            const taken: string[] = [];
            for (let key = queue.takeDue(nowMs); key !== undefined; key = queue.takeDue(nowMs)) taken.push(key);
            expect(taken.sort()).toEqual(due.sort());
            for (const key of due) model.delete(key);
          }
          expect(queue.size).toBe(model.size);
          const earliest = Math.min(...model.values());
          expect(queue.nextMs() ?? Infinity).toBeLessThanOrEqual(earliest);
          if (model.size === 0) expect(queue.nextMs()).toBeUndefined();
        }
      }),
    );
  });

  it('takes deadlines in their order', () => {
    const queue = new DeadlineQueue<number>();
    for (const atMs of [5, 3, 9, 1, 7]) queue.schedule(String(atMs), atMs, atMs);
    const taken = [1, 2, 3, 4, 5].map(() => queue.takeDue(100));
    expect(taken).toEqual([1, 3, 5, 7, 9]);
  });
});
