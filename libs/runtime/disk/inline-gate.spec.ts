import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { BACK_OFF_MS_MAX, BACK_OFF_MS_MIN, HELD_MS, InlineGate } from './inline-gate';

const BYTES_MAX = 1000;
let gate: InlineGate;

beforeEach(() => {
  gate = new InlineGate(BYTES_MAX);
});

describe('the gate of inline writes', () => {
  it('lets groups of so many bytes pass, and none that is larger', () => {
    expect(gate.allows(BYTES_MAX, 0)).toBe(true);
    expect(gate.allows(BYTES_MAX + 1, 0)).toBe(false);
  });

  it('stays open for groups that take no time', () => {
    gate.ended(10, 10 + HELD_MS - 0.001);
    expect(gate.allows(1, 11 + HELD_MS)).toBe(true);
  });

  it('closes for a while behind a group that took long', () => {
    gate.ended(0, HELD_MS);
    expect(gate.allows(1, HELD_MS + BACK_OFF_MS_MIN - 0.001)).toBe(false);
    expect(gate.allows(1, HELD_MS + BACK_OFF_MS_MIN)).toBe(true);
  });

  it('closes for twice as long each time that the next one takes long as well, up to a bound', () => {
    let nowMs = 0;
    const closedMs: number[] = [];
    for (let trial = 0; trial < 7; trial += 1) {
      gate.ended(nowMs - HELD_MS, nowMs);
      let backOffMs = 0;
      while (!gate.allows(1, nowMs + backOffMs)) backOffMs += BACK_OFF_MS_MIN;
      closedMs.push(backOffMs);
      nowMs += backOffMs;
    }
    expect(closedMs).toEqual([1000, 2000, 4000, 8000, 16_000, BACK_OFF_MS_MAX, BACK_OFF_MS_MAX]);
  });

  it('begins with the shortest time again once a group took none', () => {
    gate.ended(0, HELD_MS);
    gate.ended(5000, 5000);
    gate.ended(6000, 6000 + HELD_MS);
    expect(gate.allows(1, 6000 + HELD_MS + BACK_OFF_MS_MIN)).toBe(true);
  });

  it('never lets the loop be held twice within the shortest back-off, whatever a disk does', () => {
    const steps = fc.array(fc.record({ waitMs: fc.integer({ min: 0, max: 5000 }), tookMs: fc.integer({ min: 0, max: 100 }) }));
    fc.assert(
      fc.property(steps, (groups) => {
        const tried = new InlineGate(BYTES_MAX);
        let nowMs = 0;
        let heldUntilMs = Number.NEGATIVE_INFINITY;
        for (const { waitMs, tookMs } of groups) {
          nowMs += waitMs;
          if (!tried.allows(1, nowMs)) continue;
          expect(nowMs - heldUntilMs).toBeGreaterThanOrEqual(BACK_OFF_MS_MIN);
          tried.ended(nowMs, nowMs + tookMs);
          nowMs += tookMs;
          if (tookMs >= HELD_MS) heldUntilMs = nowMs;
        }
      }),
    );
  });
});
