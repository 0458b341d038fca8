import { describe, expect, it } from 'vitest';
import type { Offset } from '@streamline/core/types/ids';
import type { AppendedPartition } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { BatchField, readBatchHeader } from '@streamline/wire/records/batch-header';
import { isBatchCrcValid } from '@streamline/wire/records/batch-patch';
import { HostBench, OTHER, TOPIC, isSettled, epoch, topicT } from '@streamline/testing/partitions/host-bench';
import { APPEND_TIME_MS } from '@streamline/testing/partitions/memory-log-engine';
import { SELF, topicId } from '@streamline/testing/partitions/test-metadata';

async function answerTo(response: Promise<{ partitions: AppendedPartition[] }>): Promise<AppendedPartition> {
  const [answer] = (await response).partitions;
  if (answer === undefined) throw new Error('no answer');
  return answer;
}

describe('acknowledging a produce', () => {
  it('acks=all: waits until the batch is committed, then gives its offset', async () => {
    const bench = HostBench.serving();
    const first = bench.append(bench.batch({ records: [{}, {}] }));
    const second = bench.append(bench.batch());
    expect(await isSettled(first)).toBe(false);
    bench.engine.sync();
    expect(await answerTo(first)).toMatchObject({ errorCode: 0, baseOffset: 0, logStartOffset: 0, logAppendTimeMs: -1 });
    expect(await answerTo(second)).toMatchObject({ errorCode: 0, baseOffset: 2 });
  });

  it('acks=1: waits until the leader has the batch durably', async () => {
    const bench = HostBench.serving();
    const response = bench.append(bench.batch(), { acks: 1 });
    expect(await isSettled(response)).toBe(false);
    bench.engine.sync();
    expect(await answerTo(response)).toMatchObject({ errorCode: 0, baseOffset: 0 });
  });

  it('acks=0: does not wait', async () => {
    const bench = HostBench.serving();
    expect(await answerTo(bench.append(bench.batch(), { acks: 0 }))).toMatchObject({ errorCode: 0 });
    expect(bench.log().stableEndOffset).toBe(0);
  });

  it('acks=0: tells an error, upon which the connection is closed', async () => {
    const bench = HostBench.serving();
    expect(await answerTo(bench.append(Buffer.alloc(0), { acks: 0 }))).toMatchObject({ errorCode: 87, baseOffset: -1 });
  });

  it('refuses other acks with INVALID_REQUIRED_ACKS (21)', async () => {
    const bench = HostBench.serving();
    for (const acks of [2, -2]) expect(await answerTo(bench.append(bench.batch(), { acks }))).toMatchObject({ errorCode: 21 });
    expect(bench.log().logEndOffset).toBe(0);
  });

  it('takes effect before the call returns, in the order of the calls', () => {
    const bench = HostBench.serving();
    void bench.append(bench.batch({ records: [{ value: Buffer.from('1') }] }));
    expect(bench.log().logEndOffset).toBe(1);
    void bench.append(bench.batch({ records: [{ value: Buffer.from('2') }] }));
    expect(bench.log().logEndOffset).toBe(2);
  });

  it('is done with the bytes of the request when it returns, also where it appends later', async () => {
    const bench = HostBench.serving();
    const [now, later] = [bench.batch(), bench.batch({ records: [{ value: Buffer.from('later') }] })];
    void bench.append(now);
    const delayed = bench.append(later, { metadataIndex: 2 });
    for (const batch of [now, later]) batch.fill(0xa5);
    bench.change({});
    bench.engine.sync();
    while (!(await isSettled(delayed))) bench.engine.sync();
    expect(await answerTo(delayed)).toMatchObject({ errorCode: 0, baseOffset: 1 });
    const { chunks } = await bench.log().read(0 as Offset, { maxBytes: 1000, minOneBatch: true, upTo: 2 as Offset });
    expect(chunks.map((chunk) => readBatchHeader(chunk))).toMatchObject([{ baseOffset: 0 }, { baseOffset: 1 }]);
    expect(chunks.every((chunk) => isBatchCrcValid(chunk))).toBe(true);
  });

  it('answers REQUEST_TIMED_OUT (7) when the batch is not committed in time, and only then', async () => {
    const bench = HostBench.serving();
    const response = bench.append(bench.batch(), { timeoutMs: 1000 });
    bench.clock.advance(990);
    expect(await isSettled(response)).toBe(false);
    bench.clock.advance(100);
    expect(await answerTo(response)).toMatchObject({ errorCode: 7, baseOffset: 0 });
    bench.engine.sync();
    expect(bench.host.figures().waitingAppends).toBe(0);
  });

  it('acks=1 does not time out after a time that is too short for a disk', async () => {
    const bench = HostBench.serving();
    const response = bench.append(bench.batch(), { acks: 1, timeoutMs: 0 });
    bench.clock.advance(200);
    bench.engine.sync();
    expect(await answerTo(response)).toMatchObject({ errorCode: 0 });
  });

  it('answers several partitions in one response, each with its own outcome', async () => {
    const bench = HostBench.serving();
    const partitions = [0, 1, 9].map((partition) => ({ topicId: TOPIC, partition, recordBytes: 0 }));
    const request = {
      correlationId: 3,
      requiredAcks: -1,
      timeoutMs: 1000,
      metadataIndex: 0,
      partitions,
      creditBytes: 0,
      connectionId: 0,
    };
    const response = bench.host.append({ request, records: [bench.batch(), Buffer.alloc(5), bench.batch()] });
    bench.engine.sync();
    expect((await response).partitions.map((answer) => answer.errorCode)).toEqual([0, 87, 3]);
    expect((await response).correlationId).toBe(3);
  });

  it('answers a request without partitions', async () => {
    const bench = HostBench.serving();
    const request = {
      correlationId: 4,
      requiredAcks: 1,
      timeoutMs: 1000,
      metadataIndex: 0,
      partitions: [],
      creditBytes: 0,
      connectionId: 0,
    };
    expect(await bench.host.append({ request, records: [] })).toEqual({ correlationId: 4, partitions: [], creditBytes: 0 });
  });
});

