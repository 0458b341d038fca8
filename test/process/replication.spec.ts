import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, dumpFailures } from '../kit/cluster';
import { ProducedTopic, WITHIN_MS } from '../kit/produced-topic';

const LAG_MAX_MS = 2_000;

let cluster: Cluster;
let topic: ProducedTopic;

dumpFailures(() => cluster);

beforeAll(async () => {
  cluster = await Cluster.onLoopback({
    nodes: 3,
    flags: ['--profile', 'development', '--replica-lag-time-max-ms', String(LAG_MAX_MS)],
  });
  await cluster.form();
  const configEntries = [{ name: 'min.insync.replicas', value: '2' }];
  topic = await ProducedTopic.create(cluster, { topic: 'replicated', numPartitions: 1, replicationFactor: 3, configEntries });
}, 2 * WITHIN_MS);

afterAll(async () => {
  await topic.close();
  await cluster.remove();
});

describe('a partition with three replicas', () => {
  it('has all of them in sync, and takes acks=all', async () => {
    await topic.becomes('all replicas are in sync', ({ isr }) => isr.length === 3);
    await topic.produce(20);
    expect(await topic.read()).toEqual(topic.acknowledged);
  });

  it(
    'loses nothing that was acknowledged, doubles nothing and keeps the order when its leader is killed',
    async () => {
      const before = await topic.becomes('it has a leader', ({ leader }) => leader > 0);
      const producing = topic.produce(60);
      await cluster.until('some are acknowledged', () => Promise.resolve(topic.acknowledged.length >= 90), WITHIN_MS);
      await cluster.node(before.leader).kill();
      await producing;
      await topic.becomes(
        'another one leads, and the killed one is not in sync',
        ({ leader, isr }) => leader > 0 && leader !== before.leader && !isr.includes(before.leader),
      );
      expect(await topic.read()).toEqual(topic.acknowledged);
      await cluster.node(before.leader).start();
      await topic.becomes('the killed one is in sync again', ({ isr }) => isr.length === 3);
      await topic.produce(5);
      expect(await topic.read()).toEqual(topic.acknowledged);
    },
    3 * WITHIN_MS,
  );

  it(
    'does without a follower that stands still, and takes it back',
    async () => {
      const { leader } = await topic.becomes('all replicas are in sync', ({ isr }) => isr.length === 3);
      const still = cluster.node((leader % 3) + 1);
      still.freeze();
      await topic.produce(5);
      await topic.becomes('it has left the ISR', ({ isr }) => isr.length === 2 && !isr.includes(still.id));
      await topic.produce(5);
      still.thaw();
      await topic.becomes('it is in sync again', ({ isr }) => isr.length === 3);
      await topic.produce(5);
      expect(await topic.read()).toEqual(topic.acknowledged);
    },
    3 * WITHIN_MS,
  );
});
