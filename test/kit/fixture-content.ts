import { ErrorCode } from '@streamline/core/types/error-code';
import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { offsetCommit } from '@streamline/wire/kafka/apis/08-offset-commit';
import { offsetFetch } from '@streamline/wire/kafka/apis/09-offset-fetch';
import { initProducerId } from '@streamline/wire/kafka/apis/22-init-producer-id';
import { describeConfigs } from '@streamline/wire/kafka/apis/32-describe-configs';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import type { CodecName } from '@streamline/wire/records/codecs/codec';
import { expect } from 'vitest';
import { batchOf, type Broker, EARLIEST, LATEST } from './broker';

/**
 * What the data directories in test/fixtures/data-directory hold: a later version has to read all of it. Never changed;
 * what is new goes into a fixture of a new name.
 */
const CODECS: readonly CodecName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const TOPIC = 'orders';
const TRIMMED = 'trimmed';
const DELETED = 'deleted';
const IDEMPOTENT = 'idempotent';
const GROUP = 'readers';
const SEGMENT_BYTES = 1024 * 1024;
const BULKY_VALUES = 300;
const BULKY_BYTES = 10_000;

/** Of the year 2100: a fixture is read for years, while retention and the expiry of producers go by these times. */
const TIMESTAMP_MS = 4_102_444_800_000;
const KEEP_FOR_EVER = { 'retention.ms': '-1', 'message.timestamp.after.max.ms': String(Number.MAX_SAFE_INTEGER) };

function bulkyValue(index: number): string {
  return `bulky ${index} `.padEnd(BULKY_BYTES, String.fromCharCode(97 + (index % 26)));
}

function codecBatch(codec: CodecName): Buffer {
  const records = [0, 1, 2].map((index) => ({
    key: index === 0 ? null : Buffer.from(`key ${index}`),
    value: index === 2 ? null : Buffer.from(`${codec} ${index}`),
    headers: [{ key: 'codec', value: Buffer.from(codec) }],
  }));
  return buildBatch({ records, timestamp: TIMESTAMP_MS, codec });
}

function idempotentBatch(producerId: number, baseSequence: number): Buffer {
  const identity = { producerId, producerEpoch: 0, baseSequence };
  return batchOf([`sequence ${baseSequence}`], { ...identity, timestamp: TIMESTAMP_MS });
}

/** Fills a fresh node. */
export async function fillFixture(broker: Broker): Promise<void> {
  await broker.createTopic(TOPIC, { partitions: 2, configs: { ...KEEP_FOR_EVER, 'segment.bytes': String(SEGMENT_BYTES) } });
  for (const topic of [TRIMMED, IDEMPOTENT]) await broker.createTopic(topic, { configs: KEEP_FOR_EVER });
  for (const codec of CODECS) await broker.produce(TOPIC, 0, codecBatch(codec));
  for (let index = 0; index < BULKY_VALUES; index += 1)
    await broker.produce(TOPIC, 1, batchOf([bulkyValue(index)], { timestamp: TIMESTAMP_MS + index }));
  await broker.produce(TRIMMED, 0, batchOf(['0', '1', '2', '3', '4'], { timestamp: TIMESTAMP_MS }));
  await broker.deleteRecords(TRIMMED, 0, 3);
  await broker.createTopic(DELETED);
  await broker.produce(DELETED, 0, batchOf(['gone']));
  await broker.deleteTopic(DELETED);
  const { producerId } = await broker.request(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 0 });
  for (let sequence = 0; sequence < 7; sequence += 1)
    await broker.produce(IDEMPOTENT, 0, idempotentBatch(Number(producerId), sequence));
  await broker.whenCoordinated(GROUP);
  const partitions = [0, 1].map((partitionIndex) => ({
    partitionIndex,
    committedOffset: BigInt(10 + partitionIndex),
    committedMetadata: `metadata ${partitionIndex}`,
  }));
  const answer = await broker.request(offsetCommit, 8, {
    groupId: GROUP,
    memberId: '',
    topics: [{ name: TOPIC, partitions }],
  });
  expect(answer.topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual([0, 0]);
}