describe('acks=all and the ISR', () => {
  const thin = topicT({ configs: { 'min.insync.replicas': '2' }, partitions: [{ replicas: [SELF, OTHER], isr: [SELF] }] });

  it('refuses with NOT_ENOUGH_REPLICAS (19) before the append when the committed ISR is too small', async () => {
    const bench = HostBench.serving([thin]);
    expect(await answerTo(bench.append(bench.batch()))).toMatchObject({ errorCode: 19, baseOffset: -1 });
    expect(bench.log().logEndOffset).toBe(0);
  });

  it('acks 0 and 1 append whatever the ISR is', async () => {
    const bench = HostBench.serving([thin]);
    const one = bench.append(bench.batch(), { acks: 1 });
    expect(await answerTo(bench.append(bench.batch(), { acks: 0 }))).toMatchObject({ errorCode: 0 });
    bench.engine.sync();
    expect(await answerTo(one)).toMatchObject({ errorCode: 0 });
    expect(bench.log().logEndOffset).toBe(2);
  });

  it('never needs more replicas than the partition has', async () => {
    const bench = HostBench.serving([topicT({ configs: { 'min.insync.replicas': '3' } })]);
    expect(await answerTo(bench.write(bench.batch()))).toMatchObject({ errorCode: 0 });
  });

  it('a shrink below the minimum while waiting ends in REQUEST_TIMED_OUT (7): the high watermark stands still', async () => {
    const both = topicT({
      configs: { 'min.insync.replicas': '2' },
      partitions: [{ replicas: [SELF, OTHER], isr: [SELF, OTHER] }],
    });
    const bench = HostBench.serving([both]);
    const response = bench.append(bench.batch(), { timeoutMs: 1000 });
    bench.engine.sync();
    bench.metadata.put({ ...both, partitions: [{ replicas: [SELF, OTHER], isr: [SELF] }] });
    expect(await isSettled(response)).toBe(false);
    bench.clock.advance(1100);
    expect(await answerTo(response)).toMatchObject({ errorCode: 7 });
  });

  it('a shrink to this node alone commits what waits, once the controller has committed the shrink', async () => {
    const bench = HostBench.serving([topicT({ partitions: [{ replicas: [SELF, OTHER], isr: [SELF, OTHER] }] })]);
    const response = bench.append(bench.batch());
    bench.engine.sync();
    expect(await isSettled(response)).toBe(false);
    bench.metadata.put(topicT({ partitions: [{ replicas: [SELF, OTHER], isr: [SELF], partitionEpoch: 1 }] }));
    expect(await answerTo(response)).toMatchObject({ errorCode: 0 });
  });
});

