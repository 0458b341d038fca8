import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Offset } from '../types/ids';
import { HELLO_EPOCHS_MAX } from './config';
import { agreementOf, epochBefore } from './divergence';
import type { LogShape } from './divergence';

/** A log whose record at each offset is the epoch that wrote it; an epoch that wrote nothing may stand at its end. */
function log(epochsOfRecords: readonly number[], startOffset = 0, ledInVain: readonly number[] = []): LogShape {
  const epochs: { epoch: number; startOffset: number }[] = [];
  epochsOfRecords.forEach((epoch, at) => {
    if (epochs[epochs.length - 1]?.epoch !== epoch) epochs.push({ epoch, startOffset: startOffset + at });
  });
  const endOffset = startOffset + epochsOfRecords.length;
  for (const epoch of ledInVain) epochs.push({ epoch, startOffset: endOffset });
  return { startOffset: startOffset as Offset, endOffset: endOffset as Offset, epochs };
}

/** What a power loss leaves of a page-cache log: epochs are in the journal, so the newest is still there, and begins where the log ends now. */
function withoutPageCache({ epochs, ...whole }: LogShape, endOffset: number): LogShape {
  const left = epochs.filter(({ startOffset }) => startOffset < endOffset);
  const newest = epochs.slice(left.length).slice(-1);
  return {
    ...whole,
    endOffset: endOffset as Offset,
    epochs: [...left, ...newest.map((entry) => ({ ...entry, startOffset: endOffset }))],
  };
}

/** An epoch has one leader: two logs that have it have the same records in it, from the same offset on. */
const histories = fc
  .array(fc.record({ keeps: fc.nat(20), writes: fc.nat(3), by: fc.nat(2) }), { minLength: 1, maxLength: 25 })
  .map((turns) => {
    const logs: number[][] = [[], [], []];
    turns.forEach(({ keeps, writes, by }, epoch) => {
      const led = logs[by] ?? [];
      for (let written = 0; written < writes; written += 1) led.push(epoch);
      // A follower of this leader: its log becomes a prefix of the leader's.
      logs[(by + 1) % 3] = led.slice(0, keeps);
    });
    return logs;
  });

