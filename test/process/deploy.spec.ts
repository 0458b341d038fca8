import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ExitCode } from '@streamline/platform/config/exit-codes';
import { Command, REPOSITORY } from '../kit/command';
import { claimPorts } from '../kit/ports';

const INSTALLED_AT = '/opt/streamline';
const SETTINGS_AT = '/etc/streamline/streamline.toml';
const DATA_AT = '/var/lib/streamline';

let directory: string;
let unit: string;
let commands: Command[];

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'streamline-deploy-'));
  unit = await readFile(path.join(REPOSITORY, 'deploy/streamline.service'), 'utf8');
  commands = [];
});

afterEach(async () => {
  await Promise.all(commands.map((command) => command.dispose()));
  await rm(directory, { recursive: true, force: true });
});

/** The value of a key of the unit file. */
function valueOf(key: string): string {
  const line = unit.split('\n').find((one) => one.startsWith(`${key}=`));
  if (line === undefined) throw new Error(`the unit has no ${key}`);
  return line.slice(key.length + 1);
}

/** The unit's command, with its three places moved to where a test may write. */
function startAsUnit(more: readonly string[]): Command {
  const [program, ...args] = valueOf('ExecStart').split(' ');
  expect(program).toBe(`${INSTALLED_AT}/bin/streamline`);
  const moved = args.map((arg) =>
    arg.replace(SETTINGS_AT, path.join(REPOSITORY, 'deploy/streamline.toml')).replace(DATA_AT, path.join(directory, 'data')),
  );
  const command = Command.streamline([...moved, ...more], { cwd: directory });
  commands.push(command);
  return command;
}

describe('the systemd unit', () => {
  it('runs a command and settings that start a node, and its stop is a clean one', async () => {
    const [kafka, interBroker, http] = await claimPorts(3);
    const addresses = [`--listen-addr=127.0.0.1:${kafka}`, `--inter-broker-addr=127.0.0.1:${interBroker}`];
    const command = startAsUnit([...addresses, `--http-addr=127.0.0.1:${http}`]);
    await command.prints('"msg":"ready"');
    command.child.kill('SIGTERM');
    expect(await command.end(), command.output).toEqual({ code: ExitCode.OK, signal: null });
  });

  it('gives a stop more time than the node takes, and does not repeat what no restart mends', () => {
    expect(Number(valueOf('TimeoutStopSec'))).toBeGreaterThan(10);
    expect(valueOf('RestartPreventExitStatus')).toBe(`${ExitCode.USAGE} ${ExitCode.WRONG_DIRECTORY}`);
  });

  it('is a unit that systemd understands', async (context) => {
    const present = await promisify(execFile)('systemd-analyze', ['--version']).then(
      () => true,
      () => false,
    );
    context.skip(!present, 'systemd-analyze is not installed');
    const installed = path.join(directory, 'streamline.service');
    await writeFile(installed, unit.replaceAll(INSTALLED_AT, REPOSITORY));
    const { stderr } = await promisify(execFile)('systemd-analyze', ['verify', installed]);
    expect(stderr).not.toContain('streamline.service');
  });
});