describe('where a produce is refused', () => {
  it('UNKNOWN_TOPIC_ID (100) for an id that the metadata does not know', async () => {
    const bench = HostBench.serving();
    expect(await answerTo(bench.append(bench.batch(), { topic: topicId('X') }))).toMatchObject({ errorCode: 100 });
  });

  it('UNKNOWN_TOPIC_OR_PARTITION (3) for a partition that the topic does not have', async () => {
    const bench = HostBench.serving();
    for (const partition of [3, -1]) {
      expect(await answerTo(bench.append(bench.batch(), { partition }))).toMatchObject({ errorCode: 3 });
    }
  });

  it('NOT_LEADER_OR_FOLLOWER (6) with a leader hint where another node leads; no hint with other errors', async () => {
    const bench = HostBench.serving([
      topicT({ partitions: [{ leader: OTHER, leaderEpoch: epoch(5), replicas: [SELF, OTHER] }] }),
    ]);
    const answer = await answerTo(bench.append(bench.batch()));
    expect(answer).toMatchObject({ errorCode: 6, currentLeader: { leaderId: 2, leaderEpoch: 5 } });
    expect((await answerTo(bench.append(bench.batch(), { topic: topicId('X') }))).currentLeader).toBeUndefined();
  });

  it('NOT_LEADER_OR_FOLLOWER (6) with the hint -1 while nobody leads', async () => {
    const bench = HostBench.serving([topicT({ partitions: [{ leader: undefined }] })]);
    expect(await answerTo(bench.append(bench.batch()))).toMatchObject({
      errorCode: 6,
      currentLeader: { leaderId: -1, leaderEpoch: 1 },
    });
  });

  it('NOT_LEADER_OR_FOLLOWER (6) until the registration of this incarnation is known', async () => {
    const bench = new HostBench();
    expect(await answerTo(bench.append(bench.batch()))).toMatchObject({ errorCode: 6 });
  });

  it('a lost leadership answers what waits with NOT_LEADER_OR_FOLLOWER (6)', async () => {
    const bench = HostBench.serving();
    const response = bench.append(bench.batch());
    bench.change({ leader: OTHER, leaderEpoch: epoch(2), replicas: [SELF, OTHER] });
    expect(await answerTo(response)).toMatchObject({ errorCode: 6 });
  });

  it('a replica that moved to other brokers answers what waits with NOT_LEADER_OR_FOLLOWER (6)', async () => {
    const bench = HostBench.serving();
    const response = bench.append(bench.batch());
    bench.change({ leader: OTHER, leaderEpoch: epoch(2), replicas: [OTHER], isr: [OTHER] });
    expect(await answerTo(response)).toMatchObject({ errorCode: 6 });
  });

  it('a deleted topic answers what waits with UNKNOWN_TOPIC_OR_PARTITION (3)', async () => {
    const bench = HostBench.serving();
    const response = bench.append(bench.batch());
    bench.metadata.remove(TOPIC);
    expect(await answerTo(response)).toMatchObject({ errorCode: 3 });
  });

  it('KAFKA_STORAGE_ERROR (56) for a log that is offline', async () => {
    const bench = HostBench.serving();
    bench.log().offlineReason = 'segment 0, offset 17: bad CRC';
    expect(await answerTo(bench.append(bench.batch()))).toMatchObject({
      errorCode: 56,
      errorMessage: 'segment 0, offset 17: bad CRC',
    });
  });

  it('KAFKA_STORAGE_ERROR (56) to all that waits when durability is lost for good (J-9)', async () => {
    const bench = HostBench.serving();
    const response = bench.append(bench.batch());
    bench.engine.fail(new Error('EIO'));
    expect(await answerTo(response)).toMatchObject({ errorCode: 56 });
    expect(bench.fatal).toHaveLength(1);
    expect((await answerTo(bench.append(bench.batch()))).errorCode).not.toBe(0);
  });
});

describe('a log that throws', () => {
  it('is KAFKA_STORAGE_ERROR (56) for that batch alone', async () => {
    const bench = HostBench.serving();
    const { append } = bench.log();
    bench.log().append = () => {
      throw new Error('the log engine is closed');
    };
    expect(await answerTo(bench.append(bench.batch()))).toMatchObject({
      errorCode: 56,
      errorMessage: 'the log engine is closed',
    });
    bench.log().append = append;
    expect(await answerTo(bench.write(bench.batch()))).toMatchObject({ errorCode: 0, baseOffset: 0 });
  });
});

