import { ErrorCode } from '@streamline/core/types/error-code';
import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { fetch } from '@streamline/wire/kafka/apis/01-fetch';
import { offsetForLeaderEpoch } from '@streamline/wire/kafka/apis/23-offset-for-leader-epoch';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import { batchesIn } from '@streamline/wire/records/batch-iterator';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { batchOf, Broker, EARLIEST, LATEST, recordsIn } from '../kit/broker';
import { eventually } from '../kit/conditions';
import { unique } from '../kit/names';

const TOPIC_IDS_FROM = 13;
const LONG_MS = 80_000;

let broker: Broker;
let topic: string;
let topicId: string;
beforeAll(async () => {
  broker = await Broker.connect(inject('bootstrap'));
});
beforeEach(async () => {
  topic = unique('log');
  topicId = await broker.createTopic(topic, { partitions: 2 });
});
afterAll(() => broker.close());

interface FetchWish {
  readonly version?: number;
  readonly offset?: number;
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly partitionMaxBytes?: number;
  readonly session?: { readonly sessionId: number; readonly sessionEpoch: number };
  readonly partitions?: readonly number[];
  readonly using?: Broker;
}

function fetching(options: FetchWish = {}) {
  const { version = 12, offset = 0, maxWaitMs = 0, minBytes = 1, maxBytes = 1_000_000, using = broker } = options;
  const partitions = (options.partitions ?? [0]).map((partition) => ({
    partition,
    fetchOffset: BigInt(offset),
    partitionMaxBytes: options.partitionMaxBytes ?? maxBytes,
  }));
  return using.request(fetch, version, {
    maxWaitMs,
    minBytes,
    maxBytes,
    ...options.session,
    topics: partitions.length === 0 ? [] : [{ topic, topicId, partitions }],
    forgottenTopicsData: [],
  });
}

function valuesOf(records: Buffer | null | undefined): (string | undefined)[] {
  return recordsIn(records ?? Buffer.alloc(0)).map(({ value }) => value);
}

describe('what is produced is fetched', () => {
  it.each([3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])('by Produce v%i and every version of Fetch', async (version) => {
    const records = batchOf(['one', 'two']);
    const topicData = [{ name: topic, topicId, partitionData: [{ index: 0, records }] }];
    const { responses } = await broker.request(produce, version, { acks: -1, timeoutMs: 5_000, topicData });
    expect(responses[0]?.partitionResponses).toMatchObject([{ index: 0, errorCode: 0, baseOffset: 0n }]);
    expect(version < TOPIC_IDS_FROM ? responses[0]?.name : responses[0]?.topicId).toBe(version < 13 ? topic : topicId);
    for (let fetchVersion = 4; fetchVersion <= 18; fetchVersion += 1) {
      const answer = await fetching({ version: fetchVersion });
      const partition = answer.responses[0]?.partitions[0];
      expect(partition).toMatchObject({ errorCode: 0, highWatermark: 2n });
      expect(valuesOf(partition?.records)).toEqual(['one', 'two']);
    }
  });

  it('byte for byte in every codec', async () => {
    const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
    const sent = codecs.map((codec) => batchOf(['v'.repeat(1_000), codec], { codec }));
    for (const bytes of sent) await broker.produce(topic, 0, bytes);
    const read = await broker.readBatches(topic, 0);
    // Only base offset and leader epoch are the broker's, in the first 16 bytes.
    expect(read.map(({ bytes }) => bytes.subarray(16))).toEqual(sent.map((bytes) => bytes.subarray(16)));
    expect(read.map(({ header }) => header.baseOffset)).toEqual([0, 2, 4, 6, 8]);
  });

  it('with acks=0 without an answer, in the order of the connection', async () => {
    const body = (value: string, acks: number) => ({
      acks,
      timeoutMs: 1_000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records: batchOf([value]) }] }],
    });
    for (let index = 0; index < 20; index += 1) broker.client.send(produce, 9, body(`${index}`, 0));
    expect(await broker.produce(topic, 0, batchOf(['last']))).toBe(20);
    expect(broker.client.unexpected).toEqual([]);
    const expected = [...Array.from({ length: 20 }, (_, index) => `${index}`), 'last'];
    expect((await broker.readAll(topic)).map(({ value }) => value)).toEqual(expected);
  });

  it('in order, from many pipelined requests of many connections', async () => {
    const writers = await Promise.all([0, 1, 2, 3].map((index) => Broker.connect(inject('bootstrap'), `writer-${index}`)));
    const numbers = Array.from({ length: 50 }, (_, index) => index);
    const all = writers.flatMap((writer, name) => numbers.map((n) => writer.produce(topic, n % 2, batchOf([`${name} ${n}`]))));
    await Promise.all(all);
    await Promise.all(writers.map((writer) => writer.close()));
    const read = [...(await broker.readAll(topic, 0)), ...(await broker.readAll(topic, 1))];
    expect(read).toHaveLength(200);
    for (const partition of [0, 1]) {
      const values = (await broker.readAll(topic, partition)).map(({ value }) => value?.split(' ').map(Number) ?? []);
      for (const name of [0, 1, 2, 3]) {
        const own = values.flatMap(([writer, n]) => (writer === name ? [n] : []));
        expect(own).toEqual(numbers.filter((n) => n % 2 === partition));
      }
    }
  });
});

