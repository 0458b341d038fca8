import { describe, expect, it } from 'vitest';
import { MetadataState } from '@streamline/core/metadata/metadata-state';
import type { MetadataIndex } from '@streamline/core/types/ids';
import type { FollowMetadataResponse } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { FollowingReplica } from '../metadata/following-replica';
import { decodeRecord } from '../metadata/record-codec';
import { QUEUE_MAX } from './command-loop';
import { EntryTooLargeError, NotLeaderError } from './metadata-log';
import {
  BOOTSTRAP,
  CLUSTER,
  contents,
  ControllerKit,
  create,
  heartbeat,
  NODE,
  registration,
  startBroker,
  topic,
} from '@streamline/testing/controller/controller-kit';
import { MemoryStore } from '@streamline/testing/controller/memory-store';

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

async function take(stream: AsyncIterable<FollowMetadataResponse>, until: (message: FollowMetadataResponse) => boolean) {
  const messages: FollowMetadataResponse[] = [];
  for await (const message of stream) {
    messages.push(message);
    if (until(message)) break;
  }
  return messages;
}

function stateOf(messages: readonly FollowMetadataResponse[]): MetadataState {
  const state = new MetadataState();
  for (const { records, metadataIndex } of messages) state.apply(metadataIndex as MetadataIndex, records.map(decodeRecord));
  return state;
}

