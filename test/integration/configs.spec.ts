import { ErrorCode } from '@streamline/core/types/error-code';
import { describeConfigs } from '@streamline/wire/kafka/apis/32-describe-configs';
import { alterConfigs } from '@streamline/wire/kafka/apis/33-alter-configs';
import { incrementalAlterConfigs } from '@streamline/wire/kafka/apis/44-incremental-alter-configs';
import { isLogAppendTime } from '@streamline/wire/records/batch-header';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { batchOf, Broker, LATEST } from '../kit/broker';
import { unique } from '../kit/names';

const TOPIC = 2;
const BROKER = 4;
const SET = 0;
const DELETE = 1;
const APPEND = 2;

let broker: Broker;
beforeAll(async () => {
  broker = await Broker.connect(inject('bootstrap'));
});
afterAll(() => broker.close());

async function described(resourceName: string, resourceType = TOPIC) {
  const { results } = await broker.request(describeConfigs, 4, {
    resources: [{ resourceType, resourceName, configurationKeys: null }],
    includeSynonyms: true,
  });
  return results[0];
}

async function configOf(topic: string, name: string) {
  return (await described(topic))?.configs.find((config) => config.name === name);
}

type Operation = readonly [name: string, configOperation: number, value: string | null];

async function alter(topic: string, ...operations: readonly Operation[]): Promise<number | undefined> {
  const configs = operations.map(([name, configOperation, value]) => ({ name, configOperation, value }));
  const resources = [{ resourceType: TOPIC, resourceName: topic, configs }];
  return (await broker.request(incrementalAlterConfigs, 1, { resources, validateOnly: false })).responses[0]?.errorCode;
}

describe('configs of topics', () => {
  it('are all 37 of Kafka, with type, source and synonyms', async () => {
    const topic = unique('described');
    await broker.createTopic(topic, { configs: { 'retention.ms': '1000' } });
    const configs = (await described(topic))?.configs ?? [];
    expect(configs).toHaveLength(37);
    const byName = new Map(configs.map((config) => [config.name, config]));
    expect(byName.get('retention.ms')).toMatchObject({ value: '1000', configSource: 1, isSensitive: false, readOnly: false });
    expect(byName.get('segment.bytes')).toMatchObject({ value: '1073741824', configSource: 5 });
    expect(byName.get('flush.messages')).toMatchObject({ value: '1' });
    expect(byName.get('segment.bytes')?.synonyms.map(({ name }) => name)).toEqual(['log.segment.bytes']);
  });

  it('are changed one by one: SET, DELETE; APPEND on something that is no list is 40, a null SET 42', async () => {
    const topic = unique('altered');
    await broker.createTopic(topic);
    expect(await alter(topic, ['retention.ms', SET, '5000'], ['segment.ms', SET, '60000'])).toBe(0);
    expect(await alter(topic, ['segment.ms', DELETE, null])).toBe(0);
    expect(await configOf(topic, 'retention.ms')).toMatchObject({ value: '5000', configSource: 1 });
    expect(await configOf(topic, 'segment.ms')).toMatchObject({ value: '604800000', configSource: 5 });
    expect(await alter(topic, ['retention.ms', APPEND, '1'])).toBe(ErrorCode.INVALID_CONFIG);
    expect(await alter(topic, ['retention.ms', SET, null])).toBe(ErrorCode.INVALID_REQUEST);
    expect(await alter(topic, ['segment.ms', SET, '1'], ['segment.ms', SET, '2'])).toBe(ErrorCode.INVALID_REQUEST);
    expect(await alter(unique('nowhere'), ['retention.ms', SET, '1'])).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  });

  it('AlterConfigs replaces all of them', async () => {
    const topic = unique('replaced');
    await broker.createTopic(topic, { configs: { 'retention.ms': '1000' } });
    const resources = [{ resourceType: TOPIC, resourceName: topic, configs: [{ name: 'segment.ms', value: '60000' }] }];
    const { responses } = await broker.request(alterConfigs, 2, { resources, validateOnly: false });
    expect(responses[0]?.errorCode).toBe(0);
    expect(await configOf(topic, 'segment.ms')).toMatchObject({ value: '60000' });
    expect(await configOf(topic, 'retention.ms')).toMatchObject({ configSource: 5 });
  });

  it('of another broker are 42, of this one its settings', async () => {
    expect((await described('99', BROKER))?.errorCode).toBe(ErrorCode.INVALID_REQUEST);
    const own = await described('1', BROKER);
    expect(own?.errorCode).toBe(0);
    expect(own?.configs.map(({ name }) => name)).toEqual(expect.arrayContaining(['log.segment.bytes', 'num.partitions']));
  });
});

