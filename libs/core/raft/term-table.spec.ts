import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RaftInvariantError } from './invariant';
import { TermTable } from './term-table';

describe('TermTable', () => {
  it('knows the term of the base and of every entry, and of nothing else', () => {
    const table = new TermTable(
      4,
      2,
      [
        { firstIndex: 5, term: 2 },
        { firstIndex: 7, term: 5 },
      ],
      8,
    );
    expect([3, 4, 5, 6, 7, 8, 9].map((index) => table.termAt(index))).toEqual([undefined, 2, 2, 2, 5, 5, undefined]);
    expect(table.lastTerm).toBe(5);
  });

  it('refuses a term that goes down (RAFT-3)', () => {
    const table = new TermTable(0, 0, [{ firstIndex: 1, term: 3 }], 1);
    expect(() => table.append(2, 2)).toThrow(RaftInvariantError);
  });

  it('keeps the term of the entry that becomes the base', () => {
    const table = new TermTable(
      0,
      0,
      [
        { firstIndex: 1, term: 1 },
        { firstIndex: 4, term: 2 },
      ],
      6,
    );
    table.compact(5);
    expect([table.baseIndex, table.termAt(4), table.termAt(5), table.termAt(6)]).toEqual([5, undefined, 2, 2]);
  });

  it('does as a plain list of terms does, whatever is appended, truncated and compacted', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('append' as const), by: fc.nat(2) }),
      fc.record({ kind: fc.constant('truncate' as const), by: fc.nat(4) }),
      fc.record({ kind: fc.constant('compact' as const), by: fc.nat(4) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(12), (steps, term) => {
        const table = new TermTable(0, 0, [], 0);
        let [terms, base] = [[0], 0];
        for (const { kind, by } of steps) {
          const last = terms.length - 1;
          if (kind === 'append') {
            terms.push((terms[last] ?? 0) + by);
            table.append(last + 1, terms[last + 1] ?? 0);
          } else if (kind === 'truncate') {
            const after = Math.max(base, last - by);
            terms = terms.slice(0, after + 1);
            table.truncate(after);
          } else {
            base = Math.min(last, base + by);
            table.compact(base);
          }
        }
        for (let index = base; index < terms.length; index++) {
          expect(table.termAt(index)).toBe(terms[index]);
          let agreed = index;
          while (agreed >= base && (terms[agreed] ?? 0) > term) agreed--;
          expect(table.lastIndexUpToTerm(index, term)).toBe(agreed);
        }
        expect([table.lastIndex, table.lastTerm]).toEqual([terms.length - 1, terms[terms.length - 1]]);
      }),
    );
  });
});
