import { describe, expect, it } from 'vitest';
import { backOff } from './back-off';

function delayMs(attempt: number, drawn: number): number {
  const random = { next: () => drawn, bytes: (length: number) => Buffer.alloc(length) };
  return backOff({ attempt, minMs: 100, maxMs: 1_000, random });
}

describe('the wait before the next attempt', () => {
  it.each([
    [0, 100],
    [1, 200],
    [3, 800],
    [4, 1_000],
    [5_000, 1_000],
  ])('after attempt %i lies between the half of %i ms and the whole', (attempt, longestMs) => {
    expect(delayMs(attempt, 0)).toBe(longestMs / 2);
    expect(delayMs(attempt, 1)).toBe(longestMs);
  });
});
