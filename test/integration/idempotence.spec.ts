import { ErrorCode } from '@streamline/core/types/error-code';
import { findCoordinator } from '@streamline/wire/kafka/apis/10-find-coordinator';
import { initProducerId } from '@streamline/wire/kafka/apis/22-init-producer-id';
import { addPartitionsToTxn } from '@streamline/wire/kafka/apis/24-add-partitions-to-txn';
import { endTxn } from '@streamline/wire/kafka/apis/26-end-txn';
import { describeProducers } from '@streamline/wire/kafka/apis/61-describe-producers';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest';
import { batchOf, Broker } from '../kit/broker';
import { within } from '../kit/conditions';
import { unique } from '../kit/names';

let broker: Broker;
let topic: string;
let producerId: number;
beforeAll(async () => {
  broker = await Broker.connect(inject('bootstrap'));
});
beforeEach(async () => {
  topic = unique('idempotent');
  await broker.createTopic(topic);
  producerId = await newProducerId();
});
afterAll(() => broker.close());

async function newProducerId(version = 4): Promise<number> {
  const answer = await broker.request(initProducerId, version, { transactionalId: null, transactionTimeoutMs: 0 });
  expect(answer).toMatchObject({ errorCode: 0, producerEpoch: 0 });
  return Number(answer.producerId);
}

function send(baseSequence: number, { producerEpoch = 0, count = 1, id = producerId } = {}) {
  const values = Array.from({ length: count }, (_, index) => `${producerEpoch}/${baseSequence + index}`);
  return broker.tryProduce(topic, 0, batchOf(values, { producerId: id, producerEpoch, baseSequence }));
}

async function values(): Promise<(string | undefined)[]> {
  return (await broker.readAll(topic)).map(({ value }) => value);
}

describe('InitProducerId', () => {
  it.each([0, 1, 2, 3, 4, 5])('v%i gives every producer an id of its own', async (version) => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => newProducerId(version)));
    expect(new Set(ids).size).toBe(20);
  });
});

describe('idempotence on the wire', () => {
  it('acknowledges a duplicate among the last 5 batches with its old offset, and appends it once', async () => {
    for (let sequence = 0; sequence < 6; sequence += 1)
      expect(await send(sequence)).toMatchObject({ errorCode: 0, baseOffset: BigInt(sequence) });
    for (let sequence = 1; sequence < 6; sequence += 1)
      expect(await send(sequence)).toMatchObject({ errorCode: 0, baseOffset: BigInt(sequence) });
    expect(await values()).toEqual([0, 1, 2, 3, 4, 5].map((sequence) => `0/${sequence}`));
  });

  it('a gap or an older duplicate is 45, never 46', async () => {
    for (let sequence = 0; sequence < 6; sequence += 1) await send(sequence);
    for (const sequence of [0, 7, 8]) expect((await send(sequence)).errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    // The same first sequence with another last one is no duplicate.
    expect((await send(5, { count: 2 })).errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(await send(6)).toMatchObject({ errorCode: 0, baseOffset: 6n });
  });

  it('an old epoch is 47; a new epoch that does not start at 0 is 45', async () => {
    await send(0);
    expect((await send(1, { producerEpoch: 1 })).errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(await send(0, { producerEpoch: 1 })).toMatchObject({ errorCode: 0, baseOffset: 1n });
    expect((await send(1, { producerEpoch: 0 })).errorCode).toBe(ErrorCode.INVALID_PRODUCER_EPOCH);
    expect(await values()).toEqual(['0/0', '1/0']);
  });

  it('an unknown producer may start at any sequence', async () => {
    expect(await send(41)).toMatchObject({ errorCode: 0, baseOffset: 0n });
    expect((await send(43)).errorCode).toBe(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
  });

  it('holds for pipelined batches, which go in or out together', async () => {
    const answers = await Promise.all([0, 1, 2, 4, 3].map((sequence) => send(sequence)));
    expect(answers.map(({ errorCode }) => errorCode)).toEqual([0, 0, 0, 45, 0]);
    expect(await values()).toEqual(['0/0', '0/1', '0/2', '0/3']);
  });

  it('knows producers after DeleteRecords took their batches', async () => {
    await send(0);
    await send(1);
    await broker.deleteRecords(topic, 0, -1);
    expect(await send(1)).toMatchObject({ errorCode: 0, baseOffset: 1n });
    expect(await send(2)).toMatchObject({ errorCode: 0, baseOffset: 2n });
  });

  it('sequences wrap from 2^31-1 to 0', async () => {
    const last = 2 ** 31 - 1;
    expect(await send(last)).toMatchObject({ errorCode: 0, baseOffset: 0n });
    expect(await send(0)).toMatchObject({ errorCode: 0, baseOffset: 1n });
    expect(await send(2)).toMatchObject({ errorCode: 45 });
  });

  it('DescribeProducers lists who wrote, with epoch, last sequence and time', async () => {
    await send(0);
    await send(1, { count: 3 });
    const other = await newProducerId();
    await send(7, { id: other });
    const { topics } = await broker.request(describeProducers, 0, { topics: [{ name: topic, partitionIndexes: [0] }] });
    const producers = topics[0]?.partitions[0]?.activeProducers.toSorted((a, b) => Number(a.producerId - b.producerId));
    expect(producers).toMatchObject([
      { producerId: BigInt(producerId), producerEpoch: 0, lastSequence: 3, currentTxnStartOffset: -1n },
      { producerId: BigInt(other), producerEpoch: 0, lastSequence: 7 },
    ]);
    expect(Number(producers?.[0]?.lastTimestamp)).toBeGreaterThan(Date.now() - 60_000);
  });
});

describe('transactions are refused explicitly', () => {
  it('InitProducerId of a transactional id and its coordinator with 53', async () => {
    const init = await broker.request(initProducerId, 4, { transactionalId: 'tx', transactionTimeoutMs: 60_000 });
    expect(init).toMatchObject({ errorCode: ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, producerId: -1n });
    const { coordinators } = await broker.request(findCoordinator, 6, { keyType: 1, coordinatorKeys: ['tx'] });
    expect(coordinators[0]?.errorCode).toBe(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
  });

  it('requests of an API without a handler by the end of the connection', async () => {
    const requests = [
      (own: Broker) =>
        own.request(addPartitionsToTxn, 3, {
          v3AndBelowTransactionalId: 'tx',
          v3AndBelowProducerId: 1n,
          v3AndBelowProducerEpoch: 0,
          v3AndBelowTopics: [],
        }),
      (own: Broker) => own.request(endTxn, 3, { transactionalId: 'tx', producerId: 1n, producerEpoch: 0, committed: true }),
    ];
    for (const request of requests) {
      const own = await Broker.connect(inject('bootstrap'));
      await expect(request(own)).rejects.toThrow('the connection was closed');
      await within('the end of the connection', own.client.whenClosed());
    }
  });
});
