import { describe, expect, it } from 'vitest';
import type { NodeId, Offset } from '../types/ids';
import { preferredReader } from './reader-selection';
import type { Reader } from './reader-selection';

function follower(id: number, given: Partial<Reader> = {}): Reader {
  const known = { rack: 'b', isAlive: true, startOffset: 0 as Offset, endOffset: 10 as Offset, caughtUpMs: 0 };
  return { id: id as NodeId, ...known, ...given };
}

function choice(clientRack: string, followers: readonly Reader[], offset = 5): number | undefined {
  return preferredReader(clientRack, 'a', followers, offset as Offset);
}

describe('the replica that a consumer of a rack is sent to', () => {
  it('is the leader where the consumer names no rack, or the one of the leader', () => {
    expect(choice('', [follower(2)])).toBeUndefined();
    expect(choice('a', [follower(2, { rack: 'a' })])).toBeUndefined();
    expect(choice('c', [follower(2)])).toBeUndefined();
  });

  it('is a follower in the same rack that lives and has the offset', () => {
    expect(choice('b', [follower(2)])).toBe(2);
    expect(choice('b', [follower(2, { isAlive: false })])).toBeUndefined();
    expect(choice('b', [follower(2, { startOffset: 6 as Offset })])).toBeUndefined();
    expect(choice('b', [follower(2)], 11)).toBeUndefined();
  });

  it('is the one that is furthest, then the one that was caught up last', () => {
    expect(choice('b', [follower(2), follower(3, { endOffset: 11 as Offset })])).toBe(3);
    expect(choice('b', [follower(2), follower(3, { caughtUpMs: 7 })])).toBe(3);
  });
});
