import net from 'node:net';
import { ExitCode } from '@streamline/platform/config/exit-codes';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dumpFailures, type Cluster } from '../kit/cluster';
import { jsonOf } from '../kit/cluster-http';
import type { ClusterNode } from '../kit/cluster-node';
import { membershipsIn } from '../kit/memberships';
import { whyNoNetworks } from '../kit/netns';
import { guideNetwork, type GuideNetwork } from './guide-network';
import { argumentsOf, NODE_1, NODE_2, NODE_3 } from './literal-commands';
import { TopicMaker, topicsAt } from './topics';

/** What our log prints, and status says: for an operator to run as it stands there. */
const REJOIN = /To join again it needs an empty directory: (streamline [^"\n]+)/;

const whyNot = await whyNoNetworks();

async function clusterIdOf(node: ClusterNode): Promise<unknown> {
  return (jsonOf(await node.get('/info')) as { cluster_id: unknown }).cluster_id;
}

function serves(node: ClusterNode): Promise<boolean> {
  const [host = '', port] = node.kafka.split(':');
  return new Promise((resolve) => {
    const socket = net.connect(Number(port), host);
    const tell = (answer: boolean) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('connect', tell(true)).on('error', tell(false));
  });
}

describe.skipIf(whyNot !== undefined)(`The first node, wiped${whyNot ? ` (skipped: ${whyNot})` : ''}`, () => {
  let made: GuideNetwork;
  let cluster: Cluster;
  let clusterId: unknown;
  let maker: TopicMaker | undefined;

  beforeAll(async () => {
    made = await guideNetwork([NODE_1, NODE_2, NODE_3]);
    cluster = made.cluster;
    await cluster.form(1);
    await cluster.form(2, 3);
    clusterId = await clusterIdOf(cluster.node(1));
    maker = new TopicMaker([cluster.node(2), cluster.node(3)], 'acknowledged');
    const { made: before } = maker;
    await cluster.until('topics are created', () => Promise.resolve((maker?.made ?? 0) > before + 2));
  });
  afterAll(async () => {
    await maker?.stop();
    await made.dispose();
  });
  dumpFailures(() => cluster);

  it('"The first node bootstraps automatically when no seed nodes are configured.": but no second cluster beside the one that counts on it, where it stops serving and names the command that rejoins', async () => {
    const [first, second, third] = [cluster.node(1), cluster.node(2), cluster.node(3)];
    await first.kill();
    await first.wipe();
    await cluster.leader([second, third]);
    await first.start();
    await first.logs('To join again it needs an empty directory');
    expect(first.latestLog).toContain(`Node 1 is a member of cluster ${String(clusterId)}`);
    await cluster.until('nobody serves there', async () => !(await serves(first)));
    // Depends on who is first: one that has not come to serve ends, and may be seen at it; one that serves goes on
    // answering operators.
    const shown = await cluster.until('it ends, or says so', async () => {
      if (!first.isRunning) return 'ended';
      const answer = await first.status();
      return answer?.body.node_state === 'Shutdown' && answer;
    });
    if (shown === 'ended') {
      expect(await first.command.end()).toMatchObject({ code: ExitCode.CLUSTER_REFUSED });
    } else {
      expect([shown.code, shown.body.healthy, shown.body.leader_id]).toEqual([503, false, null]);
      expect(shown.body.health_reason).toMatch(REJOIN);
      expect([ExitCode.OK, ExitCode.CLUSTER_REFUSED]).toContain((await first.stop()).code);
    }
    for (const node of [second, third]) expect(await clusterIdOf(node)).toBe(clusterId);
  });

  it('the same command is refused again on what it left, and changes nothing', async () => {
    const first = cluster.node(1);
    await first.start();
    expect(await first.command.end()).toMatchObject({ code: ExitCode.CLUSTER_REFUSED });
    expect(first.latestLog).toMatch(REJOIN);
  });

  it('the command that it names works as it stands there: node 1 comes back as a learner, then votes, and no acknowledged change is lost', async () => {
    const first = cluster.node(1);
    const [, named = ''] = REJOIN.exec(first.latestLog) ?? [];
    expect(named).toContain('--seed-nodes 192.168.1.2:9093,192.168.1.3:9093 --data-dir /var/lib/streamline/node1-2 ');
    await first.start(argumentsOf(named));
    await cluster.formed([1, 2, 3]);
    expect(await clusterIdOf(first)).toBe(clusterId);
    const topics = (await maker?.stop()) ?? [];
    expect(topics.length).toBeGreaterThan(3);
    for (const node of cluster.nodes) {
      await cluster.until(`node ${node.id} has every topic`, async () => {
        const known = await topicsAt(node);
        return topics.every((name) => known.has(name));
      });
    }
    // What it was before it voted was over soon: the log has it.
    await cluster.node(2).stop();
    const memberships = await membershipsIn(cluster.node(2).plan.dataDir);
    const last = memberships.findLastIndex(({ learners }) => learners.includes(1));
    expect(memberships.slice(last)).toEqual([
      { voters: [2, 3], learners: [1] },
      { voters: [1, 2, 3], learners: [] },
    ]);
  });
});
