import { describeQuorum } from '@streamline/wire/kafka/apis/55-describe-quorum';
import { updateFeatures } from '@streamline/wire/kafka/apis/57-update-features';
import { listConfigResources } from '@streamline/wire/kafka/apis/74-list-config-resources';
import { removeRaftVoter } from '@streamline/wire/kafka/apis/81-remove-raft-voter';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Broker } from '../kit/broker';
import { unique } from '../kit/names';

let broker: Broker;
beforeAll(async () => {
  broker = await Broker.connect(inject('bootstrap'));
});
afterAll(() => broker.close());

describe('the cluster, as Kafka tools see it', () => {
  it('DescribeQuorum tells the voter, how far it is and that it has just been heard of; the only voter cannot go', async () => {
    const topics = [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }];
    const answer = await broker.request(describeQuorum, 2, { topics });
    const [partition] = answer.topics[0]?.partitions ?? [];
    expect(partition).toMatchObject({ errorCode: 0, leaderId: 1, observers: [] });
    const [voter] = partition?.currentVoters ?? [];
    expect(voter?.logEndOffset).toBeGreaterThanOrEqual(partition?.highWatermark ?? 0n);
    expect(Date.now() - Number(voter?.lastCaughtUpTimestamp)).toBeLessThan(60_000);
    const remove = { clusterId: null, voterId: 1, voterDirectoryId: voter?.replicaDirectoryId ?? '' };
    expect(await broker.request(removeRaftVoter, 0, remove)).toMatchObject({ errorCode: 42 });
  });

  it('ListConfigResources lists topics and brokers', async () => {
    const topic = unique('listed');
    await broker.createTopic(topic);
    const { configResources } = await broker.request(listConfigResources, 1, { resourceTypes: [] });
    expect(configResources).toContainEqual({ resourceName: topic, resourceType: 2 });
    expect(configResources).toContainEqual({ resourceName: '1', resourceType: 4 });
  });

  it('UpdateFeatures takes what is finalized for done, and refuses what nobody knows', async () => {
    const raise = (maxVersionLevel: number) =>
      broker.request(updateFeatures, 2, { featureUpdates: [{ feature: 'metadata.version', maxVersionLevel }] });
    expect(await raise(33)).toMatchObject({ errorCode: 0, errorMessage: null });
    expect(await raise(34)).toMatchObject({ errorCode: 95, errorMessage: expect.stringContaining('only supports versions') });
  });
});