describe('idempotent producers', () => {
  it('a duplicate is acknowledged with its old offset, once that is durable', async () => {
    const bench = HostBench.serving();
    const original = bench.append(bench.batch());
    void bench.append(bench.batch());
    bench.log().nextOutcome = { kind: 'duplicate', baseOffset: 0 as Offset, lastOffset: 0 as Offset };
    const duplicate = bench.append(bench.batch());
    expect(await isSettled(duplicate)).toBe(false);
    bench.engine.sync();
    expect(await answerTo(original)).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect(await answerTo(duplicate)).toMatchObject({ errorCode: 0, baseOffset: 0 });
  });

  it('a duplicate of what is committed is acknowledged at once', async () => {
    const bench = HostBench.serving();
    await bench.write(bench.batch());
    bench.log().nextOutcome = { kind: 'duplicate', baseOffset: 0 as Offset, lastOffset: 0 as Offset };
    expect(await answerTo(bench.append(bench.batch()))).toMatchObject({ errorCode: 0, baseOffset: 0 });
  });

  it.each([45, 47])('passes on what the log refuses: %i', async (errorCode) => {
    const bench = HostBench.serving();
    bench.log().nextOutcome = { kind: 'refused', errorCode, message: 'why' };
    expect(await answerTo(bench.append(bench.batch()))).toMatchObject({ errorCode, errorMessage: 'why', baseOffset: -1 });
  });
});

describe('a produced batch is checked by the rules of its topic', () => {
  it.each([
    ['a bad CRC', 2, {}, (bytes: Buffer) => bytes.writeUInt8(bytes.readUInt8(65) ^ 1, 65)],
    ['magic 1', 87, {}, (bytes: Buffer) => bytes.writeInt8(1, BatchField.magic)],
    ['magic 9', 2, {}, (bytes: Buffer) => bytes.writeInt8(9, BatchField.magic)],
    ['a base offset that is not 0', 87, {}, (bytes: Buffer) => bytes.writeInt8(1, 7)],
    ['more than max.message.bytes', 10, { 'max.message.bytes': '60' }, () => undefined],
  ] as const)('%s is %i', async (_, errorCode, configs, spoil) => {
    const bench = HostBench.serving([topicT({ configs })]);
    const batch = bench.batch();
    spoil(batch);
    expect(await answerTo(bench.append(batch))).toMatchObject({ errorCode, baseOffset: -1, logStartOffset: -1 });
    expect(bench.log().logEndOffset).toBe(0);
  });

  it('a timestamp more than message.timestamp.after.max.ms ahead is 32, with the records named', async () => {
    const bench = HostBench.serving([topicT({ configs: { 'message.timestamp.after.max.ms': '1000' } })]);
    const batch = bench.batch({ records: [{}, { timestamp: bench.clock.wallMs() + 1001 }] });
    expect(await answerTo(bench.append(batch))).toMatchObject({ errorCode: 32, recordErrors: [{ batchIndex: 1 }] });
  });

  it('decompressed size over max.decompressed.message.bytes is 87', async () => {
    const bench = HostBench.serving([topicT({ configs: { 'max.decompressed.message.bytes': '1000' } })]);
    const batch = bench.batch({ codec: 'gzip', records: [{ value: Buffer.alloc(2000) }] });
    expect(await answerTo(bench.append(batch))).toMatchObject({ errorCode: 87 });
  });

  it('message.timestamp.type=LogAppendTime stamps the batch and tells the time', async () => {
    const bench = HostBench.serving([topicT({ configs: { 'message.timestamp.type': 'LogAppendTime' } })]);
    const response = bench.append(bench.batch({ timestamp: 5 }));
    bench.engine.sync();
    expect(await answerTo(response)).toMatchObject({ errorCode: 0, logAppendTimeMs: APPEND_TIME_MS });
  });

  it('a changed config counts from then on', async () => {
    const bench = HostBench.serving();
    bench.metadata.put(topicT({ configs: { 'max.message.bytes': '60' } }));
    expect(await answerTo(bench.append(bench.batch()))).toMatchObject({ errorCode: 10 });
    expect(bench.log().config.flushMessages).toBe(1);
    bench.metadata.setClusterConfigs({ 'message.max.bytes': '60', 'streamline.durability': 'page-cache' });
    expect(bench.log().config.flushMessages).toBeGreaterThan(1);
  });
});

