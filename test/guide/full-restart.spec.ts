import { ExitCode } from '@streamline/platform/config/exit-codes';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, dumpFailures } from '../kit/cluster';
import { jsonOf } from '../kit/cluster-http';
import type { ClusterNode } from '../kit/cluster-node';
import { createTopic, topicsAt } from './topics';

const NO_LEADER = 'No leader elected — cluster may be starting or partitioned';

function idFlagsReplaced(node: ClusterNode, id: number): string[] {
  return node.plan.flags.map((flag, index, all) => (all[index - 1] === '--cluster-node-id' ? String(id) : flag));
}

async function clusterIdOf(node: ClusterNode): Promise<unknown> {
  return (jsonOf(await node.get('/info')) as { cluster_id: unknown }).cluster_id;
}

describe('Full Cluster Restart', () => {
  let cluster: Cluster;
  let clusterId: unknown;
  beforeAll(async () => {
    cluster = await Cluster.onLoopback({ nodes: 3 });
    await cluster.form();
    clusterId = await clusterIdOf(cluster.node(1));
    await createTopic(cluster.node(1), 'before');
  });
  afterAll(() => cluster.remove());
  dumpFailures(() => cluster);

  async function expectEverything(): Promise<void> {
    for (const node of cluster.nodes) {
      expect(await clusterIdOf(node)).toBe(clusterId);
      await cluster.until(`node ${node.id} has the topic`, async () => (await topicsAt(node)).has('before'));
    }
  }

  it('"Start any single node — it will reload its Raft state from disk." "If that node was the last leader, it can immediately resume." — as soon as a second one is there; until then it says why not', async () => {
    const leader = await cluster.leader();
    const before = (await leader.shown()).body;
    const term = before.current_term ?? Number.NaN;
    const committed = before.committed_log_index ?? Number.NaN;
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    await leader.start();
    const { code, body } = await cluster.statusOf(
      leader.id,
      'has reloaded its state',
      ({ body: shown }) => shown.voters.length === 3,
    );
    expect([code, body.healthy, body.leader_id, body.health_reason]).toEqual([503, false, null, NO_LEADER]);
    expect(body.voters).toEqual([1, 2, 3]);
    expect(body.current_term).toBeGreaterThanOrEqual(term);
    expect((await leader.get('/health/live')).code).toBe(200);
    const [second] = cluster.nodes.filter((node) => node !== leader);
    await second?.start();
    const resumed = await cluster.statusOf(leader.id, 'is healthy', ({ body: shown }) => shown.healthy);
    expect(resumed.body.committed_log_index).toBeGreaterThanOrEqual(committed);
  });

  it('"Start additional nodes — they will rejoin using their persisted state."', async () => {
    await cluster.start(...cluster.nodes.filter(({ isRunning }) => !isRunning).map(({ id }) => id));
    await cluster.formed([1, 2, 3]);
    await expectEverything();
  });

  it.each([
    ['last to first', [3, 2, 1]],
    ['the joiners before the node that bootstrapped', [2, 3, 1]],
  ])('takes the same commands in any order: %s', async (_name, order) => {
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    for (const id of order) {
      await cluster.start(id);
      await cluster.until(`node ${id} answers`, async () => (await cluster.node(id).get('/health/live')).code === 200);
    }
    await cluster.formed([1, 2, 3]);
    await expectEverything();
  });

  it('takes a clean stop of all at once, and a start of all at once', async () => {
    const ended = await Promise.all(cluster.nodes.map((node) => node.stop()));
    expect(ended.map(({ code }) => code)).toEqual([0, 0, 0]);
    await cluster.form();
    await expectEverything();
  });

  it('needs no seed any more: nodes 2 and 3 come back without node 1', async () => {
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    await cluster.start(2, 3);
    for (const id of [2, 3]) await cluster.statusOf(id, 'is healthy', ({ body }) => body.healthy);
    await cluster.start(1);
    await cluster.formed([1, 2, 3]);
  });

  it('"Important: Do not change `node_id` values between restarts.": such a start ends with an error of its own, and changes nothing', async () => {
    const node = cluster.node(3);
    await node.kill();
    const command = await node.start(idFlagsReplaced(node, 7));
    expect((await command.end()).code, command.output).toBe(ExitCode.WRONG_DIRECTORY);
    expect(command.output).toContain('node 3');
    expect(command.output).toContain('--cluster-node-id');
    await node.start();
    await cluster.formed([1, 2, 3]);
  });
});

describe('a cluster of one node', () => {
  it('"can immediately resume", since it is all of its majority', async () => {
    const cluster = await Cluster.onLoopback({ nodes: 1 });
    try {
      await cluster.form();
      await createTopic(cluster.node(1), 'alone');
      await cluster.node(1).kill();
      await cluster.form();
      expect((await topicsAt(cluster.node(1))).has('alone')).toBe(true);
    } finally {
      await cluster.remove();
    }
  });
});
