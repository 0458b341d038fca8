import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { NodeDisk } from '@streamline/runtime/disk/node-disk';
import { readIncarnation } from '@streamline/runtime/log/incarnation-marker';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { batchOf, Broker } from '../kit/broker';
import { Command, REPOSITORY } from '../kit/command';
import { eventually } from '../kit/conditions';
import { unique } from '../kit/names';
import { claimPorts } from '../kit/ports';

/** nx builds what it serves first. */
const READY_WITHIN_MS = 200_000;
/** Where the four services look for each other; only one split node of a machine can run under nx. */
const INTER_BROKER_PORTS = [9093, 9095, 9096, 9097];

let directory: string;
let nx: Command | undefined;
let kafka: string;
let http: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'streamline-nx-'));
  const [kafkaPort, httpPort] = await claimPorts(2);
  kafka = `127.0.0.1:${kafkaPort}`;
  http = `127.0.0.1:${httpPort}`;
});

afterEach(async () => {
  // Also where a test failed: nx passes it on to what it runs.
  nx?.child.kill('SIGTERM');
  await nx?.end();
  await rm(directory, { recursive: true, force: true });
});

function startNx(...args: readonly string[]): Command {
  const addresses = { STREAMLINE_LISTEN_ADDR: kafka, STREAMLINE_ADVERTISED_ADDR: kafka, STREAMLINE_HTTP_ADDR: http };
  const env = { ...addresses, STREAMLINE_DATA_DIR: directory, NX_TUI: 'false', NX_DAEMON: 'false' };
  return Command.start(path.join(REPOSITORY, 'node_modules/.bin/nx'), [...args, '--output-style=stream'], { env });
}

/** Processes that were started for this directory, however deep below nx. */
function started(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`STREAMLINE_DATA_DIR=${directory}\0`);
    } catch {
      return false;
    }
  });
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function openPorts(): Promise<number[]> {
  const open = await Promise.all(INTER_BROKER_PORTS.map(isOpen));
  return INTER_BROKER_PORTS.filter((_port, index) => open[index]);
}

const taken = await openPorts();
if (taken.length > 0) console.warn(`nx is not tried: something else listens on ${taken.join(', ')}`);

describe.runIf(taken.length === 0)('nx', () => {
  it('run-many -t serve is one node, which a client uses and which stops cleanly with it', async () => {
    nx = startNx('run-many', '-t', 'serve');
    const isReady = async (): Promise<boolean> => (await fetch(`http://${http}/health/ready`)).status === 200;
    await eventually('the node is ready', isReady, READY_WITHIN_MS);
    const broker = await Broker.connect(kafka);
    const topic = unique('nx');
    await broker.createTopic(topic);
    await broker.produce(topic, 0, batchOf(['one', 'two']));
    expect((await broker.readAll(topic)).map(({ value }) => value)).toEqual(['one', 'two']);
    await broker.close();
    expect(await openPorts()).toEqual(INTER_BROKER_PORTS);

    nx.child.kill('SIGTERM');
    await nx.end();
    await eventually('no service runs any more', () => started().length === 0);
    const incarnation = path.join(directory, 'storage');
    await eventually(
      'the storage has stopped cleanly',
      async () => (await readIncarnation(new NodeDisk(), incarnation))?.clean === true,
    );
  }, 300_000);

  it('serve gateway is the gateway alone, which waits for its controller and ends with nx', async () => {
    nx = startNx('serve', 'gateway');
    await nx.prints('metadata is not followed', READY_WITHIN_MS);
    expect(started().length).toBeGreaterThan(0);
    nx.child.kill('SIGINT');
    await nx.end();
    await eventually('the gateway has ended', () => started().length === 0);
  }, 300_000);
});