describe('a produce that was routed by newer metadata', () => {
  it('waits for that metadata, and later produces to the same partition wait behind it', async () => {
    const bench = HostBench.serving();
    const ahead = bench.append(bench.batch({ records: [{ value: Buffer.from('first') }] }), { partition: 1, metadataIndex: 2 });
    const behind = bench.append(bench.batch(), { partition: 1 });
    const elsewhere = bench.append(bench.batch(), { partition: 0 });
    expect(bench.log(1).logEndOffset).toBe(0);
    expect(bench.log(0).logEndOffset).toBe(1);
    bench.metadata.put(topicT());
    await isSettled(ahead);
    bench.engine.sync();
    expect(await answerTo(ahead)).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect(await answerTo(behind)).toMatchObject({ errorCode: 0, baseOffset: 1 });
    expect(await answerTo(elsewhere)).toMatchObject({ errorCode: 0, baseOffset: 0 });
    void bench.append(bench.batch(), { partition: 1 });
    expect(bench.log(1).logEndOffset).toBe(3);
  });

  it('is answered from what is known here when its time is over', async () => {
    const bench = HostBench.serving();
    expect(await answerTo(bench.append(bench.batch(), { topic: topicId('N'), metadataIndex: 99, timeoutMs: 0 }))).toMatchObject({
      errorCode: 100,
    });
  });
});

describe('a full journal (J-7)', () => {
  it('holds produces, in order, until it takes more', async () => {
    const bench = HostBench.serving();
    bench.engine.setHeadroom(0);
    const first = bench.append(bench.batch({ records: [{}, {}] }));
    const second = bench.append(bench.batch());
    expect(await isSettled(first)).toBe(false);
    expect(bench.log().logEndOffset).toBe(0);
    bench.engine.setHeadroom(1000);
    const third = bench.append(bench.batch());
    await isSettled(second);
    bench.engine.sync();
    expect(await answerTo(first)).toMatchObject({ errorCode: 0, baseOffset: 0 });
    expect(await answerTo(second)).toMatchObject({ errorCode: 0, baseOffset: 2 });
    await isSettled(third);
    bench.engine.sync();
    expect(await answerTo(third)).toMatchObject({ errorCode: 0, baseOffset: 3 });
  });

  it('answers REQUEST_TIMED_OUT (7) with nothing appended when it does not in time', async () => {
    const bench = HostBench.serving();
    bench.engine.setHeadroom(0);
    const response = bench.append(bench.batch(), { timeoutMs: 1000 });
    await isSettled(response);
    bench.clock.advance(1000);
    expect(await answerTo(response)).toMatchObject({ errorCode: 7, baseOffset: -1 });
    bench.engine.setHeadroom(1000);
    await isSettled(response);
    expect(bench.log().logEndOffset).toBe(0);
  });
});

describe('a log that goes offline', () => {
  it('answers what waits for it with KAFKA_STORAGE_ERROR (56), and fetches at once', async () => {
    const bench = HostBench.serving();
    const response = bench.append(bench.batch());
    const fetch = bench.fetch([{}]);
    await isSettled(fetch);
    bench.engine.takeOffline(bench.log(), 'sync failed');
    expect(await answerTo(response)).toMatchObject({ errorCode: 56 });
    expect((await fetch).response.partitions[0]).toMatchObject({ errorCode: 56 });
    expect(bench.host.figures().offline).toBe(1);
  });
});

describe('appends of local coordinators', () => {
  it('tell when they are committed', () => {
    const bench = HostBench.serving();
    const codes: number[] = [];
    const { key } = bench.log();
    expect(bench.host.appendLocal(key, epoch(1), bench.batch(), (code) => codes.push(code))).toEqual({
      ok: true,
      baseOffset: 0,
      lastOffset: 0,
    });
    expect(codes).toEqual([]);
    bench.engine.sync();
    expect(codes).toEqual([0]);
    expect(bench.host.bounds(key)).toEqual({ leaderEpoch: 1, logStartOffset: 0, highWatermark: 1, logEndOffset: 1 });
  });

  it('tell when the leadership ends first, and are refused in another epoch', () => {
    const bench = HostBench.serving();
    const codes: number[] = [];
    const { key } = bench.log();
    bench.host.appendLocal(key, epoch(1), bench.batch(), (code) => codes.push(code));
    expect(bench.host.appendLocal(key, epoch(0), bench.batch(), () => undefined)).toMatchObject({ ok: false, errorCode: 74 });
    bench.change({ leader: undefined, leaderEpoch: epoch(2) });
    expect(codes).toEqual([6]);
    expect(bench.host.bounds(key)).toBeUndefined();
  });

  it('are read back up to the log end, and their log start can be moved to the high watermark', async () => {
    const bench = HostBench.serving();
    const { key } = bench.log();
    await bench.write(bench.batch());
    bench.host.appendLocal(key, epoch(1), bench.batch(), () => undefined);
    expect((await bench.host.readLocal(key, 0 as Offset, 1 << 20)).chunks).toHaveLength(2);
    await bench.host.deleteBefore(key, 2 as Offset);
    expect(bench.log().logStartOffset).toBe(1);
  });
});
