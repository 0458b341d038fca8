import { ErrorCode } from '@streamline/core/types/error-code';
import { ZERO_TOPIC_ID } from '@streamline/core/types/ids';
import { fetch } from '@streamline/wire/kafka/apis/01-fetch';
import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { apiVersions } from '@streamline/wire/kafka/apis/18-api-versions';
import { createTopics } from '@streamline/wire/kafka/apis/19-create-topics';
import { deleteTopics } from '@streamline/wire/kafka/apis/20-delete-topics';
import { createPartitions } from '@streamline/wire/kafka/apis/37-create-partitions';
import { describeCluster } from '@streamline/wire/kafka/apis/60-describe-cluster';
import { describeTopicPartitions } from '@streamline/wire/kafka/apis/75-describe-topic-partitions';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { batchOf, Broker, EARLIEST, LATEST } from '../kit/broker';
import { eventually } from '../kit/conditions';
import { unique } from '../kit/names';

let broker: Broker;
beforeAll(async () => {
  broker = await Broker.connect(inject('bootstrap'));
});
afterAll(() => broker.close());

type NewTopic = Parameters<typeof wish>[0];

function wish(topic: {
  name: string;
  numPartitions?: number;
  replicationFactor?: number;
  configs?: Record<string, string | null>;
}) {
  const configs = Object.entries(topic.configs ?? {}).map(([name, value]) => ({ name, value }));
  return { numPartitions: 1, replicationFactor: 1, assignments: [], ...topic, configs };
}

/** The error code of creating one topic. */
async function creating(topic: NewTopic, version = 7): Promise<number | undefined> {
  const { topics } = await broker.request(createTopics, version, { topics: [wish(topic)] });
  return topics[0]?.errorCode;
}

async function describedTopic(name: string) {
  const { topics } = await broker.request(metadata, 12, { topics: [{ name }], allowAutoTopicCreation: false });
  return topics[0];
}

describe('ApiVersions', () => {
  it('of the node name only what it answers, with its finalized features', async () => {
    const answer = await broker.request(apiVersions, 4, { clientSoftwareName: 'spec', clientSoftwareVersion: '1' });
    expect(answer.errorCode).toBe(0);
    const ranges = new Map(answer.apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, [minVersion, maxVersion]]));
    expect(ranges.get(0)).toEqual([0, 13]);
    expect(ranges.get(1)).toEqual([4, 18]);
    expect(ranges.get(22)).toEqual([0, 5]);
    for (const transactional of [24, 25, 26, 28]) expect(ranges.has(transactional)).toBe(false);
    expect(answer.finalizedFeaturesEpoch).toBeGreaterThanOrEqual(0n);
  });

  it('too new: v0 body, 35, and the connection stays', async () => {
    const own = await Broker.connect(inject('bootstrap'));
    own.client.sendRaw(Buffer.from('0000000e0012006300000009ffff0000000000', 'hex').subarray(0, 18));
    const frame = await eventually('an answer', () => own.client.unexpected[0]);
    expect(frame.readInt32BE(0)).toBe(9);
    expect(frame.readInt16BE(4)).toBe(ErrorCode.UNSUPPORTED_VERSION);
    expect((await own.request(apiVersions, 0, {})).errorCode).toBe(0);
    await own.close();
  });
});

