import { afterEach, describe, expect, it } from 'vitest';
import { GatewayBench } from '@streamline/testing/gateway/gateway-bench';
import type { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import type { ListOffsetsRequest } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { listOffsets } from '@streamline/wire/kafka/apis/02-list-offsets';
import { createGatewayRole, type GatewayRole } from '../gateway-role';

let bench: GatewayBench<GatewayRole>;
const asked: ListOffsetsRequest[] = [];
let errorCode = 0;

async function start(): Promise<KafkaClient> {
  asked.length = 0;
  errorCode = 0;
  bench = await GatewayBench.start(createGatewayRole, {
    cluster: { brokers: [{ id: 1 }, { id: 2 }], topics: [{ name: 'orders', leaders: [1, 2], replicas: [[1], [2]] }] },
    partitions: {
      listOffsets: async (request) => {
        asked.push(request);
        return {
          partitions: request.partitions.map(({ timestamp }) => ({ errorCode, timestamp, offset: 40, leaderEpoch: 3 })),
        };
      },
    },
  });
  return bench.client();
}

afterEach(() => bench.close());

async function askFor(client: KafkaClient, version: number, timestamp: bigint, partitions = [0]) {
  const topics = [{ name: 'orders', partitions: partitions.map((partitionIndex) => ({ partitionIndex, timestamp })) }];
  const answer = await client.request(listOffsets, version, { replicaId: -1, topics });
  return answer.topics[0]?.partitions ?? [];
}

describe('ListOffsets', () => {
  it.each([
    [-1, 1],
    [-2, 1],
    [-3, 7],
    [-4, 8],
    [-5, 9],
    [-6, 11],
  ])('timestamp %i is asked for from v%i on; below that 35 per partition', async (timestamp, since) => {
    const client = await start();
    for (let version = 1; version <= 11; version++) {
      const [answer] = await askFor(client, version, BigInt(timestamp));
      expect([version, answer?.errorCode]).toEqual([version, version < since ? 35 : 0]);
    }
    expect(asked.every(({ partitions }) => partitions[0]?.timestamp === timestamp)).toBe(true);
  });

  it('other negative timestamps are 35, and times beyond 2^53 are the latest that there are', async () => {
    const client = await start();
    expect((await askFor(client, 11, -7n))[0]?.errorCode).toBe(35);
    expect((await askFor(client, 11, 2n ** 63n - 1n))[0]?.errorCode).toBe(0);
    expect(asked[0]?.partitions[0]?.timestamp).toBe(Number.MAX_SAFE_INTEGER);
  });

  it('a duplicate partition is 42, for each of its places', async () => {
    const client = await start();
    const answers = await askFor(client, 7, -1n, [0, 0]);
    expect(answers.map((answer) => answer.errorCode)).toEqual([42, 42]);
    expect(asked).toEqual([]);
  });

  it('OFFSET_NOT_AVAILABLE (78) of a new leader is 5 up to v4', async () => {
    const client = await start();
    errorCode = 78;
    expect((await askFor(client, 4, -1n))[0]?.errorCode).toBe(5);
    expect((await askFor(client, 5, -1n))[0]?.errorCode).toBe(78);
  });

  it('answers 3 for what does not exist and 6 for what has no replica here, in the order of the request', async () => {
    const client = await start();
    const answers = await askFor(client, 7, -1n, [7, 0, 1]);
    expect(answers.map(({ partitionIndex, errorCode: code, offset }) => [partitionIndex, code, offset])).toEqual([
      [7, 3, -1n],
      [0, 0, 40n],
      [1, 6, -1n],
    ]);
  });
});