describe('ControllerRole', () => {
  it('bootstraps an empty log once and resumes ever after, with a higher term each time', async () => {
    const kit = new ControllerKit();
    const first = await kit.start();
    expect(await first.role.getQuorumStatus()).toMatchObject({
      nodeState: 'Leader',
      nodeId: 1,
      leaderId: 1,
      currentTerm: 1,
      voters: [1],
      clusterId: CLUSTER,
    });
    await kit.stop(first);
    const second = await kit.start({}, { bootstrap: undefined });
    expect(await second.role.getQuorumStatus()).toMatchObject({ currentTerm: 2, clusterId: CLUSTER });
    expect(await second.role.getQuorumStatus()).toSatisfy(
      ({ committedLogIndex, appliedLogIndex }) => committedLogIndex === appliedLogIndex,
    );
    await kit.stop(second);
    expect(second.fatal).toEqual([]);
  });

  it('refuses the log of another cluster, and an empty log where there was one', async () => {
    const kit = new ControllerKit();
    const other = 'otherotherotherother00' as never;
    for (const expectedClusterId of [other, CLUSTER]) {
      await expect(new ControllerKit().start({}, { expectedClusterId })).rejects.toThrow(/its metadata log is empty/);
    }
    await kit.stop(await kit.start());
    await expect(kit.start({}, { expectedClusterId: other })).rejects.toThrow(/is that of cluster clustercluster/);
  });

  it('shows what a caller was answered in the replica of its process before the caller runs on', async () => {
    const kit = new ControllerKit();
    const { role } = await kit.start();
    await startBroker(role);
    const replica = new FollowingReplica({
      controller: role,
      local: () => role.replica,
      clock: kit.clock,
      random: kit.random,
      log: quiet,
    });
    await replica.start();
    const { topics, metadataIndex } = await create(role, topic('t', { partitions: 3 }));
    expect(replica.image.topicIdsByName.get('t')).toBe(topics[0]?.topicId);
    expect(replica.image.index).toBe(metadataIndex);
    expect(await replica.waitFor(metadataIndex as MetadataIndex, 0)).toBe(true);
  });

  it('answers every method of the port, errors included', async () => {
    const { role } = await new ControllerKit().start();
    const epoch = await startBroker(role);
    expect(await create(role, topic('a'), topic('b', { partitions: 0 }))).toMatchObject({
      topics: [
        { name: 'a', error: { errorCode: 0 }, partitions: 1, replicationFactor: 1 },
        { name: 'b', error: { errorCode: 37 } },
      ],
    });
    const more = { name: 'a', partitions: 2, assignments: [], hasAssignments: false };
    expect(await role.createPartitions({ topics: [more], validateOnly: false, timeoutMs: 0 })).toMatchObject({
      topics: [{ name: 'a', error: { errorCode: 0 } }],
    });
    const changes = [{ name: 'retention.ms', value: '5', operation: 1 }];
    const resource = { resourceType: 2, resourceName: 'a', changes, replaceAll: false };
    expect(await role.alterConfigs({ resources: [resource], validateOnly: false })).toMatchObject({
      resources: [{ error: { errorCode: 0 } }],
    });
    expect(role.replica.image.dynamicConfigs(2, 'a').get('retention.ms')).toBe('5');
    expect(await role.allocateProducerIds({ brokerId: 1, brokerEpoch: epoch })).toMatchObject({
      firstProducerId: 0,
      count: 1000,
    });
    expect(await role.allocateProducerIds({ brokerId: 1, brokerEpoch: epoch - 1 })).toMatchObject({ error: { errorCode: 77 } });
    expect(await role.deleteTopics({ topics: [{ name: 'a' }, { name: 'x' }], timeoutMs: 0 })).toMatchObject({
      topics: [
        { name: 'a', error: { errorCode: 0 } },
        { name: 'x', error: { errorCode: 3 } },
      ],
    });
    expect(await role.registerBroker(registration('x', { listeners: [{ name: 'tin', host: 'h', port: 1 }] }))).toMatchObject({
      error: { errorCode: 119 },
    });
  });

  it('answers NOT_CONTROLLER once it is stopped', async () => {
    const kit = new ControllerKit();
    const controller = await kit.start();
    await kit.stop(controller);
    expect(await create(controller.role, topic('t'))).toMatchObject({ topics: [{ error: { errorCode: 41 } }] });
    expect(await heartbeat(controller.role, 1)).toMatchObject({ error: { errorCode: 41 } });
  });

  it('makes what waits together durable in one write', async () => {
    const kit = new ControllerKit();
    const { role } = await kit.start();
    await startBroker(role);
    await kit.disk.exists('/');
    const before = kit.disk.counters.operations;
    await Promise.all(Array.from({ length: 200 }, (_, n) => create(role, topic(`t${n}`))));
    expect(kit.disk.counters.operations - before).toBeLessThan(10);
    expect(role.replica.image.topics.size).toBe(200);
  });

  it('decides each command of a turn on what the ones before it came to', async () => {
    const { role } = await new ControllerKit().start();
    await startBroker(role);
    const codes = await Promise.all([create(role, topic('t')), create(role, topic('t'))]);
    expect(codes.map(({ topics }) => topics[0]?.error?.errorCode)).toEqual([0, 36]);
  });

  it('answers REQUEST_TIMED_OUT when the deadline passes, and refuses what its queue has no room for', async () => {
    const kit = new ControllerKit();
    const { role } = await kit.start();
    await startBroker(role);
    const release = kit.disk.inject({ operations: ['durableWrite'], fault: 'hold' });
    const slow = role.createTopics({ topics: [topic('slow')], validateOnly: false, timeoutMs: 500 });
    await kit.disk.exists('/');
    const waiting = Array.from({ length: QUEUE_MAX + 1 }, () => heartbeat(role, 1));
    kit.clock.advance(500);
    expect(await slow).toMatchObject({ topics: [{ error: { errorCode: 7 } }] });
    release();
    const codes = (await Promise.all(waiting)).map(({ error }) => error?.errorCode);
    expect(codes.filter((code) => code === 7)).toHaveLength(1);
    expect(role.replica.image.topicIdsByName.has('slow')).toBe(true);
  });

  it('fences a broker that is silent for the session timeout, and no sooner', async () => {
    const kit = new ControllerKit();
    const { role, expired } = await kit.start();
    const epoch = await startBroker(role);
    await create(role, topic('t'));
    for (let n = 0; n < 9; n++) kit.clock.advance(1_000);
    await heartbeat(role, epoch);
    for (let n = 0; n < 9; n++) kit.clock.advance(1_000);
    expect(role.replica.image.brokers.get(NODE)?.state).toBe('Running');
    kit.clock.advance(2_000);
    const dead = role.replica.waitFor((role.replica.image.index + 1) as MetadataIndex, 1_000);
    expect(await dead).toBe(true);
    await heartbeat(role, epoch, { appliedMetadataIndex: 0 });
    expect(role.replica.image.brokers.get(NODE)?.state).toBe('Dead');
    expect(expired).toEqual([NODE]);
  });

  it('gives every broker a new session when it starts, and when it stood still itself', async () => {
    const kit = new ControllerKit();
    const first = await kit.start();
    const epoch = await startBroker(first.role);
    await kit.stop(first);
    kit.clock.advance(60_000);
    const { role, expired } = await kit.start();
    for (let n = 0; n < 9; n++) kit.clock.advance(1_000);
    await heartbeat(role, epoch);
    expect(expired).toEqual([]);
    expect(role.replica.image.brokers.get(NODE)?.fenced).toBe(false);
  });

  it('decides on the committed metadata again after a proposal was lost', async () => {
    const kit = new ControllerKit();
    const { opened, role, fatal } = await kit.start();
    await startBroker(role);
    const { propose } = opened.log;
    for (const lost of [new NotLeaderError('deposed'), new EntryTooLargeError('huge')]) {
      opened.log.propose = () => Promise.reject(lost);
      const [outcome] = (await create(role, topic('t'))).topics;
      expect(outcome?.error?.errorCode).toBe(lost instanceof NotLeaderError ? 41 : 42);
    }
    opened.log.propose = propose.bind(opened.log);
    expect((await create(role, topic('t'))).topics[0]?.error?.errorCode).toBe(0);
    expect(fatal).toEqual([]);
  });

  it('acknowledges nothing more after a failed write, and says so once (J-9)', async () => {
    const kit = new ControllerKit();
    const { role, fatal } = await kit.start();
    await startBroker(role);
    kit.disk.inject({ operations: ['durableWrite'], fault: 'EIO' });
    expect((await create(role, topic('t'))).topics[0]?.error?.errorCode).toBe(-1);
    expect((await create(role, topic('u'))).topics[0]?.error?.errorCode).toBe(41);
    expect(fatal).toHaveLength(1);
  });

  it('refuses an entry that is larger than the log takes, and goes on', async () => {
    const { role } = await new ControllerKit().start();
    await startBroker(role);
    expect((await create(role, topic('big', { partitions: 5_000 }))).topics[0]?.error).toMatchObject({ errorCode: 42 });
    expect((await create(role, topic('small'))).topics[0]?.error?.errorCode).toBe(0);
  });
});

