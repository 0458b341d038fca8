import type { RaftBench, RaftScenario } from './bench';
import { distribution } from './distribution';
import { meter } from './meter';
import { VoterCluster } from './voter-cluster';

/** A leader dies at any time between two heartbeats. */
const PHASE_MS = 500;

/** From the death of the leader to a proposal that the next leader has committed, at the guide's defaults. */
export const electionsScenario: RaftScenario = {
  name: 'elections',
  summary: 'time without a leader: kill -9 (its address refuses connections) and SIGSTOP (it says nothing), 3 real processes',
  async run(bench) {
    const cluster = await VoterCluster.start({ count: 3, firstPort: bench.firstPort });
    try {
      await measure(bench, cluster, 'kill -9 of the leader', killed);
      await measure(bench, cluster, 'SIGSTOP of the leader', stopped);
    } finally {
      await cluster.remove();
    }
  },
};

async function measure(
  bench: RaftBench,
  cluster: VoterCluster,
  line: string,
  once: (cluster: VoterCluster, leader: number) => Promise<number>,
): Promise<void> {
  const used = meter(cluster.pids);
  const times: number[] = [];
  let terms = 0;
  for (let at = 0; at < bench.kills; at++) {
    const before = await cluster.settled();
    await new Promise((resolve) => setTimeout(resolve, Math.random() * PHASE_MS));
    times.push(await once(cluster, before.leader));
    terms += (await cluster.settled()).term - before.term;
  }
  // More than one term for a leader: a vote was split.
  const figures = { ...distribution(times), termsEach: terms / times.length };
  bench.record({ line, figures, foreignCores: used().foreignCores });
}

async function killed(cluster: VoterCluster, leader: number): Promise<number> {
  const elected = cluster.next('leads', (node) => node !== leader);
  const { atMs, gone } = cluster.kill(leader);
  const { atMs: leadsMs } = await elected;
  await gone;
  await cluster.startNode(leader);
  return leadsMs - atMs;
}

async function stopped(cluster: VoterCluster, leader: number): Promise<number> {
  const elected = cluster.next('leads', (node) => node !== leader);
  const atMs = cluster.pause(leader);
  try {
    return (await elected).atMs - atMs;
  } finally {
    cluster.resume(leader);
  }
}
