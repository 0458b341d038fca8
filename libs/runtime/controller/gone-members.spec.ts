import type { DirectoryId, NodeId } from '@streamline/core/types/ids';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { describe, expect, it } from 'vitest';
import { GoneMembers } from './gone-members';
import type { LogMember } from './metadata-log';

const SELF = 1 as NodeId;

/** Node `id` at `host<id>:9093`; only a leader knows how long a member has been silent. */
function member(id: number, silentMs?: number, isVoter = true): LogMember {
  return {
    nodeId: id as NodeId,
    directoryId: `directory${id}` as DirectoryId,
    address: `host${id}:9093`,
    isVoter,
    staysLearner: false,
    progress: silentMs === undefined ? undefined : { matchIndex: 1, silentMs },
  };
}

describe('GoneMembers', () => {
  const clock = new VirtualClock();
  const three = [member(1), member(2), member(3)];

  it('knows that a majority is gone once that many addresses refuse connections, learners not counted', () => {
    const gone = new GoneMembers(clock);
    expect(gone.isMajorityGone(three, SELF)).toBe(false);
    gone.refused('host2:9093');
    expect(gone.isMajorityGone(three, SELF)).toBe(false);
    gone.refused('host4:9093');
    expect(gone.isMajorityGone([...three, member(4, undefined, false)], SELF)).toBe(false);
    gone.refused('host3:9093');
    expect(gone.isMajorityGone(three, SELF)).toBe(true);
  });

  it('counts half of the voters as no majority, one voter alone as one, and nobody as nothing', () => {
    const gone = new GoneMembers(clock);
    gone.refused('host2:9093');
    expect(gone.isMajorityGone([member(1), member(2)], SELF)).toBe(true);
    expect(gone.isMajorityGone([member(1)], SELF)).toBe(false);
    expect(gone.isMajorityGone([], SELF)).toBe(false);
    expect(gone.isMajorityGone([member(2)], 2 as NodeId), 'the node itself runs').toBe(false);
  });

  it('takes a member that greets it for one that is there, though it refused a moment ago', () => {
    const gone = new GoneMembers(clock);
    gone.refused('host2:9093');
    gone.refused('host3:9093');
    gone.heard('host3:9093');
    expect(gone.isMajorityGone(three, SELF)).toBe(false);
    gone.refused('host3:9093');
    expect(gone.isMajorityGone(three, SELF), 'and gone again once it refuses again').toBe(true);
  });

  it('believes what it hears later more than a refusal, and forgets refusals', () => {
    const gone = new GoneMembers(clock);
    gone.refused('host2:9093');
    gone.refused('host3:9093');
    clock.advance(100);
    expect(gone.isMajorityGone([member(1), member(2, 200), member(3, 150)], SELF)).toBe(true);
    expect(gone.isMajorityGone([member(1), member(2, 50), member(3, 150)], SELF)).toBe(false);
    clock.advance(10_000);
    expect(gone.isMajorityGone(three, SELF)).toBe(false);
  });
});