describe('Produce refuses what a log must not hold', () => {
  it('bad CRC 2, more than one batch 87, base offset not 0 87, a timestamp too far ahead 32; nothing is appended', async () => {
    const good = batchOf(['good']);
    const badCrc = Buffer.from(good);
    badCrc.writeUInt8((badCrc.at(-2) ?? 0) ^ 0xff, badCrc.length - 2);
    const cases: [Buffer, number][] = [
      [badCrc, ErrorCode.CORRUPT_MESSAGE],
      [Buffer.concat([good, good]), ErrorCode.INVALID_RECORD],
      [batchOf(['x'], { baseOffset: 5 }), ErrorCode.INVALID_RECORD],
      [batchOf(['x'], { control: true }), ErrorCode.INVALID_RECORD],
      [batchOf(['x'], { timestamp: Date.now() + 2 * 3_600_000 }), ErrorCode.INVALID_TIMESTAMP],
      [Buffer.alloc(0), ErrorCode.INVALID_RECORD],
    ];
    for (const [records, errorCode] of cases) expect((await broker.tryProduce(topic, 0, records)).errorCode).toBe(errorCode);
    expect(await broker.offset(topic, 0, LATEST)).toBe(0);
  });

  it('transactional batches and ids explicitly with 53, and an incomplete trailing batch is trimmed', async () => {
    const transactional = batchOf(['x'], { transactional: true, producerId: 1, producerEpoch: 0, baseSequence: 0 });
    expect((await broker.tryProduce(topic, 0, transactional)).errorCode).toBe(53);
    const trailing = Buffer.concat([batchOf(['whole']), batchOf(['cut']).subarray(0, 40)]);
    expect(await broker.produce(topic, 0, trailing)).toBe(0);
    expect((await broker.readAll(topic)).map(({ value }) => value)).toEqual(['whole']);
  });
});

