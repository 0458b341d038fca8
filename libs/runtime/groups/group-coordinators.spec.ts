import { describe, expect, it } from 'vitest';
import { OFFSETS_TOPIC } from '@streamline/core/metadata/offsets-topic';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { LeaderEpoch, PartitionIndex, TopicId } from '@streamline/core/types/ids';
import { partitionOfGroup } from './offsets-topic';
import {
  GroupHostBench,
  joinRequest,
  NODE,
  OFFSETS_TOPIC_ID,
  topicImage,
  turnOfTheLoop,
  watch,
} from '@streamline/testing/groups/group-host-bench';

const PARTITION = 0 as PartitionIndex;

async function settle(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await turnOfTheLoop();
}

describe('partitionOfGroup', () => {
  it('is Kafka’s: Java’s hash of the id, modulo the partitions', () => {
    // "".hashCode() = 0, "g" = 103, "my-group" = 1041161830, "polygenelubricants" = Integer.MIN_VALUE.
    expect(['', 'g', 'polygenelubricants'].map((id) => partitionOfGroup(id, 50))).toEqual([0, 3, 0]);
  });
});

describe('the group coordinators of a node', () => {
  it('answer a commit when it is committed, not before', async () => {
    const bench = await new GroupHostBench().start();
    bench.partitions.autoCommit = false;
    const commit = watch(bench.commit('g', 7));
    await settle();
    expect(commit.value).toBeUndefined();
    bench.partitions.commit();
    await bench.until(() => commit.value !== undefined);
    expect(commit.value?.errorCodes).toEqual([0]);
  });

  it('keep a read back until what it saw is committed, and let reads of other groups pass', async () => {
    const bench = await new GroupHostBench().start();
    await bench.commit('h', 3);
    bench.partitions.autoCommit = false;
    void bench.commit('g', 7);
    const read = watch(bench.committed('g'));
    expect(await bench.committed('h')).toBe(3);
    await settle();
    expect(read.value).toBeUndefined();
    bench.partitions.commit();
    expect(await read.promise).toBe(7);
  });

  it('put what comes in one turn of the event loop into one batch', async () => {
    const bench = await new GroupHostBench().start();
    await Promise.all(Array.from({ length: 100 }, (_, index) => bench.commit(`g${index}`, index)));
    expect(bench.partitions.appends).toBe(1);
    expect(await bench.committed('g42')).toBe(42);
  });

  it('close a batch when it is large, and still answer when all of it is committed', async () => {
    const bench = await new GroupHostBench({ limits: { maxBatchBytes: 1_000 } }).start();
    const offsets = Array.from({ length: 100 }, (_, partition) => ({
      topic: 't',
      topicId: '',
      partition,
      offset: 1,
      leaderEpoch: -1,
    }));
    const request = { groupId: 'g', generationId: -1, memberId: '', retentionTimeMs: -1, offsets, apiVersion: 9, timeoutMs: 0 };
    const { errorCodes } = await bench.groups.commitOffsets(request);
    expect(errorCodes.every((code) => code === 0)).toBe(true);
    expect(bench.partitions.appends).toBeGreaterThan(5);
  });

  it('answer with COORDINATOR_NOT_AVAILABLE after offsets.commit.timeout.ms, fetches with NOT_COORDINATOR', async () => {
    const bench = await new GroupHostBench().start();
    bench.partitions.autoCommit = false;
    const commit = watch(bench.commit('g', 7));
    const read = watch(bench.committed('g'));
    await settle();
    bench.clock.advance(4_999);
    await settle();
    expect(commit.value).toBeUndefined();
    bench.clock.advance(1);
    expect((await commit.promise).errorCodes).toEqual([ErrorCode.COORDINATOR_NOT_AVAILABLE]);
    expect(await read.promise).toBe(-1_000 * ErrorCode.NOT_COORDINATOR);
  });

  it('take a commit back that the log refuses, with what came after it in the batch', async () => {
    const bench = await new GroupHostBench({ limits: { maxBatchBytes: 1 } }).start();
    await bench.commit('g', 1);
    bench.partitions.refuseWith = ErrorCode.KAFKA_STORAGE_ERROR;
    bench.partitions.takeBeforeRefusing = 1;
    const commits = await Promise.all([bench.commit('h', 1), bench.commit('g', 2), bench.commit('g', 3), bench.commit('new', 1)]);
    expect(commits.map(({ errorCodes }) => errorCodes[0])).toEqual([16, 16, 16, 16]);
    bench.partitions.refuseWith = 0;
    // The first record got through: an error says nothing about whether it did.
    expect(await bench.committed('h')).toBe(1);
    expect(await bench.committed('g')).toBe(1);
    expect(await bench.committed('new')).toBe(-1);
    expect((await bench.groups.describeGroups({ groupIds: ['new'] })).groups[0]?.state).toBe('Dead');
  });

  it('keep a read back while what it sees is not committed, also when something later was refused', async () => {
    const bench = await new GroupHostBench({ limits: { maxBatchBytes: 1 } }).start();
    await bench.commit('g', 1);
    bench.partitions.autoCommit = false;
    void bench.commit('g', 2);
    await settle();
    bench.partitions.refuseWith = ErrorCode.NOT_ENOUGH_REPLICAS;
    expect((await bench.commit('g', 3)).errorCodes).toEqual([ErrorCode.COORDINATOR_NOT_AVAILABLE]);
    bench.partitions.takeBeforeRefusing = 1;
    const halfTaken = await Promise.all([bench.commit('h', 5), bench.commit('h', 6), bench.commit('g', 4)]);
    expect(halfTaken.map(({ errorCodes }) => errorCodes[0])).toEqual([15, 15, 15]);
    const reads = [watch(bench.committed('g')), watch(bench.committed('h'))];
    await settle();
    expect(reads.map(({ value }) => value)).toEqual([undefined, undefined]);
    bench.partitions.commit();
    expect(await Promise.all(reads.map(({ promise }) => promise))).toEqual([2, 5]);
  });

  it('load a shard anew when what was appended has an unknown fate, and show nothing of it before', async () => {
    const bench = await new GroupHostBench().start();
    await bench.commit('g', 1);
    bench.partitions.autoCommit = false;
    const commit = watch(bench.commit('g', 2));
    const read = watch(bench.committed('g'));
    await settle();
    bench.partitions.loseSight(ErrorCode.KAFKA_STORAGE_ERROR);
    expect((await commit.promise).errorCodes).toEqual([ErrorCode.NOT_COORDINATOR]);
    expect(await read.promise).toBe(-1_000 * ErrorCode.NOT_COORDINATOR);
    await settle();
    expect(await bench.committed('g')).toBe(-1_000 * ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
    bench.partitions.commit();
    await bench.until(() => bench.groups.status().ready);
    expect(await bench.committed('g')).toBe(2);
  });

  it('load the other shards while one waits for its log to be committed', async () => {
    const writer = await new GroupHostBench({ partitionCount: 2 }).start();
    const { partitions } = writer;
    partitions.autoCommit = false;
    void writer.commit('h', 5);
    await settle();
    const bench = new GroupHostBench({ partitions, limits: { maxConcurrentLoads: 1 } });
    await bench.groups.start();
    const states = () => bench.groups.status().shards.map(({ state }) => state);
    await bench.until(() => states()[1] === 'active');
    expect(states()).toEqual(['loading', 'active']);
    partitions.commit();
    await bench.until(() => states()[0] === 'active');
    expect(await bench.committed('h')).toBe(5);
  });

  it('stay stopped where their partition is committed and lost in one breath', async () => {
    const writer = await new GroupHostBench().start();
    const { partitions } = writer;
    const { memberId, generationId } = await writer.groups.joinGroup(joinRequest('g', 'c'));
    partitions.autoCommit = false;
    void writer.groups.syncGroup({ groupId: 'g', generationId, memberId, assignments: [] });
    await settle();
    const bench = new GroupHostBench({ partitions });
    await bench.groups.start();
    await settle();
    expect(bench.groups.status().shards[0]?.state).toBe('loading');
    partitions.commit();
    partitions.resign(PARTITION);
    await settle();
    expect(bench.groups.metrics().membershipBytes).toBe(0);
    await bench.groups.stop();
    expect(bench.clock.nextTimerInMs).toBeUndefined();
  });

  it('believe the metadata when it knows of a later leader than the log', async () => {
    const bench = await new GroupHostBench().start();
    const topic = topicImage(OFFSETS_TOPIC, OFFSETS_TOPIC_ID, 1, 'nobody');
    const moved = topic.partitions.map((partition) => ({ ...partition, leaderEpoch: 9 as LeaderEpoch }));
    bench.replica.become([{ ...topic, partitions: moved }]);
    expect(await bench.committed('g')).toBe(-1_000 * ErrorCode.NOT_COORDINATOR);
    bench.replica.become([{ ...topic, partitions: moved.map((partition) => ({ ...partition, leader: NODE })) }]);
    expect(await bench.committed('g')).toBe(-1_000 * ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
  });

  it('say 16 once they cease to lead in an epoch that the metadata still has, heartbeats too, and serve again when they lead again', async () => {
    const bench = await new GroupHostBench().start();
    const topic = topicImage(OFFSETS_TOPIC, OFFSETS_TOPIC_ID, 1);
    const leaderEpoch = 1 as LeaderEpoch;
    bench.replica.become([{ ...topic, partitions: topic.partitions.map((partition) => ({ ...partition, leaderEpoch })) }]);
    bench.partitions.resign(PARTITION);
    const member = { groupId: 'g', generationId: 1, memberId: 'm' };
    const { NOT_COORDINATOR } = ErrorCode;
    expect((await bench.groups.heartbeat(member)).errorCode).toBe(NOT_COORDINATOR);
    expect((await bench.groups.joinGroup(joinRequest('g', 'c'))).errorCode).toBe(NOT_COORDINATOR);
    expect((await bench.groups.syncGroup({ ...member, assignments: [] })).errorCode).toBe(NOT_COORDINATOR);
    expect((await bench.commit('g', 1)).errorCodes).toEqual([NOT_COORDINATOR]);
    bench.partitions.leadOn(PARTITION);
    await bench.until(() => bench.groups.status().ready);
    expect((await bench.commit('g', 1)).errorCodes).toEqual([0]);
  });

  it('say 15 without an offsets topic, 16 where this node does not lead, 14 while it is about to', async () => {
    const bench = new GroupHostBench();
    await bench.groups.start();
    expect((await bench.groups.joinGroup(joinRequest('g', 'c'))).errorCode).toBe(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS);
    bench.replica.become([topicImage(OFFSETS_TOPIC, OFFSETS_TOPIC_ID, 1, 'nobody')]);
    expect((await bench.groups.joinGroup(joinRequest('g', 'c'))).errorCode).toBe(ErrorCode.NOT_COORDINATOR);
    bench.replica.become([]);
    expect((await bench.groups.joinGroup(joinRequest('g', 'c'))).errorCode).toBe(ErrorCode.COORDINATOR_NOT_AVAILABLE);
    expect(await bench.committed('g')).toBe(-1_000 * ErrorCode.NOT_COORDINATOR);
    expect((await bench.groups.listGroups({ states: [], types: [] })).errorCode).toBe(0);
  });

  it('say 14 while they load, but 0 to heartbeats, and 27 to syncs, so that members join again', async () => {
    const bench = new GroupHostBench();
    bench.partitions.readFailures = 1;
    const writer = await new GroupHostBench({ partitions: bench.partitions, limits: { loadRetryMs: 0 } }).start();
    await writer.commit('g', 5);
    bench.partitions.crash();
    bench.partitions.readFailures = 1;
    await bench.groups.start();
    bench.partitions.lead(PARTITION);
    await settle();
    const member = { groupId: 'g', generationId: 1, memberId: 'm' };
    expect(bench.groups.status().ready).toBe(false);
    expect((await bench.groups.heartbeat(member)).errorCode).toBe(0);
    expect((await bench.groups.joinGroup(joinRequest('g', 'c'))).errorCode).toBe(14);
    expect((await bench.groups.syncGroup({ ...member, assignments: [] })).errorCode).toBe(27);
    expect((await bench.groups.leaveGroup({ groupId: 'g', members: [] })).errorCode).toBe(14);
    expect((await bench.commit('g', 6)).errorCodes).toEqual([14]);
    expect(await bench.committed('g')).toBe(-14_000);
    expect((await bench.groups.deleteOffsets({ groupId: 'g', topics: [] })).errorCode).toBe(14);
    expect((await bench.groups.describeGroups({ groupIds: ['g'] })).groups[0]?.errorCode).toBe(14);
    expect((await bench.groups.deleteGroups({ groupIds: ['g'] })).groups[0]?.errorCode).toBe(14);
    expect((await bench.groups.listGroups({ states: [], types: [] })).errorCode).toBe(14);
    bench.clock.advance(100);
    await bench.until(() => bench.groups.status().ready);
    expect(await bench.committed('g')).toBe(5);
    expect((await bench.groups.heartbeat(member)).errorCode).toBe(ErrorCode.UNKNOWN_MEMBER_ID);
  });

  it('keep the bytes of members, not the memory of the requests that brought them', async () => {
    const bench = await new GroupHostBench().start();
    const request = Buffer.from('subscription, assignment');
    const protocols = [{ name: 'range', metadata: request.subarray(0, 12) }];
    const { memberId, generationId } = await bench.groups.joinGroup(joinRequest('g', 'c', { protocols }));
    const assignments = [{ memberId, assignment: request.subarray(14) }];
    const synced = bench.groups.syncGroup({ groupId: 'g', generationId, memberId, assignments });
    request.fill(0);
    expect(Buffer.from((await synced).assignment).toString()).toBe('assignment');
    const [group] = (await bench.groups.describeGroups({ groupIds: ['g'] })).groups;
    expect(Buffer.from(group?.members[0]?.metadata ?? []).toString()).toBe('subscription');
  });

  it('do not serve a log that they cannot read, and say why', async () => {
    const bench = await new GroupHostBench().start();
    await bench.commit('g', 5);
    const batch = bench.partitions.get(PARTITION).batches[0];
    if (batch === undefined) throw new Error('no batch');
    // The first record's key begins with its type; 9 is none.
    batch.bytes.writeInt16BE(9, batch.bytes.indexOf(Buffer.from([0, 1, 0, 1, 0x67])));
    bench.partitions.crash();
    const next = new GroupHostBench({ partitions: bench.partitions });
    await next.start();
    expect((await next.commit('g', 6)).errorCodes).toEqual([ErrorCode.COORDINATOR_NOT_AVAILABLE]);
    expect(next.groups.status().shards[0]).toMatchObject({ state: 'failed' });
    expect(next.groups.status().shards[0]?.reason).toContain('type 9');
    expect(next.logged.some(({ level }) => level === 'error')).toBe(true);
  });

  it('know after a restart what was answered, and forget what was not committed', async () => {
    const bench = await new GroupHostBench({ partitionCount: 4 }).start();
    for (let index = 0; index < 40; index += 1) await bench.commit(`g${index}`, index, { metadata: `m${index}` });
    const joined = await bench.groups.joinGroup(joinRequest('w', 'c', { groupInstanceId: 'i' }));
    const { memberId, generationId } = joined;
    const assignments = [{ memberId, assignment: Buffer.from('all') }];
    expect((await bench.groups.syncGroup({ groupId: 'w', generationId, memberId, assignments })).errorCode).toBe(0);
    bench.partitions.autoCommit = false;
    void bench.commit('g1', 99);
    await settle();
    bench.partitions.crash();
    const next = await new GroupHostBench({ partitions: bench.partitions }).start();
    next.partitions.autoCommit = true;
    for (let index = 0; index < 40; index += 1) expect(await next.committed(`g${index}`)).toBe(index);
    const [group] = (await next.groups.describeGroups({ groupIds: ['w'] })).groups;
    expect(group).toMatchObject({ state: 'Stable', protocol: 'range', protocolType: 'consumer' });
    expect(group?.members[0]).toMatchObject({ memberId, groupInstanceId: 'i', clientId: 'c', clientHost: '/127.0.0.1' });
    expect(Buffer.from(group?.members[0]?.assignment ?? []).toString()).toBe('all');
    expect((await next.groups.heartbeat({ groupId: 'w', generationId, memberId })).errorCode).toBe(0);
    next.clock.advance(10_000);
    expect((await next.groups.describeGroups({ groupIds: ['w'] })).groups[0]?.state).toBe('Empty');
  });

  it('tell everyone who waits that this node coordinates no longer, when it stops leading', async () => {
    const bench = await new GroupHostBench({ config: { initialRebalanceDelayMs: 3_000 } }).start();
    const join = watch(bench.groups.joinGroup(joinRequest('g', 'c')));
    bench.partitions.autoCommit = false;
    const commit = watch(bench.commit('h', 1));
    await settle();
    expect([join.value, commit.value]).toEqual([undefined, undefined]);
    bench.partitions.resign(PARTITION);
    expect((await join.promise).errorCode).toBe(ErrorCode.NOT_COORDINATOR);
    expect((await commit.promise).errorCodes).toEqual([ErrorCode.NOT_COORDINATOR]);
    bench.partitions.autoCommit = true;
    bench.partitions.commit();
    bench.partitions.lead(PARTITION);
    await bench.until(() => bench.groups.status().ready);
    expect((await bench.commit('h', 2)).errorCodes).toEqual([0]);
    const parked = watch(bench.groups.joinGroup(joinRequest('g', 'c')));
    await bench.groups.stop();
    expect((await parked.promise).errorCode).toBe(ErrorCode.NOT_COORDINATOR);
    expect(bench.clock.nextTimerInMs).toBeUndefined();
  });

  it('let what is on its way to the log be answered when they stop, but not for ever', async () => {
    const bench = await new GroupHostBench().start();
    bench.partitions.autoCommit = false;
    const commit = watch(bench.commit('g', 1));
    const stopped = watch(bench.groups.stop().then(() => true));
    await settle();
    expect((await bench.commit('g', 2)).errorCodes).toEqual([ErrorCode.NOT_COORDINATOR]);
    bench.partitions.commit();
    expect((await commit.promise).errorCodes).toEqual([0]);
    bench.clock.advance(5);
    await bench.until(() => stopped.value === true);
    const stuck = await new GroupHostBench().start();
    stuck.partitions.autoCommit = false;
    const lost = watch(stuck.commit('g', 1));
    const end = watch(stuck.groups.stop().then(() => true));
    for (let step = 0; step < 300 && end.value === undefined; step += 1) {
      stuck.clock.advance(5);
      await turnOfTheLoop();
    }
    expect(end.value).toBe(true);
    expect((await lost.promise).errorCodes).toEqual([ErrorCode.NOT_COORDINATOR]);
  });

  it('serve nothing before what they read is committed', async () => {
    const bench = new GroupHostBench();
    const writer = await new GroupHostBench({ partitions: bench.partitions }).start();
    bench.partitions.autoCommit = false;
    void writer.commit('g', 5);
    await settle();
    await bench.groups.start();
    await settle();
    expect(await bench.committed('g')).toBe(-14_000);
    bench.partitions.commit();
    bench.clock.advance(10);
    await bench.until(() => bench.groups.status().ready);
    expect(await bench.committed('g')).toBe(5);
  });

  it('finish a generation for all members when its assignment is committed', async () => {
    const bench = await new GroupHostBench({ config: { initialRebalanceDelayMs: 3_000 } }).start();
    const joins = ['a', 'b'].map((clientId) => bench.groups.joinGroup(joinRequest('g', clientId)));
    bench.clock.advance(6_000);
    const [leader, follower] = await Promise.all(joins);
    if (leader === undefined || follower === undefined) throw new Error('nobody joined');
    expect(leader.members).toHaveLength(2);
    bench.partitions.autoCommit = false;
    const base = { groupId: 'g', generationId: 1 };
    const waiting = watch(bench.groups.syncGroup({ ...base, memberId: follower.memberId, assignments: [] }));
    const assignments = [leader, follower].map(({ memberId }) => ({ memberId, assignment: Buffer.from(memberId) }));
    const leading = watch(bench.groups.syncGroup({ ...base, memberId: leader.memberId, assignments }));
    await settle();
    expect([waiting.value, leading.value]).toEqual([undefined, undefined]);
    bench.partitions.commit();
    expect(Buffer.from((await waiting.promise).assignment).toString()).toBe(follower.memberId);
    expect(Buffer.from((await leading.promise).assignment).toString()).toBe(leader.memberId);
    expect(bench.groups.metrics()).toMatchObject({ completedRebalances: 1 });
    expect(bench.groups.metrics().groupsByState.get('Stable')).toBe(1);
  });

  it('refuse more waiting calls than their bound', async () => {
    const bench = await new GroupHostBench({ limits: { maxWaiting: 2 } }).start();
    bench.partitions.autoCommit = false;
    const commits = [1, 2, 3].map((offset) => watch(bench.commit('g', offset)));
    await settle();
    expect(commits[2]?.value?.errorCodes).toEqual([ErrorCode.COORDINATOR_NOT_AVAILABLE]);
    bench.partitions.commit();
    await settle();
    expect(commits.map(({ value }) => value?.errorCodes[0])).toEqual([0, 0, 15]);
    expect(await bench.committed('g')).toBe(2);
  });

  it('refuse a name that the log’s format cannot hold, and nothing else with it', async () => {
    const bench = await new GroupHostBench().start();
    const [good, bad] = await Promise.all([bench.commit('g', 1), bench.commit('g', 2, { topic: 'x'.repeat(40_000) })]);
    expect([good.errorCodes[0], bad.errorCodes[0]]).toEqual([0, ErrorCode.UNKNOWN_SERVER_ERROR]);
    expect(await bench.committed('g')).toBe(1);
  });

  it('forget the offsets of a topic that is deleted, also one that goes while they load', async () => {
    const topicId = `${'T'.repeat(21)}A` as TopicId;
    const offsets = topicImage(OFFSETS_TOPIC, OFFSETS_TOPIC_ID, 1);
    const bench = new GroupHostBench();
    bench.replica.become([offsets, topicImage('t', topicId, 1)]);
    await bench.start();
    bench.replica.become([offsets, topicImage('t', topicId, 1), topicImage('u', `${'U'.repeat(21)}A` as TopicId, 1)]);
    await bench.commit('g', 1, { topicId });
    await bench.commit('g', 1, { topic: 'u' });
    bench.replica.become([offsets, topicImage('u', `${'U'.repeat(21)}A` as TopicId, 1)]);
    expect(await bench.committed('g', 't')).toBe(-1);
    bench.partitions.resign(PARTITION);
    bench.partitions.readFailures = 1;
    bench.partitions.lead(PARTITION);
    bench.replica.become([offsets], true);
    await settle();
    bench.clock.advance(100);
    await bench.until(() => bench.groups.status().ready);
    expect(await bench.committed('g', 'u')).toBe(-1);
  });

  it('let offsets and groups expire every offsets.retention.check.interval.ms', async () => {
    const bench = await new GroupHostBench({
      config: { offsetsRetentionMs: 1_000 },
      limits: { expirationStepGroups: 3 },
    }).start();
    await Promise.all(Array.from({ length: 10 }, (_, index) => bench.commit(`g${index}`, index)));
    bench.clock.advance(599_999);
    await settle();
    expect(bench.groups.metrics().committedNow).toBe(10);
    bench.clock.advance(1);
    await bench.until(() => bench.groups.metrics().committedNow === 0);
    expect((await bench.groups.listGroups({ states: [], types: [] })).groups).toEqual([]);
    expect(bench.groups.metrics().expiredOffsets).toBe(10);
  });

  it('tell what is committed, for the lag', async () => {
    const bench = await new GroupHostBench({ partitionCount: 3 }).start();
    await bench.commit('g', 5);
    await bench.commit('h', 6, { topic: 'u', partition: 2 });
    const all = [...bench.groups.committedOffsets()].map(({ groupId, topic, partition, offset }) => [
      groupId,
      topic,
      partition,
      offset,
    ]);
    expect(all).toEqual(
      expect.arrayContaining([
        ['g', 't', 0, 5],
        ['h', 'u', 2, 6],
      ]),
    );
    expect(all).toHaveLength(2);
    expect(bench.groups.metrics().committedOffsets).toBe(2);
  });
});
