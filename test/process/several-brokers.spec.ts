import kafkajs from 'kafkajs';
import { KafkaClient as Librdkafka } from 'kafka-crab-js';
import { ErrorCode } from '@streamline/core/types/error-code';
import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { fetch } from '@streamline/wire/kafka/apis/01-fetch';
import { listOffsets } from '@streamline/wire/kafka/apis/02-list-offsets';
import { findCoordinator } from '@streamline/wire/kafka/apis/10-find-coordinator';
import { heartbeat } from '@streamline/wire/kafka/apis/12-heartbeat';
import { createTopics } from '@streamline/wire/kafka/apis/19-create-topics';
import { offsetForLeaderEpoch } from '@streamline/wire/kafka/apis/23-offset-for-leader-epoch';
import { electLeaders } from '@streamline/wire/kafka/apis/43-elect-leaders';
import { alterPartitionReassignments } from '@streamline/wire/kafka/apis/45-alter-partition-reassignments';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { topicsAt, withBroker } from '../guide/topics';
import { batchOf, LATEST } from '../kit/broker';
import { Cluster, dumpFailures } from '../kit/cluster';
import type { ClusterNode } from '../kit/cluster-node';
import { eventually } from '../kit/conditions';
import { unique } from '../kit/names';

const BROKERS = [1, 2, 3];
const PARTITIONS = 6;
const RACKS = ['', 'rack-a', 'rack-b', 'rack-c'];
const WITHIN_MS = 60_000;
/** No leader is lost here: one that stands still, as on a busy machine, is to stay. */
const NO_ELECTIONS = [
  '--election-timeout-min-ms',
  '60000',
  '--election-timeout-max-ms',
  '90000',
  '--session-timeout-ms',
  '60000',
];

let cluster: Cluster;

beforeAll(async () => {
  const flags = (id: number) => ['--rack-id', RACKS[id] ?? '', '--group-initial-rebalance-delay-ms', '0', ...NO_ELECTIONS];
  cluster = await Cluster.onLoopback({ nodes: BROKERS.length, flags });
  await cluster.form();
});
afterAll(() => cluster.remove());
dumpFailures(() => cluster);

/** The broker that leads a partition of a topic that `createSpread` made. */
function leaderOf(partition: number): ClusterNode {
  return cluster.node((partition % BROKERS.length) + 1);
}

interface CreatedTopic {
  readonly topic: string;
  readonly topicId: string;
}

/** Creates a topic with these replicas of each partition. */
async function create(replicas: readonly (readonly number[])[]): Promise<CreatedTopic> {
  const topic = unique('several');
  const assignments = replicas.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds }));
  const topics = [{ name: topic, numPartitions: -1, replicationFactor: -1, assignments, configs: [] }];
  const answer = await withBroker(cluster.node(1), (broker) => broker.request(createTopics, 7, { topics }));
  expect(answer.topics[0]).toMatchObject({ errorCode: 0 });
  return { topic, topicId: answer.topics[0]?.topicId ?? '' };
}

/** Creates a topic whose partitions are led by the brokers in turn, and waits until all of them know it. */
async function createSpread(): Promise<CreatedTopic> {
  const created = await create(Array.from({ length: PARTITIONS }, (_, partition) => [leaderOf(partition).id]));
  const { topic } = created;
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const { kafka } = leaderOf(partition);
    await eventually(`${kafka} leads ${topic}-${partition}`, async () => {
      const { errorCode } = await withBroker(leaderOf(partition), (broker) => broker.tryFetch(topic, partition, 0));
      return errorCode === ErrorCode.NONE;
    });
  }
  return created;
}

/** Creates a topic of one partition with a replica on each broker, led by the first one; all are in sync. */
async function createReplicated(): Promise<CreatedTopic> {
  const created = await create([BROKERS]);
  await cluster.until(`the replicas of ${created.topic} are in sync`, async () => {
    const answers = await Promise.all(cluster.nodes.map((node) => topicsAt(node)));
    return answers.every((topics) => topics.get(created.topic)?.[0]?.isr.length === BROKERS.length);
  });
  return created;
}

