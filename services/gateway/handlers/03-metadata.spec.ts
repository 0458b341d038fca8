import { afterEach, describe, expect, it } from 'vitest';
import { CLUSTER_ID, fakeTopicId, type FakeCluster } from '@streamline/testing/gateway/fake-metadata';
import { GatewayBench } from '@streamline/testing/gateway/gateway-bench';
import type { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { createGatewayRole, type GatewayRole } from '../gateway-role';

const CLUSTER: FakeCluster = {
  brokers: [
    { id: 1, host: 'one', port: 9092, rack: 'a' },
    { id: 2, host: 'two', port: 9192 },
    { id: 3, fenced: true },
  ],
  topics: [
    { name: 'orders', leaders: [1, 2, 3, undefined], leaderEpoch: 4 },
    { name: '__consumer_offsets', leaders: [1] },
  ],
};

const ZERO = 'AAAAAAAAAAAAAAAAAAAAAA';

let bench: GatewayBench<GatewayRole>;
let created: string[] = [];

async function start(autoCreateTopics = true, createTopics?: ControllerPort['createTopics']): Promise<KafkaClient> {
  created = [];
  bench = await GatewayBench.start(createGatewayRole, {
    cluster: CLUSTER,
    config: { autoCreateTopics },
    controller: {
      createTopics:
        createTopics ??
        (async ({ topics }) => {
          created.push(...topics.map(({ name, partitions, replicationFactor }) => `${name} ${partitions} ${replicationFactor}`));
          return { topics: [], metadataIndex: 1 };
        }),
    },
  });
  return bench.client();
}

afterEach(() => bench.close());

describe('Metadata', () => {
  it('v0 [] is all topics; v1+ [] is none and null is all', async () => {
    const client = await start();
    const names = async (version: number, topics: { name: string }[] | null) =>
      (await client.request(metadata, version, { topics })).topics.map(({ name }) => name);
    expect(await names(0, [])).toEqual(['orders', '__consumer_offsets']);
    for (const version of [1, 4, 8, 9, 12, 13]) {
      expect(await names(version, [])).toEqual([]);
      expect(await names(version, null)).toEqual(['orders', '__consumer_offsets']);
    }
  });

  it('a fenced broker is not listed but stays in replicas and offline replicas', async () => {
    const client = await start();
    const answer = await client.request(metadata, 9, { topics: [{ name: 'orders' }] });
    expect(answer.brokers).toEqual([
      { nodeId: 1, host: 'one', port: 9092, rack: 'a' },
      { nodeId: 2, host: 'two', port: 9192, rack: null },
    ]);
    expect(answer).toMatchObject({ clusterId: CLUSTER_ID, controllerId: 1 });
    expect(answer.topics[0]?.partitions[0]).toMatchObject({
      errorCode: 0,
      leaderId: 1,
      leaderEpoch: 4,
      replicaNodes: [1, 2, 3],
      offlineReplicas: [3],
    });
  });

  it('a partition without leader: 5, leader -1', async () => {
    const client = await start();
    const answer = await client.request(metadata, 9, { topics: [{ name: 'orders' }] });
    const seen = answer.topics[0]?.partitions.map(({ errorCode, leaderId }) => [errorCode, leaderId]);
    expect(seen).toEqual([
      [0, 1],
      [0, 2],
      [5, -1],
      [5, -1],
    ]);
  });

  it('v0 has no offline replicas: it leaves them out and says 9', async () => {
    const client = await start();
    const answer = await client.request(metadata, 0, { topics: [{ name: 'orders' }] });
    expect(answer.topics[0]?.partitions[0]).toMatchObject({ errorCode: 9, replicaNodes: [1, 2], isrNodes: [1, 2] });
  });

  it('a leader without a Kafka listener is 72 from v6 on, 5 before', async () => {
    const client = await start();
    bench.metadata.update({ brokers: [{ id: 1, withoutKafkaListener: true }, { id: 2 }] });
    const code = async (version: number) =>
      (await client.request(metadata, version, { topics: [{ name: 'orders' }] })).topics[0]?.partitions[0]?.errorCode;
    expect([await code(5), await code(6)]).toEqual([5, 72]);
    bench.metadata.update({ brokers: CLUSTER.brokers });
  });

  it('by topic id from v12, before that 42', async () => {
    const client = await start();
    const byId = [{ topicId: fakeTopicId('orders'), name: null }];
    const answer = await client.request(metadata, 12, { topics: byId });
    expect(answer.topics[0]).toMatchObject({ errorCode: 0, name: 'orders', topicId: fakeTopicId('orders') });
    const early = await client.request(metadata, 11, { topics: byId });
    expect(early.topics[0]?.errorCode).toBe(42);
    const unknown = await client.request(metadata, 12, { topics: [{ topicId: fakeTopicId('nope'), name: null }] });
    expect(unknown.topics[0]).toMatchObject({ errorCode: 100, name: null, topicId: fakeTopicId('nope') });
    expect((await client.request(metadata, 10, { topics: [{ topicId: ZERO, name: null }] })).topics[0]?.errorCode).toBe(42);
  });

  it('auto-create answers 3 first, and creates with the defaults', async () => {
    const client = await start();
    const answer = await client.request(metadata, 9, { topics: [{ name: 'new' }], allowAutoTopicCreation: true });
    expect(answer.topics[0]).toMatchObject({ errorCode: 3, name: 'new', partitions: [] });
    expect(created).toEqual(['new -1 -1']);
  });

  it('creates a topic once while many ask for it', async () => {
    let calls = 0;
    let finish: (() => void) | undefined;
    const client = await start(true, () => {
      calls++;
      return new Promise((resolve) => (finish = () => resolve({ topics: [], metadataIndex: 1 })));
    });
    for (let i = 0; i < 5; i++) await client.request(metadata, 9, { topics: [{ name: 'new' }] });
    expect(calls).toBe(1);
    finish?.();
    await new Promise((resolve) => setImmediate(resolve));
    await client.request(metadata, 9, { topics: [{ name: 'new' }] });
    expect(calls).toBe(2);
    finish?.();
  });

  it('does not create where the client or the broker does not want it, nor under a bad name (17)', async () => {
    const unwilling = await start(false);
    await unwilling.request(metadata, 9, { topics: [{ name: 'new' }] });
    expect(created).toEqual([]);
    await bench.close();
    const client = await start();
    await client.request(metadata, 9, { topics: [{ name: 'new' }], allowAutoTopicCreation: false });
    const bad = await client.request(metadata, 9, { topics: [{ name: 'no such/name' }, { name: '' }, { name: '..' }] });
    expect(bad.topics.map(({ errorCode }) => errorCode)).toEqual([17, 17, 17]);
    expect(created).toEqual([]);
  });

  it('creates the offsets topic with its own settings', async () => {
    const configs: string[] = [];
    const client = await start(true, async ({ topics }) => {
      configs.push(JSON.stringify(topics));
      return { topics: [], metadataIndex: 1 };
    });
    bench.metadata.update({ topics: [] });
    await client.request(metadata, 9, { topics: [{ name: '__consumer_offsets' }] });
    expect(configs[0]).toContain('"partitions":50');
    expect(configs[0]).toContain('compact');
  });

  it('tells authorized operations only where they were asked for, of the cluster up to v10', async () => {
    const client = await start();
    const topics = [{ name: 'orders' }];
    const asked = await client.request(metadata, 8, {
      topics,
      includeClusterAuthorizedOperations: true,
      includeTopicAuthorizedOperations: true,
    });
    expect([asked.clusterAuthorizedOperations, asked.topics[0]?.topicAuthorizedOperations]).toEqual([8096, 3576]);
    const not = await client.request(metadata, 8, { topics });
    expect([not.clusterAuthorizedOperations, not.topics[0]?.topicAuthorizedOperations]).toEqual([-2147483648, -2147483648]);
  });

  it('marks internal topics', async () => {
    const client = await start();
    const answer = await client.request(metadata, 1, { topics: null });
    expect(answer.topics.map(({ isInternal }) => isInternal)).toEqual([false, true]);
  });
});
