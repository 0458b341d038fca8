import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask } from './cluster-http';
import { Command } from './command';
import { eventually } from './conditions';
import { Network, whyNoNetworks } from './netns';

const PORT = 9094;
const SILENT_FOR_MS = 300;
/** Long: a busy machine may be slow to answer, and who is cut off is not waited for that long. */
const HEARD_WITHIN_MS = 30_000;

/** Answers "from A to B" over HTTP at / and asks another machine at /ask/<address>/<for how many milliseconds at most>. */
const SERVER = `
  const http = require('node:http');
  http.createServer((request, answer) => {
    const asked = /^\\/ask\\/(.+)\\/(\\d+)$/.exec(request.url);
    if (!asked) return answer.end('hello ' + request.socket.remoteAddress);
    const sent = http.get({ host: asked[1], port: ${PORT}, agent: false, timeout: Number(asked[2]) }, (got) => got.pipe(answer));
    sent.on('timeout', () => sent.destroy(new Error('silence')));
    sent.on('error', (error) => answer.end(error.code ?? error.message));
  }).listen(${PORT}, '0.0.0.0', () => console.log('listens'));
`;

const whyNot = await whyNoNetworks();

describe.skipIf(whyNot !== undefined)(`a network of namespaces${whyNot ? ` (skipped: ${whyNot})` : ''}`, () => {
  let directory: string;
  let network: Network;
  const commands: Command[] = [];

  function startAt(node: number, script: string, surroundings = {}): Command {
    const [file = '', ...args] = network.commandAt(node, [process.execPath, '-e', script], surroundings);
    const command = Command.start(file, args);
    commands.push(command);
    return command;
  }

  /** What node `from` hears when it asks node `to`. */
  async function heard(from: number, to: number, withinMs = HEARD_WITHIN_MS): Promise<string> {
    return (await ask('GET', `http://${network.reachableAt(from)}:${PORT}/ask/${network.address(to)}/${withinMs}`)).text;
  }

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'streamline-netns-'));
    network = await Network.create(3);
    await Promise.all([1, 2, 3].map((node) => startAt(node, SERVER).prints('listens')));
  });

  afterAll(async () => {
    await Promise.all(commands.map((command) => command.dispose()));
    await network.dispose();
    await rm(directory, { recursive: true, force: true });
  });

  it("has the guide's addresses, and the same ports on each of them", async () => {
    expect(await heard(1, 2)).toBe('hello 192.168.1.1');
    expect(await heard(3, 1)).toBe('hello 192.168.1.3');
  });

  it('cuts one way without a word, and both ways, and heals; this process reaches every node all the time', async () => {
    await network.cutOneWay(1, 2);
    expect(await heard(1, 2, SILENT_FOR_MS)).toBe('silence');
    expect(await heard(2, 1, SILENT_FOR_MS)).toBe('silence');
    expect(await heard(1, 3)).toBe('hello 192.168.1.1');
    await network.heal();
    expect(await heard(1, 2)).toBe('hello 192.168.1.1');
    await network.cut(3);
    expect(await heard(3, 1, SILENT_FOR_MS)).toBe('silence');
    expect(await heard(2, 3, SILENT_FOR_MS)).toBe('silence');
    expect(await heard(2, 1)).toBe('hello 192.168.1.2');
    await network.heal();
    expect(await heard(3, 1)).toBe('hello 192.168.1.3');
  });

  it('shows a command folders in place of others, keeps it from writing where it may not, and passes its exit code on', async () => {
    await writeFile(path.join(directory, 'hosts'), '192.168.1.2 streamline-2\n');
    const script = `require('node:fs').writeFileSync('${directory}/written', '')`;
    const refused = startAt(1, script, { readOnly: [directory] });
    expect((await refused.end()).code).toBe(1);
    expect(refused.output).toContain('EROFS');
    const lookUp = `require('node:dns').lookup('streamline-2', (error, address) => {
      process.exit(address === '192.168.1.2' && process.getuid() === 65534 ? 7 : 1);
    })`;
    const named = startAt(1, lookUp, { mounts: [[path.join(directory, 'hosts'), '/etc/hosts']], uid: 65_534 });
    expect(await named.end(), named.output).toEqual({ code: 7, signal: null });
    expect(await readFile('/etc/hosts', 'utf8')).not.toContain('streamline-2');
  });

  it('is gone when it is disposed of', async () => {
    const other = await Network.create(1);
    const wire = other.reachableAt(1).replace(/\d+$/, '');
    const hasWire = (): boolean =>
      Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address.startsWith(wire)));
    expect(hasWire()).toBe(true);
    await other.dispose();
    await eventually('its wire is gone', () => !hasWire());
  });
});
