import { KafkaClient, type KafkaConsumer, type Message } from 'kafka-crab-js';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { unique } from '../../kit/names';

/**
 * kafka-crab-js is librdkafka 2.12 behind a thin binding: it has no offsetsForTimes, pauses only all partitions of a consumer together,
 * and of the admin client it has DeleteRecords only. The specs of the other two clients have what is missing here.
 */
let client: KafkaClient;
const consumers: KafkaConsumer[] = [];

beforeAll(() => {
  client = new KafkaClient({ brokers: inject('bootstrap'), clientId: 'librdkafka-spec', logLevel: 'error' });
});

afterAll(async () => {
  await Promise.all(consumers.map((consumer) => consumer.disconnect()));
});

async function produce(topic: string, values: readonly string[], configuration: Record<string, string> = {}): Promise<number[]> {
  const producer = client.createProducer({ configuration: { 'message.timeout.ms': '60000', ...configuration } });
  const messages = values.map((value) => ({ key: Buffer.from(`k-${value}`), payload: Buffer.from(value) }));
  const answers = await producer.send({ topic, messages });
  for (const { error } of answers) {
    if (error && error.code !== 0) throw new Error(error.message);
  }
  return answers.map((answer) => answer.offset);
}

/** Reads until `count` messages have come; the test's own timeout bounds it. */
async function consume(topic: string, count: number, groupId = unique('group')): Promise<Message[]> {
  const consumer = client.createConsumer({
    groupId,
    configuration: { 'auto.offset.reset': 'earliest', 'allow.auto.create.topics': 'true', 'fetch.wait.max.ms': '100' },
  });
  consumers.push(consumer);
  await consumer.subscribe(topic);
  const messages: Message[] = [];
  while (messages.length < count) messages.push(...(await consumer.recvBatch(count - messages.length, 200)));
  return messages;
}

describe('librdkafka produces and consumes', () => {
  // This build of librdkafka comes without zstd; the specs of kafkajs have it.
  it.each(['none', 'gzip', 'snappy', 'lz4'])('with compression %s', async (codec) => {
    const topic = unique('rd-codec');
    const values = Array.from({ length: 100 }, (_, index) => `message ${index} ${'abc'.repeat(30)}`);
    const offsets = await produce(topic, values, { 'compression.codec': codec, 'linger.ms': '20' });
    expect(offsets.toSorted((a, b) => a - b)).toEqual(values.map((_, index) => index));
    const received = await consume(topic, values.length);
    expect(received.map((message) => message.payload.toString())).toEqual(values);
    expect(received.map((message) => message.offset)).toEqual(values.map((_, index) => index));
    expect(received[3]?.key?.toString()).toBe(`k-${values[3]}`);
  });

  it.each(['0', '1', 'all'])('with acks=%s', async (acks) => {
    const topic = unique('rd-acks');
    await produce(topic, ['a', 'b', 'c'], { acks });
    expect((await consume(topic, 3)).map((message) => message.payload.toString())).toEqual(['a', 'b', 'c']);
  });

  it('idempotently with five requests in flight', async () => {
    const topic = unique('rd-idempotent');
    const values = Array.from({ length: 2_000 }, (_, index) => String(index));
    await produce(topic, values, {
      'enable.idempotence': 'true',
      'max.in.flight.requests.per.connection': '5',
      'batch.num.messages': '20',
    });
    expect((await consume(topic, values.length)).map((message) => message.payload.toString())).toEqual(values);
  });

  it('tombstones and headers', async () => {
    const topic = unique('rd-tombstone');
    const producer = client.createProducer({});
    await producer.send({
      topic,
      messages: [
        { key: Buffer.from('gone'), isTombstone: true },
        { payload: Buffer.from('v'), headers: { trace: Buffer.from('abc') } },
      ],
    });
    const [tombstone, headed] = await consume(topic, 2);
    expect(tombstone?.isTombstone).toBe(true);
    expect(headed?.headers?.['trace']?.toString()).toBe('abc');
  });
});

