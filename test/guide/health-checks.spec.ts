import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Cluster, dumpFailures, GUIDE_PORTS } from '../kit/cluster';
import { jsonOf, type HttpAnswer } from '../kit/cluster-http';
import type { ClusterNode } from '../kit/cluster-node';

/** The guide's probes, as they stand there. */
const PROBES = `
livenessProbe:
  httpGet:
    path: /health/live
    port: 9094
  initialDelaySeconds: 10
  periodSeconds: 10

readinessProbe:
  httpGet:
    path: /api/v1/cluster/status
    port: 9094
  initialDelaySeconds: 5
  periodSeconds: 5
`;

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: number };
  readonly initialDelaySeconds: number;
  readonly periodSeconds: number;
}

const probes = parse(PROBES) as { readonly livenessProbe: Probe; readonly readinessProbe: Probe };
/** What Kubernetes does by default. */
const PROBE_TIMEOUT_MS = 1_000;
const FAILURE_THRESHOLD = 3;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.onLoopback({ nodes: 3 });
});
afterAll(() => cluster.remove());
dumpFailures(() => cluster);

/** Undefined: nobody answered in time, which fails a probe as every code from 400 on does. */
function probe(node: ClusterNode, { httpGet }: Probe): Promise<HttpAnswer | undefined> {
  return node.get(httpGet.path, PROBE_TIMEOUT_MS).catch(() => undefined);
}

async function succeeds(node: ClusterNode, of: Probe): Promise<boolean> {
  const answer = await probe(node, of);
  return answer !== undefined && answer.code >= 200 && answer.code < 400;
}

describe('Health Check Integration', () => {
  it('asks the port on which a node listens by default', () => {
    for (const { httpGet } of [probes.livenessProbe, probes.readinessProbe]) expect(httpGet.port).toBe(GUIDE_PORTS.http);
  });

  it('"livenessProbe: path: /health/live port: 9094" succeeds before Kubernetes gives the pod up, also for a node that waits for its seeds', async () => {
    const { initialDelaySeconds, periodSeconds } = probes.livenessProbe;
    const givenUpMs = 1_000 * (initialDelaySeconds + FAILURE_THRESHOLD * periodSeconds);
    await cluster.start(2);
    await cluster.until('the probe succeeds', () => succeeds(cluster.node(2), probes.livenessProbe), givenUpMs);
    expect(await succeeds(cluster.node(2), probes.readinessProbe)).toBe(false);
  });

  it('"readinessProbe: path: /api/v1/cluster/status port: 9094" succeeds once the node is part of a cluster with a leader', async () => {
    await cluster.start(1, 3);
    await cluster.formed([1, 2, 3]);
    for (const node of cluster.nodes) {
      await cluster.until(`node ${node.id} is ready`, () => succeeds(node, probes.readinessProbe));
    }
  });

  it('"Parse the readiness response and check `healthy == true` before routing traffic.": the code tells the same, and a node without a majority is alive and not ready', async () => {
    const [kept, ...others] = cluster.nodes;
    if (!kept) throw new Error('no nodes');
    await Promise.all(others.map((node) => node.kill()));
    const failsWithinMs = 1_000 * FAILURE_THRESHOLD * probes.readinessProbe.periodSeconds;
    await cluster.until('the readiness probe fails', async () => !(await succeeds(kept, probes.readinessProbe)), failsWithinMs);
    const answer = await cluster.until('it says so', async () => {
      const shown = await probe(kept, probes.readinessProbe);
      return shown?.code !== 200 && shown;
    });
    expect([answer.code, jsonOf(answer)]).toMatchObject([503, { healthy: false }]);
    await cluster.until('it is alive', () => succeeds(kept, probes.livenessProbe));
    await cluster.start(2, 3);
    await cluster.formed([1, 2, 3]);
    for (const node of cluster.nodes) {
      const back = await cluster.until(`node ${node.id} is ready`, async () => {
        const shown = await probe(node, probes.readinessProbe);
        return shown?.code === 200 && shown;
      });
      expect(jsonOf(back)).toMatchObject({ healthy: true });
    }
  });
});