describe('the agreement of two logs', () => {
  it('is where KIP-101 says, whatever the high watermarks are', () => {
    expect(agreementOf(log([0, 0, 1]), log([0, 0, 0]), true)).toEqual({ kind: 'truncate', offset: 2 });
    expect(agreementOf(log([0, 0, 1]), log([0, 0]), true)).toEqual({ kind: 'agreed' });
    expect(agreementOf(log([0, 0]), log([0, 0, 0]), true)).toEqual({ kind: 'truncate', offset: 2 });
  });

  it('takes one round where the follower has epochs that the leader never saw (KIP-279)', () => {
    expect(agreementOf(log([0, 0, 3, 3]), log([0, 0, 1, 2]), true)).toEqual({ kind: 'truncate', offset: 2 });
    expect(agreementOf(log([0, 2, 2, 3]), log([0, 1, 1, 1, 1]), true)).toEqual({ kind: 'truncate', offset: 1 });
  });

  it('makes a follower forget an epoch that it led without writing: the next batch may be of an older one', () => {
    expect(agreementOf(log([0, 0, 6, 8]), log([0, 0], 0, [7]), true)).toEqual({ kind: 'truncate', offset: 2 });
    expect(agreementOf(log([0, 0], 0, [9]), log([], 0, [7]), true)).toEqual({ kind: 'truncate', offset: 0 });
  });

  it('makes a follower forget an epoch that it names where it lost what was before: the next batch is of an older one', () => {
    const leader = log([0, 0, 0, 1, 1, 2]);
    expect(agreementOf(leader, withoutPageCache(log([0, 0, 0, 1]), 1), true)).toEqual({ kind: 'truncate', offset: 1 });
    expect(agreementOf(leader, withoutPageCache(log([0, 0, 0, 1]), 0), true)).toEqual({ kind: 'truncate', offset: 0 });
    expect(agreementOf(leader, withoutPageCache(log([0, 0, 0, 1]), 3), true)).toEqual({ kind: 'agreed' });
    expect(agreementOf(leader, withoutPageCache(log([0, 0, 0, 1, 1]), 4), true)).toEqual({ kind: 'agreed' });
  });

  it('leaves an epoch alone of which the leader no longer has the beginning', () => {
    expect(agreementOf(log([1, 1, 2], 3), log([0, 1, 1, 1]), true)).toEqual({ kind: 'agreed' });
    expect(agreementOf(log([1, 1, 2], 3), log([1], 3), true)).toEqual({ kind: 'agreed' });
  });

  it('begins anew where the leader has nothing left of what the follower needs next', () => {
    expect(agreementOf(log([4, 4], 10), log([1, 1, 2]), true)).toEqual({ kind: 'start-at', offset: 10 });
    expect(agreementOf(log([4, 4], 10), log([]), true)).toEqual({ kind: 'start-at', offset: 10 });
  });

  it('drops what is older than all that the leader still has: its log start may lie within a batch', () => {
    expect(agreementOf(log([4, 4], 3), log([1, 1, 2]), true)).toEqual({ kind: 'start-at', offset: 3 });
    expect(agreementOf(log([4, 4], 3), log([1, 1, 2, 2, 3]), true)).toEqual({ kind: 'start-at', offset: 3 });
  });

  it('asks for older epochs where none of those that the hello names is known', () => {
    const follower = log([0, 1, 3, 3, 3]);
    const named = { ...follower, epochs: follower.epochs.slice(-1) };
    expect(agreementOf(log([0, 1, 2]), named, false)).toEqual({ kind: 'truncate', offset: 2 });
  });

  it('empties a log of which nothing is of use where it begins, if the leader goes on from there', () => {
    expect(agreementOf(log([0, 1, 2, 2, 2, 2]), log([5, 5], 3), true)).toEqual({ kind: 'start-at', offset: 3 });
    expect(agreementOf(log([0, 1, 2, 2, 2, 2]), log([], 3, [5]), true)).toEqual({ kind: 'truncate', offset: 3 });
  });

  it('begins anew where the follower has nothing in common with the leader', () => {
    expect(agreementOf(log([0, 1]), log([5, 5], 3), true)).toEqual({ kind: 'start-at', offset: 0 });
    expect(agreementOf(log([0, 1]), log([], 7), true)).toEqual({ kind: 'start-at', offset: 0 });
  });

  it('is exactly the longest common beginning, for every history that leaders and lost page caches can make', () => {
    const named = fc.integer({ min: 1, max: HELLO_EPOCHS_MAX });
    fc.assert(
      fc.property(histories, fc.nat(2), fc.nat(2), named, fc.nat(30), (logs, l, f, namedMax, kept) => {
        const leader = logs[l] ?? [];
        const whole = logs[f] ?? [];
        let follower = whole.slice(0, kept);
        let shape = withoutPageCache(log(whole), follower.length);
        const differs = follower.findIndex((epoch, at) => leader[at] !== epoch);
        const common = differs < 0 ? follower.length : differs;
        for (let rounds = 0; ; rounds += 1) {
          expect(rounds).toBeLessThan(30);
          const hello = { ...shape, epochs: shape.epochs.slice(-namedMax) };
          const agreement = agreementOf(log(leader, 0, [99]), hello, shape.epochs.length <= namedMax);
          if (agreement.kind === 'agreed') break;
          if (agreement.kind === 'start-at') expect(agreement.offset).toBe(0);
          else expect(agreement.offset).toBeLessThanOrEqual(follower.length);
          follower = agreement.kind === 'start-at' ? [] : follower.slice(0, agreement.offset);
          expect(follower.length).toBeGreaterThanOrEqual(agreement.kind === 'start-at' ? 0 : common);
          shape = log(follower);
        }
        expect(follower).toEqual(leader.slice(0, follower.length));
        if (common > 0) expect(follower).toHaveLength(common);
        // What the leader sends next can be appended.
        expect(shape.epochs.at(-1)?.epoch ?? -1).toBeLessThanOrEqual(leader[follower.length] ?? 99);
      }),
      { numRuns: 500 },
    );
  });

  it('knows the epoch of the record before an offset, as long as it is there', () => {
    const shape = log([1, 1, 4], 10);
    expect([10, 11, 12, 13].map((offset) => epochBefore(shape, offset as Offset))).toEqual([-1, 1, 1, 4]);
  });
});
