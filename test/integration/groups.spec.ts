import { ErrorCode } from '@streamline/core/types/error-code';
import { offsetCommit } from '@streamline/wire/kafka/apis/08-offset-commit';
import { offsetFetch } from '@streamline/wire/kafka/apis/09-offset-fetch';
import { joinGroup } from '@streamline/wire/kafka/apis/11-join-group';
import { heartbeat } from '@streamline/wire/kafka/apis/12-heartbeat';
import { leaveGroup } from '@streamline/wire/kafka/apis/13-leave-group';
import { syncGroup } from '@streamline/wire/kafka/apis/14-sync-group';
import { describeGroups } from '@streamline/wire/kafka/apis/15-describe-groups';
import { listGroups } from '@streamline/wire/kafka/apis/16-list-groups';
import { deleteGroups } from '@streamline/wire/kafka/apis/42-delete-groups';
import { offsetDelete } from '@streamline/wire/kafka/apis/47-offset-delete';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { Broker } from '../kit/broker';
import { eventually } from '../kit/conditions';
import { unique } from '../kit/names';

/** The shortest that a broker takes. */
const SHORT_SESSION_MS = 6_000;
/** Long: members that send no heartbeats for a while, since the machine is busy, are to stay. */
const SESSION_MS = 300_000;

let broker: Broker;
let groupId: string;
let topic: string;
const members: Broker[] = [];

beforeAll(async () => {
  broker = await Broker.connect(inject('bootstrap'));
  topic = unique('read');
  await broker.createTopic(topic, { partitions: 2 });
});
beforeEach(async () => {
  groupId = unique('group');
  await broker.whenCoordinated(groupId);
});
afterAll(() => Promise.all([broker, ...members].map((each) => each.close())));

/** Joins wait, so each member has a connection of its own. */
async function connection(): Promise<Broker> {
  const own = await Broker.connect(inject('bootstrap'), 'member');
  members.push(own);
  return own;
}

interface Joining {
  readonly memberId?: string;
  readonly instance?: string | null;
  readonly version?: number;
  readonly protocols?: readonly string[];
  readonly sessionTimeoutMs?: number;
}

function join(own: Broker, options: Joining = {}) {
  const { memberId = '', instance = null, version = 9, protocols = ['range'], sessionTimeoutMs = SESSION_MS } = options;
  return own.request(joinGroup, version, {
    groupId,
    sessionTimeoutMs,
    rebalanceTimeoutMs: 60_000,
    memberId,
    ...(version >= 5 ? { groupInstanceId: instance } : {}),
    protocolType: 'consumer',
    protocols: protocols.map((name) => ({ name, metadata: Buffer.from(`subscription of ${instance}`) })),
  });
}

/** Joins as a dynamic member, which takes two requests from v4 on. */
async function joinTwice(own: Broker, options: Joining = {}) {
  const first = await join(own, options);
  expect(first.errorCode).toBe(ErrorCode.MEMBER_ID_REQUIRED);
  return join(own, { ...options, memberId: first.memberId });
}

function sync(own: Broker, generationId: number, memberId: string, assignments: Record<string, string> = {}) {
  return own.request(syncGroup, 5, {
    groupId,
    generationId,
    memberId,
    assignments: Object.entries(assignments).map(([id, text]) => ({ memberId: id, assignment: Buffer.from(text) })),
  });
}

async function beat(own: Broker, generationId: number, memberId: string): Promise<number> {
  return (await own.request(heartbeat, 4, { groupId, generationId, memberId })).errorCode;
}

function committing(offset: bigint, member?: { generation: number; id: string }, metadata = 'noted', partitionIndex = 0) {
  return broker.request(offsetCommit, 8, {
    groupId,
    generationIdOrMemberEpoch: member?.generation ?? -1,
    memberId: member?.id ?? '',
    topics: [{ name: topic, partitions: [{ partitionIndex, committedOffset: offset, committedMetadata: metadata }] }],
  });
}

async function commit(...args: Parameters<typeof committing>): Promise<number | undefined> {
  return (await committing(...args)).topics[0]?.partitions[0]?.errorCode;
}

async function committed(partitionIndex = 0) {
  const topics = [{ name: topic, partitionIndexes: [partitionIndex] }];
  const answer = await broker.request(offsetFetch, 8, { groups: [{ groupId, topics }] });
  return answer.groups[0]?.topics[0]?.partitions[0];
}

async function stateOf(): Promise<string | undefined> {
  return (await broker.request(describeGroups, 5, { groups: [groupId] })).groups[0]?.groupState;
}

