import { cp } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PATIENT_ELECTIONS } from '../guide/runs';
import { Cluster, dumpFailures } from '../kit/cluster';
import { jsonOf } from '../kit/cluster-http';
import type { ClusterNode } from '../kit/cluster-node';

const MEMBERS = '/api/v1/cluster/members';
const CLUSTER_REFUSED = 12;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.onLoopback({ nodes: 3, flags: PATIENT_ELECTIONS });
  await cluster.form();
});
afterAll(() => cluster.remove());
dumpFailures(() => cluster);

/** Whether somebody listens there. */
function listens(address: string): Promise<boolean> {
  const [host = '', port] = address.split(':');
  return new Promise((resolve) => {
    const socket = net.connect(Number(port), host);
    const tell = (answer: boolean) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('connect', tell(true)).on('error', tell(false));
  });
}

/** The node serves no clients any more, and its health reason says why and how it comes back. */
async function retires(node: ClusterNode, why: string): Promise<void> {
  const { code, body } = await cluster.statusOf(node.id, why, (answer) => answer.body.health_reason.startsWith(why));
  expect([code, body.healthy, body.node_state, body.leader_id]).toEqual([503, false, 'Shutdown', null]);
  expect(body.health_reason).toContain(`streamline --cluster-node-id ${node.id} --seed-nodes 127.0.0.`);
  await cluster.until('its Kafka listener is closed', async () => !(await listens(node.kafka)));
  await cluster.until('its storage is stopped', async () =>
    (await node.get('/health/ready')).text.includes('the logs are not open'),
  );
  expect((await node.get('/health/live')).code).toBe(200);
}

/** On the same directory it does not start again. */
async function isRefused(node: ClusterNode, why: string): Promise<void> {
  await node.start();
  expect(await node.command.end()).toMatchObject({ code: CLUSTER_REFUSED });
  expect(node.latestLog).toContain(why);
  expect(node.latestLog).toContain(`--data-dir ${node.plan.dataDir}-2 `);
}

/** Node 1, which began the cluster, and has lost its disk: its command line begins one. */
describe('the first node with an empty disk', () => {
  it('does not stay a cluster of its own: dialled by the one that counts on it, it stops serving and names the command that rejoins', async () => {
    const [first, second, third] = [cluster.node(1), cluster.node(2), cluster.node(3)];
    await first.kill();
    await first.wipe();
    await cluster.leader([second, third]);
    // So that it comes to serve: else it ends before.
    for (const node of [second, third]) node.freeze();
    await first.start();
    await cluster.statusOf(1, 'serves', ({ body }) => body.healthy);
    for (const node of [second, third]) node.thaw();
    await retires(first, 'Node 1 is a member of cluster ');
    const { body } = await first.shown();
    expect(body.health_reason).toContain(`--seed-nodes ${second.interBroker},${third.interBroker} `);
    expect(await first.stop()).toMatchObject({ code: 0 });
  });

  it('refuses to start on that directory, and rejoins under its old id with the command that was named', async () => {
    const [first, second, third] = [cluster.node(1), cluster.node(2), cluster.node(3)];
    await isRefused(first, 'Node 1 is a member of cluster ');
    await first.wipe();
    await first.start([...first.plan.flags, '--seed-nodes', `${second.interBroker},${third.interBroker}`]);
    await cluster.formed();
  });
});

describe('a copy of a data directory', () => {
  it('is refused while the node that it was copied from runs at the address that both advertise', async () => {
    const original = cluster.node(2);
    await original.kill();
    const copied = `${original.plan.directory}/same-address`;
    const isLock = (source: string): boolean => path.basename(source).startsWith('lock.');
    await cp(original.plan.dataDir, copied, { recursive: true, filter: (source) => !isLock(source) });
    await cluster.form(2);
    const listens = ['--listen-addr', '--inter-broker-addr', '--http-addr'];
    const moved = original.plan.flags.map((flag, at, flags) => {
      const isListened = listens.includes(flags[at - 1] ?? '');
      return isListened ? flag.replace('127.0.0.2:', '127.0.0.9:') : flag.replace(original.plan.dataDir, copied);
    });
    const copy = original.plan.launch([...moved, '--advertised-inter-broker-addr', original.interBroker], {
      cwd: original.plan.directory,
    });
    try {
      expect(await copy.end()).toMatchObject({ code: CLUSTER_REFUSED });
      expect(copy.output).toContain('another process runs as node 2 on a copy of its data directory');
      expect(copy.output).toContain(original.interBroker);
    } finally {
      await copy.dispose();
    }
    await cluster.formed();
  });

  it('is refused while the node that it was copied from runs, which goes on', async () => {
    const [original, other] = [cluster.node(2), cluster.node(1)];
    await original.kill();
    const copied = `${original.plan.directory}/copy`;
    const isLock = (source: string): boolean => path.basename(source).startsWith('lock.');
    await cp(original.plan.dataDir, copied, { recursive: true, filter: (source) => !isLock(source) });
    await cluster.form(2);
    const moved = original.plan.flags.map((flag) =>
      flag.replace('127.0.0.2:', '127.0.0.9:').replace(original.plan.dataDir, copied),
    );
    const copy = original.plan.launch(moved, { cwd: original.plan.directory });
    try {
      expect(await copy.end()).toMatchObject({ code: CLUSTER_REFUSED });
      expect(copy.output).toContain(`another process runs as node 2 on a copy of its data directory, at ${original.interBroker}`);
    } finally {
      await copy.dispose();
    }
    await cluster.formed();
    expect((await other.members()).body.members[1]).toMatchObject({ node_id: 2, raft_addr: original.interBroker });
  });
});

describe('a node that was removed', () => {
  it('closes its Kafka listener, stops its storage, and tells operators why and how it comes back', async () => {
    const node = cluster.node(3);
    const leader = await cluster.leader();
    if (leader === node) expect((await leader.post('/api/v1/cluster/leader', { node_id: 1 })).code).toBe(200);
    const answer = await (await cluster.leader([cluster.node(1), cluster.node(2)])).delete(`${MEMBERS}/3`);
    expect([answer.code, jsonOf(answer)]).toEqual([200, { node_id: 3, status: 'removed' }]);
    await retires(node, 'Node was removed from the cluster');
    const warnings = node.latestLog
      .split('\n')
      .filter((line) => /heartbeat failed|not registered with the controller/.test(line));
    expect(warnings.length).toBeLessThan(5);
    expect(await node.stop()).toMatchObject({ code: 0 });
    await cluster.formed([1, 2]);
  });

  it('refuses to start on the same directory, and joins again on an empty one', async () => {
    const node = cluster.node(3);
    await isRefused(node, 'Node was removed from the cluster');
    await node.wipe();
    await cluster.form(3);
  });

  it('finds out also where it was down when it was removed, and ends before it has served', async () => {
    const node = cluster.node(3);
    await node.stop();
    const leader = await cluster.leader([cluster.node(1), cluster.node(2)]);
    expect((await leader.delete(`${MEMBERS}/3`)).code).toBe(200);
    await isRefused(node, 'Node was removed from the cluster');
    expect(await cluster.formed([1, 2])).toBeGreaterThan(0);
  });
});
