import type { Random } from '@streamline/runtime/ports/random';

/** The wait before the next attempt, in milliseconds: doubles from `minMs` to `maxMs`, half of it is random. */
export function backOff(options: {
  /** From 0. */
  readonly attempt: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly random: Random;
}): number {
  const { attempt, minMs, maxMs, random } = options;
  const longestMs = Math.min(maxMs, minMs * 2 ** Math.min(attempt, 20));
  return (longestMs * (1 + random.next())) / 2;
}
