import type { Consumer, Kafka, Producer } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { unique } from '../../kit/names';
import { CompressionTypes, connect, receive } from './client';

const WITHIN_MS = 60_000;

let kafka: Kafka;
let producer: Producer;
const consumers: Consumer[] = [];

function consumer(groupId = unique('group')): Consumer {
  const created = kafka.consumer({ groupId, sessionTimeout: 60_000, heartbeatInterval: 500, maxWaitTimeInMs: 200 });
  consumers.push(created);
  return created;
}

async function reader(topic: string, groupId?: string): Promise<Consumer> {
  const created = consumer(groupId);
  await created.connect();
  await created.subscribe({ topic, fromBeginning: true });
  return created;
}

beforeAll(async () => {
  kafka = connect();
  producer = kafka.producer();
  await producer.connect();
});

afterAll(async () => {
  await Promise.all(consumers.map((each) => each.disconnect()));
  await producer.disconnect();
});

describe('kafkajs produces and consumes', () => {
  it.each([
    ['no compression', CompressionTypes.None],
    ['gzip', CompressionTypes.GZIP],
    ['snappy', CompressionTypes.Snappy],
    ['lz4', CompressionTypes.LZ4],
    ['zstd', CompressionTypes.ZSTD],
  ])('with %s', async (_name, compression) => {
    const topic = unique('codec');
    const messages = Array.from({ length: 50 }, (_, index) => ({
      key: `k${index}`,
      value: `value ${index} `.repeat(20),
      headers: { index: String(index) },
    }));
    await producer.send({ topic, messages, compression });
    const received = await receive(await reader(topic), 50);
    expect(received.map(({ offset, key, value }) => ({ offset, key, value }))).toEqual(
      messages.map(({ key, value }, offset) => ({ offset, key, value })),
    );
    expect(received[7]?.headers?.['index']?.toString()).toBe('7');
  });

  it.each([0, 1, -1])('with acks=%i', async (acks) => {
    const topic = unique('acks');
    await kafka.admin().createTopics({ topics: [{ topic, numPartitions: 1 }] });
    const answers = await producer.send({ topic, acks, messages: [{ value: 'one' }, { value: 'two' }] });
    if (acks !== 0) expect(answers[0]).toMatchObject({ errorCode: 0, baseOffset: '0' });
    const received = await receive(await reader(topic), 2);
    expect(received.map((message) => message.value)).toEqual(['one', 'two']);
  });

  it('idempotently, each message once and in order', async () => {
    const topic = unique('idempotent');
    await kafka.admin().createTopics({ topics: [{ topic, numPartitions: 3 }] });
    const idempotent = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await idempotent.connect();
    for (let round = 0; round < 20; round += 1) {
      await idempotent.send({ topic, messages: [0, 1, 2].map((partition) => ({ partition, value: `${round}` })) });
    }
    await idempotent.disconnect();
    const received = await receive(await reader(topic), 60);
    for (const partition of [0, 1, 2]) {
      const values = received.filter((message) => message.partition === partition).map((message) => message.value);
      expect(values).toEqual(Array.from({ length: 20 }, (_, round) => `${round}`));
    }
  });

  it('tombstones and empty values', async () => {
    const topic = unique('tombstone');
    await producer.send({
      topic,
      messages: [
        { key: 'a', value: null },
        { key: null, value: '' },
      ],
    });
    const received = await receive(await reader(topic), 2);
    expect(received.map(({ key, value }) => [key, value])).toEqual([
      ['a', undefined],
      [undefined, ''],
    ]);
  });

  it('a message of 900 KB', async () => {
    const topic = unique('large');
    const value = 'x'.repeat(900_000);
    await producer.send({ topic, messages: [{ value }] });
    expect((await receive(await reader(topic), 1))[0]?.value).toBe(value);
  });
});

