import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeId, Offset } from '@streamline/core/types/ids';
import { nextHighWatermark } from './high-watermark';

const nodes = [1, 2, 3] as NodeId[];

describe('nextHighWatermark (R-2)', () => {
  it('never moves back, never passes an in-sync replica, and stands still below the minimum', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 50 }),
        fc.subarray(nodes),
        fc.integer({ min: 1, max: 3 }),
        fc.array(fc.option(fc.nat({ max: 100 })), { minLength: 3, maxLength: 3 }),
        (current, committedIsr, effectiveMinIsr, ends) => {
          const durableEnds = new Map<NodeId, Offset>();
          nodes.forEach((node, index) => {
            const end = ends[index];
            if (end !== null && end !== undefined) durableEnds.set(node, end as Offset);
          });
          const next = nextHighWatermark(current as Offset, { committedIsr, effectiveMinIsr, durableEnds });
          expect(next).toBeGreaterThanOrEqual(current);
          if (next === current) return;
          expect(committedIsr.length).toBeGreaterThanOrEqual(effectiveMinIsr);
          for (const node of committedIsr) expect(durableEnds.get(node)).toBeGreaterThanOrEqual(next);
        },
      ),
    );
  });

  it('is the least durable end of the in-sync replicas', () => {
    const durableEnds = new Map([
      [1 as NodeId, 9 as Offset],
      [2 as NodeId, 5 as Offset],
    ]);
    expect(nextHighWatermark(0 as Offset, { committedIsr: [1, 2] as NodeId[], effectiveMinIsr: 2, durableEnds })).toBe(5);
    expect(nextHighWatermark(0 as Offset, { committedIsr: [1] as NodeId[], effectiveMinIsr: 1, durableEnds })).toBe(9);
    expect(nextHighWatermark(0 as Offset, { committedIsr: [1] as NodeId[], effectiveMinIsr: 2, durableEnds })).toBe(0);
    expect(nextHighWatermark(0 as Offset, { committedIsr: [1, 3] as NodeId[], effectiveMinIsr: 1, durableEnds })).toBe(0);
  });
});
