import { afterAll, beforeAll, expect, it } from 'vitest';
import { Cluster, dumpFailures } from '../kit/cluster';
import { electPreferred } from '../kit/elect-preferred';
import { type ProducedPartition, ProducedTopic, WITHIN_MS } from '../kit/produced-topic';

const TOPIC = 'moving';
const ELECTION_NOT_NEEDED = 84;

let cluster: Cluster;
let topic: ProducedTopic;

dumpFailures(() => cluster);

function isOn(nodes: readonly number[], { replicas, isr, leader }: ProducedPartition): boolean {
  return replicas.join() === nodes.join() && isr.length === nodes.length && isr.includes(leader);
}

async function reassign(replicas: number[]): Promise<void> {
  const topics = [{ topic: TOPIC, partitionAssignment: [{ partition: 0, replicas }] }];
  await topic.admin.alterPartitionReassignments({ topics, timeout: WITHIN_MS });
}

beforeAll(async () => {
  cluster = await Cluster.onLoopback({ nodes: 3, flags: ['--profile', 'development'] });
  await cluster.form();
  topic = await ProducedTopic.create(cluster, { topic: TOPIC, replicaAssignment: [{ partition: 0, replicas: [1] }] });
}, 2 * WITHIN_MS);

afterAll(async () => {
  await topic.close();
  await cluster.remove();
});

it(
  'a partition moves to other nodes under load, and nothing that was acknowledged is lost, doubled or out of order',
  async () => {
    await topic.produce(10);
    const producing = topic.produce(40);
    await reassign([2, 3]);
    await topic.becomes('it is on nodes 2 and 3', (now) => isOn([2, 3], now));
    await producing;
    await cluster.until('no reassignment is under way', async () => {
      return (await topic.admin.listPartitionReassignments({})).topics.length === 0;
    });
    expect(await topic.read()).toEqual(topic.acknowledged);
  },
  3 * WITHIN_MS,
);

it(
  'the preferred leader is elected when an operator asks',
  async () => {
    // The first time the other one may lead.
    await cluster.until(
      'the preferred one leads',
      async () => (await electPreferred(cluster, TOPIC, WITHIN_MS)) === ELECTION_NOT_NEEDED,
    );
    const { leader } = await topic.becomes('it has a leader', (now) => now.leader > 0);
    const other = leader === 2 ? 3 : 2;
    await reassign([other, leader]);
    await topic.becomes('the order is another one', (now) => isOn([other, leader], now) && now.leader === leader);
    await cluster.until('the election succeeds', async () => (await electPreferred(cluster, TOPIC, WITHIN_MS)) === 0, WITHIN_MS);
    await topic.becomes('the preferred one leads', (now) => now.leader === other);
    await topic.produce(5);
    expect(await topic.read()).toEqual(topic.acknowledged);
  },
  3 * WITHIN_MS,
);

it(
  'a leader that stops hands over first: another one leads, and producers go on',
  async () => {
    const { leader } = await topic.becomes('it has a leader', (now) => now.leader > 0);
    const producing = topic.produce(30);
    await cluster.node(leader).stop();
    await producing;
    await topic.becomes('another one leads', (now) => now.leader > 0 && now.leader !== leader && !now.isr.includes(leader));
    expect(await topic.read()).toEqual(topic.acknowledged);
    await cluster.node(leader).start();
    await topic.becomes('the one that stopped is in sync again', (now) => now.isr.length === 2);
  },
  3 * WITHIN_MS,
);
