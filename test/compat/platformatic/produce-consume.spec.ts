import { Admin, Consumer, Producer, stringDeserializers, stringSerializers, type Message } from '@platformatic/kafka';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { unique } from '../../kit/names';

type TextProducer = Producer<string, string, string, string>;
type TextConsumer = Consumer<string, string, string, string>;
type TextMessage = Message<string, string, string, string>;

const open: { close(force?: boolean): Promise<void> }[] = [];

afterAll(async () => {
  for (const client of open) await client.close();
});

function connection(clientId: string) {
  return { clientId, bootstrapBrokers: [inject('bootstrap')], timeout: 10_000, retries: 5, retryDelay: 100 };
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
});

describe('@platformatic/kafka admin', () => {
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
