import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, dumpFailures } from '../kit/cluster';
import type { ClusterNode } from '../kit/cluster-node';
import { createTopic } from './topics';

/** "Alert if difference > 100". */
const LAG_MAX = 100;
/** "Alert if `false` for > 30s", "Alert if `null` for > 10s", "Alert if `Candidate` for > 30s": none of it in what is usual. */
const LEADER_ALERT_MS = 10_000;
const TOPICS = 30;

let cluster: Cluster;
let kept: ClusterNode;
beforeAll(async () => {
  cluster = await Cluster.onLoopback({ nodes: 3 });
  await cluster.form();
  kept = cluster.node(1);
});
afterAll(() => cluster.remove());
dumpFailures(() => cluster);

/** Values by name and labels. */
async function metricsOf(node: ClusterNode): Promise<Map<string, number>> {
  const answer = await node.get('/metrics');
  expect(answer.code).toBe(200);
  const lines = answer.text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

describe('Key Metrics to Watch, of a cluster that is well', () => {
  it('"`committed_log_index` vs `applied_log_index`: State machine lag. Alert if difference > 100": far below, also while topics are created', async () => {
    const lags: number[] = [];
    for (let n = 0; n < TOPICS; n += 1) {
      await createTopic(cluster.node((n % 3) + 1), `lag-${n}`);
      for (const node of cluster.nodes) {
        const { body } = await node.shown();
        lags.push((body.committed_log_index ?? Number.NaN) - (body.applied_log_index ?? Number.NaN));
      }
    }
    expect(Math.max(...lags)).toBeLessThan(LAG_MAX);
    expect(Math.min(...lags)).toBeGreaterThanOrEqual(0);
  });

  it('"members → `total`: Cluster size. Alert if < expected quorum size"', async () => {
    for (const node of cluster.nodes) expect((await node.members()).body.total).toBe(3);
  });

  it('"`GET /health/ready`: Readiness probe. Use for K8s readiness checks" and "`GET /health/live`: Liveness probe. Use for K8s liveness checks" answer 200', async () => {
    for (const node of cluster.nodes) {
      await cluster.until(`node ${node.id} is ready`, async () => (await node.get('/health/ready')).code === 200);
      expect((await node.get('/health/live')).code).toBe(200);
    }
  });

  it('has each of them as a metric, too, which says the same', async () => {
    const node = cluster.node(2);
    const [body, metrics] = await cluster.until('nothing changes while both are asked', async () => {
      const { body: before } = await node.shown();
      const asked = await metricsOf(node);
      const { body: after } = await node.shown();
      const isOne = (['leader_id', 'current_term', 'node_state', 'healthy'] as const).every(
        (name) => before[name] === after[name],
      );
      return isOne && ([before, asked] as const);
    });
    expect(metrics.get('streamline_node_healthy')).toBe(1);
    expect(metrics.get('streamline_controller_leader_id')).toBe(body.leader_id);
    expect(metrics.get('streamline_controller_term')).toBe(body.current_term);
    expect(metrics.get('streamline_controller_voters')).toBe(3);
    expect(metrics.get(`streamline_controller_node_state{state="${body.node_state}"}`)).toBe(1);
    for (const index of ['committed', 'applied']) {
      expect(metrics.get(`streamline_controller_${index}_index`)).toBeGreaterThanOrEqual(body.applied_log_index ?? Number.NaN);
    }
  });
});

describe('Key Metrics to Watch, of a node that lost its cluster', () => {
  beforeAll(async () => {
    await Promise.all([cluster.node(2).kill(), cluster.node(3).kill()]);
  });

  it('"status → `leader_id`: Whether a leader exists. Alert if `null` for > 10s": null, and well before that', async () => {
    await cluster.statusOf(1, 'knows no leader', ({ body }) => body.leader_id === null, LEADER_ALERT_MS);
  });

  it('"status → `healthy`: Overall node health. Alert if `false` for > 30s": false, with the reason', async () => {
    const { code, body } = await kept.shown();
    expect([code, body.healthy]).toEqual([503, false]);
    expect(body.health_reason).toBe('No leader elected — cluster may be starting or partitioned');
    const metrics = await metricsOf(kept);
    expect([metrics.get('streamline_node_healthy'), metrics.get('streamline_controller_leader_id')]).toEqual([0, -1]);
  });

  it('"status → `node_state`: Raft role of this node. Alert if `Candidate` for > 30s (stuck election)": Candidate for as long as it lasts', async () => {
    await cluster.statusOf(1, 'asks for votes', ({ body }) => body.node_state === 'Candidate');
    const term = (await kept.shown()).body.current_term;
    await cluster.statusOf(1, 'asks again', ({ body }) => body.node_state === 'Candidate');
    expect((await kept.shown()).body.current_term, 'a node that asks in vain does not raise the term').toBe(term);
  });

  it('is alive and not ready, and still shows its members', async () => {
    expect((await kept.get('/health/live')).code).toBe(200);
    expect((await kept.members()).body).toMatchObject({ total: 3, leader_id: null });
  });

  it('is well again with the others', async () => {
    await cluster.start(2, 3);
    await cluster.formed([1, 2, 3]);
  });
});