describe('followMetadata', () => {
  it('begins with a snapshot and goes on with what is committed', async () => {
    const { role, opened } = await new ControllerKit().start();
    await startBroker(role);
    await create(role, topic('a', { partitions: 50 }));
    const stream = take(
      role.followMetadata({ fromIndex: 0, follower: 'x' }),
      (message) => message.metadataIndex === role.replica.image.index && message.snapshotEnd === false,
    );
    await create(role, topic('b'));
    const messages = await stream;
    expect(messages[0]).toMatchObject({ snapshotStart: true, snapshotEnd: true });
    expect(contents(stateOf(messages))).toEqual(contents(opened.committed.state));
  });

  it('streams entries alone to a follower that is within what is kept', async () => {
    const { role, opened } = await new ControllerKit().start();
    await startBroker(role);
    await create(role, topic('a'));
    const messages = await take(
      role.followMetadata({ fromIndex: 1, follower: 'x' }),
      ({ metadataIndex }) => metadataIndex === role.replica.image.index,
    );
    expect(messages.some(({ snapshotStart }) => snapshotStart)).toBe(false);
    expect(contents(stateOf(messages))).toEqual(contents(opened.committed.state));
  });

  it('gives a snapshot to a follower that is behind what is kept, or ahead of the log', async () => {
    const { role } = await new ControllerKit().start({ maxLogsInSnapshot: 3 });
    await startBroker(role);
    for (const fromIndex of [1, 1_000]) {
      const [message] = await take(role.followMetadata({ fromIndex, follower: 'x' }), () => true);
      expect(message).toMatchObject({ snapshotStart: true, snapshotEnd: true, committedIndex: role.replica.image.index });
    }
  });

  it('cuts a follower that is slower than what is kept, which starts again', async () => {
    const { role } = await new ControllerKit().start({ maxLogsInSnapshot: 3 });
    await startBroker(role);
    const stream = role.followMetadata({ fromIndex: 0, follower: 'slow' })[Symbol.asyncIterator]();
    await stream.next();
    for (let n = 0; n < 5; n++) await create(role, topic(`t${n}`));
    expect(await stream.next()).toMatchObject({ done: true });
  });

  it('ends when the follower goes and when the role stops', async () => {
    const kit = new ControllerKit();
    const { role } = await kit.start();
    const abort = new AbortController();
    const gone = take(role.followMetadata({ fromIndex: 1, follower: 'x' }, { signal: abort.signal }), () => false);
    const stopped = take(role.followMetadata({ fromIndex: 1, follower: 'y' }), () => false);
    await role.getQuorumStatus();
    abort.abort();
    await gone;
    await role.stop();
    await stopped;
  });
});