/** Has another broker lead the partition of a replicated topic; resolves when all have heard of it and the new leader serves it. */
async function moveLeader({ topic }: CreatedTopic, from: ClusterNode, to: ClusterNode): Promise<void> {
  const replicas = [to.id, ...BROKERS.filter((id) => id !== to.id)];
  const order = { allowReplicationFactorChange: true, topics: [{ name: topic, partitions: [{ partitionIndex: 0, replicas }] }] };
  await withBroker(to, async (broker) => {
    const ordered = await broker.request(alterPartitionReassignments, 1, { timeoutMs: 10_000, ...order });
    expect(ordered.responses[0]?.partitions[0]).toMatchObject({ errorCode: 0 });
    const topicPartitions = [{ topic, partitions: [0] }];
    const elected = await broker.request(electLeaders, 2, { electionType: 0, topicPartitions, timeoutMs: 10_000 });
    expect(elected.replicaElectionResults[0]?.partitionResult[0]).toMatchObject({ errorCode: 0 });
  });
  await cluster.until(`all know who leads ${topic}`, async () => {
    const views = await Promise.all(cluster.nodes.map((node) => topicsAt(node)));
    return views.every((topics) => topics.get(topic)?.[0]?.leader === to.id);
  });
  const errorAt = (node: ClusterNode): Promise<number> =>
    withBroker(node, async (broker) => (await broker.tryOffset(topic, 0, LATEST)).errorCode);
  await cluster.until(`node ${to.id} leads ${topic}, and node ${from.id} does not`, async () => {
    const [led, left] = [await errorAt(to), await errorAt(from)];
    return led === ErrorCode.NONE && left === ErrorCode.NOT_LEADER_OR_FOLLOWER;
  });
}

/** How many requests of an API each broker has answered. */
function answered(api: string): Promise<number[]> {
  return Promise.all(
    cluster.nodes.map(async (node) => {
      const { text } = await node.get('/metrics');
      const line = text
        .split('\n')
        .find((each) => each.startsWith('streamline_kafka_requests_total') && each.includes(`"${api}"`));
      return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ')));
    }),
  );
}

/** What each broker has answered more of an API by the time that `work` is done. */
async function answeredFor(api: string, work: () => Promise<unknown>): Promise<number[]> {
  const before = await answered(api);
  await work();
  const after = await answered(api);
  return after.map((count, index) => count - (before[index] ?? 0));
}

const VALUES = Array.from({ length: 10 * PARTITIONS }, (_, number) => `value-${number}`);

describe('clients that are given the address of one of three brokers', () => {
  it('kafkajs produces to and consumes from all of them', async () => {
    const { topic } = await createSpread();
    const kafka = new kafkajs.Kafka({
      brokers: [cluster.node(2).kafka],
      logLevel: kafkajs.logLevel.NOTHING,
      connectionTimeout: WITHIN_MS,
    });
    const producer = kafka.producer({ idempotent: true });
    await producer.connect();
    const messages = VALUES.map((value, number) => ({ partition: number % PARTITIONS, value }));
    const produced = await answeredFor('Produce', () => producer.send({ topic, messages }));
    await producer.disconnect();
    expect(Math.min(...produced)).toBeGreaterThan(0);

    const consumer = kafka.consumer({ groupId: unique('group'), maxWaitTimeInMs: 100 });
    const received: string[] = [];
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    const fetched = await answeredFor('Fetch', async () => {
      await consumer.run({ eachMessage: async ({ message }) => void received.push(String(message.value)) });
      await eventually('all records', () => received.length >= VALUES.length, WITHIN_MS);
    });
    await consumer.disconnect();
    expect(received.toSorted()).toEqual(VALUES.toSorted());
    expect(Math.min(...fetched)).toBeGreaterThan(0);
  });

  it('librdkafka produces to and consumes from all of them', async () => {
    const { topic } = await createSpread();
    const client = new Librdkafka({ brokers: cluster.node(3).kafka, clientId: 'several-brokers', logLevel: 'off' });
    const configuration = { 'message.timeout.ms': String(WITHIN_MS), 'enable.idempotence': 'true' };
    const producer = client.createProducer({ configuration });
    const messages = VALUES.map((value) => ({ key: Buffer.from(value), payload: Buffer.from(value) }));
    const produced = await answeredFor('Produce', () => producer.send({ topic, messages }));
    expect(Math.min(...produced)).toBeGreaterThan(0);

    const consumer = client.createConsumer({
      groupId: unique('group'),
      configuration: { 'auto.offset.reset': 'earliest', 'fetch.wait.max.ms': '100' },
    });
    await consumer.subscribe(topic);
    const received: string[] = [];
    const fetched = await answeredFor('Fetch', async () => {
      while (received.length < VALUES.length) {
        received.push(...(await consumer.recvBatch(VALUES.length, 200)).map(({ payload }) => payload.toString()));
      }
    });
    await consumer.disconnect();
    expect(received.toSorted()).toEqual(VALUES.toSorted());
    expect(Math.min(...fetched)).toBeGreaterThan(0);
  });
});

