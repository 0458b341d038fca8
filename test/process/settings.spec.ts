import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fetch as kafkaFetch } from '@streamline/wire/kafka/apis/01-fetch';
import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { describeConfigs } from '@streamline/wire/kafka/apis/32-describe-configs';
import { describeCluster } from '@streamline/wire/kafka/apis/60-describe-cluster';
import { encodeRequest } from '@streamline/wire/kafka/frame';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { batchOf, Broker } from '../kit/broker';
import { Command } from '../kit/command';
import { eventually } from '../kit/conditions';
import { claimPorts } from '../kit/ports';

const STOP_TIMEOUT_MS = 3_000;
const RECORD_BYTES = 900_000;
const RECORDS = 12;

let directory: string;
let commands: Command[];
let ports: readonly number[];

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'streamline-settings-'));
  commands = [];
  ports = await claimPorts(3);
});

afterEach(async () => {
  await Promise.all(commands.map((command) => command.dispose()));
  await rm(directory, { recursive: true, force: true });
});

/** A node that is ready, with these settings as environment variables. */
async function startNode(settings: Record<string, string> = {}): Promise<Command> {
  const [listen, interBroker, http] = ports.map((port) => `127.0.0.1:${port}`);
  const addresses = { STREAMLINE_LISTEN_ADDR: listen, STREAMLINE_INTER_BROKER_ADDR: interBroker, STREAMLINE_HTTP_ADDR: http };
  const env = { ...addresses, STREAMLINE_DATA_DIR: path.join(directory, 'elsewhere'), ...settings } as Record<string, string>;
  const command = Command.streamline([], { env, cwd: directory });
  commands.push(command);
  await eventually('the node is ready', async () => (await fetch(`http://${http}/health/ready`)).status === 200);
  return command;
}

describe('the settings of a process', () => {
  it('data_dir is where all data lies; listen_addr, inter_broker_addr and http_addr are where the process listens', async () => {
    const node = await startNode();
    expect(existsSync(path.join(directory, 'elsewhere/storage/journal/000.journal'))).toBe(true);
    for (const port of ports) {
      const socket = net.connect(port, '127.0.0.1');
      await once(socket, 'connect');
      socket.destroy();
    }
    node.child.kill('SIGTERM');
    expect(await node.end()).toEqual({ code: 0, signal: null });
  });

  it('rack_id is the rack that clients are told', async () => {
    await startNode({ STREAMLINE_RACK_ID: 'eu-1a', STREAMLINE_RACK_AWARE_ASSIGNMENT: 'false' });
    const broker = await Broker.connect(`127.0.0.1:${ports[0]}`);
    expect((await broker.request(metadata, 13, { topics: [] })).brokers).toMatchObject([{ nodeId: 1, rack: 'eu-1a' }]);
    expect((await broker.request(describeCluster, 2, { includeClusterAuthorizedOperations: false })).brokers).toMatchObject([
      { brokerId: 1, rack: 'eu-1a' },
    ]);
    const resources = [{ resourceType: 4, resourceName: '1', configurationKeys: null }];
    const configs = (await broker.request(describeConfigs, 4, { resources })).results[0]?.configs;
    const told = new Map(configs?.map(({ name, value }) => [name, value]));
    expect(told.get('broker.rack')).toBe('eu-1a');
    expect(told.get('streamline.rack.aware.assignment')).toBe('false');
    await broker.close();
  });

  it('log_format is how lines look, log_level the least important ones that are written', async () => {
    const node = await startNode({ STREAMLINE_LOG_LEVEL: 'warn', STREAMLINE_LOG_FORMAT: 'json' });
    node.child.kill('SIGTERM');
    expect(await node.end()).toEqual({ code: 0, signal: null });
    expect(node.output).not.toContain('"level":"info"');
    const chatty = await startNode({ STREAMLINE_LOG_LEVEL: 'debug', STREAMLINE_LOG_FORMAT: 'json' });
    await chatty.prints('"level":"debug"');
    const lines = chatty.output.trim().split('\n');
    for (const line of lines.slice(0, -1)) expect(() => JSON.parse(line) as unknown, line).not.toThrow();
  });

  it('stop_timeout_ms is how long a client that does not take its answer can hold up a stop', async () => {
    const node = await startNode({ STREAMLINE_STOP_TIMEOUT_MS: String(STOP_TIMEOUT_MS) });
    const broker = await Broker.connect(`127.0.0.1:${ports[0]}`);
    await broker.createTopic('large');
    for (let n = 0; n < RECORDS; n += 1) await broker.produce('large', 0, batchOf(['x'.repeat(RECORD_BYTES)]));
    const partitionMaxBytes = RECORDS * 2 * RECORD_BYTES;
    const topics = [{ topic: 'large', partitions: [{ partition: 0, fetchOffset: 0n, partitionMaxBytes }] }];
    const request = { maxWaitMs: 0, minBytes: 1, maxBytes: partitionMaxBytes, topics, forgottenTopicsData: [] };
    const socket = net.connect(Number(ports[0]), '127.0.0.1').pause();
    socket.on('error', () => undefined);
    socket.write(Buffer.concat(encodeRequest(kafkaFetch, 12, 1, 'slow', request)));
    const unsent = /^streamline_kafka_answer_bytes_unsent\S* (\d+)$/m;
    await eventually('the answer waits for its client', async () => {
      const text = await (await fetch(`http://127.0.0.1:${ports[2]}/metrics`)).text();
      return Number(unsent.exec(text)?.[1] ?? 0) > 1_000_000;
    });
    await broker.close();
    node.child.kill('SIGTERM');
    expect((await node.end()).code).toBe(10);
    const allowedMs = Number(/"component":"gateway","allowedMs":(\d+)/.exec(node.output)?.[1]);
    expect(allowedMs).toBeGreaterThan(0);
    expect(allowedMs).toBeLessThan(STOP_TIMEOUT_MS);
    socket.destroy();
  });
});
