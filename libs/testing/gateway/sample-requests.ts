import { ZERO_TOPIC_ID } from '@streamline/core/types/ids';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import { fakeTopicId } from './fake-metadata';

/** The topic that sample requests are about; it has to have partition 0. */
export const SAMPLE_TOPIC = 'orders';
export const SAMPLE_TOPIC_ID = fakeTopicId(SAMPLE_TOPIC);

/** A request with something in it, for each API in each version that may carry it. */
export type RequestMaker = (version: number) => object;

export const SAMPLE_REQUESTS: Readonly<Record<number, RequestMaker>> = {
  0: () => ({
    acks: -1,
    timeoutMs: 1000,
    topicData: [
      {
        name: SAMPLE_TOPIC,
        topicId: SAMPLE_TOPIC_ID,
        partitionData: [{ index: 0, records: buildBatch({ records: [{ value: Buffer.from('x') }], timestamp: 1 }) }],
      },
    ],
  }),
  1: () => ({
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1000,
    topics: [
      { topic: SAMPLE_TOPIC, topicId: SAMPLE_TOPIC_ID, partitions: [{ partition: 0, fetchOffset: 0n, partitionMaxBytes: 100 }] },
    ],
  }),
  2: () => ({ replicaId: -1, topics: [{ name: SAMPLE_TOPIC, partitions: [{ partitionIndex: 0, timestamp: -1n }] }] }),
  3: () => ({ topics: [{ name: SAMPLE_TOPIC }, { name: 'no such topic' }] }),
  8: (version) => ({
    groupId: 'g',
    memberId: 'm',
    ...(version >= 7 ? { groupInstanceId: 'i' } : {}),
    topics: [
      {
        name: SAMPLE_TOPIC,
        topicId: SAMPLE_TOPIC_ID,
        partitions: [{ partitionIndex: 0, committedOffset: 5n, committedMetadata: 'x' }],
      },
    ],
  }),
  9: (version) =>
    version >= 8
      ? { groups: [{ groupId: 'g', topics: [{ name: SAMPLE_TOPIC, topicId: SAMPLE_TOPIC_ID, partitionIndexes: [0] }] }] }
      : { groupId: 'g', topics: [{ name: SAMPLE_TOPIC, partitionIndexes: [0] }] },
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
    ...(version >= 6 ? { topics: [{ name: SAMPLE_TOPIC, topicId: ZERO_TOPIC_ID }] } : { topicNames: [SAMPLE_TOPIC] }),
  }),
  21: () => ({ timeoutMs: 1000, topics: [{ name: SAMPLE_TOPIC, partitions: [{ partitionIndex: 0, offset: -1n }] }] }),
  22: () => ({ transactionalId: null, transactionTimeoutMs: 0 }),
  23: () => ({ topics: [{ topic: SAMPLE_TOPIC, partitions: [{ partition: 0, leaderEpoch: 1 }] }] }),
  32: (version) => ({
    resources: [
      { resourceType: 2, resourceName: SAMPLE_TOPIC, configurationKeys: null },
      { resourceType: 4, resourceName: '1', configurationKeys: null },
    ],
    includeSynonyms: true,
    ...(version >= 3 ? { includeDocumentation: true } : {}),
  }),
  33: () => ({
    resources: [{ resourceType: 2, resourceName: SAMPLE_TOPIC, configs: [{ name: 'a', value: '1' }] }],
    validateOnly: false,
  }),
  35: () => ({ topics: null }),
  37: () => ({ topics: [{ name: SAMPLE_TOPIC, count: 3, assignments: null }], timeoutMs: 1000, validateOnly: false }),
  42: () => ({ groupsNames: ['g'] }),
  43: () => ({ topicPartitions: [{ topic: SAMPLE_TOPIC, partitions: [0] }], timeoutMs: 1000 }),
  44: () => ({
    resources: [{ resourceType: 2, resourceName: SAMPLE_TOPIC, configs: [{ name: 'a', configOperation: 0, value: '1' }] }],
    validateOnly: false,
  }),
  45: () => ({
    timeoutMs: 1000,
    topics: [{ name: SAMPLE_TOPIC, partitions: [{ partitionIndex: 0, replicas: [1] }] }],
  }),
  46: () => ({ timeoutMs: 1000, topics: null }),
  47: () => ({ groupId: 'g', topics: [{ name: SAMPLE_TOPIC, partitions: [{ partitionIndex: 0 }] }] }),
  55: () => ({ topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }] }),
  57: (version) => ({
    featureUpdates: [
      { feature: 'metadata.version', maxVersionLevel: 33, ...(version === 0 ? { allowDowngrade: false } : { upgradeType: 1 }) },
    ],
  }),
  60: (version) => ({ includeClusterAuthorizedOperations: true, ...(version >= 2 ? { includeFencedBrokers: true } : {}) }),
  61: () => ({ topics: [{ name: SAMPLE_TOPIC, partitionIndexes: [0] }] }),
  64: () => ({ brokerId: 7 }),
  74: (version) => (version >= 1 ? { resourceTypes: [2, 4] } : {}),
  75: () => ({ topics: [{ name: SAMPLE_TOPIC }], cursor: null }),
  80: () => ({
    clusterId: null,
    timeoutMs: 1000,
    voterId: 7,
    voterDirectoryId: SAMPLE_TOPIC_ID,
    listeners: [{ name: 'CONTROLLER', host: 'h', port: 9093 }],
  }),
  81: () => ({ clusterId: null, voterId: 1, voterDirectoryId: ZERO_TOPIC_ID }),
};
