import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Command, REPOSITORY } from '../kit/command';
import { eventually } from '../kit/conditions';
import { claimPorts } from '../kit/ports';

let directory: string;
let commands: Command[];
let ports: readonly number[];

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'streamline-command-'));
  commands = [];
  ports = await claimPorts(3);
});

afterEach(async () => {
  await Promise.all(commands.map((command) => command.dispose()));
  await rm(directory, { recursive: true, force: true });
});

function run(args: readonly string[], env: Record<string, string> = {}): Command {
  const command = Command.streamline(args, { env, cwd: directory });
  commands.push(command);
  return command;
}

/** Flags of a node with a directory and ports of its own. */
function nodeFlags(dataDir = path.join(directory, 'data')): string[] {
  const [kafka, interBroker, http] = ports.map((port) => `127.0.0.1:${port}`);
  const addresses = ['--listen-addr', String(kafka), '--inter-broker-addr', String(interBroker), '--http-addr', String(http)];
  return ['--profile', 'development', '--data-dir', dataDir, ...addresses];
}

async function startNode(args: readonly string[] = nodeFlags()): Promise<Command> {
  const command = run(args);
  await command.prints('is ready after');
  return command;
}

async function expectRefusal(command: Command, exitCode: number, ...texts: readonly string[]): Promise<void> {
  expect(await command.end(), command.output).toEqual({ code: exitCode, signal: null });
  for (const text of texts) expect(command.stderr + command.stdout).toContain(text);
}

describe('the streamline command', () => {
  it('prints its version', async () => {
    const { version } = JSON.parse(await readFile(path.join(REPOSITORY, 'package.json'), 'utf8')) as { version: string };
    const command = run(['--version']);
    expect(await command.end()).toEqual({ code: 0, signal: null });
    expect(command.stdout).toBe(`${version}\n`);
  });

  it("prints every flag of the guide with --help, and leaves nothing in the caller's directory", async () => {
    const command = run(['--help']);
    expect(await command.end()).toEqual({ code: 0, signal: null });
    const flags = ['--cluster-node-id', '--advertised-addr', '--inter-broker-addr', '--seed-nodes', '--data-dir'];
    for (const flag of flags) expect(command.stdout).toContain(flag);
    expect(await readdir(directory)).toEqual([]);
  });

  it('greets with its addresses and a command to try, then logs', async () => {
    const node = await startNode();
    await node.prints('Stop it with Ctrl-C.');
    expect(node.stdout).toMatch(/^\nStreamline [\d.]+: node 1 of cluster [\w-]{22} is ready after \d+ ms$/m);
    expect(node.stdout).toContain(`127.0.0.1:${ports[0]} (advertised as 127.0.0.1:${ports[0]})`);
    expect(node.stdout).toContain(`http://127.0.0.1:${ports[2]}/docs`);
    expect(node.stdout).toContain(`kcat -P -b 127.0.0.1:${ports[0]} -t greetings`);
  });

  it('logs one JSON object a line where a program reads it', async () => {
    const node = run([...nodeFlags(), '--log-format', 'json']);
    await node.prints('"msg":"ready"');
    // The last line may not be whole yet.
    const ready = await eventually('the line is whole', () => {
      const lines = node.output.split('\n').slice(0, -1);
      return lines.map((line) => JSON.parse(line) as Record<string, unknown>).find(({ msg }) => msg === 'ready');
    });
    expect(ready).toMatchObject({ kafka: `127.0.0.1:${ports[0]}`, http: `127.0.0.1:${ports[2]}`, durability: 'fsync' });
  });
});

