import { describe, expect, it } from 'vitest';
import { longestWithoutLeaderMs, type Sample } from './cluster-watch';

/** A node's answer at a time; `leader` is what it names, undefined where it did not answer. */
function sample(atMs: number, leader: number | null | undefined): Sample {
  const body = leader === undefined ? {} : { code: 200, body: { leader_id: leader } as Sample['body'] & object };
  return { askedMs: atMs, answeredMs: atMs + 5, node: 1, pid: 100, ...body };
}

const isStale = ({ body }: Sample): boolean => body?.leader_id === 9;

describe('the time without a leader', () => {
  it('is none where every answer names one, however slowly they come', () => {
    expect(longestWithoutLeaderMs([sample(0, 2), sample(500, 2), sample(520, 3)], isStale)).toBe(0);
  });

  it.each([
    ['none', null],
    ['a stale one', 9],
    ['nothing at all', undefined],
  ])('reaches from the last good answer to the next where those in between name %s', (_, leader) => {
    const samples = [sample(0, 2), sample(20, 2), sample(40, leader), sample(60, leader), sample(80, 3), sample(100, 3)];
    expect(longestWithoutLeaderMs(samples, isStale)).toBe(85 - 20);
  });
});
