import { afterEach, describe, expect, it } from 'vitest';
import { ErrorCode } from '@streamline/core/types/error-code';
import { LEAST_ANSWER_BYTES } from '@streamline/runtime/gateway/answer-budget';
import { fakeTopicId, type FakeCluster } from '@streamline/testing/gateway/fake-metadata';
import { GatewayBench, type BenchOptions } from '@streamline/testing/gateway/gateway-bench';
import { fakePort } from '@streamline/testing/gateway/fake-port';
import { MemoryPartitions } from '@streamline/testing/gateway/memory-partitions';
import type { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import type { GroupPort, PartitionPort } from '@streamline/wire/contracts/ports';
import { fetch } from '@streamline/wire/kafka/apis/01-fetch';
import { produce } from '@streamline/wire/kafka/apis/00-produce';
import type { RequestInput } from '@streamline/wire/kafka/schema/api';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import type { GatewayConfig } from '../context/gateway-config';
import { createGatewayRole, type GatewayRole } from '../gateway-role';

type FetchInput = RequestInput<typeof fetch>;

const CLUSTER: FakeCluster = {
  brokers: [{ id: 1 }, { id: 2, host: 'two', port: 9192 }],
  topics: [{ name: 'orders', leaders: [1, 1, 2], replicas: [[1], [1], [2]], leaderEpoch: 5 }],
};
const ORDERS_ID = fakeTopicId('orders');

let bench: GatewayBench<GatewayRole>;

async function start(options: BenchOptions<GatewayConfig> = {}): Promise<KafkaClient> {
  bench = await GatewayBench.start(createGatewayRole, { cluster: CLUSTER, ...options });
  return bench.client();
}

afterEach(() => bench.close());

function fetchOf(partitions: readonly number[], fields: Partial<FetchInput> = {}, topic = 'orders'): FetchInput {
  const asked = partitions.map((partition) => ({ partition, fetchOffset: 0n, partitionMaxBytes: 1000 }));
  return { maxWaitMs: 0, minBytes: 1, topics: [{ topic, topicId: fakeTopicId(topic), partitions: asked }], ...fields };
}

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

async function write(client: KafkaClient, partition = 0): Promise<void> {
  const records = buildBatch({ records: [{ value: Buffer.from('x') }], timestamp: 1 });
  const topicData = [{ name: 'orders', partitionData: [{ index: partition, records }] }];
  await client.request(produce, 9, { acks: -1, timeoutMs: 1, topicData });
}

describe('Fetch', () => {
  it.each([4, 5, 6, 7, 9, 11, 12, 13, 15, 16, 17, 18])('v%i gives back the bytes that were produced', async (version) => {
    const client = await start();
    await write(client);
    const answer = await client.request(fetch, version, fetchOf([0, 1]));
    const [topic] = answer.responses;
    expect(topic).toMatchObject(version >= 13 ? { topicId: ORDERS_ID } : { topic: 'orders' });
    expect(topic?.partitions[0]).toMatchObject({ partitionIndex: 0, errorCode: 0, highWatermark: 1n });
    expect(topic?.partitions[0]?.records?.length).toBeGreaterThan(60);
    expect(topic?.partitions[1]?.records).toHaveLength(0);
    expect(bench.partitions.fetches[0]).toMatchObject({ minBytes: 1, metadataIndex: 1, readCommitted: false });
  });

  it('waits for records (a long poll), and answers as soon as there are any', async () => {
    const client = await start();
    const waiting = client.request(fetch, 12, fetchOf([0], { maxWaitMs: 60_000 }));
    await write(await bench.client());
    const answer = await waiting;
    expect(answer.responses[0]?.partitions[0]?.records?.length).toBeGreaterThan(60);
  });

  it('holds up what follows on its own connection, as Kafka does, and no other connection', async () => {
    const client = await start();
    const other = await bench.client();
    const waiting = client.request(fetch, 12, fetchOf([0], { maxWaitMs: 60_000 }));
    const behind = client.request(fetch, 12, fetchOf([1]));
    await other.request(fetch, 12, fetchOf([1]));
    expect(bench.partitions.fetches).toHaveLength(2);
    await write(other);
    await Promise.all([waiting, behind]);
    expect(bench.partitions.fetches).toHaveLength(3);
  });

  it('stops waiting when its client is gone', async () => {
    let signal: AbortSignal | undefined;
    let begun: (() => void) | undefined;
    const started = new Promise<void>((resolve) => (begun = resolve));
    const client = await start({
      partitions: {
        fetch: (_request, context) =>
          new Promise((_resolve, reject) => {
            signal = context?.signal;
            signal?.addEventListener('abort', () => reject(new Error('aborted')));
            begun?.();
          }),
      },
    });
    void client.request(fetch, 12, fetchOf([0], { maxWaitMs: 60_000 })).catch(() => undefined);
    await started;
    const aborted = new Promise((resolve) => signal?.addEventListener('abort', resolve));
    await client.close();
    await aborted;
    expect(bench.lines).toEqual([]);
  });

  it('an unknown topic beside an empty partition waits max_wait; alone it is answered at once', async () => {
    const client = await start();
    const alone = await client.request(fetch, 12, fetchOf([0], { maxWaitMs: 60_000 }, 'nope'));
    expect(alone.responses[0]?.partitions[0]?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
    const both = fetchOf([0], { maxWaitMs: 5 });
    const topics = [...(both.topics ?? []), ...(fetchOf([0], {}, 'nope').topics ?? [])];
    const waiting = client.request(fetch, 12, { ...both, maxWaitMs: 60_000, topics });
    await write(await bench.client());
    const answer = await waiting;
    expect(answer.responses.map(({ partitions }) => partitions[0]?.errorCode)).toEqual([0, 3]);
    expect(bench.partitions.fetches[0]?.maxWaitMs).toBe(60_000);
  });

  it('log errors return at once: a partition that is led elsewhere ends the wait', async () => {
    const client = await start();
    const answer = await client.request(fetch, 16, fetchOf([0, 2], { maxWaitMs: 60_000 }));
    expect(bench.partitions.fetches[0]?.maxWaitMs).toBe(0);
    expect(answer.responses[0]?.partitions[1]).toMatchObject({ errorCode: 6, highWatermark: -1n, logStartOffset: -1n });
  });

  it('hints at the leader with 6 and 74, never with 75, from v12; with its address from v16', async () => {
    const codes = [ErrorCode.FENCED_LEADER_EPOCH, ErrorCode.UNKNOWN_LEADER_EPOCH];
    const client = await start({
      partitions: {
        fetch: async ({ partitions }) => ({
          response: {
            correlationId: 0,
            creditBytes: 0,
            partitions: partitions.map(({ partition }) => ({
              errorCode: codes[partition] ?? 0,
              highWatermark: -1,
              lastStableOffset: -1,
              logStartOffset: -1,
              currentLeader: { leaderId: 2, leaderEpoch: 9 },
              recordBytes: 0,
            })),
          },
          records: [],
        }),
      },
    });
    const v16 = await client.request(fetch, 16, fetchOf([0, 1, 2]));
    expect(v16.responses[0]?.partitions.map(({ errorCode, currentLeader }) => [errorCode, currentLeader.leaderId])).toEqual([
      [74, 2],
      [75, -1],
      [6, 2],
    ]);
    expect(v16.nodeEndpoints).toEqual([{ nodeId: 2, host: 'two', port: 9192, rack: null }]);
    const v12 = await client.request(fetch, 12, fetchOf([0]));
    expect(v12.responses[0]?.partitions[0]?.currentLeader).toMatchObject({ leaderId: 2, leaderEpoch: 9 });
    expect(v12.nodeEndpoints).toEqual([]);
    const v11 = await client.request(fetch, 11, fetchOf([0]));
    expect(v11.responses[0]?.partitions[0]?.currentLeader).toMatchObject({ leaderId: -1 });
  });

  it('answers 100 for an unknown topic id', async () => {
    const client = await start();
    const answer = await client.request(fetch, 13, fetchOf([0], {}, 'nope'));
    expect(answer.responses[0]?.partitions[0]?.errorCode).toBe(ErrorCode.UNKNOWN_TOPIC_ID);
  });

  it('refuses to serve a follower: no client reads past the high watermark', async () => {
    const client = await start();
    const old = await client.request(fetch, 12, fetchOf([0], { replicaId: 2 }));
    const recent = await client.request(fetch, 15, fetchOf([0], { replicaState: { replicaId: 2 } }));
    expect([old.errorCode, recent.errorCode]).toEqual([6, 6]);
    expect(bench.partitions.fetches).toEqual([]);
  });

  it('gives read_committed an empty list of aborted transactions, read_uncommitted none', async () => {
    const client = await start();
    const committed = await client.request(fetch, 12, fetchOf([0], { isolationLevel: 1 }));
    const uncommitted = await client.request(fetch, 12, fetchOf([0]));
    expect(committed.responses[0]?.partitions[0]?.abortedTransactions).toEqual([]);
    expect(uncommitted.responses[0]?.partitions[0]?.abortedTransactions).toBeNull();
    expect(bench.partitions.fetches[0]?.readCommitted).toBe(true);
  });

  it('lets idle long polls cost nothing of the memory for answers, and gives it back after an answer', async () => {
    const totalUnsentBytes = 100 * LEAST_ANSWER_BYTES;
    const found: number[] = [];
    let idle = 0;
    const read: PartitionPort['fetch'] = async ({ maxWaitMs, partitions }, { room, signal } = {}) => {
      found.push(room?.enter() ?? 0);
      if (maxWaitMs > 0) {
        room?.leave();
        idle += 1;
        await new Promise((resolve) => signal?.addEventListener('abort', resolve, { once: true }));
      }
      const nothing = { errorCode: 0, highWatermark: 0, lastStableOffset: 0, logStartOffset: 0, recordBytes: 0 };
      return { response: { correlationId: 0, partitions: partitions.map(() => nothing), creditBytes: 0 }, records: [[]] };
    };
    const client = await start({ partitions: { fetch: read }, limits: { totalUnsentBytes } });
    const pollers = await Promise.all(Array.from({ length: 200 }, () => bench.client()));
    for (const poller of pollers) poller.request(fetch, 12, fetchOf([0], { maxWaitMs: 60_000 })).catch(() => undefined);
    while (idle < pollers.length) await turn();
    for (let answer = 0; answer < 3; answer += 1) await client.request(fetch, 12, fetchOf([0]));
    expect(found.slice(-3)).toEqual([totalUnsentBytes, totalUnsentBytes, totalUnsentBytes]);
  });

  it('never asks storage for more than fetch.max.bytes, nor for a minimum above it', async () => {
    const client = await start({ config: { fetchMaxBytes: 5000 } });
    await client.request(fetch, 12, fetchOf([0], { maxBytes: 0x7fffffff, minBytes: 0x7fffffff }));
    expect(bench.partitions.fetches[0]).toMatchObject({ maxBytes: 5000, minBytes: 5000 });
  });

  it('asks the storages of all leaders where it is no broker, and answers when the first has records', async () => {
    const far = new MemoryPartitions();
    const otherStorages = new Map([[2, { partitions: far.port(), groups: fakePort<GroupPort>({}) }]]);
    const client = await start({ nodeId: 9, otherStorages });
    const waiting = client.request(fetch, 12, fetchOf([0, 2], { maxWaitMs: 60_000 }));
    await write(await bench.client(), 2);
    const answer = await waiting;
    const [near, distant] = answer.responses[0]?.partitions ?? [];
    expect(near?.errorCode).toBe(0);
    expect(distant?.records?.length).toBeGreaterThan(60);
  });
});

describe('Fetch sessions', () => {
  it('an incremental answer holds only what changed', async () => {
    const client = await start();
    const full = await client.request(fetch, 12, fetchOf([0, 1], { sessionEpoch: 0 }));
    expect(full.sessionId).toBeGreaterThan(0);
    expect(full.responses[0]?.partitions).toHaveLength(2);
    const nothing = await client.request(fetch, 12, {
      maxWaitMs: 0,
      minBytes: 1,
      topics: [],
      sessionId: full.sessionId,
      sessionEpoch: 1,
    });
    expect(nothing).toMatchObject({ errorCode: 0, sessionId: full.sessionId, responses: [] });
    await write(client, 1);
    const news = await client.request(fetch, 12, {
      maxWaitMs: 0,
      minBytes: 1,
      topics: [],
      sessionId: full.sessionId,
      sessionEpoch: 2,
    });
    expect(news.responses[0]?.partitions.map(({ partitionIndex }) => partitionIndex)).toEqual([1]);
  });

  it('errors are top-level with session id 0: unknown 70, wrong epoch 71, ids and names mixed 106', async () => {
    const client = await start();
    const { sessionId } = await client.request(fetch, 12, fetchOf([0], { sessionEpoch: 0 }));
    const empty = { maxWaitMs: 0, minBytes: 1, topics: [] };
    const unknown = await client.request(fetch, 12, { ...empty, sessionId: sessionId + 1, sessionEpoch: 1 });
    const epoch = await client.request(fetch, 12, { ...empty, sessionId, sessionEpoch: 9 });
    const mixed = await client.request(fetch, 13, { ...empty, sessionId, sessionEpoch: 1 });
    expect([unknown, epoch, mixed].map((answer) => [answer.errorCode, answer.sessionId, answer.responses.length])).toEqual([
      [70, 0, 0],
      [71, 0, 0],
      [106, 0, 0],
    ]);
  });

  it('forgets partitions, and a full cache answers id 0', async () => {
    const client = await start({ config: { fetchSessionSlots: 1 } });
    const { sessionId } = await client.request(fetch, 13, fetchOf([0, 1], { sessionEpoch: 0 }));
    const forgottenTopicsData = [{ topicId: ORDERS_ID, partitions: [0] }];
    const next = { maxWaitMs: 0, minBytes: 1, topics: [], sessionId, sessionEpoch: 1, forgottenTopicsData };
    await client.request(fetch, 13, next);
    expect(bench.partitions.fetches[1]?.partitions.map(({ partition }) => partition)).toEqual([1]);
    const second = await client.request(fetch, 13, fetchOf([0], { sessionEpoch: 0 }));
    expect(second).toMatchObject({ errorCode: 0, sessionId: 0 });
  });
});
