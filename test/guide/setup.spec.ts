import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { apiVersions } from '@streamline/wire/kafka/apis/18-api-versions';
import { describeQuorum } from '@streamline/wire/kafka/apis/55-describe-quorum';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dumpFailures, type Cluster } from '../kit/cluster';
import { jsonOf } from '../kit/cluster-http';
import type { ClusterNode } from '../kit/cluster-node';
import { REPOSITORY } from '../kit/command';
import { whyNoNetworks } from '../kit/netns';
import { callReflected } from '../kit/reflected-client';
import { guideNetwork, type GuideNetwork } from './guide-network';
import { commandsBelow, NODE_1, NODE_2, NODE_3, NODE_4 } from './literal-commands';
import { createTopic, topicsAt, withBroker } from './topics';

const whyNot = await whyNoNetworks();

describe.skipIf(whyNot !== undefined)(`3-Node Cluster${whyNot ? ` (skipped: ${whyNot})` : ''}`, () => {
  let made: GuideNetwork;
  let cluster: Cluster;

  beforeAll(async () => {
    made = await guideNetwork([NODE_1, NODE_2, NODE_3, NODE_4]);
    cluster = made.cluster;
  });
  afterAll(() => made.dispose());
  dumpFailures(() => cluster);

  async function clusterIdOf(node: ClusterNode): Promise<string> {
    return (jsonOf(await node.get('/info')) as { cluster_id: string }).cluster_id;
  }

  it('"streamline --cluster-node-id 1 --advertised-addr 192.168.1.1:9092 --inter-broker-addr 0.0.0.0:9093 --data-dir /var/lib/streamline/node1": "The first node bootstraps automatically when no seed nodes are configured."', async () => {
    await cluster.form(1);
    expect((await cluster.node(1).shown()).body).toMatchObject({ node_state: 'Leader', leader_id: 1, voters: [1] });
    expect(await clusterIdOf(cluster.node(1))).toMatch(/^[\w-]{22}$/);
  });

  it('"streamline --cluster-node-id 2 … --seed-nodes 192.168.1.1:9093": "Nodes 2 and 3 join the cluster through the seed node (Node 1)."', async () => {
    await cluster.start(2, 3);
    await cluster.formed([1, 2, 3]);
    const ids = await Promise.all([1, 2, 3].map((id) => clusterIdOf(cluster.node(id))));
    expect(new Set(ids).size).toBe(1);
    const { body } = await cluster.node(3).members();
    expect(body.members.map(({ node_id: id, raft_addr: raft, advertised_addr: kafka }) => [id, raft, kafka])).toEqual([
      [1, '192.168.1.1:9093', '192.168.1.1:9092'],
      [2, '192.168.1.2:9093', '192.168.1.2:9092'],
      [3, '192.168.1.3:9093', '192.168.1.3:9092'],
    ]);
  });

  it('"Port 9092 — Kafka protocol (client connections)", and clients are told the advertised addresses of all nodes', async () => {
    for (const node of [1, 2, 3].map((id) => cluster.node(id))) {
      const { errorCode } = await withBroker(node, (broker) =>
        broker.request(apiVersions, 3, { clientSoftwareName: 'guide', clientSoftwareVersion: '1' }),
      );
      expect(errorCode).toBe(0);
      const { brokers } = await withBroker(node, (broker) => broker.request(metadata, 12, { topics: [] }));
      expect(brokers.map(({ nodeId, host, port }) => [nodeId, host, port]).sort()).toEqual([
        [1, '192.168.1.1', 9092],
        [2, '192.168.1.2', 9092],
        [3, '192.168.1.3', 9092],
      ]);
    }
  });

  it('"Port 9093 — Inter-broker RPC (Raft consensus + data replication)"', async () => {
    const [host] = cluster.node(2).kafka.split(':');
    const service = 'streamline.controller.v1.MembershipService';
    const described = await callReflected(`${host}:9093`, service, 'describeNode');
    expect(described).toMatchObject({ node_id: 2, leader_id: expect.any(Number) as number });
    expect([1, 2, 3]).toContain((described as { leader_id: number }).leader_id);
  });

  it('"Port 9094 — HTTP API (health checks, metrics, cluster management)"', async () => {
    expect(cluster.node(1).plan.http).toMatch(/:9094$/);
    for (const pathname of ['/health/live', '/health/ready', '/metrics', '/api/v1/cluster/members']) {
      await cluster.until(`${pathname} answers 200`, async () => (await cluster.node(2).get(pathname)).code === 200);
    }
  });

  it('"Streamline uses Raft for cluster metadata consensus": "Streamline supports multi-node clustering using the Raft consensus protocol"; what one node accepts every node has', async () => {
    await createTopic(cluster.node(3), 'everywhere', { partitions: 3 });
    const applied = (await cluster.node(3).shown()).body.applied_log_index ?? 0;
    for (const id of [1, 2]) {
      await cluster.statusOf(id, `has applied entry ${applied}`, ({ body }) => (body.applied_log_index ?? 0) >= applied);
    }
    await cluster.until('all are in one term', async () => {
      const terms = await Promise.all([1, 2, 3].map(async (id) => (await cluster.node(id).shown()).body.current_term));
      return new Set(terms).size === 1;
    });
  });

  it('"Topic assignments — partition-to-broker mapping, replica sets, ISR lists": "Leader election — which broker is the partition leader", the same from every node', async () => {
    const told = await Promise.all([1, 2, 3].map(async (id) => (await topicsAt(cluster.node(id))).get('everywhere')));
    expect(told[1]).toEqual(told[0]);
    expect(told[2]).toEqual(told[0]);
    expect(told[0]?.map(({ leader }) => leader).sort()).toEqual([1, 2, 3]);
    expect(
      told[0]?.every(({ leader, replicas, isr }) => String(replicas) === String([leader]) && String(isr) === String(replicas)),
    ).toBe(true);
  });

  it('"Broker registration — which nodes are in the cluster and their states"', async () => {
    for (const id of [1, 2, 3]) {
      const { body } = await cluster.node(id).members();
      expect(body.members.map(({ node_id: node, broker_state: state }) => [node, state])).toEqual([
        [1, 'Running'],
        [2, 'Running'],
        [3, 'Running'],
      ]);
    }
  });

  it('"Cluster controller — the Raft leader acts as the cluster controller"', async () => {
    const quorum = { topics: [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }] };
    for (const id of [1, 2, 3]) {
      await cluster.until(`node ${id} describes the quorum with its leader`, async () => {
        const { topics } = await withBroker(cluster.node(id), (broker) => broker.request(describeQuorum, 2, quorum));
        const { errorCode, leaderId } = topics[0]?.partitions[0] ?? {};
        return errorCode === 0 && leaderId === (await cluster.leader()).id;
      });
    }
  });

  it('"If Node 1 is not the Raft leader, the join request is automatically forwarded to the current leader."', async () => {
    await cluster.until('node 1 hands over to node 2', async () => {
      const leader = await cluster.leader();
      return leader.id === 2 || (await leader.post('/api/v1/cluster/leader', { node_id: 2 })).code === 200;
    });
    await cluster.statusOf(1, 'follows node 2', ({ body }) => body.leader_id === 2 && body.node_state === 'Follower');
    await cluster.start(4);
    expect(await cluster.formed([1, 2, 3, 4])).not.toBe(1);
  });
});

describe.skipIf(whyNot !== undefined)('3-Node Cluster, started in any order', () => {
  it("forms one cluster of README.md's commands where nodes 2 and 3 are there before their seed", async () => {
    const commands = commandsBelow('Start a cluster', await readFile(path.join(REPOSITORY, 'README.md'), 'utf8'));
    expect(commands).toHaveLength(3);
    const { cluster, dispose } = await guideNetwork(commands);
    try {
      await cluster.start(3, 2);
      for (const id of [2, 3]) await cluster.node(id).logs('192.168.1.1:9093');
      expect((await cluster.node(2).shown()).body).toMatchObject({ healthy: false, leader_id: null, voters: [] });
      await cluster.start(1);
      await cluster.formed([1, 2, 3]);
    } finally {
      await dispose();
    }
  });
});
