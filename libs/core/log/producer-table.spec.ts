import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProducerTable, producersAfterCut, sequenceAfter } from './producer-table';
import type { ProducerFacts } from './producer-table';

const MAX = 0x7fff_ffff;

function facts(baseSequence: number, records = 1, producerEpoch = 0, producerId = 1): ProducerFacts {
  return { producerId, producerEpoch, baseSequence, lastOffsetDelta: records - 1 };
}

/** A table that took these batches, one offset after the other. */
function tableOf(batches: readonly ProducerFacts[]): ProducerTable {
  const table = new ProducerTable();
  let offset = 0;
  for (const batch of batches) {
    expect(table.check(batch)).toEqual({ kind: 'accept' });
    table.apply(batch, offset, 1000 + offset);
    offset += batch.lastOffsetDelta + 1;
  }
  return table;
}

describe('ProducerTable', () => {
  it('lets an unknown producer begin at any sequence', () => {
    expect(new ProducerTable().check(facts(77))).toEqual({ kind: 'accept' });
  });

  it('knows the last five batches by epoch, first and last sequence', () => {
    const table = tableOf([0, 1, 2, 3, 4, 5].map((sequence) => facts(sequence)));
    for (const sequence of [1, 2, 3, 4, 5]) {
      expect(table.check(facts(sequence))).toEqual({ kind: 'duplicate', baseOffset: sequence, lastOffset: sequence });
    }
    expect(table.check(facts(0))).toMatchObject({ kind: 'refuse', errorCode: 45 });
    expect(table.check(facts(4, 2))).toMatchObject({ kind: 'refuse', errorCode: 45 });
  });

  it('refuses a gap with 45, an old epoch with 47, and a new epoch that does not begin at 0 with 45', () => {
    const table = tableOf([facts(0, 3, 2)]);
    expect(table.check(facts(4, 1, 2))).toMatchObject({ kind: 'refuse', errorCode: 45 });
    expect(table.check(facts(3, 1, 1))).toMatchObject({ kind: 'refuse', errorCode: 47 });
    expect(table.check(facts(3, 1, 3))).toMatchObject({ kind: 'refuse', errorCode: 45 });
    expect(table.check(facts(0, 1, 3))).toEqual({ kind: 'accept' });
    expect(table.check(facts(3, 1, 2))).toEqual({ kind: 'accept' });
  });

  it('forgets the batches of the epoch before', () => {
    const table = tableOf([facts(0, 1, 0), facts(0, 1, 1)]);
    expect(table.get(1)?.batches).toHaveLength(1);
    expect(table.check(facts(0, 1, 1))).toMatchObject({ kind: 'duplicate', baseOffset: 1 });
  });

  it('begins anew at 0 after 2^31-1, also within a batch', () => {
    expect(sequenceAfter(MAX, 1)).toBe(0);
    expect(sequenceAfter(MAX - 1, 3)).toBe(1);
    const table = tableOf([facts(MAX - 1, 4)]);
    expect(table.check(facts(2))).toEqual({ kind: 'accept' });
    expect(table.check(facts(3))).toMatchObject({ errorCode: 45 });
    expect(tableOf([facts(MAX)]).check(facts(0))).toEqual({ kind: 'accept' });
  });

  it('forgets a producer once its last batch is old enough', () => {
    const table = tableOf([facts(0, 1, 0, 1), facts(0, 1, 0, 2)]);
    expect(table.expire(1000 + 50, 50)).toEqual([1]);
    expect(table.check(facts(9, 1, 0, 1))).toEqual({ kind: 'accept' });
    expect(table.check(facts(9, 1, 0, 2))).toMatchObject({ errorCode: 45 });
  });

  it('accepts each batch of a well-behaved producer exactly once, however often it is sent', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 30 }), fc.nat(MAX), (sizes, start) => {
        const table = new ProducerTable();
        let sequence = start;
        let offset = 0;
        for (const size of sizes) {
          const batch = facts(sequence, size);
          expect(table.check(batch).kind).toBe('accept');
          table.apply(batch, offset, 0);
          expect(table.check(batch)).toMatchObject({ kind: 'duplicate', baseOffset: offset });
          sequence = sequenceAfter(sequence, size);
          offset += size;
        }
      }),
    );
  });
});

describe('producersAfterCut', () => {
  it('joins what a scan finds with what is remembered from before the cut', () => {
    const all = [0, 1, 2, 3, 4, 5, 6, 7].map((sequence) => facts(sequence));
    const remembered = tableOf(all);
    const scanned = new ProducerTable();
    for (const offset of [2, 3, 4]) scanned.apply(facts(offset), offset, 0);
    const [entry] = [...producersAfterCut(scanned, remembered.all(), 6)];
    expect(entry?.batches.map((batch) => batch.baseOffset)).toEqual([2, 3, 4, 5]);
  });

  it('forgets a producer that wrote nothing before the cut', () => {
    expect([...producersAfterCut(new ProducerTable(), tableOf([facts(0)]).all(), 0)]).toEqual([]);
  });
});
