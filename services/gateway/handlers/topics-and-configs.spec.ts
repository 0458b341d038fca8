import { afterEach, describe, expect, it } from 'vitest';
import { fakeTopicId, type FakeCluster } from '@streamline/testing/gateway/fake-metadata';
import { GatewayBench, type BenchOptions } from '@streamline/testing/gateway/gateway-bench';
import type { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import { ConfigOperation } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import { createTopics } from '@streamline/wire/kafka/apis/19-create-topics';
import { deleteTopics } from '@streamline/wire/kafka/apis/20-delete-topics';
import { deleteRecords } from '@streamline/wire/kafka/apis/21-delete-records';
import { offsetForLeaderEpoch } from '@streamline/wire/kafka/apis/23-offset-for-leader-epoch';
import { describeConfigs } from '@streamline/wire/kafka/apis/32-describe-configs';
import { alterConfigs } from '@streamline/wire/kafka/apis/33-alter-configs';
import { describeLogDirs } from '@streamline/wire/kafka/apis/35-describe-log-dirs';
import { createPartitions } from '@streamline/wire/kafka/apis/37-create-partitions';
import { unregisterBroker } from '@streamline/wire/kafka/apis/64-unregister-broker';
import { incrementalAlterConfigs } from '@streamline/wire/kafka/apis/44-incremental-alter-configs';
import { describeCluster } from '@streamline/wire/kafka/apis/60-describe-cluster';
import { describeProducers } from '@streamline/wire/kafka/apis/61-describe-producers';
import { describeTopicPartitions } from '@streamline/wire/kafka/apis/75-describe-topic-partitions';
import type { GatewayConfig } from '../context/gateway-config';
import { createGatewayRole, type GatewayRole } from '../gateway-role';

const CLUSTER: FakeCluster = {
  brokers: [
    { id: 1, host: 'one' },
    { id: 2, host: 'two' },
    { id: 3, fenced: true },
  ],
  topics: [
    { name: 'orders', leaders: [1, 2, undefined], replicas: [[1, 3], [2], [2]] },
    { name: 'alpha', leaders: [1, 1] },
    { name: '__consumer_offsets', leaders: [1] },
  ],
  configs: { '2:orders': { 'retention.ms': '1000' }, '4:': { 'log.segment.bytes': '2000000' } },
};

const ZERO = 'AAAAAAAAAAAAAAAAAAAAAA';

let bench: GatewayBench<GatewayRole>;

async function start(controller: Partial<ControllerPort> = {}, options: BenchOptions<GatewayConfig> = {}): Promise<KafkaClient> {
  bench = await GatewayBench.start(createGatewayRole, { cluster: CLUSTER, controller, ...options });
  return bench.client();
}

afterEach(() => bench.close());

describe('CreateTopics', () => {
  const request = {
    topics: [
      { name: 'new', numPartitions: 2, replicationFactor: 1, assignments: [], configs: [{ name: 'retention.ms', value: '5' }] },
    ],
    timeoutMs: 1000,
  };
  const created = { name: 'new', topicId: fakeTopicId('new'), error: undefined, partitions: 2, replicationFactor: 1 };

  it('answers when this node sees the topic, with its id (v7) and configs (v5)', async () => {
    const client = await start({
      createTopics: async () => {
        bench.metadata.update({
          topics: [...(CLUSTER.topics ?? []), { name: 'new', leaders: [1, 1] }],
          configs: { '2:new': { 'retention.ms': '5' } },
        });
        return { topics: [created], metadataIndex: 12 };
      },
    });
    const answer = await client.request(createTopics, 7, request);
    expect(bench.metadata.waited).toEqual([12]);
    expect(answer.topics[0]).toMatchObject({ errorCode: 0, topicId: fakeTopicId('new'), numPartitions: 2, replicationFactor: 1 });
    expect(answer.topics[0]?.configs).toHaveLength(37);
    expect(answer.topics[0]?.configs?.find(({ name }) => name === 'retention.ms')).toMatchObject({ value: '5', configSource: 1 });
  });

  it('validate_only describes the topic as it would be, and waits for nothing', async () => {
    const client = await start({ createTopics: async () => ({ topics: [{ ...created, topicId: '' }], metadataIndex: 0 }) });
    const answer = await client.request(createTopics, 7, { ...request, validateOnly: true });
    expect(answer.topics[0]).toMatchObject({ errorCode: 0, topicId: ZERO });
    expect(answer.topics[0]?.configs?.find(({ name }) => name === 'retention.ms')?.value).toBe('5');
    expect(bench.metadata.waited).toEqual([]);
  });

  it('passes a null config and assignments on, and tells the words of an error', async () => {
    let seen: unknown;
    const client = await start({
      createTopics: async (asked) => {
        seen = asked.topics[0];
        const error = { errorCode: 40, errorMessage: 'Null value not supported' };
        return { topics: [{ ...created, error }], metadataIndex: 1 };
      },
    });
    const answer = await client.request(createTopics, 2, {
      topics: [
        {
          name: 'new',
          numPartitions: -1,
          replicationFactor: -1,
          assignments: [{ partitionIndex: 0, brokerIds: [2] }],
          configs: [{ name: 'retention.ms', value: null }],
        },
      ],
    });
    expect(seen).toMatchObject({
      assignments: [{ partition: 0, replicas: [2] }],
      configs: [{ name: 'retention.ms', value: undefined }],
    });
    expect(answer.topics[0]).toMatchObject({ errorCode: 40, errorMessage: 'Null value not supported' });
  });
});

describe('DeleteTopics', () => {
  it('v1-5 by name, v6 by name or id', async () => {
    const references: unknown[] = [];
    const client = await start({
      deleteTopics: async ({ topics }) => {
        references.push(...topics);
        return {
          topics: topics.map(({ name, topicId }) => ({
            name: name ?? '',
            topicId: topicId ?? '',
            error: topicId === undefined ? undefined : { errorCode: 100, errorMessage: 'unknown id' },
          })),
          metadataIndex: 3,
        };
      },
    });
    const old = await client.request(deleteTopics, 5, { topicNames: ['orders'], timeoutMs: 1 });
    expect(old.responses[0]).toMatchObject({ name: 'orders', errorCode: 0 });
    const byBoth = await client.request(deleteTopics, 6, {
      timeoutMs: 1,
      topics: [
        { name: 'orders', topicId: ZERO },
        { name: null, topicId: fakeTopicId('x') },
      ],
    });
    expect(byBoth.responses).toMatchObject([
      { name: 'orders', topicId: ZERO, errorCode: 0 },
      { name: null, topicId: fakeTopicId('x'), errorCode: 100, errorMessage: 'unknown id' },
    ]);
    expect(references).toHaveLength(3);
  });

  it('refuses name and id together with 42', async () => {
    const client = await start();
    const topics = [{ name: 'orders', topicId: fakeTopicId('orders') }];
    const answer = await client.request(deleteTopics, 6, { timeoutMs: 1, topics });
    expect(answer.responses[0]?.errorCode).toBe(42);
  });
});

describe('UnregisterBroker', () => {
  it('asks the controller, and is answered when its outcome can be seen here', async () => {
    const client = await start({
      unregisterBroker: async ({ brokerId }) => ({
        error: brokerId === 7 ? { errorCode: 102, errorMessage: 'unknown' } : undefined,
        metadataIndex: 9,
      }),
    });
    expect(await client.request(unregisterBroker, 0, { brokerId: 2 })).toMatchObject({ errorCode: 0, errorMessage: null });
    expect(bench.metadata.waited).toEqual([9]);
    expect(await client.request(unregisterBroker, 0, { brokerId: 7 })).toMatchObject({
      errorCode: 102,
      errorMessage: 'unknown',
    });
  });
});

describe('CreatePartitions', () => {
  it('returns its results', async () => {
    const client = await start({
      createPartitions: async ({ topics }) => ({
        topics: topics.map(({ name, hasAssignments }) => ({
          name,
          error: hasAssignments ? { errorCode: 39, errorMessage: 'too few' } : undefined,
        })),
        metadataIndex: 8,
      }),
    });
    const answer = await client.request(createPartitions, 3, {
      topics: [
        { name: 'orders', count: 5, assignments: null },
        { name: 'alpha', count: 5, assignments: [] },
      ],
      timeoutMs: 1,
      validateOnly: false,
    });
    expect(answer.results).toMatchObject([
      { name: 'orders', errorCode: 0, errorMessage: null },
      { name: 'alpha', errorCode: 39, errorMessage: 'too few' },
    ]);
    expect(bench.metadata.waited).toEqual([8]);
  });
});

describe('DeleteRecords', () => {
  it('-1 is the high watermark; a compact-only topic 44; an internal topic 17; an unknown one 3', async () => {
    const asked: number[] = [];
    const client = await start(
      {},
      {
        partitions: {
          deleteRecords: async ({ partitions }) => {
            asked.push(...partitions.map(({ offset }) => offset));
            return { partitions: partitions.map(() => ({ errorCode: 0, lowWatermark: 7 })) };
          },
        },
      },
    );
    bench.metadata.update({ configs: { '2:alpha': { 'cleanup.policy': 'compact' } } });
    const partitions = [{ partitionIndex: 0, offset: -1n }];
    const topics = ['orders', 'alpha', '__consumer_offsets', 'nope'].map((name) => ({ name, partitions }));
    const answer = await client.request(deleteRecords, 2, { timeoutMs: 1, topics });
    expect(answer.topics.map((topic) => [topic.partitions[0]?.errorCode, topic.partitions[0]?.lowWatermark])).toEqual([
      [0, 7n],
      [44, -1n],
      [17, -1n],
      [3, -1n],
    ]);
    const negative = [{ name: 'orders', partitions: [{ partitionIndex: 0, offset: -2n }] }];
    const below = await client.request(deleteRecords, 2, { timeoutMs: 1, topics: negative });
    expect(below.topics[0]?.partitions[0]?.errorCode).toBe(1);
    expect(asked).toEqual([-1]);
  });
});

describe('DescribeConfigs', () => {
  const ask = (
    client: KafkaClient,
    resourceType: number,
    resourceName: string,
    keys: string[] | null = null,
    more: object = {},
  ) =>
    client
      .request(describeConfigs, 4, { resources: [{ resourceType, resourceName, configurationKeys: keys }], ...more })
      .then(({ results }) => results[0]);

  it('lists all 37 topic configs with source and type; empty keys mean all', async () => {
    const client = await start();
    const all = await ask(client, 2, 'orders');
    expect(all?.configs).toHaveLength(37);
    expect((await ask(client, 2, 'orders', []))?.configs).toHaveLength(37);
    const named = (await ask(client, 2, 'orders', ['retention.ms', 'segment.bytes', 'no.such']))?.configs;
    const told = named?.map(({ name, value, configSource, configType }) => [name, value, configSource, configType]).sort();
    expect(told).toEqual([
      ['retention.ms', '1000', 1, 5],
      ['segment.bytes', '2000000', 3, 3],
    ]);
  });

  it('has no default field: synonyms and documentation only when asked', async () => {
    const client = await start();
    const [plain] = (await ask(client, 2, 'orders', ['retention.ms']))?.configs ?? [];
    expect(plain).toMatchObject({ synonyms: [], documentation: null });
    const more = { includeSynonyms: true, includeDocumentation: true };
    const [full] = (await ask(client, 2, 'orders', ['retention.ms'], more))?.configs ?? [];
    expect(full?.synonyms[0]).toMatchObject({ name: 'retention.ms', value: '1000', source: 1 });
    expect(full?.documentation).toBeTypeOf('string');
  });

  it('of this broker with its own settings, of the cluster only what is set; another broker is 42', async () => {
    const client = await start({}, { config: { staticConfigs: new Map([['fetch.max.bytes', '4711']]) } });
    const own = await ask(client, 4, '1', ['fetch.max.bytes']);
    expect(own?.configs[0]).toMatchObject({ value: '4711', configSource: 4, readOnly: true });
    const cluster = await ask(client, 4, '');
    expect(cluster?.configs.map(({ name }) => name)).toEqual(['log.segment.bytes']);
    const other = await ask(client, 4, '2');
    expect(other).toMatchObject({ errorCode: 42, configs: [] });
    expect(other?.errorMessage).toContain('expected 1 or empty string');
  });

  it('an unknown topic is 3, a bad name 17, an unknown type 42', async () => {
    const client = await start();
    const codes = [await ask(client, 2, 'nope'), await ask(client, 2, 'a/b'), await ask(client, 77, 'x')];
    expect(codes.map((result) => result?.errorCode)).toEqual([3, 17, 42]);
  });
});

describe('changing configs', () => {
  it('IncrementalAlterConfigs hands operations on, AlterConfigs replaces all', async () => {
    const seen: unknown[] = [];
    const client = await start({
      alterConfigs: async ({ resources, validateOnly }) => {
        seen.push({ resources, validateOnly });
        const outcome = resources.map(({ resourceType, resourceName }) => ({
          resourceType,
          resourceName,
          error: { errorCode: 40, errorMessage: 'no list' },
        }));
        return { resources: outcome, metadataIndex: 4 };
      },
    });
    const configs = [0, 1, 2, 3, 9].map((configOperation) => ({ name: `c${configOperation}`, configOperation, value: 'v' }));
    const resource = { resourceType: 2, resourceName: 'orders' };
    const answer = await client.request(incrementalAlterConfigs, 1, {
      resources: [{ ...resource, configs }],
      validateOnly: true,
    });
    expect(answer.responses[0]).toMatchObject({ ...resource, errorCode: 40, errorMessage: 'no list' });
    await client.request(alterConfigs, 2, {
      resources: [{ ...resource, configs: [{ name: 'a', value: null }] }],
      validateOnly: false,
    });
    const { SET, DELETE, APPEND, SUBTRACT, UNSPECIFIED } = ConfigOperation;
    expect(seen).toMatchObject([
      {
        validateOnly: true,
        resources: [
          { replaceAll: false, changes: [SET, DELETE, APPEND, SUBTRACT, UNSPECIFIED].map((operation) => ({ operation })) },
        ],
      },
      { validateOnly: false, resources: [{ replaceAll: true, changes: [{ name: 'a', value: undefined }] }] },
    ]);
    expect(bench.metadata.waited).toEqual([4]);
  });
});

describe('DescribeCluster', () => {
  it('lists fenced brokers only when asked, and endpoint types only of brokers', async () => {
    const client = await start();
    const v1 = await client.request(describeCluster, 1, { includeClusterAuthorizedOperations: true });
    expect(v1.brokers.map(({ brokerId }) => brokerId)).toEqual([1, 2]);
    expect(v1).toMatchObject({ errorCode: 0, controllerId: 1, clusterAuthorizedOperations: 8096 });
    const request = { includeClusterAuthorizedOperations: false };
    const v2 = await client.request(describeCluster, 2, { ...request, includeFencedBrokers: true });
    expect(v2.brokers.map(({ brokerId, isFenced }) => [brokerId, isFenced])).toEqual([
      [1, false],
      [2, false],
      [3, true],
    ]);
    expect((await client.request(describeCluster, 1, { ...request, endpointType: 2 })).errorCode).toBe(114);
    expect((await client.request(describeCluster, 1, { ...request, endpointType: 9 })).errorCode).toBe(115);
  });
});

describe('DescribeTopicPartitions', () => {
  it('describes topics by name, page by page', async () => {
    const client = await start();
    const pages: (string | number | null)[][][] = [];
    let next: { topicName: string; partitionIndex: number } | null = null;
    const page = async (cursor: typeof next): Promise<typeof next> => {
      const answer = await client.request(describeTopicPartitions, 0, { topics: [], responsePartitionLimit: 2, cursor });
      pages.push(answer.topics.map(({ name, partitions }) => [name, ...partitions.map(({ partitionIndex }) => partitionIndex)]));
      return answer.nextCursor;
    };
    do next = await page(next);
    while (next !== null);
    expect(pages).toEqual([
      [
        ['__consumer_offsets', 0],
        ['alpha', 0],
      ],
      [
        ['alpha', 1],
        ['orders', 0],
      ],
      [['orders', 1, 2]],
    ]);
  });

  it('names what does not exist with 3 or 17; a partition without leader has leader -1 and no error, unlike in Metadata', async () => {
    const client = await start();
    const topics = [{ name: 'orders' }, { name: 'nope' }, { name: 'a/b' }];
    const answer = await client.request(describeTopicPartitions, 0, { topics });
    expect(answer.topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ['a/b', 17],
      ['nope', 3],
      ['orders', 0],
    ]);
    const orders = answer.topics[2]?.partitions ?? [];
    expect(orders.map(({ errorCode, leaderId }) => [errorCode, leaderId])).toEqual([
      [0, 1],
      [0, 2],
      [0, -1],
    ]);
    expect(orders[0]).toMatchObject({ offlineReplicas: [3], eligibleLeaderReplicas: [], lastKnownElr: [] });
  });

  it('refuses a cursor outside of the list, or before partition 0, with 42', async () => {
    const client = await start();
    const topics = [{ name: 'orders' }];
    for (const cursor of [
      { topicName: 'zzz', partitionIndex: 0 },
      { topicName: 'orders', partitionIndex: -1 },
    ]) {
      const answer = await client.request(describeTopicPartitions, 0, { topics, cursor });
      expect(answer.topics[0]?.errorCode).toBe(42);
    }
  });

  it('holds no more partitions than the node allows, whatever is asked for', async () => {
    const client = await start({}, { config: { describePartitionsLimit: 1 } });
    const answer = await client.request(describeTopicPartitions, 0, {
      topics: [{ name: 'orders' }],
      responsePartitionLimit: 2000,
    });
    expect(answer.topics[0]?.partitions).toHaveLength(1);
    expect(answer.nextCursor).toMatchObject({ topicName: 'orders', partitionIndex: 1 });
  });
});