describe('a client that comes to the wrong broker', () => {
  it('is told the leader, its epoch and its address, and is served there: one round trip more', async () => {
    const { topic, topicId } = await createSpread();
    const records = batchOf(['found its way']);
    const partition = 2;
    const right = leaderOf(partition);
    const topicData = [{ name: topic, topicId, partitionData: [{ index: partition, records }] }];
    const toFetch = { partition, fetchOffset: 0n, partitionMaxBytes: 1000 };
    const fetching = { maxWaitMs: 20_000, minBytes: 1, topics: [{ topic, topicId, partitions: [toFetch] }] };
    const nodeEndpoints = [
      { nodeId: right.id, host: `127.0.0.${right.id}`, port: Number(right.kafka.split(':')[1]), rack: RACKS[right.id] },
    ];
    for (const wrong of cluster.nodes.filter((node) => node !== right)) {
      await withBroker(wrong, async (broker) => {
        const refused = await broker.request(produce, 13, { acks: -1, timeoutMs: 10_000, topicData });
        const told = refused.responses[0]?.partitionResponses[0];
        expect(told).toMatchObject({ errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER, currentLeader: { leaderId: right.id } });
        expect(refused.nodeEndpoints).toEqual(nodeEndpoints);
        const unread = await broker.request(fetch, 17, fetching);
        expect(unread.responses[0]?.partitions[0]).toMatchObject({
          errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER,
          currentLeader: { leaderId: right.id, leaderEpoch: told?.currentLeader.leaderEpoch },
        });
        expect(unread.nodeEndpoints).toEqual(nodeEndpoints);
        const partitions = [{ partitionIndex: partition, timestamp: -1n }];
        const listed = await broker.request(listOffsets, 9, { replicaId: -1, topics: [{ name: topic, partitions }] });
        expect(listed.topics[0]?.partitions[0]?.errorCode).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
      });
    }
    await withBroker(right, async (broker) => {
      const taken = await broker.request(produce, 13, { acks: -1, timeoutMs: 10_000, topicData });
      expect(taken.responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: 0, baseOffset: 0n });
      const read = await broker.request(fetch, 17, fetching);
      expect(read.responses[0]?.partitions[0]).toMatchObject({ errorCode: 0, highWatermark: 1n });
    });
  });

  it('is told 75 by a leader whose epoch is older than the one that it knows, and no leader', async () => {
    const { topic, topicId } = await createSpread();
    await withBroker(leaderOf(0), async (broker) => {
      const unheardOf = { currentLeaderEpoch: 1_000_000 };
      const toFetch = { partition: 0, ...unheardOf, fetchOffset: 0n, partitionMaxBytes: 1000 };
      const topics = [{ topic, topicId, partitions: [toFetch] }];
      const fetched = await broker.request(fetch, 17, { maxWaitMs: 0, minBytes: 1, topics });
      expect(fetched.responses[0]?.partitions[0]).toMatchObject({
        errorCode: ErrorCode.UNKNOWN_LEADER_EPOCH,
        currentLeader: { leaderId: -1 },
      });
      expect(fetched.nodeEndpoints).toEqual([]);
      const partitions = [{ partitionIndex: 0, ...unheardOf, timestamp: -1n }];
      const listed = await broker.request(listOffsets, 9, { replicaId: -1, topics: [{ name: topic, partitions }] });
      expect(listed.topics[0]?.partitions[0]?.errorCode).toBe(ErrorCode.UNKNOWN_LEADER_EPOCH);
    });
  });

  it('finds the coordinator of a group from anywhere, and no other broker answers for it', async () => {
    const groupId = unique('group');
    const places = await Promise.all(
      cluster.nodes.map((node) =>
        eventually(
          `node ${node.id} knows the coordinator`,
          async () => {
            const { coordinators } = await withBroker(node, (broker) =>
              broker.request(findCoordinator, 4, { keyType: 0, coordinatorKeys: [groupId] }),
            );
            return coordinators[0]?.errorCode === ErrorCode.NONE && coordinators[0];
          },
          WITHIN_MS,
        ),
      ),
    );
    expect(new Set(places.map(({ nodeId, host, port }) => `${nodeId} ${host}:${port}`)).size).toBe(1);
    const coordinator = places[0]?.nodeId;
    await withBroker(cluster.node(coordinator ?? 0), (broker) => broker.whenCoordinated(groupId));
    for (const node of cluster.nodes) {
      const beat = { groupId, generationId: 1, memberId: 'nobody' };
      const { errorCode } = await withBroker(node, (broker) => broker.request(heartbeat, 4, beat));
      expect(errorCode).toBe(node.id === coordinator ? ErrorCode.UNKNOWN_MEMBER_ID : ErrorCode.NOT_COORDINATOR);
    }
  });
});

