import { describe, expect, it, vi } from 'vitest';
import { MetadataState } from '@streamline/core/metadata/metadata-state';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { LeaderEpoch, MetadataIndex, NodeId, PartitionIndex, TopicId } from '@streamline/core/types/ids';
import type { FollowMetadataResponse } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { FollowingReplica } from '../metadata/following-replica';
import { decodeRecord, encodeRecord } from '../metadata/record-codec';
import type { ControllerRole } from './controller-role';
import { QUEUE_MAX } from './command-loop';
import { EntryTooLargeError, NotLeaderError } from './metadata-log';
import { RaftMetadataLog } from './raft-metadata-log';
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
import { until } from '@streamline/testing/time/until';

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

const OLD = [{ name: 'metadata.version', minLevel: 1, maxLevel: 1 }];

function upgradeTo(kafkaLevel: number) {
  return { updates: [{ name: 'metadata.version', kafkaLevel, upgradeType: 1 }], validateOnly: false, timeoutMs: 1000 };
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

  it('fails once it is stopped, so that whoever leads is asked', async () => {
    const kit = new ControllerKit();
    const controller = await kit.start();
    await kit.stop(controller);
    await expect(create(controller.role, topic('t'))).rejects.toMatchObject({ code: 'unavailable' });
    await expect(heartbeat(controller.role, 1)).rejects.toMatchObject({ code: 'unavailable' });
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

  it('never gives a topic the id of one that was removed: the command that created it may come again', async () => {
    const kit = new ControllerKit();
    const running = await kit.start();
    const { role } = running;
    await startBroker(role);
    const topicId = 'topictopictopictopic00';
    const drawnAtIndex = role.replica.image.index;
    const command = { topics: [{ ...topic('t'), topicId }], validateOnly: false, timeoutMs: 1_000, drawnAtIndex };
    expect((await role.createTopics(command)).topics).toMatchObject([{ topicId }]);
    expect((await role.createTopics(command)).topics).toMatchObject([{ topicId, error: { errorCode: 0 } }]);
    await role.deleteTopics({ topics: [{ name: 't' }], timeoutMs: 1_000 });
    const [again] = (await role.createTopics(command)).topics;
    expect(again).toMatchObject({ error: { errorCode: 0 } });
    expect(again?.topicId).not.toBe(topicId);
    expect(role.replica.image.topicIdsByName.get('t')).toBe(again?.topicId);

    // A leader that begins anew, from what it has on disk, knows nothing of the removal; of ids that are younger than that it does.
    await role.deleteTopics({ topics: [{ name: 't' }], timeoutMs: 1_000 });
    await kit.stop(running);
    const later = await kit.start();
    const [third] = (await later.role.createTopics(command)).topics;
    expect(third).toMatchObject({ error: { errorCode: 0 } });
    expect(third?.topicId).not.toBe(topicId);
    const youngId = 'youngyoungyoungyoung00';
    const young = { ...command, topics: [{ ...topic('u'), topicId: youngId }], drawnAtIndex: later.role.replica.image.index };
    expect((await later.role.createTopics(young)).topics).toMatchObject([{ topicId: youngId }]);
    await kit.stop(later);
  });

  it('knows what was removed before a change of the membership came between its commands', async () => {
    const kit = new ControllerKit();
    const { role, opened } = await kit.start();
    await startBroker(role);
    const topicId = 'topictopictopictopic00';
    const drawnAtIndex = role.replica.image.index;
    const command = { topics: [{ ...topic('t'), topicId }], validateOnly: false, timeoutMs: 1_000, drawnAtIndex };
    await role.createTopics(command);
    await role.deleteTopics({ topics: [{ name: 't' }], timeoutMs: 1_000 });
    const { propose } = opened.log;
    opened.log.propose = () => Promise.reject(new NotLeaderError('deposed'));
    await expect(create(role, topic('v'))).rejects.toMatchObject({ code: 'unavailable' });
    opened.log.propose = propose.bind(opened.log);
    const [again] = (await role.createTopics(command)).topics;
    expect(again).toMatchObject({ error: { errorCode: 0 } });
    expect(again?.topicId).not.toBe(topicId);
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

  const STORAGE = [{ name: 'storage', host: 'one', port: 9093 }];
  const stateOfBroker = (role: ControllerRole) => role.replica.image.brokers.get(NODE)?.state;

  it('acts at once when the process of a broker is gone: its connection lost, then refused', async () => {
    const kit = new ControllerKit();
    const { role, expired } = await kit.start();
    const { brokerEpoch } = await role.registerBroker(registration('first', { listeners: STORAGE }));
    await heartbeat(role, brokerEpoch);
    role.connectionRefused('one:9093');
    role.connectionLost('one:9093');
    await heartbeat(role, brokerEpoch);
    role.connectionRefused('one:9093');
    expect((await heartbeat(role, brokerEpoch)).isFenced).toBe(false);
    role.connectionLost('one:9093');
    role.connectionRefused('one:9093');
    expect(await role.replica.waitFor((role.replica.image.index + 1) as MetadataIndex, 1_000)).toBe(true);
    expect(stateOfBroker(role)).toBe('Dead');
    await until(() => expired.length > 0);
    expect(expired).toEqual([NODE]);
    const second = await role.registerBroker(registration('second', { listeners: STORAGE }));
    expect(stateOfBroker(role)).toBe('Starting');
    await heartbeat(role, second.brokerEpoch);
    expect(stateOfBroker(role)).toBe('Running');
  });

  it('shows a broker that stops as ShuttingDown until its process is gone, which is no surprise then', async () => {
    const ends: unknown[] = [];
    const { role } = await new ControllerKit().start({}, {}, { onBrokerExpired: (...end) => ends.push(end) });
    const { brokerEpoch } = await role.registerBroker(registration('first', { listeners: STORAGE }));
    await heartbeat(role, brokerEpoch);
    for (const _ of [1, 2]) {
      expect(await heartbeat(role, brokerEpoch, { wantShutdown: true })).toMatchObject({ shouldShutDown: true });
      expect(stateOfBroker(role)).toBe('ShuttingDown');
    }
    role.connectionLost('one:9093');
    expect(stateOfBroker(role)).toBe('ShuttingDown');
    role.connectionRefused('one:9093');
    expect(await role.replica.waitFor((role.replica.image.index + 1) as MetadataIndex, 1_000)).toBe(true);
    expect(stateOfBroker(role)).toBe('Dead');
    await until(() => ends.length > 0);
    expect(ends).toEqual([[NODE, 'refused', true]]);
  });

  it('knows when it begins to lead which brokers died while another controller led', async () => {
    const onLeadership = vi.spyOn(RaftMetadataLog.prototype, 'onLeadership');
    const { role, expired } = await new ControllerKit().start();
    const tell = onLeadership.mock.calls.at(-1)?.[0];
    onLeadership.mockRestore();
    const { brokerEpoch } = await role.registerBroker(registration('first', { listeners: STORAGE }));
    await heartbeat(role, brokerEpoch);
    tell?.(false);
    role.connectionLost('one:9093');
    role.connectionRefused('one:9093');
    await Promise.resolve();
    expect(stateOfBroker(role)).toBe('Running');
    tell?.(true);
    expect(await role.replica.waitFor((role.replica.image.index + 1) as MetadataIndex, 1_000)).toBe(true);
    expect(stateOfBroker(role)).toBe('Dead');
    await until(() => expired.length > 0);
    expect(expired).toEqual([NODE]);
  });

  it('registers no broker that is kept out, also where its registration came before', async () => {
    const kit = new ControllerKit();
    const running = await kit.start();
    const { role } = running;
    const codeOf = async (asked: ReturnType<ControllerRole['registerBroker']>) => (await asked).error?.errorCode;
    await startBroker(role);
    const onItsWay = role.registerBroker(registration('second'));
    const [letIn, letInToo] = [role.keepOut(NODE), role.keepOut(NODE)];
    expect(await codeOf(onItsWay)).toBe(ErrorCode.BROKER_ID_NOT_REGISTERED);
    expect(await role.removeBroker(NODE, false)).toMatchObject({ error: undefined });
    letIn();
    expect(await codeOf(role.registerBroker(registration('third')))).toBe(ErrorCode.BROKER_ID_NOT_REGISTERED);
    expect(role.replica.image.brokers.size).toBe(0);
    letInToo();
    expect(await codeOf(role.registerBroker(registration('fourth')))).toBe(ErrorCode.NONE);
    await kit.stop(running);
  });

  it('takes a broker out of the cluster, with force where it holds partitions', async () => {
    const { role } = await new ControllerKit().start();
    await startBroker(role);
    await create(role, topic('t'));
    // There is no other broker.
    expect(await role.drainBroker(NODE)).toMatchObject({ error: { errorCode: expect.any(Number) }, held: { names: ['t-0'] } });
    expect(await role.cancelDrain(NODE)).toBe(0);
    expect(await role.removeBroker(NODE, false)).toMatchObject({ error: { errorCode: 42 }, held: { names: ['t-0'] } });
    expect(await role.removeBroker(NODE, true)).toMatchObject({ error: undefined, lost: { names: ['t-0'] } });
    expect(role.replica.image.brokers.size).toBe(0);
  });

  describe('that leads after another was draining a broker', () => {
    const topicOn = (name: string, ...replicas: number[]) => {
      return topic(name, { partitions: -1, replicationFactor: -1, assignments: [{ partition: 0, replicas }] });
    };
    const epochs = new Map<number, number>();
    let kit: ControllerKit;
    let role: ControllerRole;

    /** Brokers 1 to 4; the topics `a` and `b` are on 3, and the first leader has begun to move them away. */
    async function drained(): Promise<void> {
      kit = new ControllerKit();
      const first = await kit.start();
      for (const brokerId of [1, 2, 3, 4]) {
        const directoryId = `${'directory'.repeat(2)}000${brokerId}`;
        const listeners = [{ name: 'kafka', host: `host-${brokerId}`, port: 9092 }];
        const request = registration(`${brokerId}`, { brokerId, directoryId, listeners });
        const { brokerEpoch } = await first.role.registerBroker(request);
        await heartbeat(first.role, brokerEpoch, { brokerId });
        epochs.set(brokerId, brokerEpoch);
      }
      const { topics } = await create(first.role, topicOn('a', 3, 1), topicOn('b', 3));
      expect(topics.map(({ error }) => error?.errorCode)).toEqual([0, 0]);
      expect(await first.role.drainBroker(3 as NodeId)).toMatchObject({ error: undefined, held: { total: 2 }, heldAtFirst: 2 });
      await kit.stop(first);
      role = (await kit.start()).role;
    }

    const partitionOf = (name: string) => {
      const { image } = role.replica;
      const partition = image.topics.get(image.topicIdsByName.get(name) ?? ('' as TopicId))?.partitions[0];
      if (partition === undefined) throw new Error(`no topic ${name}`);
      return partition;
    };

    /** The leader of the partition has all that are added copied. */
    async function copy(name: string): Promise<void> {
      const { topicId, leader = NODE, leaderEpoch, partitionEpoch, isr, addingReplicas } = partitionOf(name);
      const newIsr = [...isr, ...addingReplicas].map((id) => ({ brokerId: id, brokerEpoch: epochs.get(id) ?? -1 }));
      const proposal = { topicId, partition: 0, leaderEpoch, partitionEpoch, newIsr };
      const request = { brokerId: leader, brokerEpoch: epochs.get(leader) ?? -1, partitions: [proposal] };
      await role.alterPartition(request);
      expect(partitionOf(name).addingReplicas).toEqual([]);
    }

    it('goes on with it, and another broker that leaves moves nothing there', async () => {
      await drained();
      await create(role, topicOn('c', 4));
      expect(await role.drainBroker(4 as NodeId)).toMatchObject({ error: undefined });
      expect([...partitionOf('c').addingReplicas]).not.toContain(3);
      await copy('a');
      expect(await role.drainBroker(3 as NodeId)).toMatchObject({ error: undefined, held: { total: 1, names: ['b-0'] } });
      await copy('b');
      expect(await role.drainBroker(3 as NodeId)).toMatchObject({ error: undefined, held: { total: 0 } });
      expect(await role.removeBroker(3 as NodeId, false)).toMatchObject({ error: undefined });
      expect(role.replica.image.brokers.has(3 as NodeId)).toBe(false);
      expect(partitionOf('a').replicas).toHaveLength(2);
    });

    it('calls it off where the broker is to stay', async () => {
      await drained();
      expect(await role.cancelDrain(3 as NodeId)).toBe(2);
      expect([partitionOf('a').replicas.toSorted(), partitionOf('b').replicas]).toEqual([[1, 3], [3]]);
      expect(await role.removeBroker(3 as NodeId, false)).toMatchObject({ error: { errorCode: 42 } });
    });

    it('counts from what is left then', async () => {
      await drained();
      await copy('a');
      expect(await role.drainBroker(3 as NodeId)).toMatchObject({ held: { total: 1 }, heldAtFirst: 1 });
    });
  });

  it('carries proposals of leaders and news of failed logs to the metadata, and elects as an operator asks', async () => {
    const { role } = await new ControllerKit().start();
    const brokerEpoch = await startBroker(role);
    const created = await create(role, topic('t'));
    const topicId = created.topics[0]?.topicId ?? '';
    const partition = () => role.replica.image.topics.get(topicId as never)?.partitions[0];
    const newIsr = [{ brokerId: 1, brokerEpoch }];
    const proposal = { topicId, partition: 0, leaderEpoch: 0, partitionEpoch: 0, newIsr };
    const propose = (epoch: number) => role.alterPartition({ brokerId: 1, brokerEpoch: epoch, partitions: [proposal] });
    expect(await propose(brokerEpoch)).toMatchObject({
      error: { errorCode: 0 },
      partitions: [{ topicId, partition: 0, error: { errorCode: 0 }, leaderId: 1, leaderEpoch: 0, partitionEpoch: 1, isr: [1] }],
      metadataIndex: role.replica.image.index,
    });
    expect(await propose(brokerEpoch)).toMatchObject({ partitions: [{ error: { errorCode: 95 }, leaderId: -1, isr: [] }] });
    expect(await propose(brokerEpoch + 1)).toMatchObject({ error: { errorCode: 77 }, partitions: [] });
    const elect = async (electionType: number, allPartitions = false) => {
      const topics = [{ name: 't', partitions: [0] }];
      const { error, partitions } = await role.electLeaders({ electionType, topics, allPartitions, timeoutMs: 1000 });
      return [error, ...partitions.map((each) => each.error)].map((each) => each?.errorCode);
    };
    expect(await elect(1)).toEqual([0, 84]);
    expect(await elect(1, true)).toEqual([0]);
    expect(await elect(0)).toEqual([42]);
    const failed = { brokerId: 1, brokerEpoch, topics: [{ topicId, partitions: [0] }], condition: 0 };
    expect(await role.reportFailedReplicas({ ...failed, condition: 2 })).toMatchObject({ error: { errorCode: 0 } });
    expect(partition()).toMatchObject({ leader: 1, failedReplicas: [] });
    expect(await role.reportFailedReplicas(failed)).toMatchObject({ error: { errorCode: 0 } });
    expect(partition()).toMatchObject({ leader: undefined, failedReplicas: [1] });
    expect(await elect(2)).toEqual([0, 83]);
    const moves = [{ name: 't', partitions: [{ partition: 0, replicas: [], cancel: true }] }];
    const reassigned = await role.alterPartitionReassignments({
      topics: moves,
      allowReplicationFactorChange: true,
      timeoutMs: 1000,
    });
    expect(reassigned.partitions).toMatchObject([{ topic: 't', partition: 0, error: { errorCode: 85 } }]);
  });

  it('tells that this node leads, and that it does so no longer, with the term', async () => {
    const told: [boolean, number][] = [];
    const kit = new ControllerKit();
    const started = await kit.start({}, {}, { onLeadership: (...change) => told.push(change) });
    expect(told).toEqual([[true, 1]]);
    await kit.stop(started);
    const again = await kit.start({}, {}, { onLeadership: (...change) => told.push(change) });
    expect(told.filter(([leads]) => leads)).toEqual([
      [true, 1],
      [true, 2],
    ]);
    await kit.stop(again);
  });

  it('gives leaderships back to preferred leaders, and moves replicas off brokers that were removed, at an interval', async () => {
    const balanced: number[] = [];
    const kit = new ControllerKit();
    const { role, opened } = await kit.start({}, {}, { onLeadersBalanced: (partitions) => balanced.push(partitions) });
    const epochs = new Map<number, number>();
    for (const brokerId of [1, 2, 3]) {
      const directoryId = `directory-of-broker-${brokerId}0`;
      const { brokerEpoch } = await role.registerBroker(registration('first', { brokerId, directoryId }));
      epochs.set(brokerId, brokerEpoch);
      await heartbeat(role, brokerEpoch, { brokerId });
    }
    const topicId = 'replicatedtopic0000000' as TopicId;
    const nobody = { elr: [], lastKnownElr: [], addingReplicas: [], removingReplicas: [], failedReplicas: [] };
    const replicas = [1, 2] as NodeId[];
    const partition: MetadataRecord = {
      ...{ kind: 'partition', topicId, partition: 0 as PartitionIndex, replicas, isr: replicas, leader: 2 as NodeId },
      ...{ ...nobody, leaderEpoch: 4 as LeaderEpoch, partitionEpoch: 7 },
    };
    await opened.log.propose([[{ kind: 'topic', topicId, name: 'replicated' } as const, partition].map(encodeRecord)]);
    const now = () => role.replica.image.topics.get(topicId)?.partitions[0];
    const pass = async (seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        kit.clock.advance(1_000);
        for (const brokerId of role.replica.image.brokers.keys()) {
          await heartbeat(role, epochs.get(brokerId) ?? -1, { brokerId });
        }
      }
    };
    await pass(290);
    expect(now()?.leader).toBe(2);
    await pass(20);
    expect(now()).toMatchObject({ leader: 1, leaderEpoch: 5 });
    expect(balanced).toEqual([1]);
    const changes = [{ name: 'auto.leader.rebalance.enable', value: 'false', operation: 1 }];
    const resource = { resourceType: 4, resourceName: '', changes, replaceAll: false };
    await role.alterConfigs({ resources: [resource], validateOnly: false });
    await heartbeat(role, epochs.get(1) ?? -1, { brokerId: 1, wantFence: true });
    expect(now()).toMatchObject({ leader: 2, isr: [2] });
    await role.unregisterBroker({ brokerId: 1 });
    await pass(310);
    expect(now()?.leader).toBe(2);
    expect(now()).toMatchObject({ replicas: [3, 2, 1], addingReplicas: [3], removingReplicas: [1] });
  });

  it('counts partitions that get a leader which may lack acknowledged records', async () => {
    const unclean: number[] = [];
    const events = { onUncleanElections: (partitions: number) => unclean.push(partitions) };
    const kit = new ControllerKit();
    const { role } = await kit.start({}, {}, events);
    const epoch = await startBroker(role);
    const configs = [{ name: 'unclean.leader.election.enable', value: 'true' }];
    await create(role, topic('lossy', { partitions: 3, configs }), topic('safe'));
    await heartbeat(role, epoch, { wantFence: true });
    const { brokerEpoch } = await role.registerBroker(registration('other disk', { directoryId: 'anotherdirectory000000' }));
    expect(unclean).toEqual([]);
    await heartbeat(role, brokerEpoch);
    expect(unclean).toEqual([3]);
    const leaders = [...role.replica.image.topics.values()].map(({ name, partitions }) => [name, partitions[0]?.leader]);
    expect(leaders).toEqual([
      ['lossy', 1],
      ['safe', undefined],
    ]);
  });

  it('refuses a broker that is too old for what is finalized, and a level that it does not know itself', async () => {
    const { role } = await new ControllerKit().start();
    expect((await role.registerBroker(registration('first', { features: OLD }))).error).toMatchObject({
      errorCode: 35,
      errorMessage: expect.stringContaining('finalized metadata.version at level 2'),
    });
    expect((await role.updateFeatures(upgradeTo(34))).error).toMatchObject({
      errorCode: 95,
      errorMessage: expect.stringContaining('Local controller only supports versions 32-33'),
    });
    expect((await role.updateFeatures(upgradeTo(33))).error?.errorCode).toBe(0);
  });

  it('decides on the committed metadata again after a proposal was lost', async () => {
    const kit = new ControllerKit();
    const { opened, role, fatal } = await kit.start();
    await startBroker(role);
    const { propose } = opened.log;
    opened.log.propose = () => Promise.reject(new NotLeaderError('deposed'));
    await expect(create(role, topic('t'))).rejects.toMatchObject({ code: 'unavailable' });
    opened.log.propose = () => Promise.reject(new EntryTooLargeError('huge'));
    expect((await create(role, topic('t'))).topics[0]?.error?.errorCode).toBe(42);
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
    await expect(create(role, topic('u'))).rejects.toMatchObject({ code: 'unavailable' });
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

  it('is refused where the log is lost', async () => {
    const kit = new ControllerKit();
    await kit.stop(await kit.start());
    await kit.disk.removeTree('/controller/journal');
    await expect(kit.openLog()).rejects.toThrow(/journal was lost/);
    await kit.disk.removeTree('/controller/log');
    await kit.disk.removeTree('/controller/journal');
    await expect(kit.openLog()).rejects.toThrow(/journal was lost/);
  });

  it('is made anew from snapshot and log where the image is lost', async () => {
    const kit = new ControllerKit();
    const first = await kit.start({ snapshotIntervalLogs: 5, maxLogsInSnapshot: 2, raft: { purgeBatchSize: 1 } });
    await startBroker(first.role);
    for (let n = 0; n < 30; n++) await create(first.role, topic(`t${n}`));
    await kit.stop(first);
    kit.medium.flushed = new Map();
    const { committed } = await kit.openLog();
    expect(contents(committed.state)).toEqual(contents(first.opened.committed.state));
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
