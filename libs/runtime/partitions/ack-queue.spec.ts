import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Offset } from '@streamline/core/types/ids';
import { AckQueue } from './ack-queue';

describe('AckQueue', () => {
  it('settles each ack once, as soon as its offset is passed, like a list that is searched each time', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('push' as const), offset: fc.nat({ max: 600 }) }),
      fc.record({ kind: fc.constant('release' as const), offset: fc.nat({ max: 600 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
        const queue = new AckQueue();
        const settled: number[] = [];
        let model: { id: number; offset: number }[] = [];
        const expected: number[] = [];
        steps.forEach(({ kind, offset }, id) => {
          if (kind === 'push') {
            queue.push(offset as Offset, { settle: () => settled.push(id) });
            model.push({ id, offset });
          } else {
            queue.release(offset as Offset, 0);
            const due = model.filter((each) => each.offset < offset).sort((a, b) => a.offset - b.offset || a.id - b.id);
            expected.push(...due.map((each) => each.id));
            model = model.filter((each) => each.offset >= offset);
          }
          expect(queue.size).toBe(model.length);
        });
        expect(settled).toEqual(expected);
      }),
    );
  });

  it('survives an ack that waits again while it is settled', () => {
    const queue = new AckQueue();
    const codes: number[] = [];
    queue.push(0 as Offset, { settle: () => queue.push(5 as Offset, { settle: (code) => codes.push(code) }) });
    queue.release(3 as Offset, 0);
    expect(queue.size).toBe(1);
    queue.fail(6);
    expect(codes).toEqual([6]);
    expect(queue.size).toBe(0);
  });
});