describe('librdkafka consumer groups', () => {
  it('continue where the group has committed', async () => {
    const topic = unique('rd-commit');
    const groupId = unique('group');
    await produce(topic, ['0', '1', '2', '3']);
    // The binding does not wait for its LeaveGroup to be sent, so that the next member waits for the session to end.
    const configuration = { 'auto.offset.reset': 'earliest', 'session.timeout.ms': '6000' };
    const consumer = client.createConsumer({ groupId, enableAutoCommit: false, configuration });
    await consumer.subscribe(topic);
    expect((await consumer.recv())?.offset).toBe(0);
    await consumer.commit(topic, 0, 3, 'Sync');
    await consumer.disconnect();
    expect((await consume(topic, 1, groupId))[0]?.offset).toBe(3);
  });

  it('share the partitions of a topic, and take over those of a member that is gone', async () => {
    const topic = unique('rd-group');
    const groupId = unique('group');
    const configuration = { 'auto.offset.reset': 'earliest', 'heartbeat.interval.ms': '300', 'session.timeout.ms': '6000' };
    const members = [1, 2].map(() => client.createConsumer({ groupId, configuration }));
    consumers.push(...members.slice(1));
    await Promise.all(members.map((member) => member.subscribe([{ topic, createTopic: true, numPartitions: 4, replicas: 1 }])));
    const sizes = (): number[] =>
      members.map((member) => member.assignment().reduce((sum, each) => sum + each.partitionOffset.length, 0));
    while (sizes().join() !== '2,2') await Promise.all(members.map((member) => member.recvBatch(10, 100)));
    expect(sizes()).toEqual([2, 2]);
    // Its session has to end: the binding does not wait for its LeaveGroup to be sent.
    await members[0]?.disconnect();
    const shareOfOther = (): number => sizes()[1] ?? 0;
    while (shareOfOther() !== 4) await members[1]?.recvBatch(10, 100);
    expect(shareOfOther()).toBe(4);
  });

  it('read nothing while they are paused, and go on behind it', async () => {
    const topic = unique('rd-pause');
    await produce(topic, ['0', '1']);
    const configuration = { 'auto.offset.reset': 'earliest', 'fetch.wait.max.ms': '100' };
    const consumer = client.createConsumer({ groupId: unique('group'), configuration });
    consumers.push(consumer);
    await consumer.subscribe(topic);
    expect((await consumer.recv())?.offset).toBe(0);
    expect((await consumer.recv())?.offset).toBe(1);
    consumer.pause();
    await produce(topic, ['2']);
    expect(await consumer.recvBatch(1, 500)).toEqual([]);
    consumer.resume();
    expect((await consumer.recv())?.offset).toBe(2);
  });

  it('start from the end and from the beginning when told to', async () => {
    const topic = unique('rd-position');
    await produce(topic, ['old-0', 'old-1']);
    const consumer = client.createConsumer({ groupId: unique('group'), configuration: {} });
    consumers.push(consumer);
    await consumer.subscribe([{ topic, partitionOffset: [{ partition: 0, offset: { offset: 1 } }] }]);
    expect((await consumer.recv())?.payload.toString()).toBe('old-1');
    consumer.seek(topic, 0, { position: 'Beginning' }, 5_000);
    expect((await consumer.recv())?.payload.toString()).toBe('old-0');
  });
});

describe('librdkafka admin', () => {
  it('deletes records', async () => {
    const topic = unique('rd-delete');
    await produce(topic, ['0', '1', '2']);
    const deleted = await client.deleteRecords([{ topic, partitionOffset: [{ partition: 0, offset: { offset: 2 } }] }]);
    expect(deleted[0]?.partitionOffset[0]?.offset.offset).toBe(2);
    expect((await consume(topic, 1))[0]?.offset).toBe(2);
  });
});
