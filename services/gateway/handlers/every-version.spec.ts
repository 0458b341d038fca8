import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRetriable } from '@streamline/core/types/error-code';
import { fakeTopicId, type FakeCluster } from '@streamline/testing/gateway/fake-metadata';
import { GatewayBench } from '@streamline/testing/gateway/gateway-bench';
import { MemoryPartitions } from '@streamline/testing/gateway/memory-partitions';
import type { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { ControllerPort, GroupPort, PartitionPort } from '@streamline/wire/contracts/ports';
import { apisByKey } from '@streamline/wire/kafka/api-table';
import type { Api } from '@streamline/wire/kafka/schema/api';
import type { Fields, WriteOf } from '@streamline/wire/kafka/schema/field';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import { createGatewayRole, type GatewayRole } from '../gateway-role';
import { handlers } from './registry';

const TOPIC = 'orders';
const TOPIC_ID = fakeTopicId(TOPIC);
const CLUSTER: FakeCluster = {
  topics: [
    { name: TOPIC, leaders: [1, 1] },
    { name: '__consumer_offsets', leaders: [1] },
  ],
  features: { 'metadata.version': 33 },
};

/** A request with something in it, for each API in each version that may carry it. */
type RequestMaker = (version: number) => object;

const REQUESTS: Readonly<Record<number, RequestMaker>> = {
  0: () => ({
    acks: -1,
    timeoutMs: 1000,
    topicData: [
      {
        name: TOPIC,
        topicId: TOPIC_ID,
        partitionData: [{ index: 0, records: buildBatch({ records: [{ value: Buffer.from('x') }], timestamp: 1 }) }],
      },
    ],
  }),
  1: () => ({
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1000,
    topics: [{ topic: TOPIC, topicId: TOPIC_ID, partitions: [{ partition: 0, fetchOffset: 0n, partitionMaxBytes: 100 }] }],
  }),
  2: () => ({ replicaId: -1, topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, timestamp: -1n }] }] }),
  3: () => ({ topics: [{ name: TOPIC }, { name: 'no such topic' }] }),
  8: (version) => ({
    groupId: 'g',
    memberId: 'm',
    ...(version >= 7 ? { groupInstanceId: 'i' } : {}),
    topics: [
      { name: TOPIC, topicId: TOPIC_ID, partitions: [{ partitionIndex: 0, committedOffset: 5n, committedMetadata: 'x' }] },
    ],
  }),
  9: (version) =>
    version >= 8
      ? { groups: [{ groupId: 'g', topics: [{ name: TOPIC, topicId: TOPIC_ID, partitionIndexes: [0] }] }] }
      : { groupId: 'g', topics: [{ name: TOPIC, partitionIndexes: [0] }] },
  10: (version) => (version >= 4 ? { coordinatorKeys: ['g', 'h'] } : { key: 'g' }),
  11: (version) => ({
    groupId: 'g',
    sessionTimeoutMs: 10_000,
    memberId: '',
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.from('p') }],
    ...(version >= 5 ? { groupInstanceId: 'i' } : {}),
  }),
  12: () => ({ groupId: 'g', generationId: 1, memberId: 'm' }),
  13: (version) => ({ groupId: 'g', ...(version >= 3 ? { members: [{ memberId: 'm' }] } : { memberId: 'm' }) }),
  14: () => ({ groupId: 'g', generationId: 1, memberId: 'm', assignments: [{ memberId: 'm', assignment: Buffer.from('a') }] }),
  15: (version) => ({ groups: ['g'], ...(version >= 3 ? { includeAuthorizedOperations: true } : {}) }),
  16: () => ({}),
  18: (version) => (version >= 3 ? { clientSoftwareName: 'test', clientSoftwareVersion: '1.0' } : {}),
  19: () => ({
    topics: [{ name: 'new', numPartitions: 1, replicationFactor: 1, assignments: [], configs: [{ name: 'x', value: null }] }],
  }),
  20: (version) => ({
    timeoutMs: 1000,
    ...(version >= 6 ? { topics: [{ name: TOPIC, topicId: ZERO }] } : { topicNames: [TOPIC] }),
  }),
  21: () => ({ timeoutMs: 1000, topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, offset: -1n }] }] }),
  22: () => ({ transactionalId: null, transactionTimeoutMs: 0 }),
  23: () => ({ topics: [{ topic: TOPIC, partitions: [{ partition: 0, leaderEpoch: 1 }] }] }),
  32: (version) => ({
    resources: [
      { resourceType: 2, resourceName: TOPIC, configurationKeys: null },
      { resourceType: 4, resourceName: '1', configurationKeys: null },
    ],
    includeSynonyms: true,
    ...(version >= 3 ? { includeDocumentation: true } : {}),
  }),
  33: () => ({
    resources: [{ resourceType: 2, resourceName: TOPIC, configs: [{ name: 'a', value: '1' }] }],
    validateOnly: false,
  }),
  35: () => ({ topics: null }),
  37: () => ({ topics: [{ name: TOPIC, count: 3, assignments: null }], timeoutMs: 1000, validateOnly: false }),
  42: () => ({ groupsNames: ['g'] }),
  44: () => ({
    resources: [{ resourceType: 2, resourceName: TOPIC, configs: [{ name: 'a', configOperation: 0, value: '1' }] }],
    validateOnly: false,
  }),
  47: () => ({ groupId: 'g', topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0 }] }] }),
  60: (version) => ({ includeClusterAuthorizedOperations: true, ...(version >= 2 ? { includeFencedBrokers: true } : {}) }),
  61: () => ({ topics: [{ name: TOPIC, partitionIndexes: [0] }] }),
  75: () => ({ topics: [{ name: TOPIC }], cursor: null }),
};

