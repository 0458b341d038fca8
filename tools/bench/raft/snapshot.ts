import type { RaftBench, RaftScenario } from './bench';
import { meter } from './meter';
import type { LoadResult, VoterStatus } from './protocol';
import { VoterCluster } from './voter-cluster';

const PER_SECOND = 500;
const ENTRY_BYTES = 100;
/** The guide's max_logs_in_snapshot. */
const KEPT_ENTRIES = 1_000;
const BEFORE_MS = 5_000;
const POLL_MS = 25;
const WITHIN_MS = 60_000;
const MEGABYTE = 1_000_000;

/**
 * A follower is away until the log has gone on without it, comes back while proposals keep coming, and needs the leader's
 * snapshot. Once with the guide's snapshot interval (a snapshot of everything every 1,000 entries, so every two seconds at
 * each node here), once with none but the one that is installed.
 */
export const snapshotScenario: RaftScenario = {
  name: 'snapshot',
  summary: `a large snapshot goes to a follower that lags, beside ${PER_SECOND} proposals a second; nobody may be elected`,
  async run(bench) {
    await measure(bench, 'no other snapshot', 20_000);
    await measure(bench, 'snapshots at the defaults', 1_000);
  },
};

async function measure(bench: RaftBench, line: string, snapshotIntervalLogs: number): Promise<void> {
  const stateBytes = bench.snapshotMb * MEGABYTE;
  const config = { snapshotIntervalLogs };
  const cluster = await VoterCluster.start({ count: 3, firstPort: bench.firstPort, config, stateBytes });
  try {
    const { leader, term } = await cluster.settled();
    const follower = cluster.nodes.find((node) => node !== leader) ?? 0;
    await cluster.kill(follower).gone;
    await goOnWithout(cluster, leader, snapshotIntervalLogs + 2 * KEPT_ENTRIES);
    await cluster.begin(leader, { kind: 'paced', entryBytes: ENTRY_BYTES, perSecond: PER_SECOND });
    await new Promise((resolve) => setTimeout(resolve, BEFORE_MS));
    const before = await cluster.window(leader);
    const used = meter(cluster.pids);
    const installation = await install(cluster, leader, follower, term);
    const { foreignCores } = used();
    const meanwhile = await cluster.window(leader);
    bench.record({
      line: `${bench.snapshotMb} MB, ${line}`,
      figures: { ...installation, ...latencies(before, meanwhile) },
      foreignCores,
    });
  } finally {
    await cluster.remove();
  }
}

/** Until a snapshot was taken and what the follower lacks is purged. */
async function goOnWithout(cluster: VoterCluster, leader: number, entries: number): Promise<void> {
  const untilMs = performance.now() + WITHIN_MS;
  for (;;) {
    const { baseIndex, lastIndex } = await cluster.status(leader);
    if (baseIndex >= KEPT_ENTRIES) return;
    if (performance.now() > untilMs) throw new Error('the log was not purged');
    if (lastIndex > entries) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    else await cluster.load(leader, { kind: 'closed', entryBytes: ENTRY_BYTES, outstanding: 64, warmUpMs: 0, runMs: 100 });
  }
}

/** Watches the leader closely: a peer that is silent for the shortest election timeout would mean that heartbeats were late. */
async function install(cluster: VoterCluster, leader: number, follower: number, term: number) {
  const restored = cluster.next('restored', (node) => node === follower, WITHIN_MS);
  let installedMs = 0;
  void restored.then(({ atMs }) => (installedMs = atMs)).catch(() => undefined);
  const spawnedMs = performance.now();
  await cluster.status(leader);
  await cluster.startNode(follower);
  const readyMs = performance.now();
  let [silentMaxMs, loopDelayMaxMs, caughtUpMs] = [0, 0, 0];
  while (caughtUpMs === 0) {
    if (performance.now() > spawnedMs + WITHIN_MS) throw new Error('the follower did not catch up');
    const [ofLeader, ofFollower] = await Promise.all([cluster.status(leader), cluster.status(follower)]);
    if ([ofLeader, ofFollower].some((status) => status.term !== term)) throw new Error('there was an election');
    silentMaxMs = Math.max(
      silentMaxMs,
      ...ofLeader.peers.filter((peer) => peer.id !== ofFollower.self).map((peer) => peer.silentMs),
    );
    loopDelayMaxMs = Math.max(loopDelayMaxMs, ofLeader.loopDelayMaxMs);
    if (installedMs > 0 && hasCaughtUp(ofLeader, ofFollower)) caughtUpMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return {
    processStartMs: readyMs - spawnedMs,
    installedMs: installedMs - readyMs,
    caughtUpMs: caughtUpMs - readyMs,
    otherFollowerSilentMaxMs: silentMaxMs,
    leaderLoopDelayMaxMs: loopDelayMaxMs,
  };
}

/** No further behind than what comes in a tenth of a second. */
function hasCaughtUp(leader: VoterStatus, follower: VoterStatus): boolean {
  return follower.appliedIndex >= leader.commitIndex - PER_SECOND / 10;
}

function latencies(before: LoadResult, meanwhile: LoadResult): Record<string, number> {
  return {
    beforeP50Ms: before.p50Ms,
    beforeP99Ms: before.p99Ms,
    meanwhileP50Ms: meanwhile.p50Ms,
    meanwhileP99Ms: meanwhile.p99Ms,
    meanwhileMaxMs: meanwhile.maxMs,
    meanwhilePerSecond: (meanwhile.proposals / meanwhile.windowMs) * 1_000,
    failures: before.failures + meanwhile.failures,
  };
}
