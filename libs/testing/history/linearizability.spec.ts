import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HistoryEntry, KeyOperation } from './history';
import { checkLinearizable } from './linearizability';
import { APPEND_LIST, REGISTER } from './models';

type Told = readonly [operation: KeyOperation, calledAt: number, returnedAt: number | undefined, result?: string];

function history(...told: readonly Told[]): HistoryEntry[] {
  return told.map(([operation, calledAt, returnedAt, result], client) => ({
    client,
    key: 'k',
    operation,
    calledAt,
    returnedAt,
    result,
  }));
}

const read: KeyOperation = { kind: 'read' };
const write = (value: string): KeyOperation => ({ kind: 'write', value });
const append = (value: string): KeyOperation => ({ kind: 'append', value });
const register = (...told: readonly Told[]): string => checkLinearizable(history(...told), () => REGISTER).kind;

describe('checkLinearizable', () => {
  it('accepts a read of the last write', () => {
    expect(register([write('a'), 0, 1, 'done'], [read, 2, 3, 'a'])).toBe('linearizable');
  });

  it('rejects a stale read: one that begins after a write returned and does not see it', () => {
    expect(register([write('a'), 0, 1], [write('b'), 2, 3], [read, 4, 5, 'a'])).toBe('violation');
  });

  it('accepts either value while a write is under way, but not back and forth', () => {
    expect(register([write('a'), 0, 1], [write('b'), 2, 9], [read, 3, 4, 'a'], [read, 5, 6, 'b'])).toBe('linearizable');
    expect(register([write('a'), 0, 1], [write('b'), 2, 9], [read, 3, 4, 'b'], [read, 5, 6, 'a'])).toBe('violation');
  });

  it('lets a call that never returned take effect late, or never, but once', () => {
    expect(register([write('a'), 0, undefined], [read, 5, 6, '']), 'never').toBe('linearizable');
    expect(register([write('a'), 0, undefined], [read, 5, 6, ''], [read, 7, 8, 'a']), 'late').toBe('linearizable');
    expect(
      register([write('a'), 0, undefined], [write('b'), 1, 2], [read, 3, 4, 'a'], [write('c'), 5, 6], [read, 7, 8, 'a']),
      'twice',
    ).toBe('violation');
  });

  it('holds a call with an unknown result to its time', () => {
    expect(register([write('a'), 0, 1], [read, 2, 3, ''])).toBe('violation');
  });

  it('follows compare-and-set', () => {
    const set: KeyOperation = { kind: 'compare-and-set', expected: 'a', value: 'b' };
    expect(register([write('a'), 0, 1], [set, 2, 3, 'done'], [set, 4, 5, 'mismatch'], [read, 6, 7, 'b'])).toBe('linearizable');
    expect(register([write('a'), 0, 1], [set, 2, 3, 'done'], [set, 4, 5, 'done'])).toBe('violation');
  });

  it('sees a value that was appended twice, or that is missing', () => {
    const list = (values: readonly string[]): string =>
      values.reduce((state, value) => APPEND_LIST.apply(state, append(value)).state, APPEND_LIST.initial);
    const check = (...told: readonly Told[]): string => checkLinearizable(history(...told), () => APPEND_LIST).kind;
    const twice: readonly Told[] = [
      [append('a'), 0, 9],
      [append('b'), 0, 9],
    ];
    expect(check(...twice, [read, 10, 11, list(['a', 'b'])])).toBe('linearizable');
    expect(check(...twice, [read, 10, 11, list(['b', 'a'])])).toBe('linearizable');
    expect(check(...twice, [read, 10, 11, list(['a', 'b', 'a'])])).toBe('violation');
    expect(check(...twice, [read, 10, 11, list(['a'])])).toBe('violation');
  });

  it('gives up at its bound rather than searching for ever', () => {
    const many = Array.from({ length: 12 }, (_, i): Told => [write(String(i)), 0, 100]);
    expect(checkLinearizable(history(...many, [read, 101, 102, 'x']), () => REGISTER, 1000)).toEqual({
      kind: 'undecided',
      key: 'k',
    });
  });

  it('agrees with trying every order, on small histories', () => {
    const operation = fc.oneof(
      fc.constant(read),
      fc.constantFrom('a', 'b').map(write),
      fc.constant<KeyOperation>({ kind: 'compare-and-set', expected: 'a', value: 'b' }),
    );
    const told = fc.tuple(operation, fc.nat(9), fc.option(fc.nat(5), { nil: undefined }), fc.constantFrom('', 'a', 'b', 'done'));
    fc.assert(
      fc.property(fc.array(told, { minLength: 1, maxLength: 5 }), (drawn) => {
        const entries = history(
          ...drawn.map(([op, calledAt, tookAt, result]): Told => [
            op,
            calledAt,
            tookAt === undefined ? undefined : calledAt + tookAt,
            op.kind === 'read' ? (result === 'done' ? 'a' : result) : result === 'done' ? 'done' : undefined,
          ]),
        );
        const expected = someOrder(entries, [], REGISTER.initial) ? 'linearizable' : 'violation';
        expect(checkLinearizable(entries, () => REGISTER).kind).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });
});

/** Tries every order of the operations, those that never returned also left out. */
function someOrder(left: readonly HistoryEntry[], placed: readonly HistoryEntry[], state: string): boolean {
  if (left.every(({ returnedAt }) => returnedAt === undefined)) return true;
  return left.some((next) => {
    const rest = left.filter((other) => other !== next);
    if (rest.some(({ returnedAt }) => returnedAt !== undefined && returnedAt < next.calledAt)) return false;
    const after = REGISTER.apply(state, next.operation);
    if (next.returnedAt !== undefined && next.result !== undefined && next.result !== after.result) return false;
    return someOrder(rest, [...placed, next], after.state);
  });
}