const ZERO = 'AAAAAAAAAAAAAAAAAAAAAA';
const BYTES = Buffer.from('bytes');

const GROUPS: Partial<GroupPort> = {
  joinGroup: async () => ({
    errorCode: 0,
    generationId: 3,
    protocolType: 'consumer',
    protocolName: 'range',
    leader: 'm',
    memberId: 'm',
    skipAssignment: true,
    members: [{ memberId: 'm', groupInstanceId: 'i', metadata: new Uint8Array(BYTES) }],
  }),
  syncGroup: async () => ({ errorCode: 0, protocolType: 'consumer', protocolName: 'range', assignment: new Uint8Array(BYTES) }),
  heartbeat: async () => ({ errorCode: 27 }),
  leaveGroup: async () => ({ errorCode: 0, members: [{ memberId: 'm', groupInstanceId: 'i', errorCode: 25 }] }),
  commitOffsets: async ({ offsets }) => ({ errorCodes: offsets.map(() => 0) }),
  fetchOffsets: async () => ({
    errorCode: 0,
    offsets: [{ topic: TOPIC, topicId: TOPIC_ID, partition: 0, offset: 7, leaderEpoch: 2, metadata: 'x', errorCode: 0 }],
  }),
  deleteOffsets: async () => ({ errorCode: 0, offsets: [{ topic: TOPIC, partition: 0, errorCode: 86 }] }),
  describeGroups: async ({ groupIds }) => ({
    groups: groupIds.map((groupId) => ({
      errorCode: 0,
      groupId,
      state: 'Stable',
      protocolType: 'consumer',
      protocol: 'range',
      members: [
        {
          memberId: 'm',
          groupInstanceId: 'i',
          clientId: 'c',
          clientHost: '/h',
          metadata: new Uint8Array(BYTES),
          assignment: new Uint8Array(BYTES),
        },
      ],
    })),
  }),
  listGroups: async () => ({
    errorCode: 0,
    groups: [{ groupId: 'g', protocolType: 'consumer', state: 'Stable', type: 'classic' }],
  }),
  deleteGroups: async ({ groupIds }) => ({ groups: groupIds.map((groupId) => ({ groupId, errorCode: 68 })) }),
};

const PARTITIONS: Partial<PartitionPort> = {
  listOffsets: async () => ({ partitions: [{ errorCode: 0, timestamp: 5, offset: 6, leaderEpoch: 7 }] }),
  getEpochEndOffsets: async () => ({ partitions: [{ errorCode: 0, leaderEpoch: 1, endOffset: 9 }] }),
  deleteRecords: async () => ({ partitions: [{ errorCode: 0, lowWatermark: 4 }] }),
  describeProducers: async () => ({
    partitions: [
      {
        errorCode: 0,
        errorMessage: '',
        producers: [
          { producerId: 1, producerEpoch: 2, lastSequence: 3, lastTimestamp: 4, coordinatorEpoch: -1, currentTxnStartOffset: -1 },
        ],
      },
    ],
  }),
  describeLogDirs: async () => ({
    logDirs: [
      {
        errorCode: 0,
        path: '/data',
        totalBytes: 100,
        usableBytes: 50,
        partitions: [{ topicId: TOPIC_ID, partition: 0, sizeBytes: 7, offsetLag: 0 }],
      },
    ],
  }),
};

