import {
  Admin,
  ConfigResourceTypes,
  Consumer,
  IncrementalAlterConfigOperationTypes,
  Producer,
  stringDeserializers,
  stringSerializers,
  type Message,
} from '@platformatic/kafka';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { eventually } from '../../kit/conditions';
import { unique } from '../../kit/names';

type TextProducer = Producer<string, string, string, string>;
type TextConsumer = Consumer<string, string, string, string>;
type TextMessage = Message<string, string, string, string>;

const REBALANCED_WITHIN_MS = 60_000;

/** Milliseconds since 1970 of a test's n-th record. */
const timeOf = (n: number): bigint => 1_700_000_000_000n + BigInt(n) * 1_000n;

const open: { close(force?: boolean): Promise<void> }[] = [];

afterAll(async () => {
  for (const client of open) await client.close();
});

function connection(clientId: string) {
  return { clientId, bootstrapBrokers: [inject('bootstrap')], timeout: 60_000, retries: 5, retryDelay: 100 };
}

function newProducer(): TextProducer {
  const producer = new Producer<string, string, string, string>({
    ...connection('platformatic-producer'),
    serializers: stringSerializers,
    autocreateTopics: true,
  });
  open.push(producer);
  return producer;
}

function newConsumer(groupId = unique('group')): TextConsumer {
  const consumer = new Consumer<string, string, string, string>({
    ...connection('platformatic-consumer'),
    groupId,
    deserializers: stringDeserializers,
  });
  open.push(consumer);
  return consumer;
}

function newAdmin(): Admin {
  const admin = new Admin(connection('platformatic-admin'));
  open.push(admin);
  return admin;
}

/** Ends a consumer, also one that is consuming. */
async function leave(consumer: { close(force?: boolean): Promise<void> } | undefined): Promise<void> {
  await consumer?.close(true);
}

async function consume(topic: string, count: number, consumer = newConsumer()): Promise<TextMessage[]> {
  const stream = await consumer.consume({ topics: [topic], mode: 'earliest', maxWaitTime: 200 });
  const messages: TextMessage[] = [];
  for await (const message of stream) {
    messages.push(message);
    if (messages.length === count) break;
  }
  await stream.close();
  return messages;
}

describe('@platformatic/kafka produces and consumes', () => {
  it.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)('with compression %s', async (compression) => {
    // zstd comes with Node 22.15 and newer.
    if (compression === 'zstd' && !('zstdCompressSync' in (await import('node:zlib')))) return;
    const topic = unique('pf-codec');
    await newAdmin().createTopics({ topics: [topic], partitions: 1, replicas: 1 });
    const values = Array.from({ length: 40 }, (_, index) => `value ${index} ${'xyz'.repeat(40)}`);
    const messages = values.map((value, index) => ({ topic, key: `k${index}`, value, headers: { n: String(index) } }));
    const { offsets } = await newProducer().send({ messages, compression, acks: -1 });
    expect(offsets?.[0]?.offset).toBe(0n);
    const received = await consume(topic, values.length);
    expect(received.map((message) => message.value)).toEqual(values);
    expect(received.map((message) => message.offset)).toEqual(values.map((_, index) => BigInt(index)));
    expect(received[5]?.headers.get('n')).toBe('5');
  });

  it.each([0, 1, -1])('with acks=%i, creating the topic by asking for it', async (acks) => {
    const topic = unique('pf-acks');
    const producer = newProducer();
    await producer.send({ messages: [{ topic, value: 'first' }], acks: 1 });
    await producer.send({ messages: [{ topic, value: 'second' }], acks });
    expect((await consume(topic, 2)).map((message) => message.value)).toEqual(['first', 'second']);
  });

  it('idempotently', async () => {
    const topic = unique('pf-idempotent');
    await newAdmin().createTopics({ topics: [topic], partitions: 1, replicas: 1 });
    const producer = new Producer<string, string, string, string>({
      ...connection('platformatic-idempotent'),
      serializers: stringSerializers,
      idempotent: true,
    });
    open.push(producer);
    for (let index = 0; index < 30; index += 1) {
      await producer.send({ messages: [{ topic, value: String(index) }], acks: -1 });
    }
    const received = await consume(topic, 30);
    expect(received.map((message) => message.value)).toEqual(Array.from({ length: 30 }, (_, index) => String(index)));
  });
});