describe('configs take effect', () => {
  it('max.message.bytes: a batch above it is 10, and one below is taken as soon as it is raised', async () => {
    const topic = unique('sized');
    await broker.createTopic(topic, { configs: { 'max.message.bytes': '1000' } });
    const batch = batchOf(['x'.repeat(5_000)]);
    expect((await broker.tryProduce(topic, 0, batch)).errorCode).toBe(ErrorCode.MESSAGE_TOO_LARGE);
    expect(await alter(topic, ['max.message.bytes', SET, '10000'])).toBe(0);
    expect(await broker.produce(topic, 0, batch)).toBe(0);
  });

  it('max.message.bytes: a batch of 6 MiB goes through where it is allowed', async () => {
    const topic = unique('huge');
    await broker.createTopic(topic, { configs: { 'max.message.bytes': String(7 * 1024 * 1024) } });
    const value = 'y'.repeat(6 * 1024 * 1024);
    expect(await broker.produce(topic, 0, batchOf([value]))).toBe(0);
    expect((await broker.readAll(topic))[0]?.value).toBe(value);
  });

  it('message.timestamp.type=LogAppendTime stamps records when they are appended', async () => {
    const topic = unique('stamped');
    await broker.createTopic(topic, { configs: { 'message.timestamp.type': 'LogAppendTime' } });
    const beforeMs = Date.now();
    const answer = await broker.tryProduce(topic, 0, batchOf(['a', 'b'], { timestamp: 1_000 }));
    expect(Number(answer.logAppendTimeMs)).toBeGreaterThanOrEqual(beforeMs);
    const [batch] = await broker.readBatches(topic, 0);
    expect(isLogAppendTime(batch?.header.attributes ?? 0)).toBe(true);
    expect((await broker.readAll(topic)).map(({ timestamp }) => timestamp)).toEqual(
      Array<number>(2).fill(Number(answer.logAppendTimeMs)),
    );
  });

  it('compression.type: what the topic says, whatever the client chose', async () => {
    const topic = unique('compressed');
    await broker.createTopic(topic, { configs: { 'compression.type': 'zstd' } });
    await broker.produce(topic, 0, batchOf(['x'.repeat(10_000)], { codec: 'gzip' }));
    const [batch] = await broker.readBatches(topic, 0);
    expect((batch?.header.attributes ?? 0) & 7).toBe(4);
    expect((await broker.readAll(topic))[0]?.value).toBe('x'.repeat(10_000));
  });

  it('flush.messages above 1 acknowledges from the page cache, and the records are there', async () => {
    const topic = unique('page-cache');
    await broker.createTopic(topic, { configs: { 'flush.messages': '100000', 'flush.ms': '500' } });
    const offsets = await Promise.all(Array.from({ length: 100 }, (_, n) => broker.produce(topic, 0, batchOf([`${n}`]))));
    expect(offsets).toEqual(Array.from({ length: 100 }, (_, n) => n));
    expect(await broker.offset(topic, 0, LATEST)).toBe(100);
    expect((await broker.readAll(topic)).map(({ value }) => value)).toEqual(offsets.map(String));
  });

  it('min.insync.replicas above the replicas does not keep a single replica from taking acks=all', async () => {
    const topic = unique('min-isr');
    await broker.createTopic(topic, { configs: { 'min.insync.replicas': '2' } });
    expect(await broker.produce(topic, 0, batchOf(['taken']))).toBe(0);
  });
});
