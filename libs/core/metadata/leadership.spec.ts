import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LeaderEpoch, NodeId, PartitionIndex, TopicId } from '../types/ids';
import type { PartitionImage } from './image';
import type { ElectionRules } from './leadership';
import { isUncleanElection, withLeader, withoutReplica } from './leadership';
import { moved } from './moves';
import type { PartitionChangeRecord } from './records';

const nodes = (...ids: number[]): NodeId[] => ids as NodeId[];

function partition(part: Partial<PartitionImage>): PartitionImage {
  return {
    topicId: 'topictopictopictopic00' as TopicId,
    partition: 0 as PartitionIndex,
    replicas: nodes(1, 2, 3),
    isr: nodes(1, 2, 3),
    elr: [],
    lastKnownElr: [],
    addingReplicas: [],
    removingReplicas: [],
    failedReplicas: [],
    leader: 1 as NodeId,
    leaderEpoch: 0 as LeaderEpoch,
    partitionEpoch: 0,
    ...part,
  };
}

function rules(live: number[], rest: Partial<ElectionRules> = {}): ElectionRules {
  return { mayLead: (node) => live.includes(node), minInsyncReplicas: 1, uncleanElection: false, ...rest };
}

function after(before: PartitionImage, change: PartitionChangeRecord | undefined): PartitionImage {
  if (change === undefined) return before;
  const { isr = before.isr, elr = before.elr, lastKnownElr = before.lastKnownElr, leader = before.leader } = change;
  return { ...before, isr, elr, lastKnownElr, leader: leader ?? undefined };
}

describe('leadership', () => {
  it('goes to the next in-sync replica in the order of the replicas, with a new leader epoch', () => {
    const change = withoutReplica(partition({}), 1 as NodeId, 'fenced', rules([2, 3]));
    expect(change).toMatchObject({ isr: [2, 3], leader: 2, bumpLeaderEpoch: true });
  });

  it('is given uncleanly also by a move that begins, where unclean election allows one of those that are added to lead', () => {
    const before = partition({ replicas: nodes(2), isr: [], elr: nodes(2), leader: undefined });
    const change = moved(before, nodes(1, 2), rules([1], { uncleanElection: true }));
    expect(change).toMatchObject({ leader: 1, isr: [1], addingReplicas: [1] });
    expect(change !== undefined && isUncleanElection(before, change)).toBe(true);
  });

  it('stays where it is when a follower leaves, with the same leader epoch', () => {
    const change = withoutReplica(partition({}), 3 as NodeId, 'fenced', rules([1, 2]));
    expect(change).toMatchObject({ isr: [1, 2], bumpLeaderEpoch: false });
    expect(change).not.toHaveProperty('leader');
  });

  it('keeps those eligible who left while the ISR was below its minimum (KIP-966)', () => {
    const two = partition({ isr: nodes(1, 2) });
    expect(withoutReplica(two, 2 as NodeId, 'fenced', rules([1], { minInsyncReplicas: 2 }))).toMatchObject({
      isr: [1],
      elr: [2],
    });
    expect(withoutReplica(two, 2 as NodeId, 'unclean', rules([1], { minInsyncReplicas: 2 }))).not.toHaveProperty('elr');
  });

  it('is never taken from outside ISR and ELR: nobody leads rather than a stale replica', () => {
    const sole = partition({ isr: nodes(1) });
    expect(withoutReplica(sole, 1 as NodeId, 'fenced', rules([2, 3]))).toMatchObject({ leader: null, isr: [], elr: [1] });
  });

  it('returns to an eligible replica when the ISR is empty, and to the sole last known leader when both are', () => {
    const eligible = partition({ isr: [], elr: nodes(2), lastKnownElr: nodes(1), leader: undefined });
    expect(withLeader(eligible, rules([1, 2, 3]))).toMatchObject({ leader: 2, isr: [2], elr: [], lastKnownElr: [] });
    expect(withLeader(eligible, rules([1, 3]))).toBeUndefined();
    expect(withLeader({ ...eligible, elr: [] }, rules([1, 2, 3]))).toMatchObject({ leader: 1, isr: [1] });
  });

  it('is remembered as the last known one of the last replica in sync, where nobody led by then: nobody could lead any more', () => {
    const unled = partition({ isr: nodes(2), elr: [], leader: undefined });
    const change = withoutReplica(unled, 2 as NodeId, 'unclean', rules([]));
    expect(change).toMatchObject({ isr: [], lastKnownElr: [2] });
    expect(withLeader(after(unled, change), rules([1, 2, 3]))).toMatchObject({ leader: 2, isr: [2] });
  });

  it('goes to any live replica where unclean election is allowed', () => {
    const lost = partition({ isr: [], elr: nodes(2), leader: undefined });
    expect(withLeader(lost, rules([3], { uncleanElection: true }))).toMatchObject({ leader: 3, isr: [3], elr: [] });
  });

  it('always holds its invariants: a live leader in the ISR, an ISR within the replicas, an ELR outside the ISR', () => {
    const step = fc.record({
      node: fc.integer({ min: 1, max: 4 }),
      departure: fc.constantFrom('fenced', 'unclean', 'new-disk', 'return') as fc.Arbitrary<
        'fenced' | 'unclean' | 'new-disk' | 'return'
      >,
      unclean: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), fc.array(step, { maxLength: 30 }), (minInsyncReplicas, steps) => {
        const live = new Set([1, 2, 3]);
        let now = partition({});
        for (const { node, departure, unclean } of steps) {
          if (departure === 'return') live.add(node);
          else live.delete(node);
          const rule = rules([...live], { minInsyncReplicas, uncleanElection: unclean });
          const change = departure === 'return' ? withLeader(now, rule) : withoutReplica(now, node as NodeId, departure, rule);
          const next = after(now, change);
          expect(next.isr.every((each) => next.replicas.includes(each))).toBe(true);
          expect(next.elr.every((each) => next.replicas.includes(each) && !next.isr.includes(each))).toBe(true);
          if (next.leader !== undefined) {
            expect(next.isr).toContain(next.leader);
            expect(live).toContain(next.leader);
          }
          if (change !== undefined) expect(change.bumpLeaderEpoch).toBe(next.leader !== now.leader);
          if (departure !== 'return' && departure !== 'fenced' && next.leader !== node) {
            expect([...next.isr, ...next.elr]).not.toContain(node);
          }
          now = next;
        }
      }),
    );
  });
});
