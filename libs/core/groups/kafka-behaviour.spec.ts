import { beforeEach, describe, expect, it } from 'vitest';
import { ErrorCode } from '../types/error-code';
import type { JoinAnswer, JoinCommand, SyncAnswer } from './group-messages';
import type { Waiter } from './live-group';
import { GroupBench } from '@streamline/testing/groups/group-bench';
import { subscription } from '@streamline/testing/groups/group-story';

/** The "Groups" lines of Kafka's behaviours, one test each, against the core; wire versions are the gateway's to translate. */
describe('consumer groups, as Kafka 4.4 behaves', () => {
  let bench: GroupBench;
  let waiter: Waiter;

  beforeEach(() => {
    bench = new GroupBench({ initialRebalanceDelayMs: 0 });
    waiter = 0;
  });

  function join(command: Partial<JoinCommand> = {}): Waiter {
    waiter += 1;
    const whole: JoinCommand = {
      groupId: 'g',
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscription(['t']) }],
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 60_000,
      clientId: 'c',
      clientHost: '/127.0.0.1',
      requireKnownMemberId: false,
      supportsSkipAssignment: true,
      ...command,
    };
    bench.step((turn) => {
      bench.coordinator.join(turn, whole, waiter, String(waiter));
    });
    bench.expireDue();
    return waiter;
  }

  function joined(of: Waiter): JoinAnswer {
    const answer = bench.joins.get(of);
    if (answer === undefined) throw new Error(`join ${of} is still parked`);
    return answer;
  }

  function sync(
    memberId: string,
    generationId: number,
    assignments: Record<string, string> = {},
    groupInstanceId?: string,
  ): Waiter {
    waiter += 1;
    const list = Object.entries(assignments).map(([id, text]) => ({ memberId: id, assignment: Buffer.from(text) }));
    bench.step((turn) => {
      bench.coordinator.sync(turn, { groupId: 'g', generationId, memberId, groupInstanceId, assignments: list }, waiter);
    });
    return waiter;
  }

  function synced(of: Waiter): SyncAnswer {
    const answer = bench.syncs.get(of);
    if (answer === undefined) throw new Error(`sync ${of} is still parked`);
    return answer;
  }

  function heartbeat(memberId: string, generationId: number, groupInstanceId?: string): number {
    return bench.step((turn) => bench.coordinator.heartbeat(turn, { groupId: 'g', generationId, memberId, groupInstanceId }));
  }

  function commit(memberId: string, generationId: number, apiVersion = 9, groupId = 'g', metadata = ''): number {
    const offsets = [{ topic: 't', topicId: '', partition: 0, offset: 1, leaderEpoch: -1, metadata }];
    const command = { groupId, memberId, generationId, retentionTimeMs: -1, apiVersion, offsets };
    return bench.step((turn) => bench.coordinator.commit(turn, command)).errorCodes[0] ?? -1;
  }

  /** A group in Stable: leader and follower of generation 2. */
  function stablePair(): { leader: string; follower: string } {
    const leader = joined(join()).memberId;
    const second = join();
    join({ memberId: leader });
    const follower = joined(second).memberId;
    sync(leader, 2, { [leader]: 'one', [follower]: 'two' });
    expect(bench.coordinator.describe('g').state).toBe('Stable');
    return { leader, follower };
  }

  describe('JoinGroup', () => {
    it('gives an unknown dynamic member from v4 on 79 with an id', () => {
      const answer = joined(join({ requireKnownMemberId: true }));
      expect(answer).toMatchObject({ errorCode: ErrorCode.MEMBER_ID_REQUIRED, memberId: 'c-1' });
      expect(joined(join({ memberId: answer.memberId, requireKnownMemberId: true })).errorCode).toBe(0);
    });

    it('takes members up to v3 and static members directly', () => {
      expect(joined(join()).errorCode).toBe(0);
      expect(joined(join({ groupId: 'h', groupInstanceId: 'i', requireKnownMemberId: true })).errorCode).toBe(0);
    });

    it('answers an unknown member id with 25', () => {
      expect(joined(join({ memberId: 'x' })).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
      stablePair();
      expect(joined(join({ memberId: 'x' })).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    });

    it('answers no or mismatched protocols with 23', () => {
      expect(joined(join({ protocols: [] })).errorCode).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
      expect(joined(join({ protocolType: '' })).errorCode).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
      expect(bench.coordinator.describe('g').state).toBe('Dead');
      stablePair();
      const other = [{ name: 'other', metadata: subscription([]) }];
      expect(joined(join({ protocols: other })).errorCode).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
      expect(joined(join({ protocolType: 'connect' })).errorCode).toBe(ErrorCode.INCONSISTENT_GROUP_PROTOCOL);
    });

    it('answers a session timeout out of range with 26 and an empty group id with 24', () => {
      expect(joined(join({ sessionTimeoutMs: 5_999 })).errorCode).toBe(ErrorCode.INVALID_SESSION_TIMEOUT);
      expect(joined(join({ sessionTimeoutMs: 1_800_001 })).errorCode).toBe(ErrorCode.INVALID_SESSION_TIMEOUT);
      expect(joined(join({ groupId: '' })).errorCode).toBe(ErrorCode.INVALID_GROUP_ID);
    });

    it('answers a follower that rejoins in Stable with nothing changed at once, and rebalances for the leader', () => {
      const { leader, follower } = stablePair();
      expect(joined(join({ memberId: follower }))).toMatchObject({ errorCode: 0, generationId: 2, leader, members: [] });
      expect(bench.coordinator.describe('g').state).toBe('Stable');
      const parked = join({ memberId: leader });
      expect(bench.coordinator.describe('g').state).toBe('PreparingRebalance');
      expect(bench.joins.has(parked)).toBe(false);
    });

    it('drops absent dynamic members at the rebalance timeout, but not static ones', () => {
      const leader = joined(join({ sessionTimeoutMs: 100_000 })).memberId;
      join({ groupInstanceId: 'i', sessionTimeoutMs: 100_000 });
      join({ memberId: leader, sessionTimeoutMs: 100_000 });
      const third = join({ sessionTimeoutMs: 100_000 });
      bench.advance(60_000);
      const { members } = joined(third);
      expect(members.map(({ groupInstanceId }) => groupInstanceId)).toEqual(['i', undefined]);
    });

    it('drops any member that sends no Sync in time', () => {
      const leader = joined(join({ sessionTimeoutMs: 100_000 })).memberId;
      const second = join({ groupInstanceId: 'i', sessionTimeoutMs: 100_000 });
      join({ memberId: leader, sessionTimeoutMs: 100_000 });
      expect(joined(second).errorCode).toBe(0);
      sync(leader, 2);
      bench.advance(60_000);
      expect(heartbeat(leader, 2)).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
      expect(bench.coordinator.describe('g').members.map(({ memberId }) => memberId)).toEqual([leader]);
    });

    it('refuses what does not fit the bounds: members, pending members, metadata, groups', () => {
      bench = new GroupBench({ initialRebalanceDelayMs: 0, maxSize: 1, memberMetadataMaxBytes: 10, maxGroups: 1 });
      expect(joined(join({ requireKnownMemberId: true })).errorCode).toBe(ErrorCode.MEMBER_ID_REQUIRED);
      expect(joined(join({ requireKnownMemberId: true })).errorCode).toBe(ErrorCode.GROUP_MAX_SIZE_REACHED);
      const big = [{ name: 'range', metadata: new Uint8Array(11) }];
      expect(joined(join({ protocols: big })).errorCode).toBe(ErrorCode.MESSAGE_TOO_LARGE);
      expect(joined(join({ groupId: 'h' })).errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
      expect(commit('', -1, 9, 'h')).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    });

    it('takes no new members when those of all groups take too much memory, and gives their memory back', () => {
      bench = new GroupBench({ initialRebalanceDelayMs: 0, membershipMaxBytes: 3_000 });
      const known = joined(join()).memberId;
      join({ groupId: 'h', requireKnownMemberId: true });
      join({ groupId: 'i' });
      expect(joined(join({ groupId: 'j' })).errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
      expect(joined(join({ memberId: known })).errorCode).toBe(0);
      bench.advance(60_000);
      expect(bench.usage.bytes).toBe(0);
      join({ groupId: 'k' });
      join({ groupId: 'k', requireKnownMemberId: true });
      bench.restart();
      expect(bench.usage.bytes).toBe(0);
    });

    it('gives up on a new member that waits 5 minutes for its first join', () => {
      const leader = joined(join({ sessionTimeoutMs: 1_800_000, rebalanceTimeoutMs: 1_800_000 })).memberId;
      sync(leader, 1);
      const parked = join({ rebalanceTimeoutMs: 1_800_000 });
      bench.advance(299_999);
      expect(bench.joins.has(parked)).toBe(false);
      bench.advance(1);
      expect(joined(parked).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    });

    it('answers the earlier of two joins of one member, so that nobody waits for ever', () => {
      const { leader } = stablePair();
      const first = join({ memberId: leader });
      join({ memberId: leader });
      expect(joined(first).errorCode).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
    });
  });

  describe('a static member that rejoins in Stable with the same protocol', () => {
    beforeEach(() => {
      join({ groupInstanceId: 'i' });
      sync('i-1', 1, { 'i-1': 'all' }, 'i');
      waiter = 10;
    });

    it('gets the same generation and a new member id; the old id gets 82', () => {
      expect(joined(join({ groupInstanceId: 'i' }))).toMatchObject({ generationId: 1, memberId: 'i-11' });
      expect(heartbeat('i-1', 1, 'i')).toBe(ErrorCode.FENCED_INSTANCE_ID);
      expect(Buffer.from(synced(sync('i-11', 1, {}, 'i')).assignment).toString()).toBe('all');
    });

    it('is told the old leader up to v8, the leader with SkipAssignment from v9', () => {
      const old = joined(join({ groupInstanceId: 'i', supportsSkipAssignment: false }));
      expect(old).toMatchObject({ leader: 'i-1', skipAssignment: false, members: [] });
      const now = joined(join({ groupInstanceId: 'i' }));
      expect(now).toMatchObject({ leader: 'i-12', memberId: 'i-12', skipAssignment: true });
      expect(now.members).toHaveLength(1);
    });

    it('rebalances in CompletingRebalance, since the leader may be assigning to the old id', () => {
      const parked = join({ memberId: 'i-1', groupInstanceId: 'i' });
      expect(joined(parked).generationId).toBe(2);
      expect(joined(join({ groupInstanceId: 'i' })).generationId).toBe(3);
    });

    it('fences a parked join of the old id', () => {
      join();
      const old = join({ memberId: 'i-1', groupInstanceId: 'i' });
      expect(joined(old).errorCode).toBe(0);
      join();
      const parked = join({ memberId: 'i-1', groupInstanceId: 'i' });
      join({ groupInstanceId: 'i' });
      expect(joined(parked).errorCode).toBe(ErrorCode.FENCED_INSTANCE_ID);
    });
  });

  it('Heartbeat: 0 in CompletingRebalance, 27 in PreparingRebalance, 25 for an unknown group', () => {
    expect(heartbeat('m', 1)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    const leader = joined(join()).memberId;
    expect(bench.coordinator.describe('g').state).toBe('CompletingRebalance');
    expect(heartbeat(leader, 1)).toBe(0);
    join();
    expect(heartbeat(leader, 1)).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
  });

  describe('OffsetCommit', () => {
    it('is accepted in PreparingRebalance and refused with 27 in CompletingRebalance', () => {
      const { leader, follower } = stablePair();
      join({ memberId: leader });
      expect(commit(follower, 2)).toBe(0);
      join({ memberId: follower });
      expect(commit(leader, 3)).toBe(ErrorCode.REBALANCE_IN_PROGRESS);
    });

    it('without a member: 25 for an active group, accepted for an empty or a new one', () => {
      const { leader, follower } = stablePair();
      expect(commit('', -1)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
      bench.step((turn) =>
        bench.coordinator.leave(turn, { groupId: 'g', members: [{ memberId: leader }, { memberId: follower }] }),
      );
      expect(bench.coordinator.describe('g').state).toBe('Empty');
      expect(commit('', -1)).toBe(0);
      expect(commit('', -1, 9, 'new')).toBe(0);
    });

    it('of a member to an unknown group: 22, from v9 on 69; to an empty group 25', () => {
      expect(commit('m', 1, 8)).toBe(ErrorCode.ILLEGAL_GENERATION);
      expect(commit('m', 1, 9)).toBe(ErrorCode.GROUP_ID_NOT_FOUND);
      commit('', -1);
      expect(commit('m', 1)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    });

    it('refuses metadata over 4096 characters with 12, and commits the other partitions', () => {
      const offsets = [4_097, 4_096].map((length, partition) => {
        return { topic: 't', topicId: '', partition, offset: 5, leaderEpoch: 3, metadata: 'x'.repeat(length) };
      });
      const command = { groupId: 'g', memberId: '', generationId: -1, retentionTimeMs: -1, apiVersion: 9, offsets };
      const { errorCodes } = bench.step((turn) => bench.coordinator.commit(turn, command));
      expect(errorCodes).toEqual([ErrorCode.OFFSET_METADATA_TOO_LARGE, 0]);
      expect(bench.replayed().offsetCount).toBe(1);
    });

    it('keeps the session of a member alive', () => {
      const { leader, follower } = stablePair();
      for (let round = 0; round < 3; round += 1) {
        bench.advance(9_000);
        expect([commit(leader, 2), commit(follower, 2)]).toEqual([0, 0]);
      }
      expect(bench.coordinator.describe('g').members).toHaveLength(2);
    });
  });

  it('OffsetFetch of an unknown group or partition: -1, "", 0; of the id of a topic that was created anew: -1', () => {
    const none = { offset: -1, leaderEpoch: -1, metadata: '', errorCode: 0 };
    const id = `${'B'.repeat(21)}A`;
    const fetch = (groupId: string, topicId: string) =>
      bench.coordinator.fetchOffsets({ groupId, allTopics: false, topics: [{ topic: 't', topicId, partitions: [0] }] })
        .offsets[0];
    expect(fetch('g', '')).toMatchObject(none);
    const offsets = [{ topic: 't', topicId: id, partition: 0, offset: 5, leaderEpoch: 3, metadata: 'm' }];
    bench.step((turn) =>
      bench.coordinator.commit(turn, {
        groupId: 'g',
        memberId: '',
        generationId: -1,
        retentionTimeMs: -1,
        apiVersion: 10,
        offsets,
      }),
    );
    expect(fetch('g', id)).toMatchObject({ offset: 5, leaderEpoch: 3, metadata: 'm', errorCode: 0 });
    expect(fetch('g', `${'C'.repeat(21)}A`)).toMatchObject(none);
    expect(fetch('other', id)).toMatchObject(none);
  });

  it('LeaveGroup v3+ of an unknown group: top-level 0, members 25', () => {
    const members = [{ memberId: 'a' }, { memberId: '', groupInstanceId: 'i' }];
    const answer = bench.step((turn) => bench.coordinator.leave(turn, { groupId: 'g', members }));
    expect(answer.errorCode).toBe(0);
    expect(answer.members.map(({ errorCode }) => errorCode)).toEqual([ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.UNKNOWN_MEMBER_ID]);
  });

  it('DescribeGroups of an unknown group: Dead and 69 (v6; the gateway says 0 before)', () => {
    const group = bench.coordinator.describe('g');
    expect(group).toMatchObject({ state: 'Dead', errorCode: ErrorCode.GROUP_ID_NOT_FOUND });
    expect(group.errorMessage).toContain('g');
  });

  it('DeleteGroups of an active group: 68', () => {
    stablePair();
    const { errorCode } = bench.step((turn) => bench.coordinator.deleteGroup(turn, 'g'));
    expect(errorCode).toBe(ErrorCode.NON_EMPTY_GROUP);
  });

  it('waits group.initial.rebalance.delay.ms for the first generation, at most for the rebalance timeout', () => {
    bench = new GroupBench();
    const first = join({ rebalanceTimeoutMs: 7_000 });
    bench.advance(2_000);
    join({ rebalanceTimeoutMs: 7_000 });
    bench.advance(3_000);
    join({ rebalanceTimeoutMs: 7_000 });
    bench.advance(1_999);
    expect(bench.joins.has(first)).toBe(false);
    join({ rebalanceTimeoutMs: 7_000 });
    bench.advance(1);
    expect(joined(first).members).toHaveLength(4);
  });
});