describe('Fetch', () => {
  it('at an offset inside a batch returns the whole batch', async () => {
    await broker.produce(topic, 0, batchOf(['0', '1', '2']));
    expect(valuesOf((await broker.tryFetch(topic, 0, 2)).records)).toEqual(['0', '1', '2']);
  });

  it('returns a first batch that is larger than the limits, and no second', async () => {
    const large = 'x'.repeat(50_000);
    await broker.produce(topic, 0, batchOf([large]));
    await broker.produce(topic, 0, batchOf([large]));
    const answer = await fetching({ maxBytes: 100 });
    expect([...batchesIn(answer.responses[0]?.partitions[0]?.records ?? Buffer.alloc(0))]).toHaveLength(1);
  });

  it('only the first non-empty partition may exceed the limits', async () => {
    for (const partition of [0, 1]) await broker.produce(topic, partition, batchOf(['x'.repeat(50_000)]));
    const answer = await fetching({ maxBytes: 100, partitions: [0, 1] });
    const sizes = answer.responses[0]?.partitions.map(({ records }) => [...batchesIn(records ?? Buffer.alloc(0))].length);
    expect(sizes).toEqual([1, 0]);
  });

  it('outside of the log is 1, at its end waits empty', async () => {
    await broker.produce(topic, 0, batchOf(['0']));
    expect(await broker.tryFetch(topic, 0, 2)).toMatchObject({ errorCode: 1, highWatermark: -1n });
    expect(await broker.tryFetch(topic, 0, 1)).toMatchObject({ errorCode: 0, highWatermark: 1n });
  });

  it('that waits (a long poll) is woken by the record, and holds up nobody else', async () => {
    const waiting = await Broker.connect(inject('bootstrap'), 'waiting');
    let answered = false;
    const poll = fetching({ maxWaitMs: LONG_MS, using: waiting }).finally(() => (answered = true));
    for (let round = 0; round < 5; round += 1) await broker.tryFetch(topic, 1, 0);
    expect(answered).toBe(false);
    const begunMs = performance.now();
    await broker.produce(topic, 0, batchOf(['woken']));
    expect(valuesOf((await poll).responses[0]?.partitions[0]?.records)).toEqual(['woken']);
    expect(performance.now() - begunMs).toBeLessThan(LONG_MS / 2);
    await waiting.close();
  });

  it('waits until min_bytes are there, over several produces', async () => {
    const waiting = await Broker.connect(inject('bootstrap'), 'waiting');
    const poll = fetching({ maxWaitMs: LONG_MS, minBytes: 1_000, using: waiting });
    const value = 'x'.repeat(300);
    for (let count = 0; count < 4; count += 1) await broker.produce(topic, 0, batchOf([value]));
    expect(valuesOf((await poll).responses[0]?.partitions[0]?.records).length).toBeGreaterThanOrEqual(3);
    await waiting.close();
  });

  it('is answered after max_wait_ms when nothing comes', async () => {
    const begunMs = performance.now();
    const answer = await fetching({ maxWaitMs: 200 });
    expect(performance.now() - begunMs).toBeGreaterThanOrEqual(195);
    expect(answer.responses[0]?.partitions[0]).toMatchObject({ errorCode: 0, highWatermark: 0n });
  });
});

describe('fetch sessions', () => {
  it.each([7, 12, 18])('an incremental answer holds only what changed (v%i)', async (version) => {
    await broker.produce(topic, 0, batchOf(['0']));
    const full = await fetching({ version, session: { sessionId: 0, sessionEpoch: 0 }, partitions: [0, 1], offset: 0 });
    const { sessionId } = full;
    expect(sessionId).toBeGreaterThan(0);
    expect(full.responses[0]?.partitions).toHaveLength(2);
    // Partition 0 at its new position; nothing is new in partition 1.
    const none = await fetching({ version, session: { sessionId, sessionEpoch: 1 }, partitions: [0], offset: 1 });
    expect(none).toMatchObject({ errorCode: 0, sessionId, responses: [] });
    await broker.produce(topic, 1, batchOf(['1']));
    const changed = await fetching({ version, session: { sessionId, sessionEpoch: 2 }, partitions: [] });
    expect(changed.responses.flatMap(({ partitions }) => partitions.map(({ partitionIndex }) => partitionIndex))).toEqual([1]);
    const wrong = await fetching({ version, session: { sessionId, sessionEpoch: 9 }, partitions: [] });
    expect(wrong).toMatchObject({ errorCode: ErrorCode.INVALID_FETCH_SESSION_EPOCH, sessionId: 0 });
    const unknown = await fetching({ version, session: { sessionId: 12_345, sessionEpoch: 3 }, partitions: [] });
    expect(unknown).toMatchObject({ errorCode: ErrorCode.FETCH_SESSION_ID_NOT_FOUND, sessionId: 0 });
  });

  it('wake a long poll of an incremental request', async () => {
    const { sessionId } = await fetching({ session: { sessionId: 0, sessionEpoch: 0 }, partitions: [0, 1] });
    const waiting = await Broker.connect(inject('bootstrap'), 'waiting');
    const session = { sessionId, sessionEpoch: 1 };
    const poll = fetching({ session, partitions: [], maxWaitMs: LONG_MS, using: waiting });
    await broker.produce(topic, 1, batchOf(['woken']));
    expect(valuesOf((await poll).responses[0]?.partitions[0]?.records)).toEqual(['woken']);
    await waiting.close();
  });
});