const CONTROLLER: Partial<ControllerPort> = {
  createTopics: async () => ({
    topics: [
      { name: 'new', topicId: fakeTopicId('new'), error: undefined, partitions: 1, replicationFactor: 1 },
      { name: 'bad', topicId: '', error: { errorCode: 40, errorMessage: 'no' }, partitions: 0, replicationFactor: 0 },
    ],
    metadataIndex: 9,
  }),
  deleteTopics: async () => ({
    topics: [{ name: TOPIC, topicId: TOPIC_ID, error: { errorCode: 3, errorMessage: 'gone' } }],
    metadataIndex: 9,
  }),
  createPartitions: async () => ({
    topics: [{ name: TOPIC, error: { errorCode: 37, errorMessage: 'fewer' } }],
    metadataIndex: 9,
  }),
  alterConfigs: async () => ({
    resources: [{ resourceType: 2, resourceName: TOPIC, error: { errorCode: 40, errorMessage: 'no' } }],
    metadataIndex: 9,
  }),
  allocateProducerIds: async () => ({ error: undefined, firstProducerId: 1000, count: 1000 }),
};

/** Every method that a port has in the tests above, failing as if nobody were there. */
function failing<Port extends object>(port: Partial<Port>, error: () => Error): Partial<Port> {
  const fail = () => Promise.reject(error());
  return Object.fromEntries(Object.keys(port).map((name) => [name, fail])) as Partial<Port>;
}

const CASES = handlers.flatMap((handler) =>
  Array.from({ length: handler.versions.max - handler.versions.min + 1 }, (_, i) => ({
    key: handler.apiKey,
    name: handler.name,
    version: handler.versions.min + i,
  })),
);

function ask(client: KafkaClient, key: number, version: number): Promise<unknown> {
  const api = apisByKey.get(key) as Api<Fields, Fields> | undefined;
  const request = REQUESTS[key];
  if (api === undefined || request === undefined) throw new Error(`no request for API ${key}`);
  return client.request(api, version, request(version) as WriteOf<Fields>);
}

/** All error codes in an answer, wherever they stand. */
function errorCodes(value: unknown): number[] {
  if (typeof value !== 'object' || value === null || value instanceof Buffer) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    /errorCode$/i.test(name) && typeof inner === 'number' ? [inner] : errorCodes(inner),
  );
}

describe('every API in every version', () => {
  let bench: GatewayBench<GatewayRole>;
  let client: KafkaClient;
  beforeAll(async () => {
    bench = await GatewayBench.start(createGatewayRole, {
      cluster: CLUSTER,
      groups: GROUPS,
      partitions: PARTITIONS,
      controller: CONTROLLER,
    });
    client = await bench.client();
  });
  afterAll(() => bench.close());

  it.each(CASES)('$name v$version has an answer that its client can read', async ({ key, version }) => {
    const answer = await ask(client, key, version);
    expect(answer).toBeTypeOf('object');
    expect(errorCodes(answer)).not.toContain(-1);
    expect(bench.lines).toEqual([]);
  });
});

describe.each([
  ['is not there', () => new PortError('unavailable', 'nobody there')],
  ['is late', () => new PortError('deadline', 'late')],
  ['is full', () => new PortError('overloaded', 'full')],
])('every API in every version while what is behind it %s', (_name, error) => {
  let bench: GatewayBench<GatewayRole>;
  let client: KafkaClient;
  beforeAll(async () => {
    const partitions = { ...failing(PARTITIONS, error), ...failing(new MemoryPartitions().port(), error) };
    bench = await GatewayBench.start(createGatewayRole, {
      cluster: CLUSTER,
      groups: failing(GROUPS, error),
      partitions: { ...partitions, append: () => Promise.reject(error()), fetch: () => Promise.reject(error()) },
      controller: failing(CONTROLLER, error),
    });
    client = await bench.client();
  });
  afterAll(() => bench.close());

  it.each(CASES)('$name v$version says so with a code that clients retry', async ({ key, version }) => {
    const codes = errorCodes(await ask(client, key, version)).filter((code) => code !== 0);
    // Those answer from metadata alone; the rest calls a port that fails.
    const needsNobody = [3, 10, 18, 32, 60, 75].includes(key);
    if (!needsNobody) {
      expect(codes.length).toBeGreaterThan(0);
      expect(codes.filter((code) => !isRetriable(code))).toEqual([]);
    }
  });
});
