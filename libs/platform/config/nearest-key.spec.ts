import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, nearestKey } from './nearest-key';

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['roels', 'roles', 1],
  ])('is right for %j and %j', (from, to, distance) => expect(editDistance(from, to)).toBe(distance));

  it('is symmetric, and 0 only for equal words', () => {
    const word = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(word, word, (one, other) => {
        expect(editDistance(one, other)).toBe(editDistance(other, one));
        expect(editDistance(one, other) === 0).toBe(one === other);
      }),
    );
  });
});

describe('nearestKey', () => {
  it('finds the key with a typo, whatever separators were used', () => {
    expect(nearestKey('dta-dir', ['data_dir', 'node_id'])).toBe('data_dir');
    expect(nearestKey('NODE.ID', ['data_dir', 'node_id'])).toBe('node_id');
  });

  it('suggests nothing where nothing is near', () => {
    expect(nearestKey('colour', ['data_dir', 'node_id'])).toBeUndefined();
    expect(nearestKey('x'.repeat(10_000), ['data_dir'])).toBeUndefined();
  });
});
