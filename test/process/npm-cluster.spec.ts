import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Broker } from '../kit/broker';
import { Command } from '../kit/command';
import { eventually } from '../kit/conditions';
import { unique } from '../kit/names';

/** Below the range of outgoing connections, and used by nothing else in this suite. */
const BASE_PORT = 27_092;
const NODES = 3;
const FORMED = `cluster: leader 1, ${NODES} voters, 0 learners, ${NODES} of ${NODES} nodes healthy`;

/** Node 1 begins the cluster and is to stay its leader, also where it stands still for a while. */
const PATIENT_ELECTIONS = { STREAMLINE_ELECTION_TIMEOUT_MIN_MS: '4000', STREAMLINE_ELECTION_TIMEOUT_MAX_MS: '5000' };

let directory: string;
let commands: Command[];

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'streamline-npm-cluster-'));
  commands = [];
});

afterEach(async () => {
  for (const { pid } of nodeProcesses()) process.kill(pid, 'SIGKILL');
  await Promise.all(commands.map((command) => command.dispose()));
  await rm(directory, { recursive: true, force: true });
});

/** The node processes that have their data in this spec's directory. */
function nodeProcesses(): { readonly pid: number; readonly node: number }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0');
      const dataDir = words[words.indexOf('--data-dir') + 1] ?? '';
      const [, node] = /^\/node(\d+)$/.exec(dataDir.startsWith(directory) ? dataDir.slice(directory.length) : '') ?? [];
      return node === undefined ? [] : [{ pid: Number(name), node: Number(node) }];
    } catch {
      return [];
    }
  });
}

/** As from a terminal: in a process group of its own, which gets the signals of keys. */
function npmRunCluster(): Command {
  const options = ['--nodes', String(NODES), '--base-port', String(BASE_PORT), '--data-dir', directory];
  const command = Command.start('npm', ['run', 'cluster', '--', ...options], { ownGroup: true, env: PATIENT_ELECTIONS });
  commands.push(command);
  return command;
}

describe('npm run cluster', () => {
  it('starts three nodes that are one cluster, shows members, leader and partitions, and ^C stops them in order, all with 0', async () => {
    const cluster = npmRunCluster();
    await cluster.prints(FORMED);
    await cluster.prints('node 1: Leader, broker Running');
    await cluster.prints('node 2: Follower, broker Running');
    await cluster.prints('node 3: Follower, broker Running');
    const broker = await Broker.connect(`127.0.0.1:${BASE_PORT + 200}`);
    await broker.createTopic(unique('watched'), { partitions: 6 });
    await broker.close();
    await cluster.prints('partitions: 6 of 1 topics, 0 without a leader, 0 under-replicated');

    process.kill(-cluster.pid, 'SIGINT');
    await cluster.end();
    const stopped = [...cluster.stdout.matchAll(/^node (\d): stopped with code 0/gm)].map(([, node]) => node);
    expect(stopped, cluster.output).toEqual(['3', '2', '1']);
    expect(nodeProcesses()).toEqual([]);
  });

  it('shows a node that dies with what it ended with, goes on with the others, and has all of them again the next time', async () => {
    const cluster = npmRunCluster();
    await cluster.prints(FORMED);
    const third = nodeProcesses().find(({ node }) => node === 3);
    if (!third) throw new Error('node 3 has no process');
    process.kill(third.pid, 'SIGKILL');
    await cluster.prints('node 3: ended with signal SIGKILL');
    await cluster.prints(`2 of ${NODES} nodes healthy`);
    process.kill(cluster.pid, 'SIGTERM');
    await cluster.end();
    await eventually('no node is left', () => nodeProcesses().length === 0);

    const again = npmRunCluster();
    await again.prints(`${NODES} voters, 0 learners, ${NODES} of ${NODES} nodes healthy`);
    process.kill(-again.pid, 'SIGINT');
    await again.end();
    expect(nodeProcesses()).toEqual([]);
  });
});
