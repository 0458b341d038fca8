import { afterEach, describe, expect, it } from 'vitest';
import { ErrorCode } from '@streamline/core/types/error-code';
import { fakeTopicId, type FakeCluster } from '@streamline/testing/gateway/fake-metadata';
import { GatewayBench, type BenchOptions } from '@streamline/testing/gateway/gateway-bench';
import { MemoryPartitions } from '@streamline/testing/gateway/memory-partitions';
import { fakePort } from '@streamline/testing/gateway/fake-port';
import { ConnectionClosedError, type KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { GroupPort, StoragePort } from '@streamline/wire/contracts/ports';
import { fetch } from '@streamline/wire/kafka/apis/01-fetch';
import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import type { GatewayConfig } from '../context/gateway-config';
import { createGatewayRole, type GatewayRole } from '../gateway-role';

const ORDERS: FakeCluster = {
  brokers: [
    { id: 1, host: 'one', port: 9092 },
    { id: 2, host: 'two', port: 9192, rack: 'r2' },
  ],
  topics: [
    { name: 'orders', leaders: [1, 1, 2, undefined], replicas: [[1], [1, 2], [2], [2]], leaderEpoch: 5 },
    { name: '__consumer_offsets', leaders: [1] },
  ],
};

let bench: GatewayBench<GatewayRole> | undefined;

async function start(options: BenchOptions<GatewayConfig> = {}): Promise<GatewayBench<GatewayRole>> {
  bench = await GatewayBench.start(createGatewayRole, { cluster: ORDERS, ...options });
  return bench;
}

afterEach(async () => {
  await bench?.close();
  bench = undefined;
});

function batch(value: string, fields: { transactional?: boolean } = {}): Buffer {
  return buildBatch({
    records: [{ value: Buffer.from(value) }],
    timestamp: 1,
    ...(fields.transactional ? { ...fields, producerId: 9 } : {}),
  });
}

function toOrders(partition: number, records: Buffer | null = batch('x'), name = 'orders') {
  return { name, topicId: fakeTopicId(name), partitionData: [{ index: partition, records }] };
}

async function produceTo(client: KafkaClient, version: number, ...topicData: ReturnType<typeof toOrders>[]) {
  return client.request(produce, version, { transactionalId: null, acks: -1, timeoutMs: 1000, topicData });
}

describe('Produce', () => {
  it.each([3, 7, 9, 11, 12, 13])('v%i appends what it is sent and answers the base offset', async (version) => {
    const started = await start();
    const client = await started.client();
    const first = await produceTo(client, version, toOrders(0));
    const second = await produceTo(client, version, toOrders(0));
    expect(first.responses[0]?.partitionResponses[0]).toMatchObject({ index: 0, errorCode: 0, baseOffset: 0n });
    expect(second.responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: 0, baseOffset: 1n });
    expect(second.responses[0]).toMatchObject(version >= 13 ? { topicId: fakeTopicId('orders') } : { name: 'orders' });
    expect(started.partitions.appends[0]?.request).toMatchObject({ requiredAcks: -1, timeoutMs: 1000, metadataIndex: 1 });
  });

  it('puts pipelined requests of one connection into storage in their order, without waiting for answers', async () => {
    const releases: (() => void)[] = [];
    const order: string[] = [];
    const started = await start({
      partitions: {
        append: ({ request, records }) => {
          order.push(String(records[0]?.subarray(-2)));
          return new Promise((resolve) => {
            const partition = { errorCode: 0, errorMessage: '', logAppendTimeMs: -1, logStartOffset: 0, recordErrors: [] };
            const baseOffset = order.length;
            releases.push(() =>
              resolve({
                correlationId: 0,
                creditBytes: 0,
                partitions: request.partitions.map(() => ({ ...partition, baseOffset })),
              }),
            );
            if (order.length === 3) for (const release of releases.reverse()) release();
          });
        },
      },
    });
    const client = await started.client();
    const answers = await Promise.all(['a', 'b', 'c'].map((value) => produceTo(client, 9, toOrders(0, batch(value)))));
    expect(order.map((tail) => tail[0])).toEqual(['a', 'b', 'c']);
    expect(answers.map(({ responses }) => responses[0]?.partitionResponses[0]?.baseOffset)).toEqual([1n, 2n, 3n]);
  });

  it('tells the storage whose request it is, since it keeps the order of each connection', async () => {
    const started = await start();
    for (const client of [await started.client(), await started.client()]) {
      for (const value of ['a', 'b']) await produceTo(client, 9, toOrders(0, batch(value)));
    }
    const ids = started.partitions.appends.map(({ request }) => request.connectionId);
    expect(ids).toEqual([ids[0], ids[0], ids[2], ids[2]]);
    expect(new Set(ids).size).toBe(2);
    expect(ids).not.toContain(0);
  });

  it('sends partitions to the storages of their leaders where it is no broker, and answers in the order of the request', async () => {
    const far = new MemoryPartitions();
    const farStorage: StoragePort = { partitions: far.port(), groups: fakePort<GroupPort>({}) };
    const started = await start({ nodeId: 9, otherStorages: new Map([[2, farStorage]]) });
    const client = await started.client();
    const answer = await client.request(produce, 9, {
      acks: 1,
      timeoutMs: 1,
      topicData: [
        {
          name: 'orders',
          partitionData: [2, 0, 7, 1].map((index) => ({ index, records: batch(String(index)) })),
        },
      ],
    });
    expect(answer.responses[0]?.partitionResponses.map(({ index, errorCode }) => [index, errorCode])).toEqual([
      [2, 0],
      [0, 0],
      [7, 3],
      [1, 0],
    ]);
    expect(far.appends).toHaveLength(1);
    expect(started.partitions.appends[0]?.request.partitions.map(({ partition }) => partition)).toEqual([0, 1]);
  });

  it('answers 3 for an unknown name, 100 for an unknown id', async () => {
    const client = await (await start()).client();
    const byName = await produceTo(client, 9, toOrders(0, batch('x'), 'nope'));
    const byId = await produceTo(client, 13, toOrders(0, batch('x'), 'nope'));
    expect(byName.responses[0]?.partitionResponses[0]?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    expect(byId.responses[0]?.partitionResponses[0]?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID);
  });

  it('hints at the leader with 6 from v10 on, and only with 6', async () => {
    const client = await (await start()).client();
    const hinted = await produceTo(client, 10, toOrders(2), toOrders(9));
    expect(hinted.responses[0]?.partitionResponses[0]).toMatchObject({
      errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER,
      currentLeader: { leaderId: 2, leaderEpoch: 5 },
    });
    expect(hinted.nodeEndpoints).toEqual([{ nodeId: 2, host: 'two', port: 9192, rack: 'r2' }]);
    expect(hinted.responses[1]?.partitionResponses[0]).toMatchObject({ errorCode: 3, currentLeader: { leaderId: -1 } });
    const old = await produceTo(client, 9, toOrders(2));
    expect(old.responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: 6, currentLeader: { leaderId: -1 } });
    const nobody = await produceTo(client, 10, toOrders(3));
    expect(nobody.responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: 6, currentLeader: { leaderId: -1 } });
    expect(nobody.nodeEndpoints).toEqual([]);
  });

  it('acks=0: no answer; an error closes the connection', async () => {
    const started = await start();
    const client = await started.client();
    client.send(produce, 9, { acks: 0, timeoutMs: 1, topicData: [toOrders(0)] });
    const next = await produceTo(client, 9, toOrders(0));
    expect(next.responses[0]?.partitionResponses[0]?.baseOffset).toBe(1n);
    client.send(produce, 9, { acks: 0, timeoutMs: 1, topicData: [toOrders(0, batch('x'), 'nope')] });
    await client.whenClosed();
    expect(client.unexpected).toEqual([]);
    expect(started.lines).toMatchObject([{ event: 'connection-closed-unanswerable' }]);
  });

  it('acks other than -1, 0 and 1 are refused with 21', async () => {
    const client = await (await start()).client();
    const answer = await client.request(produce, 9, { acks: 2, timeoutMs: 1, topicData: [toOrders(0), toOrders(1)] });
    expect(answer.responses.map(({ partitionResponses }) => partitionResponses[0]?.errorCode)).toEqual([21, 21]);
  });

  it('refuses transactional requests with 53, by their id and by their batches', async () => {
    const started = await start();
    const client = await started.client();
    const byBatch = await produceTo(client, 9, toOrders(0, batch('x', { transactional: true })));
    const byId = await client.request(produce, 9, { transactionalId: 't', acks: -1, timeoutMs: 1, topicData: [toOrders(0)] });
    for (const answer of [byBatch, byId]) expect(answer.responses[0]?.partitionResponses[0]?.errorCode).toBe(53);
    expect(started.partitions.appends).toEqual([]);
  });

  it('lets only the admin client write to internal topics', async () => {
    const started = await start();
    const refused = await produceTo(await started.client(), 9, toOrders(0, batch('x'), '__consumer_offsets'));
    const taken = await produceTo(await started.client('__admin_client'), 9, toOrders(0, batch('x'), '__consumer_offsets'));
    expect(refused.responses[0]?.partitionResponses[0]?.errorCode).toBe(ErrorCode.INVALID_TOPIC_EXCEPTION);
    expect(taken.responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
  });

  it('never answers UNKNOWN_SERVER_ERROR: a storage that fails is a retriable error', async () => {
    const failures: unknown[] = [
      new PortError('unavailable', 'gone'),
      new PortError('deadline', 'late'),
      new PortError('overloaded', 'full'),
      new PortError('internal', 'bug'),
      new TypeError('bug'),
    ];
    const started = await start({ partitions: { append: () => Promise.reject(failures.shift()) } });
    const client = await started.client();
    const codes = [];
    for (let i = 0; i < 5; i++)
      codes.push((await produceTo(client, 9, toOrders(0))).responses[0]?.partitionResponses[0]?.errorCode);
    expect(codes).toEqual([6, 7, 7, 56, 56]);
  });

  it('takes a missing batch to storage as an empty one, so that it is answered as such', async () => {
    const started = await start();
    const client = await started.client();
    await produceTo(client, 9, toOrders(0, null));
    expect(started.partitions.appends[0]?.request.partitions[0]?.recordBytes).toBe(0);
  });

  it('is advertised from version 0, but closes the connection below 3', async () => {
    const client = await (await start()).client();
    const header = Buffer.from('0000000a00000000000000010000', 'hex');
    client.sendRaw(header);
    await client.whenClosed();
  });

  it('goes on with a fetch after it, in order', async () => {
    const started = await start();
    const client = await started.client();
    const produced = produceTo(client, 9, toOrders(0));
    const fetched = client.request(fetch, 11, {
      maxWaitMs: 0,
      minBytes: 1,
      topics: [{ topic: 'orders', partitions: [{ partition: 0, fetchOffset: 0n, partitionMaxBytes: 1000 }] }],
    });
    expect((await produced).responses[0]?.partitionResponses[0]?.errorCode).toBe(0);
    expect((await fetched).responses[0]?.partitions[0]?.records?.length).toBeGreaterThan(60);
    await client.close();
    await expect(produceTo(client, 9, toOrders(0))).rejects.toThrow(ConnectionClosedError);
  });
});
