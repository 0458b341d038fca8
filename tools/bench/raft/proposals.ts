import type { RaftBench, RaftScenario } from './bench';
import { meter } from './meter';
import { VoterCluster } from './voter-cluster';

const WARM_UP_MS = 1_000;
/** One at a time would take minutes until V8 has compiled what they run through. */
const COMPILING = { kind: 'closed', entryBytes: 100, outstanding: 64, warmUpMs: 0, runMs: 2_000 } as const;

/** Proposals at the leader, one entry each, a fixed number of them always under way; an answer means committed and applied. */
export const proposalsScenario: RaftScenario = {
  name: 'proposals',
  summary: 'proposals a second and their latency, real processes, each entry fsynced at a majority',
  async run(bench) {
    for (const count of bench.voters) await runWith(bench, count);
  },
};

async function runWith(bench: RaftBench, count: number): Promise<void> {
  const { firstPort, profileDirectory } = bench;
  const cluster = await VoterCluster.start({ count, firstPort, profileDirectory });
  try {
    await cluster.load((await cluster.settled()).leader, COMPILING);
    for (const entryBytes of bench.entryBytes) {
      for (const outstanding of bench.outstanding) await runLine(bench, cluster, entryBytes, outstanding);
    }
  } finally {
    await cluster.remove();
  }
}

async function runLine(bench: RaftBench, cluster: VoterCluster, entryBytes: number, outstanding: number): Promise<void> {
  const { leader, term } = await cluster.settled();
  const used = meter(cluster.pids);
  const load = { kind: 'closed', entryBytes, outstanding, warmUpMs: WARM_UP_MS, runMs: bench.seconds * 1_000 } as const;
  const usedByLeader = meter(cluster.pidsOf(leader));
  const result = await cluster.load(leader, load);
  const { cpuSeconds, foreignCores, seconds } = used();
  const { cpuSeconds: leaderCpuSeconds } = usedByLeader();
  const after = await cluster.settled();
  if (after.term !== term) throw new Error(`there was an election within ${seconds.toFixed(1)} s of load`);
  const perSecond = (result.proposals / result.windowMs) * 1_000;
  // The warm-up counts too: at the same rate, about.
  const proposals = perSecond * seconds;
  bench.record({
    line: `${cluster.nodes.length} voters, ${entryBytes} B, ${outstanding} outstanding`,
    figures: {
      perSecond,
      p50Ms: result.p50Ms,
      p99Ms: result.p99Ms,
      maxMs: result.maxMs,
      fsyncsPerSecond: (result.groups / result.windowMs) * 1_000,
      failures: result.failures,
      cpuMicrosEach: (cpuSeconds / proposals) * 1e6,
      leaderCpuMicrosEach: (leaderCpuSeconds / proposals) * 1e6,
    },
    foreignCores,
    window: result.window,
  });
}