describe('what is on disk', () => {
  it('is refused under another node id or directory id', async () => {
    const kit = new ControllerKit();
    await kit.stop(await kit.start());
    await expect(kit.openLog({ nodeId: 2 as never })).rejects.toThrow(/belongs to node 1, not 2: do not change node_id/);
    await expect(kit.openLog({ directoryId: 'anotheranotheranother0' as never })).rejects.toThrow(/copied here/);
    await kit.stop(await kit.start());
  });

  it('is refused where the image is lost and the log was released, and where the log is lost', async () => {
    const kit = new ControllerKit();
    await kit.stop(await kit.start());
    const { flushed } = kit.medium;
    kit.medium.flushed = new Map();
    await expect(kit.openLog()).rejects.toThrow(/image directory was lost/);
    kit.medium.flushed = flushed;
    await kit.disk.removeTree('/controller/journal');
    await expect(kit.openLog()).rejects.toThrow(/journal was lost/);
  });

  it('S-12: rebuilds an image that is ahead of its log from the log', async () => {
    const kit = new ControllerKit();
    await startBroker((await kit.start()).role);
    kit.disk = kit.disk.kill();
    const ahead = new ControllerKit();
    const { role, opened: other } = await ahead.start();
    await startBroker(role);
    for (let n = 0; n < 10; n++) await create(role, topic(`never${n}`));
    await other.committed.makeDurable();
    const { opened } = await new ControllerKit().start({
      disk: kit.disk,
      openStore: () => Promise.resolve(new MemoryStore(ahead.medium)),
    });
    expect(opened.committed.image.topicIdsByName.has('never0')).toBe(false);
    expect(opened.committed.image.clusterId).toBe(CLUSTER);
  });

  it('needs no replay after a clean stop', async () => {
    const kit = new ControllerKit();
    const first = await kit.start();
    await startBroker(first.role);
    await create(first.role, topic('t', { partitions: 20 }));
    const before = contents(first.opened.committed.state);
    await kit.stop(first);
    const { committed, log } = await kit.openLog();
    expect(contents(committed.state)).toEqual(before);
    await log.close();
    expect(BOOTSTRAP.clusterId).toBe(committed.image.clusterId);
  });
});
