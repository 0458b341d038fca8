import { afterEach, describe, expect, it } from 'vitest';
import type { FakeCluster } from '@streamline/testing/gateway/fake-metadata';
import { GatewayBench } from '@streamline/testing/gateway/gateway-bench';
import type { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import { ElectionType } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import { electLeaders } from '@streamline/wire/kafka/apis/43-elect-leaders';
import { alterPartitionReassignments } from '@streamline/wire/kafka/apis/45-alter-partition-reassignments';
import { listPartitionReassignments } from '@streamline/wire/kafka/apis/46-list-partition-reassignments';
import { createGatewayRole, type GatewayRole } from '../gateway-role';

const CLUSTER: FakeCluster = {
  brokers: [{ id: 1 }, { id: 2 }, { id: 3 }],
  topics: [
    { name: 'still', leaders: [1] },
    {
      name: 'orders',
      leaders: [1, 1],
      replicas: [
        [3, 1, 2],
        [1, 2],
      ],
      isr: [
        [1, 2],
        [1, 2],
      ],
      adding: [[3], []],
      removing: [[2], []],
    },
  ],
};

let bench: GatewayBench<GatewayRole>;

async function start(controller: Partial<ControllerPort> = {}): Promise<KafkaClient> {
  bench = await GatewayBench.start(createGatewayRole, { cluster: CLUSTER, controller });
  return bench.client();
}

afterEach(() => bench.close());

const OUTCOMES = [
  { topic: 'orders', partition: 0, error: undefined },
  { topic: 'still', partition: 0, error: { errorCode: 84, errorMessage: 'it leads' } },
  { topic: 'orders', partition: 1, error: { errorCode: 80, errorMessage: 'it cannot' } },
];

describe('ElectLeaders', () => {
  it('has the controller elect, and answers by topic when this node sees the leaders', async () => {
    const seen: unknown[] = [];
    const client = await start({
      electLeaders: async (request) => {
        seen.push(request);
        return { error: undefined, partitions: OUTCOMES, metadataIndex: 12 };
      },
    });
    const topicPartitions = [{ topic: 'orders', partitions: [0, 1] }];
    expect(await client.request(electLeaders, 2, { electionType: 1, topicPartitions, timeoutMs: 5000 })).toMatchObject({
      errorCode: 0,
      replicaElectionResults: [
        {
          topic: 'orders',
          partitionResult: [
            { partitionId: 0, errorCode: 0, errorMessage: null },
            { partitionId: 1, errorCode: 80, errorMessage: 'it cannot' },
          ],
        },
        { topic: 'still', partitionResult: [{ partitionId: 0, errorCode: 84 }] },
      ],
    });
    await client.request(electLeaders, 0, { topicPartitions: null });
    await client.request(electLeaders, 1, { electionType: 7, topicPartitions: null });
    expect(bench.metadata.waited).toEqual([12, 12, 12]);
    const orders = [{ name: 'orders', partitions: [0, 1] }];
    expect(seen).toMatchObject([
      { electionType: ElectionType.UNCLEAN, topics: orders, allPartitions: false, timeoutMs: 5000 },
      { electionType: ElectionType.PREFERRED, topics: [], allPartitions: true },
      { electionType: ElectionType.UNSPECIFIED, allPartitions: true },
    ]);
  });

  it('tells of a controller that is not there for each partition, and from v1 on at the top', async () => {
    const client = await start({ electLeaders: () => Promise.reject(new PortError('unavailable', 'nobody there')) });
    const topicPartitions = [{ topic: 'orders', partitions: [1] }];
    const replicaElectionResults = [{ topic: 'orders', partitionResult: [{ partitionId: 1, errorCode: 41 }] }];
    expect(await client.request(electLeaders, 0, { topicPartitions })).toMatchObject({ replicaElectionResults });
    expect(await client.request(electLeaders, 2, { topicPartitions })).toMatchObject({ errorCode: 41, replicaElectionResults });
  });
});

describe('AlterPartitionReassignments', () => {
  it('has the controller move partitions, and calls moves off where there are no replicas', async () => {
    const seen: unknown[] = [];
    const client = await start({
      alterPartitionReassignments: async (request) => {
        seen.push(request);
        return { error: undefined, partitions: OUTCOMES, metadataIndex: 12 };
      },
    });
    const partitions = [
      { partitionIndex: 0, replicas: [3, 1] },
      { partitionIndex: 1, replicas: null },
    ];
    const request = { timeoutMs: 5000, allowReplicationFactorChange: false, topics: [{ name: 'orders', partitions }] };
    expect(await client.request(alterPartitionReassignments, 1, request)).toMatchObject({
      errorCode: 0,
      allowReplicationFactorChange: false,
      responses: [
        {
          name: 'orders',
          partitions: [
            { partitionIndex: 0, errorCode: 0, errorMessage: null },
            { partitionIndex: 1, errorCode: 80, errorMessage: 'it cannot' },
          ],
        },
        { name: 'still', partitions: [{ partitionIndex: 0, errorCode: 84 }] },
      ],
    });
    await client.request(alterPartitionReassignments, 0, { topics: [] });
    expect(bench.metadata.waited).toEqual([12, 12]);
    const moves = [
      { partition: 0, replicas: [3, 1], cancel: false },
      { partition: 1, replicas: [], cancel: true },
    ];
    expect(seen).toMatchObject([
      { topics: [{ name: 'orders', partitions: moves }], allowReplicationFactorChange: false, timeoutMs: 5000 },
      { topics: [], allowReplicationFactorChange: true },
    ]);
  });

  it('tells at the top what was refused as a whole', async () => {
    const error = { errorCode: 7, errorMessage: 'too late' };
    const client = await start({ alterPartitionReassignments: async () => ({ error, partitions: [], metadataIndex: 0 }) });
    expect(await client.request(alterPartitionReassignments, 1, { topics: [] })).toMatchObject({ ...error, responses: [] });
  });
});

describe('ListPartitionReassignments', () => {
  const moving = { partitionIndex: 0, replicas: [3, 1, 2], addingReplicas: [3], removingReplicas: [2] };

  it('tells what moves, of all topics', async () => {
    const client = await start();
    expect(await client.request(listPartitionReassignments, 0, { topics: null })).toMatchObject({
      errorCode: 0,
      topics: [{ name: 'orders', partitions: [moving] }],
    });
  });

  it('of what is asked for leaves out what does not move or is not there', async () => {
    const client = await start();
    const list = async (name: string, ...partitionIndexes: number[]) =>
      (await client.request(listPartitionReassignments, 0, { topics: [{ name, partitionIndexes }] })).topics;
    expect(await list('orders', 1, 0, 7)).toMatchObject([{ name: 'orders', partitions: [moving] }]);
    expect(await list('orders', 1)).toEqual([]);
    expect(await list('still', 0)).toEqual([]);
    expect(await list('unknown', 0)).toEqual([]);
  });
});