describe('topics', () => {
  it('that are created anew have a new id, no records and no old offsets; the old id is unknown (100)', async () => {
    const topic = unique('recreated');
    const oldId = await broker.createTopic(topic, { partitions: 2 });
    await broker.produce(topic, 0, batchOf(['old', 'older']));
    await broker.deleteTopic(topic);
    expect(await describedTopic(topic)).toMatchObject({ errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION });
    expect((await broker.tryProduce(topic, 0, batchOf(['nowhere']))).errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    const newId = await broker.createTopic(topic, { partitions: 2 });
    expect(newId).not.toBe(oldId);
    expect(await broker.offset(topic, 0, LATEST)).toBe(0);
    expect(await broker.readAll(topic)).toEqual([]);
    expect(await broker.produce(topic, 0, batchOf(['new']))).toBe(0);
    const partitions = [{ partition: 0, fetchOffset: 0n, partitionMaxBytes: 1_000 }];
    const answer = await broker.request(fetch, 13, {
      maxWaitMs: 0,
      minBytes: 1,
      topics: [
        { topicId: oldId, partitions },
        { topicId: newId, partitions },
      ],
      forgottenTopicsData: [],
    });
    const codes = new Map(answer.responses.map(({ topicId, partitions: [partition] }) => [topicId, partition?.errorCode]));
    expect(codes).toEqual(
      new Map([
        [oldId, ErrorCode.UNKNOWN_TOPIC_ID],
        [newId, ErrorCode.NONE],
      ]),
    );
  });

  it.each<[string, Omit<NewTopic, 'name'>, number]>([
    ['partitions 0', { numPartitions: 0 }, ErrorCode.INVALID_PARTITIONS],
    ['replication factor 0', { replicationFactor: 0 }, ErrorCode.INVALID_REPLICATION_FACTOR],
    ['replication factor 2 on one node', { replicationFactor: 2 }, ErrorCode.INVALID_REPLICATION_FACTOR],
    ['a null config', { configs: { 'retention.ms': null } }, ErrorCode.INVALID_CONFIG],
    ['an unknown config', { configs: { 'retention.mss': '1' } }, ErrorCode.INVALID_CONFIG],
    ['a config of the wrong type', { configs: { 'retention.ms': 'long' } }, ErrorCode.INVALID_CONFIG],
    ['cleanup.policy=compact, which is not built yet', { configs: { 'cleanup.policy': 'compact' } }, ErrorCode.INVALID_CONFIG],
  ])('CreateTopics refuses %s, and creates nothing', async (_name, topic, errorCode) => {
    const name = unique('refused');
    expect(await creating({ name, ...topic })).toBe(errorCode);
    expect(await describedTopic(name)).toMatchObject({ errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION });
  });

  it('CreateTopics refuses bad names and names that collide by . and _ with 17, a name in use with 36', async () => {
    for (const name of ['', '.', '..', 'a b', 'a'.repeat(250)]) expect(await creating({ name })).toBe(17);
    const name = unique('collide');
    await broker.createTopic(`${name}.x`);
    expect(await creating({ name: `${name}_x` })).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION);
    expect(await creating({ name: `${name}.x` })).toBe(ErrorCode.TOPIC_ALREADY_EXISTS);
  });

  it('CreateTopics refuses duplicates in a request and counts beside an assignment with 42', async () => {
    const name = unique('twice');
    const { topics } = await broker.request(createTopics, 7, { topics: [wish({ name }), wish({ name })] });
    expect(new Set(topics.map(({ errorCode }) => errorCode))).toEqual(new Set([ErrorCode.INVALID_REQUEST]));
    const assignments = [{ partitionIndex: 0, brokerIds: [1] }];
    const both = await broker.request(createTopics, 7, { topics: [{ ...wish({ name }), assignments }] });
    expect(both.topics[0]?.errorCode).toBe(ErrorCode.INVALID_REQUEST);
  });

  it.each([2, 3, 4, 5, 6, 7])('CreateTopics v%i and DeleteTopics of the same age', async (version) => {
    const name = unique('aged');
    expect(await creating({ name }, version)).toBe(0);
    const byName = { topicNames: [name], timeoutMs: 5_000 };
    const flexible = { topics: [{ name, topicId: ZERO_TOPIC_ID }], timeoutMs: 5_000 };
    const { responses } = await broker.request(deleteTopics, Math.min(version - 1, 6), version === 7 ? flexible : byName);
    expect(responses.map(({ errorCode }) => errorCode)).toEqual([0]);
  });

  it('are seen by every connection when the answer is there', async () => {
    const other = await Broker.connect(inject('bootstrap'));
    for (let round = 0; round < 10; round += 1) {
      const topic = unique('seen');
      await broker.createTopic(topic, { partitions: 3 });
      expect(await other.produce(topic, 2, batchOf(['at once']))).toBe(0);
      await broker.deleteTopic(topic);
      expect((await other.tryProduce(topic, 2, batchOf(['too late']))).errorCode).toBe(3);
    }
    await other.close();
  });

  it('auto-create answers 3 first, and soon takes records', async () => {
    const topic = unique('auto');
    const { topics } = await broker.request(metadata, 9, { topics: [{ name: topic }], allowAutoTopicCreation: true });
    expect([ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.LEADER_NOT_AVAILABLE]).toContain(topics[0]?.errorCode);
    const offset = await eventually('the topic takes records', async () => {
      const answer = await broker.tryProduce(topic, 0, batchOf(['first']));
      return answer.errorCode === 0 && answer.baseOffset;
    });
    expect(offset).toBe(0n);
  });
});

