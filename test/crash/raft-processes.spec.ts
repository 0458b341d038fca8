import { afterEach, describe, expect, it } from 'vitest';
import { History, type KeyOperation } from '@streamline/testing/history/history';
import { checkLinearizable } from '@streamline/testing/history/linearizability';
import { modelOf } from '@streamline/testing/raft-host/register-machine';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { RaftCluster } from '../raft/raft-cluster';

const CLIENTS = 4;
const KEYS = ['a', 'b', 'list-c'];
const CALLS_PER_KEYS = 60;
const CALL_MS = 3_000;
/** Snapshots all the while. */
const CONFIG = { snapshotIntervalLogs: 100, maxLogsInSnapshot: 20, purgeBatchSize: 10 };

/** Clients that call any node, each one call after the other, until they are told to stop. */
class Load {
  readonly history = new History();
  #isStopped = false;
  readonly #clients: readonly Promise<void>[];
  #values = 0;
  #calls = 0;

  constructor(private readonly cluster: RaftCluster) {
    this.#clients = Array.from({ length: CLIENTS }, (_, client) => this.#run(client, new SeededRandom(client + 1)));
  }

  get answered(): number {
    return this.history.entries.filter(({ returnedAt }) => returnedAt !== undefined).length;
  }

  /** Resolves when so many more calls were answered. */
  async goOn(count: number, withinMs = 60_000): Promise<void> {
    const wanted = this.answered + count;
    const untilMs = performance.now() + withinMs;
    while (this.answered < wanted) {
      if (performance.now() > untilMs)
        throw new Error(`${this.answered} of ${wanted} calls answered: ${this.cluster.complaints}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#clients);
  }

  async #run(client: number, random: SeededRandom): Promise<void> {
    while (!this.#isStopped) {
      // A new set of keys now and then: the search for an order grows fast with the calls of one key.
      const key = `${random.pick(KEYS)}${Math.floor(this.#calls++ / CALLS_PER_KEYS)}`;
      const running = this.cluster.nodes.filter((each) => this.cluster.isRunning(each));
      const node = random.pick(running.length === 0 ? this.cluster.nodes : running);
      await this.cluster.call(this.history, client, node, key, this.#operation(key, random), CALL_MS);
      // Refused calls come back at once.
      await new Promise((resolve) => setTimeout(resolve, random.integer(5, 15)));
    }
  }

  #operation(key: string, random: SeededRandom): KeyOperation {
    const value = String(++this.#values);
    if (random.chance(0.4)) return { kind: 'read' };
    if (key.startsWith('list-')) return { kind: 'append', value };
    if (random.chance(0.5)) return { kind: 'write', value };
    return { kind: 'compare-and-set', expected: String(this.#values - random.integer(1, 4)), value };
  }
}

describe('Raft in real processes', () => {
  let cluster: RaftCluster | undefined;

  afterEach(async () => {
    await cluster?.remove();
    cluster = undefined;
  });

  for (const count of [3, 5]) {
    it(`stays linearizable over ${count} nodes that are killed, stopped and started again under load`, async () => {
      cluster = await RaftCluster.start(count, CONFIG);
      const load = new Load(cluster);
      await load.goOn(50);
      const leader = (await cluster.leader()) ?? 1;
      await cluster.end(leader, 'SIGKILL');
      await load.goOn(50);
      await cluster.startNode(leader);

      const second = (await cluster.leader()) ?? 1;
      cluster.pause(second);
      await load.goOn(50);
      cluster.resume(second);
      await load.goOn(50);

      const third = (await cluster.leader()) ?? 1;
      await cluster.end(third, 'SIGTERM');
      await load.goOn(50);
      await cluster.startNode(third);

      for (const node of cluster.nodes) await cluster.end(node, 'SIGKILL');
      await cluster.startAll();
      await load.goOn(50);
      await load.stop();
      expect(checkLinearizable(load.history.entries, modelOf)).toEqual({ kind: 'linearizable' });
      expect(cluster.complaints).toBe('');
    }, 300_000);
  }
});
