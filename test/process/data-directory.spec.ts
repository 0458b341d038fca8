import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FORMAT_VERSION } from '@streamline/platform/lifecycle/node-file';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Broker } from '../kit/broker';
import { REPOSITORY } from '../kit/command';
import { expectFixture, fillFixture } from '../kit/fixture-content';
import { NodeProcess, type Topology } from '../kit/node-process';

const FIXTURES = path.join(REPOSITORY, 'test/fixtures/data-directory');
/** Expired offsets are looked for at every start; these were committed long ago. */
const KEEP_OFFSETS = ['--offsets-retention-minutes', '2147483647'];
const SMALL_JOURNAL = ['--journal-files', '3', '--journal-file-bytes', String(25 * 1024 * 1024)];

let directory: string;
let node: NodeProcess | undefined;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'streamline-fixture-'));
});

afterEach(async () => {
  await node?.kill();
  rmSync(directory, { recursive: true, force: true });
});

function archiveOf(format: number, name: string): string {
  return path.join(FIXTURES, String(format), `${name}.tar.gz`);
}

/** MAKE_DATA_DIRECTORY=1 makes what is missing: once for each format, by the first version that writes it. */
describe.runIf(process.env['MAKE_DATA_DIRECTORY'])('the fixture', () => {
  it.each(['stopped', 'killed'] as const)('of a node that was %s is made', async (name) => {
    const archive = archiveOf(FORMAT_VERSION, name);
    if (existsSync(archive)) return;
    node = await NodeProcess.start({ dataDir: path.join(directory, 'data'), flags: [...KEEP_OFFSETS, ...SMALL_JOURNAL] });
    const broker = await Broker.connect(node.bootstrap);
    await fillFixture(broker);
    await broker.close();
    if (name === 'stopped') expect(await node.stop()).toEqual([0]);
    else await node.kill();
    mkdirSync(path.dirname(archive), { recursive: true });
    execFileSync('tar', ['--sparse', '-czf', archive, '-C', directory, 'data']);
  });
});

describe.each([1])('a data directory of format %i', (format) => {
  it.each<[string, Topology]>([
    ['stopped', 'combined'],
    ['stopped', 'split'],
    ['killed', 'combined'],
    ['killed', 'split'],
  ])(
    'of a node that was %s is read back by a %s node, since each role has its own journal in its own directory (J-1)',
    async (name, topology) => {
      execFileSync('tar', ['-xzf', archiveOf(format, name), '-C', directory]);
      node = await NodeProcess.start({ topology, dataDir: path.join(directory, 'data'), flags: KEEP_OFFSETS });
      const broker = await Broker.connect(node.bootstrap);
      await expectFixture(broker);
      await broker.close();
    },
  );
});
