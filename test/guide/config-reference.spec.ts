import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { defaultText } from '@streamline/platform/config/default-text';
import { ExitCode } from '@streamline/platform/config/exit-codes';
import { ALL_SETTINGS } from '@streamline/platform/config/schema';
import { describe, expect, it } from 'vitest';
import { Command } from '../kit/command';
import { SENTENCES, settingRow } from './sentences';

const rows = SENTENCES.flatMap((sentence) => {
  const row = settingRow(sentence);
  return row ? [{ quote: sentence.quote, ...row }] : [];
});

/** Runs the command on an empty directory until it ends by itself. */
async function ended(args: readonly string[]): Promise<Command> {
  const directory = await mkdtemp(path.join(tmpdir(), 'streamline-reference-'));
  const command = Command.streamline(args, { cwd: directory });
  try {
    await command.end();
    return command;
  } finally {
    await command.dispose();
    await rm(directory, { recursive: true, force: true });
  }
}

describe('the tables of settings', () => {
  it.each(rows.map((row) => [row.quote, row] as const))('"%s"', (_quote, { name, byDefault, description }) => {
    const setting = ALL_SETTINGS.find((one) => one.name === name);
    if (!setting) throw new Error(`there is no setting ${name}`);
    // Where the guide shows a dash there is none.
    expect(defaultText(setting).split(';')[0]).toBe(byDefault?.replaceAll('"', '') ?? '');
    // Ours may say more in the same parentheses.
    expect(setting.doc).toContain(description.replace(/\)$/, ''));
  });

  it('are what --help lists: a flag for each setting', async () => {
    const help = await ended(['--help']);
    for (const setting of ALL_SETTINGS.filter(({ name }) => rows.some((row) => row.name === name))) {
      expect(help.stdout).toContain(setting.flagNames[0]);
    }
    expect(help.stdout).toContain('--cluster-node-id');
  });
});

describe('what the tables rule out ends the command with 2', () => {
  it.each([
    ['Unique node ID within the cluster (must be > 0)', ['--cluster-node-id', '0'], 'node_id'],
    [
      'Minimum election timeout. Must be > heartbeat interval',
      ['--heartbeat-interval-ms', '1000', '--election-timeout-min-ms', '1000'],
      'election_timeout_min_ms',
    ],
    [
      'Maximum election timeout. Randomized between min and max',
      ['--election-timeout-min-ms', '1500', '--election-timeout-max-ms', '1400'],
      'election_timeout_max_ms',
    ],
    ['Minimum TLS version ("1.2" or "1.3")', ['--inter-broker-tls-min-version', '1.1'], 'inter_broker_tls.min_version'],
    ['Enable mTLS for inter-broker communication', ['--inter-broker-tls-enabled', 'true'], 'inter_broker_tls.cert_path'],
  ])('"%s": %j', async (_quote, args, name) => {
    const command = await ended(args);
    expect(command.child.exitCode, command.output).toBe(ExitCode.USAGE);
    expect(command.output).toContain(name);
  });
});