/** A stable group of one dynamic member. */
async function stableMember(options: Joining = {}): Promise<{ own: Broker; id: string; generation: number }> {
  const own = await connection();
  const { memberId, generationId } = await joinTwice(own, options);
  const { assignment } = await sync(own, generationId, memberId, { [memberId]: 'all' });
  expect(assignment.toString()).toBe('all');
  return { own, id: memberId, generation: generationId };
}

describe('a group', () => {
  it('gives each member what the leader assigned, and takes it back when a member joins or leaves', async () => {
    const first = await stableMember();
    const other = await connection();
    const joining = joinTwice(other);
    // The first learns of the rebalance from its heartbeat and joins again.
    await eventually('the rebalance', async () => (await beat(first.own, first.generation, first.id)) === 27);
    const again = await join(first.own, { memberId: first.id });
    const joined = await joining;
    expect(again.leader).toBe(first.id);
    expect(again.members.map(({ memberId }) => memberId).sort()).toEqual([first.id, joined.memberId].sort());
    expect(joined.members).toEqual([]);
    expect(joined.generationId).toBe(again.generationId);
    const shares = { [first.id]: 'one half', [joined.memberId]: 'other half' };
    const [waiting, leading] = await Promise.all([
      sync(other, joined.generationId, joined.memberId),
      sync(first.own, again.generationId, first.id, shares),
    ]);
    expect([leading.assignment.toString(), waiting.assignment.toString()]).toEqual(['one half', 'other half']);
    expect(await beat(other, joined.generationId, joined.memberId)).toBe(0);

    await other.request(leaveGroup, 5, { groupId, members: [{ memberId: joined.memberId }] });
    await eventually('the rebalance', async () => (await beat(first.own, again.generationId, first.id)) === 27);
    const alone = await join(first.own, { memberId: first.id });
    expect(alone.members).toHaveLength(1);
    expect(alone.generationId).toBeGreaterThan(again.generationId);
  });

  it('fences an old generation with 22 and an unknown member with 25', async () => {
    const { own, id, generation } = await stableMember();
    expect(await beat(own, generation - 1, id)).toBe(ErrorCode.ILLEGAL_GENERATION);
    expect(await beat(own, generation, 'nobody')).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(await commit(1n, { generation: generation - 1, id })).toBe(ErrorCode.ILLEGAL_GENERATION);
    expect(await commit(1n)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
    expect(await commit(1n, { generation, id })).toBe(0);
  });

  it('drops a member that is silent for its session timeout', async () => {
    const { own, id, generation } = await stableMember({ sessionTimeoutMs: SHORT_SESSION_MS });
    await own.close();
    await eventually('the group is empty', async () => (await stateOf()) === 'Empty');
    expect(await beat(broker, generation, id)).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('refuses what cannot join: no common protocol 23, session out of range 26, no group id 24', async () => {
    await stableMember();
    const own = await connection();
    expect((await join(own, { protocols: ['other'], version: 3 })).errorCode).toBe(23);
    expect((await join(own, { sessionTimeoutMs: 1 })).errorCode).toBe(ErrorCode.INVALID_SESSION_TIMEOUT);
    groupId = '';
    expect((await join(own)).errorCode).toBe(ErrorCode.INVALID_GROUP_ID);
  });

  it.each([0, 1, 2, 3])('takes a member of JoinGroup v%i directly', async (version) => {
    const own = await connection();
    const joined = await join(own, { version });
    expect(joined).toMatchObject({ errorCode: 0, leader: joined.memberId });
    expect(joined.memberId).not.toBe('');
  });
});

describe('static membership', () => {
  it('keeps generation and assignment over a restart; the old member id gets 82', async () => {
    const own = await connection();
    const first = await join(own, { instance: 'a' });
    await sync(own, first.generationId, first.memberId, { [first.memberId]: 'kept' });
    const restarted = await connection();
    const again = await join(restarted, { instance: 'a' });
    expect(again).toMatchObject({ errorCode: 0, generationId: first.generationId, skipAssignment: true });
    expect(again.memberId).not.toBe(first.memberId);
    const { assignment } = await sync(restarted, again.generationId, again.memberId);
    expect(assignment.toString()).toBe('kept');
    const fenced = await own.request(heartbeat, 4, {
      groupId,
      generationId: first.generationId,
      memberId: first.memberId,
      groupInstanceId: 'a',
    });
    expect(fenced.errorCode).toBe(ErrorCode.FENCED_INSTANCE_ID);
  });

  it('is left by instance id (LeaveGroup v3+)', async () => {
    const own = await connection();
    const { generationId, memberId } = await join(own, { instance: 'a' });
    await sync(own, generationId, memberId, { [memberId]: 'x' });
    const left = await broker.request(leaveGroup, 3, { groupId, members: [{ memberId: '', groupInstanceId: 'a' }] });
    expect(left).toMatchObject({ errorCode: 0, members: [{ groupInstanceId: 'a', errorCode: 0 }] });
    expect(await stateOf()).toBe('Empty');
  });
});

describe('offsets', () => {
  it('are kept with their metadata, by partition; what was never committed is -1', async () => {
    expect(await commit(42n)).toBe(0);
    expect(await committed()).toMatchObject({ committedOffset: 42n, metadata: 'noted', errorCode: 0 });
    expect(await committed(1)).toMatchObject({ committedOffset: -1n, metadata: '', errorCode: 0 });
    expect(await commit(43n, undefined, '')).toBe(0);
    expect(await committed()).toMatchObject({ committedOffset: 43n, metadata: '' });
  });

  it('that are committed one behind the other take effect in that order, and a fetch behind them sees the last', async () => {
    const commits = Array.from({ length: 300 }, (_, index) => commit(BigInt(index + 1)));
    const fetched = committed();
    expect(await Promise.all(commits)).toEqual(commits.map(() => 0));
    expect(await fetched).toMatchObject({ committedOffset: 300n });
  });

  it('too much metadata is 12, an unknown partition 3; the other partitions commit', async () => {
    const partition = (partitionIndex: number, committedMetadata: string) => ({
      partitionIndex,
      committedOffset: 7n,
      committedMetadata,
    });
    const partitions = [partition(0, 'x'.repeat(4_097)), partition(1, 'ok'), partition(9, 'ok')];
    const answer = await broker.request(offsetCommit, 8, { groupId, memberId: '', topics: [{ name: topic, partitions }] });
    expect(answer.topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual([12, 0, 3]);
    expect(await committed(1)).toMatchObject({ committedOffset: 7n });
  });

  it('are deleted with OffsetDelete where no member reads the topic, and with the group', async () => {
    await commit(1n);
    const body = { groupId, topics: [{ name: topic, partitions: [{ partitionIndex: 0 }] }] };
    const deleted = await broker.request(offsetDelete, 0, body);
    expect(deleted).toMatchObject({ errorCode: 0, topics: [{ partitions: [{ errorCode: 0 }] }] });
    expect(await committed()).toMatchObject({ committedOffset: -1n });
    await commit(2n);
    const gone = await broker.request(deleteGroups, 2, { groupsNames: [groupId] });
    expect(gone.results).toMatchObject([{ groupId, errorCode: 0 }]);
    expect(await committed()).toMatchObject({ committedOffset: -1n });
  });

  it('of a topic that was created anew are -1', async () => {
    const reborn = unique('reborn');
    const shared = topic;
    try {
      topic = reborn;
      await broker.createTopic(reborn);
      await commit(5n);
      await broker.deleteTopic(reborn);
      await broker.createTopic(reborn);
      await eventually('the old offset is gone', async () => (await committed())?.committedOffset === -1n);
    } finally {
      topic = shared;
    }
  });
});

describe('describing groups', () => {
  it('tells members with their client, state and assignment; DeleteGroups of an active group is 68', async () => {
    const { id } = await stableMember();
    const { groups } = await broker.request(describeGroups, 5, { groups: [groupId] });
    expect(groups[0]).toMatchObject({ groupState: 'Stable', protocolType: 'consumer', protocolData: 'range' });
    expect(groups[0]?.members).toMatchObject([{ memberId: id, clientId: 'member', clientHost: '/127.0.0.1' }]);
    expect(groups[0]?.members[0]?.memberAssignment.toString()).toBe('all');
    const { results } = await broker.request(deleteGroups, 2, { groupsNames: [groupId] });
    expect(results[0]?.errorCode).toBe(ErrorCode.NON_EMPTY_GROUP);
  });

  it('ListGroups names groups with their state and type, and filters by state', async () => {
    await stableMember();
    const list = async (state: string) => {
      const { groups } = await broker.request(listGroups, 5, { statesFilter: [state], typesFilter: [] });
      return groups.find((group) => group.groupId === groupId);
    };
    expect(await list('Stable')).toMatchObject({ protocolType: 'consumer', groupState: 'Stable', groupType: 'classic' });
    expect(await list('Empty')).toBeUndefined();
  });
});