/** Reads everything back. */
export async function expectFixture(broker: Broker): Promise<void> {
  await expectTopics(broker);
  await expectRecords(broker);
  await expectOffsets(broker);
  await expectProducer(broker);
}

async function expectTopics(broker: Broker): Promise<void> {
  const { topics } = await broker.request(metadata, 9, { topics: null, allowAutoTopicCreation: false });
  const shapes = topics.filter(({ isInternal }) => !isInternal).map(({ name, partitions }) => `${name} ${partitions.length}`);
  expect(shapes.sort()).toEqual([`${IDEMPOTENT} 1`, `${TOPIC} 2`, `${TRIMMED} 1`]);
  const { results } = await broker.request(describeConfigs, 4, {
    resources: [
      { resourceType: 2, resourceName: TOPIC, configurationKeys: ['retention.ms', 'segment.bytes', 'max.message.bytes'] },
    ],
  });
  const values = results[0]?.configs.map(({ name, value }) => `${name}=${value}`);
  expect(values?.sort()).toEqual(['max.message.bytes=1048588', 'retention.ms=-1', `segment.bytes=${SEGMENT_BYTES}`]);
}

async function expectRecords(broker: Broker): Promise<void> {
  const small = await broker.readAll(TOPIC, 0);
  expect(small.map(({ offset, timestamp, key, value }) => [offset, timestamp, key, value])).toEqual(
    CODECS.flatMap((codec, batch) =>
      [undefined, 'key 1', 'key 2'].map((key, index) => [
        3 * batch + index,
        TIMESTAMP_MS,
        key,
        index === 2 ? undefined : `${codec} ${index}`,
      ]),
    ),
  );
  const bulky = await broker.readAll(TOPIC, 1);
  expect(bulky.map(({ value }) => value)).toEqual(Array.from({ length: BULKY_VALUES }, (_, index) => bulkyValue(index)));
  expect(await broker.offset(TOPIC, 1, TIMESTAMP_MS + 150)).toBe(150);
  expect(await broker.offset(TRIMMED, 0, EARLIEST)).toBe(3);
  expect(await broker.offset(TRIMMED, 0, LATEST)).toBe(5);
  expect((await broker.readAll(TRIMMED)).map(({ value }) => value)).toEqual(['3', '4']);
}

async function expectOffsets(broker: Broker): Promise<void> {
  await broker.whenCoordinated(GROUP);
  const { groups } = await broker.request(offsetFetch, 8, { groups: [{ groupId: GROUP, topics: null }] });
  const partitions = groups[0]?.topics.flatMap((topic) =>
    topic.partitions.map(({ partitionIndex, committedOffset, metadata: text }) => [partitionIndex, committedOffset, text]),
  );
  expect(partitions?.sort()).toEqual([
    [0, 10n, 'metadata 0'],
    [1, 11n, 'metadata 1'],
  ]);
}

async function expectProducer(broker: Broker): Promise<void> {
  const batches = await broker.readBatches(IDEMPOTENT, 0);
  const producerId = batches[0]?.header.producerId ?? -1;
  expect(producerId).toBeGreaterThanOrEqual(0);
  const gap = await broker.tryProduce(IDEMPOTENT, 0, idempotentBatch(producerId, 8));
  expect(gap.errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
  expect(await broker.produce(IDEMPOTENT, 0, idempotentBatch(producerId, 4)), 'a duplicate in the window').toBe(4);
  expect(await broker.produce(IDEMPOTENT, 0, idempotentBatch(producerId, 7)), 'the next one').toBe(7);
  const fresh = await broker.request(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 0 });
  expect(fresh.producerId, 'ids are never given twice').toBeGreaterThan(BigInt(producerId));
}
