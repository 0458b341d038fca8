import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ExitCode } from '@streamline/platform/config/exit-codes';
import { Cluster, dumpFailures } from '../kit/cluster';
import type { Network } from '../kit/netns';
import { whyNoNetworks } from '../kit/netns';
import { guideNetwork, type GuideNetwork } from './guide-network';
import { NODE_1, NODE_2, NODE_3 } from './literal-commands';
import { PATIENT_ELECTIONS } from './runs';

const NO_LEADER = 'No leader elected — cluster may be starting or partitioned';
const whyNot = await whyNoNetworks();

describe.skipIf(whyNot !== undefined)(`Operational Runbook, in a network${whyNot ? ` (skipped: ${whyNot})` : ''}`, () => {
  let made: GuideNetwork;
  let network: Network;
  let cluster: Cluster;
  beforeAll(async () => {
    made = await guideNetwork([NODE_1, NODE_2, NODE_3], PATIENT_ELECTIONS);
    ({ network, cluster } = made);
    await cluster.form();
  });
  afterEach(() => network.heal());
  afterAll(() => made.dispose());
  dumpFailures(() => cluster);

  it('1. "No leader elected: Check network connectivity between nodes. Verify at least a majority of nodes are running.": shown by every node, and over as soon as the network is well', async () => {
    await Promise.all([network.cut(1), network.cutOneWay(2, 3), network.cutOneWay(3, 2)]);
    for (const { id } of cluster.nodes) {
      const { code, body } = await cluster.statusOf(id, 'knows no leader', ({ body: shown }) => shown.leader_id === null);
      expect([code, body.health_reason]).toEqual([503, NO_LEADER]);
    }
    await network.heal();
    await cluster.formed([1, 2, 3]);
  });

  it('2. "Node stuck as Candidate: The node may be partitioned. Check firewall rules on port 9093.": such a node says Candidate, and disturbs nobody when it comes back', async () => {
    const leader = await cluster.leader();
    const [follower] = await cluster.followers();
    if (!follower) throw new Error('no follower runs');
    const term = (await leader.shown()).body.current_term;
    await network.cut(follower.id);
    await cluster.statusOf(follower.id, 'is a candidate', ({ body }) => body.node_state === 'Candidate' && !body.healthy);
    await network.heal();
    expect(await cluster.formed([1, 2, 3])).toBe(leader.id);
    expect((await leader.shown()).body.current_term).toBe(term);
  });
});

describe('Operational Runbook', () => {
  let clusters: Cluster[] = [];
  afterEach(async () => {
    await Promise.all(clusters.map((cluster) => cluster.remove()));
    clusters = [];
  });
  dumpFailures(() => clusters[0]);

  async function clusterOf(...args: Parameters<typeof Cluster.onLoopback>): Promise<Cluster> {
    const cluster = await Cluster.onLoopback(...args);
    clusters.push(cluster);
    return cluster;
  }

  it('4. "Frequent leader changes: Increase `election_timeout_min_ms` and `heartbeat_interval_ms`.": "Verify `election_timeout_max_ms` is reasonable": a pause that costs a small timeout its leader is nothing to a larger one', async () => {
    const timing = (heartbeatMs: number, minMs: number, maxMs: number): string[] => [
      ...['--heartbeat-interval-ms', String(heartbeatMs)],
      ...['--election-timeout-min-ms', String(minMs), '--election-timeout-max-ms', String(maxMs)],
    ];
    const small = await clusterOf({ nodes: 3, flags: timing(500, 1_000, 2_000) });
    const large = await clusterOf({ nodes: 3, flags: timing(2_000, 30_000, 40_000) });
    await Promise.all([small.form(), large.form()]);
    const [smallLeader, largeLeader] = await Promise.all([small.leader(), large.leader()]);
    const term = (await largeLeader.shown()).body.current_term;
    smallLeader.freeze();
    largeLeader.freeze();
    const survivors = small.nodes.filter((node) => node !== smallLeader);
    await small.leader(survivors);
    largeLeader.thaw();
    smallLeader.thaw();
    await small.formed([1, 2, 3]);
    expect(await large.formed([1, 2, 3])).toBe(largeLeader.id);
    expect((await largeLeader.shown()).body.current_term).toBe(term);
  });

  it('5. "Node cannot join: Ensure the seed node is the leader or can forward.": it says whom it asks in vain, and joins as soon as one answers', async () => {
    const cluster = await clusterOf({ nodes: 2 });
    await cluster.start(2);
    await cluster.node(2).logs(cluster.node(1).interBroker);
    const { code, body } = await cluster.statusOf(2, 'waits', ({ body: shown }) => !shown.healthy);
    expect(code).toBe(503);
    expect(body.health_reason).toContain(cluster.node(1).interBroker);
    await cluster.start(1);
    await cluster.formed([1, 2]);
  });

  it('5. "Check that `node_id` is unique and > 0.": a second live node of one id is refused, and the first goes on; so is one that would depose the leader for nothing', async () => {
    const cluster = await clusterOf({ nodes: 3, seedsOf: (id) => (id === 1 ? [] : [1]) });
    await cluster.form(1, 2);
    const [twin, other] = [cluster.node(3), cluster.node(2)];
    const flags = twin.plan.flags.map((flag, index, all) => (all[index - 1] === '--cluster-node-id' ? '2' : flag));
    const command = await twin.start(flags);
    const { code } = await command.end();
    expect(code, command.output).not.toBe(0);
    expect(command.output).toContain('--cluster-node-id');
    expect(await cluster.formed([1, 2])).toBeGreaterThan(0);
    expect((await other.shown()).body.healthy).toBe(true);
    const zero = await twin.start(['--cluster-node-id', '0', ...twin.plan.flags.slice(2)]);
    expect((await zero.end()).code).toBe(ExitCode.USAGE);
    expect(zero.output).toContain('node_id = 0');
    await twin.wipe();
    const hasty = ['--heartbeat-interval-ms', '50', '--election-timeout-min-ms', '200', '--election-timeout-max-ms', '400'];
    const unfit = await twin.start([...twin.plan.flags, ...hasty]);
    expect((await unfit.end()).code, unfit.output).toBe(ExitCode.CLUSTER_REFUSED);
    expect(unfit.output).toContain('election_timeout_min_ms 200');
    expect(unfit.output).toContain('Give all nodes the same settings');
    expect(await cluster.formed([1, 2])).toBeGreaterThan(0);
  });
});