describe('@platformatic/kafka consumer groups', () => {
  it('continue where the group has committed', async () => {
    const topic = unique('pf-commit');
    const groupId = unique('group');
    await newAdmin().createTopics({ topics: [topic], partitions: 1, replicas: 1 });
    await newProducer().send({ messages: ['0', '1', '2'].map((value) => ({ topic, value })), acks: -1 });
    const first = newConsumer(groupId);
    await consume(topic, 1, first);
    await first.commit({ offsets: [{ topic, partition: 0, offset: 2n, leaderEpoch: 0 }] });
    await first.close();
    const second = newConsumer(groupId);
    const stream = await second.consume({ topics: [topic], mode: 'committed', maxWaitTime: 200 });
    for await (const message of stream) {
      expect(message).toMatchObject({ offset: 2n, value: '2' });
      break;
    }
    await stream.close();
  });

  it('share the partitions of a topic, and take over those of a member that leaves', async () => {
    const topic = unique('pf-rebalance');
    const groupId = unique('group');
    await newAdmin().createTopics({ topics: [topic], partitions: 4, replicas: 1 });
    const members = [newConsumer(groupId), newConsumer(groupId)];
    const received: TextMessage[] = [];
    for (const member of members) {
      const stream = await member.consume({ topics: [topic], mode: 'earliest', maxWaitTime: 200 });
      stream.on('data', (message) => void received.push(message));
    }
    const shares = (): number[] =>
      members.map(({ assignments }) => (assignments ?? []).reduce((sum, { partitions }) => sum + partitions.length, 0));
    await eventually('each member has two partitions', () => shares().join() === '2,2', REBALANCED_WITHIN_MS);
    const producer = newProducer();
    const send = (round: string) => {
      const messages = [0, 1, 2, 3].map((partition) => ({ topic, partition, value: `${round}${partition}` }));
      return producer.send({ messages, acks: -1 });
    };
    // At least once: a rebalance may let a member read again what it has read.
    const hasAll = (round: string) => (): boolean =>
      [0, 1, 2, 3].every((partition) => received.some(({ value }) => value === `${round}${partition}`));
    await send('a');
    await eventually('both have read theirs', hasAll('a'), REBALANCED_WITHIN_MS);
    await leave(members[0]);
    await eventually('the other one has all partitions', () => shares()[1] === 4, REBALANCED_WITHIN_MS);
    await send('b');
    await eventually('the other one has read all', hasAll('b'), REBALANCED_WITHIN_MS);
    await leave(members[1]);
  });
});

describe('@platformatic/kafka positions', () => {
  /** A topic with the records '0' to '9', a second of time apart. */
  async function tenRecords(): Promise<string> {
    const topic = unique('pf-position');
    await newAdmin().createTopics({ topics: [topic], partitions: 1, replicas: 1 });
    const messages = Array.from({ length: 10 }, (_, index) => ({ topic, value: String(index), timestamp: timeOf(index) }));
    await newProducer().send({ messages, acks: -1 });
    return topic;
  }

  it('start where a consumer is told to', async () => {
    const topic = await tenRecords();
    const offsets = [{ topic, partition: 0, offset: 7n }];
    const stream = await newConsumer().consume({ topics: [topic], mode: 'manual', offsets, maxWaitTime: 200 });
    const values: string[] = [];
    for await (const { value } of stream) {
      values.push(value);
      if (values.length === 3) break;
    }
    await stream.close();
    expect(values).toEqual(['7', '8', '9']);
  });

  it('are found by time', async () => {
    const topic = await tenRecords();
    const at = async (timestamp: bigint) => (await newConsumer().listOffsets({ topics: [topic], timestamp })).get(topic)?.[0];
    expect(await at(timeOf(4))).toBe(4n);
    expect(await at(timeOf(4) + 1n)).toBe(5n);
    expect([await at(-2n), await at(-1n)]).toEqual([0n, 10n]);
    const found = await newConsumer().listOffsetsWithTimestamps({ topics: [topic], timestamp: timeOf(6) });
    expect(found.get(topic)?.get(0)).toMatchObject({ offset: 6n, timestamp: timeOf(6) });
  });

  it('stand still while a stream is paused', async () => {
    const topic = await tenRecords();
    const stream = await newConsumer().consume({ topics: [topic], mode: 'earliest', maxWaitTime: 100, highWaterMark: 1 });
    const values: string[] = [];
    stream.on('data', ({ value }) => {
      values.push(value);
      if (values.length === 4) stream.pause();
    });
    await eventually('four have come', () => values.length === 4);
    // What would have come without the pause is there before this, which was asked for later.
    await newConsumer().listOffsets({ topics: [topic] });
    expect(values).toHaveLength(4);
    stream.resume();
    await eventually('the others have come', () => values.length === 10);
    expect(values).toEqual(Array.from({ length: 10 }, (_, index) => String(index)));
    await stream.close();
  });
});