describe('a partition with three replicas', () => {
  const FIRST = 0;

  it('whose leader changes costs a client one round trip: its next request names the new leader, and that one serves it', async () => {
    const created = await createReplicated();
    const { topic, topicId } = created;
    const [former, latter] = [cluster.node(1), cluster.node(3)];
    const topicData = [{ name: topic, topicId, partitionData: [{ index: FIRST, records: batchOf(['kept']) }] }];
    const appending = { acks: -1, timeoutMs: 10_000, topicData };
    const fetching = (currentLeaderEpoch: number) => {
      const toFetch = { partition: FIRST, currentLeaderEpoch, fetchOffset: 0n, partitionMaxBytes: 1000 };
      return { maxWaitMs: 0, minBytes: 1, topics: [{ topic, topicId, partitions: [toFetch] }] };
    };
    const nodeEndpoints = [{ nodeId: latter.id, host: '127.0.0.3', port: Number(latter.kafka.split(':')[1]), rack: RACKS[3] }];
    const epoch = await withBroker(former, async (broker) => {
      const before = await broker.request(produce, 13, appending);
      expect(before.responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: 0, baseOffset: 0n });
      const timestamps = [{ partitionIndex: FIRST, timestamp: -1n }];
      const known = await broker.request(listOffsets, 9, { replicaId: -1, topics: [{ name: topic, partitions: timestamps }] });
      const oldEpoch = known.topics[0]?.partitions[0]?.leaderEpoch ?? -1;
      await moveLeader(created, former, latter);

      const refused = await broker.request(produce, 13, appending);
      const told = refused.responses[0]?.partitionResponses[0];
      expect(told).toMatchObject({ errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER, currentLeader: { leaderId: latter.id } });
      expect(told?.currentLeader.leaderEpoch).toBeGreaterThan(oldEpoch);
      expect(refused.nodeEndpoints).toEqual(nodeEndpoints);
      const fenced = await broker.request(fetch, 17, fetching(oldEpoch));
      expect(fenced.responses[0]?.partitions[0]).toMatchObject({
        errorCode: ErrorCode.FENCED_LEADER_EPOCH,
        currentLeader: told?.currentLeader,
      });
      expect(fenced.nodeEndpoints).toEqual(nodeEndpoints);
      const asked = [{ partition: FIRST, currentLeaderEpoch: oldEpoch, leaderEpoch: oldEpoch }];
      const end = await broker.request(offsetForLeaderEpoch, 4, { topics: [{ topic, partitions: asked }] });
      expect(end.topics[0]?.partitions[0]?.errorCode).toBe(ErrorCode.FENCED_LEADER_EPOCH);
      return told?.currentLeader.leaderEpoch ?? -1;
    });
    await withBroker(latter, async (broker) => {
      const after = await broker.request(produce, 13, appending);
      expect(after.responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: 0, baseOffset: 1n });
      const read = await broker.request(fetch, 17, fetching(epoch));
      expect(read.responses[0]?.partitions[0]).toMatchObject({ errorCode: 0, highWatermark: 2n });
    });
  });

  it('whose leader changes is found again by librdkafka with one request that is refused and one that is taken', async () => {
    const created = await createReplicated();
    const [former, latter] = [cluster.node(1), cluster.node(2)];
    const client = new Librdkafka({ brokers: latter.kafka, clientId: 'several-brokers', logLevel: 'error' });
    const idempotent = { 'message.timeout.ms': String(WITHIN_MS), 'enable.idempotence': 'true' };
    const producer = client.createProducer({ configuration: { ...idempotent, 'topic.metadata.refresh.interval.ms': '-1' } });
    const send = async (value: string) => {
      const answers = await producer.send({ topic: created.topic, messages: [{ payload: Buffer.from(value) }] });
      return answers.map(({ offset }) => offset);
    };
    expect(await send('before')).toEqual([0]);
    await moveLeader(created, former, latter);
    expect(await answeredFor('Produce', async () => expect(await send('after')).toEqual([1]))).toEqual([1, 1, 0]);
  });

  it('is read by librdkafka from the follower in the rack that it names', async () => {
    const { topic } = await createReplicated();
    await withBroker(cluster.node(1), async (broker) => {
      for (const value of VALUES) await broker.produce(topic, FIRST, batchOf([value]));
    });
    const client = new Librdkafka({ brokers: cluster.node(3).kafka, clientId: 'several-brokers', logLevel: 'error' });
    const consumer = client.createConsumer({
      groupId: unique('group'),
      configuration: { 'auto.offset.reset': 'earliest', 'fetch.wait.max.ms': '100', 'client.rack': RACKS[2] ?? '' },
    });
    await consumer.subscribe(topic);
    const received: string[] = [];
    const fetched = await answeredFor('Fetch', async () => {
      while (received.length < VALUES.length) {
        received.push(...(await consumer.recvBatch(VALUES.length, 200)).map(({ payload }) => payload.toString()));
      }
    });
    await consumer.disconnect();
    expect(received).toEqual(VALUES);
    expect(fetched[1]).toBeGreaterThan(0);
    expect(fetched[2]).toBe(0);
  });

  it('tells a consumer that names the rack of a follower where to read, and the follower serves it up to what is committed', async () => {
    const { topic, topicId } = await createReplicated();
    await withBroker(cluster.node(1), (broker) => broker.produce(topic, FIRST, batchOf(['kept'])));
    const fetching = (rackId: string) => {
      const toFetch = { partition: FIRST, fetchOffset: 0n, partitionMaxBytes: 1000 };
      return { maxWaitMs: 20_000, minBytes: 1, rackId, topics: [{ topic, topicId, partitions: [toFetch] }] };
    };
    const read = async (id: number, rackId: string) => {
      const answer = await withBroker(cluster.node(id), (broker) => broker.request(fetch, 17, fetching(rackId)));
      const partition = answer.responses[0]?.partitions[0];
      expect(partition?.errorCode).toBe(ErrorCode.NONE);
      return { preferred: partition?.preferredReadReplica, bytes: partition?.records?.length ?? 0 };
    };
    expect(await read(1, RACKS[2] ?? '')).toEqual({ preferred: 2, bytes: 0 });
    expect(await read(1, RACKS[3] ?? '')).toEqual({ preferred: 3, bytes: 0 });
    for (const [id, rack] of [
      [2, RACKS[2]],
      [3, RACKS[3]],
      [1, RACKS[1]],
      [1, 'elsewhere'],
      [1, ''],
    ] as const) {
      const { preferred, bytes } = await read(id, rack ?? '');
      expect(preferred).toBe(-1);
      expect(bytes).toBeGreaterThan(60);
    }
  });
});