describe('ListOffsets', () => {
  it('all six special timestamps, and by time', async () => {
    const records = [1_000, 3_000, 2_000].map((timestamp) => ({ value: Buffer.from('v'), timestamp }));
    await broker.produce(topic, 0, buildBatch({ records, timestamp: 0 }));
    const offsets: [number, bigint, bigint][] = [
      [-1, 3n, -1n],
      [-2, 0n, -1n],
      [-3, 1n, 3_000n],
      [-4, 0n, -1n],
      [-5, -1n, -1n],
      [-6, -1n, -1n],
      [1_001, 1n, 3_000n],
      [3_001, -1n, -1n],
    ];
    for (const [at, offset, timestamp] of offsets)
      expect(await broker.tryOffset(topic, 0, at), `at ${at}`).toMatchObject({ errorCode: 0, offset, timestamp });
  });

  it.each([
    [-3, 7],
    [-4, 8],
    [-5, 9],
    [-6, 11],
  ])('%i from v%i on; below that 35 for the partition', async (timestamp, version) => {
    expect(await broker.tryOffset(topic, 0, timestamp, version)).toMatchObject({ errorCode: 0 });
    expect(await broker.tryOffset(topic, 0, timestamp, version - 1)).toMatchObject({
      errorCode: ErrorCode.UNSUPPORTED_VERSION,
    });
  });
});

describe('leader epochs', () => {
  it('OffsetForLeaderEpoch tells the end of an epoch; a current epoch that is wrong is 74 or 75', async () => {
    await broker.produce(topic, 0, batchOf(['0', '1']));
    const ask = async (leaderEpoch: number, currentLeaderEpoch = -1) => {
      const partitions = [{ partition: 0, leaderEpoch, currentLeaderEpoch }];
      const { topics } = await broker.request(offsetForLeaderEpoch, 4, { topics: [{ topic, partitions }] });
      return topics[0]?.partitions[0];
    };
    const { leaderEpoch } = (await broker.tryOffset(topic, 0, LATEST)) as { leaderEpoch: number };
    expect(await ask(leaderEpoch)).toMatchObject({ errorCode: 0, leaderEpoch, endOffset: 2n });
    expect(await ask(leaderEpoch + 5)).toMatchObject({ errorCode: 0, leaderEpoch: -1, endOffset: -1n });
    expect(await ask(leaderEpoch, leaderEpoch + 1)).toMatchObject({ errorCode: ErrorCode.UNKNOWN_LEADER_EPOCH });
    if (leaderEpoch > 0)
      expect(await ask(leaderEpoch, leaderEpoch - 1)).toMatchObject({ errorCode: ErrorCode.FENCED_LEADER_EPOCH });
  });
});

describe('DeleteRecords', () => {
  it('moves the start for good; -1 is the high watermark, beyond it 1; what is below is 1 for a fetch', async () => {
    await broker.produce(topic, 0, batchOf(['0', '1', '2', '3']));
    expect(await broker.deleteRecords(topic, 0, 2)).toBe(2);
    expect(await broker.offset(topic, 0, EARLIEST)).toBe(2);
    expect((await broker.readAll(topic)).map(({ value }) => value)).toEqual(['2', '3']);
    expect((await broker.tryFetch(topic, 0, 1)).errorCode).toBe(ErrorCode.OFFSET_OUT_OF_RANGE);
    await expect(broker.deleteRecords(topic, 0, 5)).rejects.toThrow('error 1');
    expect(await broker.deleteRecords(topic, 0, -1)).toBe(4);
    expect(await broker.produce(topic, 0, batchOf(['4']))).toBe(4);
    await eventually('the log start is told to fetches', async () => (await broker.tryFetch(topic, 0, 4)).logStartOffset === 4n);
  });
});