describe('questions to logs', () => {
  it('DescribeLogDirs tells sizes by topic name; null is all, and what does not exist is nowhere', async () => {
    const asked: unknown[] = [];
    const client = await start(
      {},
      {
        partitions: {
          describeLogDirs: async (request) => {
            asked.push(request);
            const partitions = ['alpha', 'orders', 'deleted'].map((name) => ({
              topicId: fakeTopicId(name),
              partition: 0,
              sizeBytes: 10,
              offsetLag: 0,
            }));
            return { logDirs: [{ errorCode: 0, path: '/data', totalBytes: 100, usableBytes: 60, partitions }] };
          },
        },
      },
    );
    const all = await client.request(describeLogDirs, 5, { topics: null });
    expect(all.results[0]).toMatchObject({ logDir: '/data', totalBytes: 100n, usableBytes: 60n, isCordoned: false });
    expect(all.results[0]?.topics.map(({ name, partitions }) => [name, partitions[0]?.partitionSize])).toEqual([
      ['alpha', 10n],
      ['orders', 10n],
    ]);
    await client.request(describeLogDirs, 1, {
      topics: [
        { topic: 'orders', partitions: [0] },
        { topic: 'nope', partitions: [0] },
      ],
    });
    expect(asked).toEqual([
      { partitions: [], allPartitions: true },
      { partitions: [{ topicId: fakeTopicId('orders'), partition: 0 }], allPartitions: false },
    ]);
  });

  it('OffsetForLeaderEpoch and DescribeProducers ask the storage of this broker; what it has no replica of is 6', async () => {
    const client = await start(
      {},
      {
        partitions: {
          getEpochEndOffsets: async ({ partitions }) => ({
            partitions: partitions.map(({ leaderEpoch }) => ({ errorCode: 0, leaderEpoch, endOffset: 99 })),
          }),
          describeProducers: async ({ partitions }) => ({
            partitions: partitions.map(() => ({ errorCode: 0, errorMessage: '', producers: [] })),
          }),
        },
      },
    );
    const partitions = [0, 2].map((partition) => ({ partition, leaderEpoch: 4 }));
    const epochs = await client.request(offsetForLeaderEpoch, 4, { topics: [{ topic: 'orders', partitions }] });
    expect(
      epochs.topics[0]?.partitions.map(({ errorCode, leaderEpoch, endOffset }) => [errorCode, leaderEpoch, endOffset]),
    ).toEqual([
      [0, 4, 99n],
      [6, -1, -1n],
    ]);
    const producers = await client.request(describeProducers, 0, { topics: [{ name: 'orders', partitionIndexes: [2, 0, 8] }] });
    expect(producers.topics[0]?.partitions.map(({ partitionIndex, errorCode }) => [partitionIndex, errorCode])).toEqual([
      [2, 6],
      [0, 0],
      [8, 3],
    ]);
  });
});
