import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRetriable } from '@streamline/core/types/error-code';
import { fakeTopicId, type FakeCluster } from '@streamline/testing/gateway/fake-metadata';
import { fakeMember, fakeQuorum } from '@streamline/testing/gateway/fake-quorum';
import { GatewayBench } from '@streamline/testing/gateway/gateway-bench';
import { MemoryPartitions } from '@streamline/testing/gateway/memory-partitions';
import { SAMPLE_REQUESTS, SAMPLE_TOPIC, SAMPLE_TOPIC_ID } from '@streamline/testing/gateway/sample-requests';
import type { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import { MembershipOutcome } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { ControllerPort, GroupPort, MembershipPort, PartitionPort } from '@streamline/wire/contracts/ports';
import { apisByKey } from '@streamline/wire/kafka/api-table';
import type { Api } from '@streamline/wire/kafka/schema/api';
import type { Fields, WriteOf } from '@streamline/wire/kafka/schema/field';
import { createGatewayRole, type GatewayRole } from '../gateway-role';
import { handlers } from './registry';

const TOPIC = SAMPLE_TOPIC;
const TOPIC_ID = SAMPLE_TOPIC_ID;
const CLUSTER: FakeCluster = {
  topics: [
    { name: TOPIC, leaders: [1, 1] },
    { name: '__consumer_offsets', leaders: [1] },
  ],
  features: { 'metadata.version': 1 },
};

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
  updateFeatures: async () => ({ error: { errorCode: 95, errorMessage: 'too new' }, metadataIndex: 9 }),
  electLeaders: async () => ({
    error: undefined,
    partitions: [{ topic: TOPIC, partition: 0, error: { errorCode: 84, errorMessage: 'leads' } }],
    metadataIndex: 9,
  }),
  alterPartitionReassignments: async () => ({
    error: undefined,
    partitions: [{ topic: TOPIC, partition: 0, error: { errorCode: 39, errorMessage: 'no' } }],
    metadataIndex: 9,
  }),
  getQuorumStatus: async () => ({ ...fakeQuorum([fakeMember(1), fakeMember(2)]) }),
  unregisterBroker: async () => ({ error: { errorCode: 102, errorMessage: 'unknown' }, metadataIndex: 9 }),
  allocateProducerIds: async () => ({ error: undefined, firstProducerId: 1000, count: 1000 }),
};

const MEMBERSHIP: Partial<MembershipPort> = {
  addMember: async () => ({ outcome: MembershipOutcome.FAILED, reason: 'no', field: '', role: '' }),
  removeMember: async () => ({
    outcome: MembershipOutcome.DONE,
    reason: '',
    partitionsLeft: 0,
    partitionsTotal: 0,
    lostPartitions: [],
  }),
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
  const request = SAMPLE_REQUESTS[key];
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
      membership: MEMBERSHIP,
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
      membership: failing(MEMBERSHIP, error),
    });
    client = await bench.client();
  });
  afterAll(() => bench.close());

  it.each(CASES)('$name v$version says so with a code that clients retry', async ({ key, version }) => {
    const codes = errorCodes(await ask(client, key, version)).filter((code) => code !== 0);
    // Those answer from metadata alone; the rest calls a port that fails.
    const needsNobody = [3, 10, 18, 32, 46, 60, 74, 75].includes(key);
    if (!needsNobody) {
      expect(codes.length).toBeGreaterThan(0);
      expect(codes.filter((code) => !isRetriable(code))).toEqual([]);
    }
  });
});
