import { rm } from 'node:fs/promises';
import net from 'node:net';
import { ExitCode } from '@streamline/platform/config/exit-codes';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, jsonOf } from '../kit/cluster-http';
import { Command } from '../kit/command';
import { eventually } from '../kit/conditions';
import { NodeProcess, SPLIT_ROLES } from '../kit/node-process';
import { callReflected } from '../kit/reflected-client';

const STATUS = '/api/v1/cluster/status';
const MEMBERS = '/api/v1/cluster/members';
/** Says it in the log, and not only the process of the controller. */
const SERVES_NO_CLIENTS = /this node has no place in the cluster any more and serves no clients/g;

interface Status {
  readonly healthy: boolean;
  readonly health_reason: string;
  readonly leader_id: number | null;
  readonly voters: readonly number[];
}

async function statusOf(node: NodeProcess): Promise<Status> {
  return jsonOf(await ask('GET', `${node.http}${STATUS}`)) as Status;
}

/** Whether somebody listens at a port of this machine. */
function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    const tell = (answer: boolean) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('connect', tell(true)).on('error', tell(false));
  });
}

const nodes: NodeProcess[] = [];
let first: NodeProcess;
let second: NodeProcess;
let third: NodeProcess;

async function start(id: number, seeds: readonly NodeProcess[], topology: 'combined' | 'split'): Promise<NodeProcess> {
  const at = seeds.map(({ interBrokerAddresses: [address] }) => address).join(',');
  const flags = ['--cluster-node-id', String(id), ...(at === '' ? [] : ['--seed-nodes', at])];
  const node = await NodeProcess.start({ topology, flags });
  nodes.push(node);
  return node;
}

async function voters(node: NodeProcess, expected: readonly number[]): Promise<void> {
  await eventually(`the voters are ${expected.join(', ')}`, async () => {
    const status = await statusOf(node);
    return status.healthy && String(status.voters) === String(expected);
  });
}

/** What a process answers of its roles. */
async function saidBy(address: string): Promise<string> {
  return JSON.stringify(await callReflected(address, 'streamline.node.v1.RoleService', 'getStatus'));
}

/** Every process of it that serves clients has stopped doing so, and says why; operators are answered. */
async function retires(node: NodeProcess, why: string): Promise<void> {
  await eventually('its Kafka listener is closed', async () => !(await listens(node.kafkaPort)));
  const status = await eventually('its status says why', async () => {
    const answer = await statusOf(node);
    return answer.health_reason.startsWith(why) && answer;
  });
  expect(status).toMatchObject({ healthy: false, leader_id: null });
  expect(status.health_reason).toContain(`--data-dir ${node.dataDir}-2 `);
  await eventually('each of its processes says so', () => (node.log.match(SERVES_NO_CLIENTS)?.length ?? 0) >= SPLIT_ROLES.length);
  expect(node.log.split('\n').filter((line) => line.includes('serves no clients') && !line.includes(why))).toEqual([]);
  // Asked themselves: of a broker that was removed the metadata no longer say where its storage is.
  const [, storage = '', gateway = ''] = node.interBrokerAddresses;
  await eventually('its storage is stopped', async () => (await saidBy(storage)).includes('the logs are not open yet'));
  await eventually('its gateway is stopped', async () => (await saidBy(gateway)).includes('the Kafka listener is not open'));
}

/** None of its processes that serve clients starts again on that directory, though its controller does not run. */
async function isRefused(node: NodeProcess, why: string): Promise<void> {
  const flags = ['--data-dir', node.dataDir, '--profile', 'development', '--listen-addr', '127.0.0.1:0'];
  const commands = ['gateway', 'storage', 'controller'].map((role) =>
    Command.streamline(['--roles', role, '--cluster-node-id', '1', '--inter-broker-addr', '127.0.0.1:0', ...flags]),
  );
  for (const command of commands) {
    expect(await command.end()).toEqual({ code: ExitCode.CLUSTER_REFUSED, signal: null });
    expect(command.output).toContain(why);
  }
}

beforeAll(async () => {
  first = await start(1, [], 'split');
  second = await start(2, [first], 'combined');
  third = await start(3, [first], 'combined');
  await voters(second, [1, 2, 3]);
});
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.remove()));
});

describe('a node of four processes', () => {
  it('stops serving, all of it, when it was the first one, has lost its disk and began another cluster', async () => {
    await first.kill();
    await rm(first.dataDir, { recursive: true });
    // They dial it as soon as it is there: it comes to serve only while they are silent.
    for (const pid of [...second.pids, ...third.pids]) process.kill(pid, 'SIGSTOP');
    await first.start();
    expect(await listens(first.kafkaPort)).toBe(true);
    for (const pid of [...second.pids, ...third.pids]) process.kill(pid, 'SIGCONT');
    await retires(first, 'Node 1 is a member of cluster ');
    expect(await first.stop()).toEqual([0, 0, 0, 0]);
    await isRefused(first, 'Node 1 is a member of cluster ');
  });

  it('stops serving, all of it, when it was removed', async () => {
    await rm(first.dataDir, { recursive: true });
    first = await start(1, [second, third], 'split');
    await voters(second, [1, 2, 3]);
    const status = await statusOf(first);
    if (status.leader_id === 1) {
      const order = JSON.stringify({ node_id: 2 });
      expect(await ask('POST', `${first.http}/api/v1/cluster/leader`, order)).toMatchObject({ code: 200 });
    }
    await eventually('it is removed', async () => {
      const { leader_id: leaderId } = await statusOf(second);
      const leader = leaderId === 2 ? second : third;
      const { code } = await ask('DELETE', `${leader.http}${MEMBERS}/1`);
      // Not a member any more: an answer was lost.
      return code === 200 || code === 404;
    });
    await retires(first, 'Node was removed from the cluster');
    expect(await first.stop()).toEqual([0, 0, 0, 0]);
    await isRefused(first, 'Node was removed from the cluster');
  });
});
