import { describe, expect, it } from 'vitest';
import { errorCodesOf } from './answer-errors';

describe('errorCodesOf', () => {
  it('finds codes at every level, and only those that say something', () => {
    const answer = {
      errorCode: 0,
      topics: [
        { errorCode: 3, name: 'a', partitions: [{ errorCode: 6 }, { errorCode: 0 }] },
        { errorCode: 17, bytes: Buffer.alloc(5), nothing: null },
      ],
    };
    expect(errorCodesOf(answer).sort()).toEqual([17, 3, 6]);
    expect(errorCodesOf(undefined)).toEqual([]);
  });

  it('gives up on an answer of a million parts', () => {
    const partitions = Array.from({ length: 1_000_000 }, () => ({ errorCode: 6 }));
    expect(errorCodesOf({ errorCode: 41, partitions }).length).toBeLessThan(3000);
  });
});