describe('@platformatic/kafka admin', () => {
  it('describes and changes configs', async () => {
    const admin = newAdmin();
    const topic = unique('pf-configs');
    await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 });
    const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic };
    const retention = async () =>
      (await admin.describeConfigs({ resources: [{ ...resource, configurationKeys: ['retention.ms'] }] }))[0]?.configs[0]?.value;
    expect(await retention()).toBe('604800000');
    const set = { name: 'retention.ms', value: '60000', configOperation: IncrementalAlterConfigOperationTypes.SET };
    await admin.incrementalAlterConfigs({ resources: [{ ...resource, configs: [set] }] });
    expect(await retention()).toBe('60000');
    await admin.alterConfigs({ resources: [{ ...resource, configs: [{ name: 'retention.ms', value: '70000' }] }] });
    expect(await retention()).toBe('70000');
  });

  it('adds partitions, deletes records, lists offsets', async () => {
    const admin = newAdmin();
    const topic = unique('pf-partitions');
    await admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 });
    await admin.createPartitions({ topics: [{ name: topic, count: 3, assignments: null }] });
    await newProducer().send({ messages: ['0', '1', '2'].map((value) => ({ topic, partition: 2, value })), acks: -1 });
    const deleted = await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 2, offset: 2n }] }] });
    expect(deleted[0]?.partitions[0]).toMatchObject({ partition: 2, lowWatermark: 2n });
    const partitions = [0, 1, 2].map((partitionIndex) => ({ partitionIndex, timestamp: -2n }));
    const [listed] = await admin.listOffsets({ topics: [{ name: topic, partitions }] });
    const starts = listed?.partitions.toSorted((one, other) => one.partitionIndex - other.partitionIndex);
    expect(starts?.map(({ offset }) => offset)).toEqual([0n, 0n, 2n]);
  });

  it('lists, changes and deletes the offsets of a group, and the group', async () => {
    const admin = newAdmin();
    const topic = unique('pf-offsets');
    const groupId = unique('group');
    await newProducer().send({ messages: ['0', '1', '2'].map((value) => ({ topic, value })), acks: -1 });
    const consumer = newConsumer(groupId);
    await consume(topic, 1, consumer);
    await consumer.commit({ offsets: [{ topic, partition: 0, offset: 1n, leaderEpoch: 0 }] });
    await consumer.close();
    const committed = async () =>
      (await admin.listConsumerGroupOffsets({ groups: [groupId] }))[0]?.topics[0]?.partitions[0]?.committedOffset;
    expect(await committed()).toBe(1n);
    await admin.alterConsumerGroupOffsets({
      groupId,
      topics: [{ name: topic, partitionOffsets: [{ partition: 0, offset: 3n }] }],
    });
    expect(await committed()).toBe(3n);
    await admin.deleteConsumerGroupOffsets({ groupId, topics: [{ name: topic, partitionIndexes: [0] }] });
    expect(await committed()).toBeUndefined();
    await admin.deleteGroups({ groups: [groupId] });
    expect((await admin.listGroups()).has(groupId)).toBe(false);
  });

  it('creates, lists and deletes topics', async () => {
    const admin = newAdmin();
    const topic = unique('pf-admin');
    const created = await admin.createTopics({ topics: [topic], partitions: 3, replicas: 1 });
    expect(created[0]).toMatchObject({ name: topic, partitions: 3, replicas: 1 });
    expect(await admin.listTopics({})).toContain(topic);
    await admin.deleteTopics({ topics: [topic] });
    expect(await admin.listTopics({})).not.toContain(topic);
  });

  it('describes groups', async () => {
    const admin = newAdmin();
    const topic = unique('pf-groups');
    const groupId = unique('group');
    await newProducer().send({ messages: [{ topic, value: 'x' }], acks: -1 });
    const consumer = newConsumer(groupId);
    await consume(topic, 1, consumer);
    const groups = await admin.describeGroups({ groups: [groupId] });
    expect(groups.get(groupId)).toMatchObject({ id: groupId, state: 'STABLE', protocolType: 'consumer' });
  });
});
