import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, dumpFailures } from '../kit/cluster';
import type { ClusterNode } from '../kit/cluster-node';
import { longestWithoutLeaderMs, type Sample, StatusWatch, untruths } from '../kit/cluster-watch';
import { expectP99, guideRuns, RUN_WITHIN_MS } from './runs';
import { createTopic } from './topics';

const RUNS = guideRuns(3);
/** By default; nodes of these specs may take longer, so that one that does is seen to. */
const EXITS_WITHIN_MS = 10_000;
/** In the log of the storage that stops. */
const TOOK_LEAVE = 'the controller has moved all leaderships of this broker, which shuts down';
/** The states of a broker that stops in order; none of them has to be seen but the first, as each may be over soon. */
const STATES = ['Running', 'ShuttingDown', 'Dead'];
const WITHOUT_LEADER_MS_MAX = 300;
/** Long: what is over sooner was a hand-over, on a busy machine too. */
const ELECTION_TIMEOUT_MIN_MS = 20_000;
const ELECTION_TIMEOUT_MAX_MS = 30_000;

let cluster: Cluster;
beforeAll(async () => {
  const flags = [
    ...['--election-timeout-min-ms', String(ELECTION_TIMEOUT_MIN_MS)],
    ...['--election-timeout-max-ms', String(ELECTION_TIMEOUT_MAX_MS)],
  ];
  cluster = await Cluster.onLoopback({ nodes: 3, flags });
  await cluster.form();
});
afterAll(() => cluster.remove());
dumpFailures(() => cluster);

interface Shutdown {
  readonly exitCode: number | null;
  readonly exitMs: number;
  readonly withoutLeaderMs: number;
  /** What the survivors answered meanwhile. */
  readonly samples: readonly Sample[];
  /** States of the broker that was stopped, as a survivor showed them, in order. */
  readonly brokerStates: readonly string[];
}

/** States of broker `id` as `node` shows them, until told to stop. Returns once the first is known: none after it is missed. */
async function followBrokerState(node: ClusterNode, id: number): Promise<() => Promise<string[]>> {
  const stateNow = async (): Promise<string> => {
    const { body } = await node.members();
    return body.members.find((member) => member.node_id === id)?.broker_state ?? 'gone';
  };
  const states = [await stateNow()];
  let stopped = false;
  const loop = (async () => {
    while (!stopped) {
      const state = await stateNow();
      if (states.at(-1) !== state) states.push(state);
    }
  })();
  return async () => {
    stopped = true;
    await loop;
    return states;
  };
}

async function shutDown(node: ClusterNode): Promise<Shutdown> {
  const survivors = cluster.nodes.filter((one) => one !== node);
  const [witness] = survivors;
  if (!witness) throw new Error('nobody is left');
  const watch = new StatusWatch(survivors);
  const states = await followBrokerState(witness, node.id);
  const beganMs = performance.now();
  const { code } = await node.stop();
  const endedMs = performance.now();
  await cluster.leader(survivors);
  const samples = await watch.stop();
  expect(untruths(samples)).toEqual([]);
  // After its process has ended nobody may name it any more; before, it may still lead.
  const withoutLeaderMs = longestWithoutLeaderMs(
    samples,
    ({ askedMs, body }) => askedMs > endedMs && body?.leader_id === node.id,
  );
  return { exitCode: code, exitMs: endedMs - beganMs, withoutLeaderMs, samples, brokerStates: await states() };
}

/** The controller told it before it ended that it is marked as shutting down; nobody was shown another order of states. */
function expectMarked(node: ClusterNode, states: readonly string[]): void {
  expect(node.latestLog).toContain(TOOK_LEAVE);
  expect(states[0]).toBe('Running');
  expect(states).toEqual(STATES.filter((state) => states.includes(state)));
}

describe('Graceful Shutdown', () => {
  it(
    `"Streamline performs a graceful leadership transfer on shutdown": "Remaining nodes elect a new leader automatically.", and know of none for at most ${WITHOUT_LEADER_MS_MAX} ms (${RUNS} runs)`,
    async () => {
      const gapsMs: number[] = [];
      for (let run = 0; run < RUNS; run += 1) {
        const leader = await cluster.leader();
        const { exitCode, exitMs, withoutLeaderMs } = await shutDown(leader);
        expect([exitCode, exitMs < EXITS_WITHIN_MS], leader.tail()).toEqual([0, true]);
        gapsMs.push(withoutLeaderMs);
        await leader.start();
        await cluster.formed([1, 2, 3]);
      }
      expectP99('without a leader', gapsMs, WITHOUT_LEADER_MS_MAX);
      expect(Math.max(...gapsMs), 'nobody waits for a timeout').toBeLessThan(ELECTION_TIMEOUT_MIN_MS);
    },
    RUNS * RUN_WITHIN_MS,
  );

  it('"If the shutting-down node is the leader, it sends a final heartbeat to ensure followers are caught up.": what it acknowledged last, everybody has', async () => {
    const leader = await cluster.leader();
    const survivors = cluster.nodes.filter((node) => node !== leader);
    await createTopic(leader, 'last-word');
    const committed = (await leader.shown()).body.committed_log_index ?? Number.NaN;
    const { brokerStates } = await shutDown(leader);
    for (const { id } of survivors) {
      await cluster.statusOf(id, `has applied ${committed}`, ({ body }) => (body.applied_log_index ?? 0) >= committed);
    }
    expectMarked(leader, brokerStates);
    await leader.start();
    await cluster.formed([1, 2, 3]);
  });

  it('"The node deregisters itself from the cluster (marks as `ShuttingDown`).": a follower, too, and it leads nothing for that; "The replication manager and Raft engine shut down with timeouts."', async () => {
    const leader = await cluster.leader();
    const [follower] = await cluster.followers();
    if (!follower) throw new Error('no follower runs');
    const { exitCode, exitMs, samples, brokerStates } = await shutDown(follower);
    expect([exitCode, exitMs < EXITS_WITHIN_MS], follower.tail()).toEqual([0, true]);
    expect(samples.filter(({ body }) => body !== undefined && body.leader_id !== leader.id)).toEqual([]);
    expectMarked(follower, brokerStates);
    await follower.start();
    expect(await cluster.formed([1, 2, 3])).toBe(leader.id);
  });

  it('each in turn, at once after the one before it: everybody is marked, though the others were away a moment ago', async () => {
    for (const node of [...cluster.nodes, ...cluster.nodes]) {
      const { brokerStates } = await shutDown(node);
      expectMarked(node, brokerStates);
      await node.start();
      await cluster.formed([1, 2, 3]);
    }
  });
});