describe('kafkajs consumer groups', () => {
  it('continue where the group has committed', async () => {
    const topic = unique('commit');
    const groupId = unique('group');
    await producer.send({ topic, messages: [{ value: '0' }, { value: '1' }, { value: '2' }] });
    const first = await reader(topic, groupId);
    await receive(first, 3);
    await first.commitOffsets([{ topic, partition: 0, offset: '2' }]);
    await first.stop();
    await first.disconnect();
    const second = await reader(topic, groupId);
    expect((await receive(second, 1))[0]).toMatchObject({ offset: 2, value: '2' });
  });

  it('share partitions, and move them when a member leaves', async () => {
    const topic = unique('rebalance');
    const groupId = unique('group');
    await kafka.admin().createTopics({ topics: [{ topic, numPartitions: 4 }] });
    const assignments = new Map<Consumer, readonly number[]>();
    async function join(): Promise<Consumer> {
      const member = await reader(topic, groupId);
      member.on(member.events.GROUP_JOIN, ({ payload }) => assignments.set(member, payload.memberAssignment[topic] ?? []));
      void member.run({ eachMessage: () => Promise.resolve() });
      return member;
    }
    const first = await join();
    await vi.waitFor(() => expect(assignments.get(first)?.length).toBe(4), WITHIN_MS);
    const second = await join();
    await vi.waitFor(() => {
      expect(assignments.get(first)?.length).toBe(2);
      expect(assignments.get(second)?.length).toBe(2);
    }, WITHIN_MS);
    await second.disconnect();
    await vi.waitFor(() => expect(assignments.get(first)?.length).toBe(4), WITHIN_MS);
  });

  it('seek, pause and resume', async () => {
    const topic = unique('seek');
    await producer.send({ topic, messages: Array.from({ length: 10 }, (_, index) => ({ value: `${index}` })) });
    const seeking = await reader(topic);
    const seen: string[] = [];
    await seeking.run({
      eachMessage: ({ message, pause }) => {
        seen.push(String(message.value));
        if (seen.length === 3) pause();
        return Promise.resolve();
      },
    });
    await vi.waitFor(() => expect(seen.length).toBe(3), WITHIN_MS);
    seeking.seek({ topic, partition: 0, offset: '8' });
    seeking.resume([{ topic }]);
    await vi.waitFor(() => expect(seen.slice(3)).toEqual(['8', '9']), WITHIN_MS);
  });
});

describe('kafkajs admin', () => {
  it('creates, describes, grows and deletes topics', async () => {
    const admin = kafka.admin();
    await admin.connect();
    const topic = unique('admin');
    expect(await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true })).toBe(true);
    expect(await admin.listTopics()).toContain(topic);
    await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] });
    const described = await admin.fetchTopicMetadata({ topics: [topic] });
    expect(described.topics[0]?.partitions.map((partition) => partition.partitionId).sort()).toEqual([0, 1, 2, 3, 4]);
    await admin.deleteTopics({ topics: [topic] });
    expect(await admin.listTopics()).not.toContain(topic);
    await admin.disconnect();
  });

  it('reads and changes topic configs', async () => {
    const admin = kafka.admin();
    await admin.connect();
    const topic = unique('config');
    await admin.createTopics({ topics: [{ topic, configEntries: [{ name: 'retention.ms', value: '3600000' }] }] });
    const valueOf = async (name: string) => {
      const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: 2, name: topic }] });
      return resources[0]?.configEntries.find((entry) => entry.configName === name)?.configValue;
    };
    expect(await valueOf('retention.ms')).toBe('3600000');
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: 2, name: topic, configEntries: [{ name: 'segment.bytes', value: '2097152' }] }],
    });
    expect(await valueOf('segment.bytes')).toBe('2097152');
    expect(await valueOf('retention.ms')).toBe('604800000');
    await admin.disconnect();
  });

  it('finds offsets by time, deletes records and groups', async () => {
    const admin = kafka.admin();
    await admin.connect();
    const topic = unique('offsets');
    const messages = [1_000, 2_000, 3_000].map((timestamp) => ({ value: 'v', timestamp: String(timestamp) }));
    await producer.send({ topic, messages });
    expect(await admin.fetchTopicOffsetsByTimestamp(topic, 1_500)).toEqual([{ partition: 0, offset: '1' }]);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2' }] });
    expect(await admin.fetchTopicOffsets(topic)).toEqual([{ partition: 0, offset: '3', high: '3', low: '2' }]);
    const groupId = unique('group');
    const member = await reader(topic, groupId);
    await receive(member, 1);
    await member.disconnect();
    expect((await admin.listGroups()).groups.map((group) => group.groupId)).toContain(groupId);
    await admin.deleteGroups([groupId]);
    expect((await admin.listGroups()).groups.map((group) => group.groupId)).not.toContain(groupId);
    await admin.disconnect();
  });
});