describe('partitions', () => {
  it('CreatePartitions adds partitions that take records at once, and never removes any (37)', async () => {
    const topic = unique('grown');
    await broker.createTopic(topic, { partitions: 1 });
    await broker.produce(topic, 0, batchOf(['kept']));
    const growTo = async (count: number, validateOnly = false) => {
      const body = { topics: [{ name: topic, count, assignments: null }], timeoutMs: 5_000, validateOnly };
      return (await broker.request(createPartitions, 3, body)).results[0]?.errorCode;
    };
    expect(await growTo(4, true)).toBe(0);
    expect((await describedTopic(topic))?.partitions).toHaveLength(1);
    expect(await growTo(4)).toBe(0);
    expect(await broker.produce(topic, 3, batchOf(['new']))).toBe(0);
    expect((await broker.readAll(topic, 0)).map(({ value }) => value)).toEqual(['kept']);
    expect(await growTo(2)).toBe(ErrorCode.INVALID_PARTITIONS);
    expect(await growTo(4)).toBe(ErrorCode.INVALID_PARTITIONS);
  });

  it('DescribeTopicPartitions pages through all of them, as Metadata names them', async () => {
    const topic = unique('paged');
    const topicId = await broker.createTopic(topic, { partitions: 7 });
    const seen: number[] = [];
    let cursor: { topicName: string; partitionIndex: number } | null = null;
    do {
      const body = { topics: [{ name: topic }], responsePartitionLimit: 3, cursor };
      const page: Awaited<ReturnType<typeof describePage>> = await describePage(body);
      expect(page.topics[0]).toMatchObject({ name: topic, topicId, errorCode: 0 });
      seen.push(...(page.topics[0]?.partitions.map(({ partitionIndex }) => partitionIndex) ?? []));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6]);
    const described = await describedTopic(topic);
    expect(described?.partitions[0]).toMatchObject({ leaderId: 1, replicaNodes: [1], isrNodes: [1], offlineReplicas: [] });
  });

  function describePage(body: { topics: { name: string }[]; responsePartitionLimit: number; cursor: Cursor | null }) {
    return broker.request(describeTopicPartitions, 0, body);
  }
  type Cursor = { topicName: string; partitionIndex: number };

  it('of many topics are there at once: 200 partitions in one request', async () => {
    const names = Array.from({ length: 20 }, () => unique('many'));
    const topics = names.map((name) => wish({ name, numPartitions: 10 }));
    const answer = await broker.request(createTopics, 7, { topics });
    expect(new Set(answer.topics.map(({ errorCode }) => errorCode))).toEqual(new Set([0]));
    const offsets = await Promise.all(names.map((name) => broker.produce(name, 9, batchOf([name]))));
    expect(new Set(offsets)).toEqual(new Set([0]));
    expect(await broker.offset(names[7] ?? '', 8, EARLIEST)).toBe(0);
    await broker.request(deleteTopics, 5, { topicNames: names, timeoutMs: 10_000 });
  });
});

describe('DescribeCluster', () => {
  it('names the one broker where clients reach it, and the cluster as Metadata does', async () => {
    const [host, port] = inject('bootstrap').split(':');
    const answer = await broker.request(describeCluster, 1, { includeClusterAuthorizedOperations: false });
    expect(answer.brokers).toMatchObject([{ brokerId: 1, host, port: Number(port) }]);
    const { clusterId, controllerId, brokers } = await broker.request(metadata, 9, { topics: [], allowAutoTopicCreation: false });
    expect(clusterId).toBe(answer.clusterId);
    expect(clusterId).toMatch(/^[\w-]{22}$/);
    expect([controllerId, ...brokers.map(({ nodeId }) => nodeId)]).toEqual([1, 1]);
  });
});
