import { afterEach, describe, expect, it } from 'vitest';
import { fakeTopicId } from '@streamline/testing/gateway/fake-metadata';
import { GatewayBench } from '@streamline/testing/gateway/gateway-bench';
import type { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import type { GroupPort } from '@streamline/wire/contracts/ports';
import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { offsetFetch } from '@streamline/wire/kafka/apis/09-offset-fetch';
import { describeGroups } from '@streamline/wire/kafka/apis/15-describe-groups';
import { describeConfigs } from '@streamline/wire/kafka/apis/32-describe-configs';
import { describeProducers } from '@streamline/wire/kafka/apis/61-describe-producers';
import { createGatewayRole, type GatewayRole } from '../gateway-role';

const TOPICS = [
  { name: 'orders', leaders: [1, 1] },
  { name: '__consumer_offsets', leaders: [1] },
];

let bench: GatewayBench<GatewayRole>;

async function start(groups: Partial<GroupPort> = {}): Promise<KafkaClient> {
  bench = await GatewayBench.start(createGatewayRole, { cluster: { brokers: [{ id: 1 }], topics: TOPICS }, groups });
  return bench.client();
}

afterEach(() => bench.close());

/** Each was seen to make gigabytes out of a request of a few megabytes, with all other connections waiting. */
describe('an answer is in proportion to its request', () => {
  it('Metadata describes a topic once, however often it is named', async () => {
    const client = await start();
    const byName = await client.request(metadata, 1, { topics: [{ name: 'orders' }, { name: 'none' }, { name: 'orders' }] });
    expect(byName.topics.map(({ name }) => name)).toEqual(['orders', 'none']);
    const topicId = fakeTopicId('orders');
    const byId = await client.request(metadata, 12, { topics: [0, 1].map(() => ({ name: null, topicId })) });
    expect(byId.topics).toHaveLength(1);
  });

  it('DescribeConfigs describes a resource once', async () => {
    const client = await start();
    const orders = { resourceType: 2, resourceName: 'orders', configurationKeys: null };
    const { results } = await client.request(describeConfigs, 4, { resources: [orders, orders] });
    expect(results).toHaveLength(1);
  });

  it('DescribeGroups and OffsetFetch of all offsets tell of a group once', async () => {
    const asked: string[] = [];
    const client = await start({
      describeGroups: async ({ groupIds }) => {
        asked.push(...groupIds);
        return { groups: [] };
      },
      fetchOffsets: async ({ groupId, allTopics }) => {
        asked.push(`${groupId} ${allTopics}`);
        return { errorCode: 0, offsets: [] };
      },
    });
    expect((await client.request(describeGroups, 5, { groups: ['a', 'b', 'a'] })).groups).toHaveLength(2);
    const some = [{ name: 'orders', partitionIndexes: [0] }];
    const groups = [null, some, null, some].map((topics) => ({ groupId: 'a', topics }));
    expect((await client.request(offsetFetch, 8, { groups })).groups).toHaveLength(3);
    expect(asked).toEqual(['a', 'b', 'a true', 'a false', 'a false']);
  });

  it('DescribeProducers refuses a partition that was named before with 42', async () => {
    const client = await start();
    const { topics } = await client.request(describeProducers, 0, { topics: [{ name: 'orders', partitionIndexes: [0, 0] }] });
    expect(topics[0]?.partitions[1]).toMatchObject({ partitionIndex: 0, errorCode: 42 });
  });

  it('Produce repeats no name that is longer than a topic may have', async () => {
    const client = await start();
    const topicData = [{ name: 'x'.repeat(30_000), partitionData: [{ index: 0, records: null }] }];
    const answer = await client.request(produce, 9, { transactionalId: null, acks: 1, timeoutMs: 1000, topicData });
    const told = answer.responses[0]?.partitionResponses[0];
    expect(told?.errorCode).toBe(3);
    expect(told?.errorMessage?.length).toBeLessThan(300);
  });
});