describe('a configuration that is wrong ends the command with 2 and names setting, value, origin and what is right', () => {
  it('from a flag', async () => {
    const command = run(['--node-id', '0']);
    await expectRefusal(command, 2, 'node_id = 0   (flag --node-id)', 'must be a whole number from 1 to 2147483647');
  });

  it('from a flag that is misspelt', async () => {
    await expectRefusal(run(['--dta-dir', 'x']), 2, '--dta-dir', 'did you mean --data-dir?');
  });

  it('from an environment variable', async () => {
    const command = run([], { STREAMLINE_DURABILITY: 'sometimes' });
    await expectRefusal(command, 2, 'durability = "sometimes"', 'environment variable STREAMLINE_DURABILITY', '"page-cache"');
  });

  it('from an environment variable that is misspelt', async () => {
    await expectRefusal(run([], { STREAMLINE_NODEID: '3' }), 2, 'STREAMLINE_NODEID', 'did you mean STREAMLINE_NODE_ID?');
  });

  it.each([
    ['node.toml', 'nod_id = 3\n', 'did you mean node_id?'],
    ['node.yaml', 'http_addr: nowhere\n', 'http_addr = "nowhere"'],
  ])('from the file %s', async (name, text, expected) => {
    await writeFile(path.join(directory, name), text);
    await expectRefusal(run(['--config', path.join(directory, name)]), 2, name, expected);
  });

  it('where it has no effect yet, rather than ignoring it', async () => {
    await expectRefusal(run(['--controller-addrs', 'a:9093,b:9093']), 2, 'controller_addrs', 'Name one');
  });

  it('without touching the data directory', async () => {
    await run([...nodeFlags(), '--min-insync-replicas', '3', '--default-replication-factor', '2']).end();
    expect(await readdir(directory)).toEqual([]);
  });
});

describe('a configuration file', () => {
  it.each([
    ['node.toml', (port: number, dir: string) => `http_addr = "127.0.0.1:${port}"\ndata_dir = "${dir}"\nnode_id = 7\n`],
    ['node.yaml', (port: number, dir: string) => `http_addr: 127.0.0.1:${port}\ndata_dir: ${dir}\nnode_id: 7\n`],
  ])('%s configures a node; a flag wins over the environment and that over the file', async (name, text) => {
    const [kafka, interBroker, http] = ports;
    await writeFile(path.join(directory, name), text(1, path.join(directory, 'from-file')));
    const flags = ['--listen-addr', `127.0.0.1:${kafka}`, '--inter-broker-addr', `127.0.0.1:${interBroker}`];
    const env = { STREAMLINE_HTTP_ADDR: `127.0.0.1:${http}`, STREAMLINE_NODE_ID: '8' };
    const config = path.join(directory, name);
    const node = run(['--config', config, '--profile', 'development', '--node-id', '9', ...flags], env);
    await node.prints('Stop it with Ctrl-C.');
    expect(node.stdout).toContain('node 9 of cluster');
    expect(node.stdout).toContain(`http://127.0.0.1:${http}/docs`);
    expect(await readdir(path.join(directory, 'from-file'))).toContain('node.json');
  });
});

describe('a data directory', () => {
  it('that another process uses ends the command with 3 and names that process', async () => {
    const first = await startNode();
    await expectRefusal(run(nodeFlags()), 3, String(first.pid), '--data-dir');
  });

  it('of another node id ends it with 4 and names that id', async () => {
    const first = await startNode();
    first.child.kill('SIGTERM');
    await first.end();
    await expectRefusal(run([...nodeFlags(), '--node-id', '2']), 4, 'node 1');
    await startNode();
  });

  it('of a newer format ends it with 5, and is left as it is', async () => {
    const first = await startNode();
    first.child.kill('SIGTERM');
    await first.end();
    const file = path.join(directory, 'data/node.json');
    const newer = (await readFile(file, 'utf8')).replace(/("format\w*":\s*)\d+/, '$199');
    expect(newer).toContain('99');
    await writeFile(file, newer);
    await expectRefusal(run(nodeFlags()), 5, '99');
    expect(await readFile(file, 'utf8')).toBe(newer);
  });

  it('that is a file ends it with 5', async () => {
    await writeFile(path.join(directory, 'data'), '');
    await expectRefusal(run(nodeFlags()), 5, path.join(directory, 'data'));
  });
});

describe('a port that is in use', () => {
  let server: Server;
  afterEach(() => new Promise((closed) => server.close(closed)));

  it.each([
    [0, '--listen-addr'],
    [1, '--inter-broker-addr'],
    [2, '--http-addr'],
  ])('%i ends the command with 6 and names the flag %s', async (index, flag) => {
    const port = ports[index];
    server = createServer();
    await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening));
    await expectRefusal(run(nodeFlags()), 6, flag, `127.0.0.1:${port}`);
  });
});
