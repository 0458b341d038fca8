import { describe, expect, it } from 'vitest';
import { Command } from '../kit/command';
import { whyNoNetworks } from '../kit/netns';
import { whyNoDisks } from './stage/disks';

const ENDS_WITHIN_MS = 300_000;

/** Runs the command as `npm run nemesis` does. */
async function nemesis(...args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const command = Command.start(process.execPath, ['tools/nemesis.mjs', ...args]);
  try {
    const { code } = await command.end(ENDS_WITHIN_MS);
    return { code, output: command.output };
  } finally {
    await command.dispose();
  }
}

const whyNot = (await whyNoNetworks()) ?? (await whyNoDisks());

describe.skipIf(whyNot !== undefined)(`npm run nemesis${whyNot ? ` (skipped: ${whyNot})` : ''}`, () => {
  it(
    'finds nothing wrong with a cluster whose leader is killed while real clients write, read and commit',
    async () => {
      const { code, output } = await nemesis('--scenario', 'leader-kill', '--minutes', '0');
      expect(output).toMatch(
        /fault 1: the process of node \d was killed; node \d leads in place of node \d; partitions 0, 1, 2 take writes meanwhile/,
      );
      expect(output).toMatch(/\| leader-kill \| 3, 3 \| 1 \| [\d,]+ \| 0 \| 0 \| 0 \| [\d.]+ s \| passed \|/);
      expect(code).toBe(0);
    },
    ENDS_WITHIN_MS,
  );

  it(
    'catches a cluster that lies: with page-cache durability and one replica, what it acknowledged is gone after a power loss',
    async () => {
      const args = ['--scenario', 'power-loss', '--minutes', '0', '--replicas', '1', '--durability', 'page-cache'];
      const { code, output } = await nemesis(...args);
      expect(output).toContain('power loss: what nodes 1, 2, 3 had not synced is gone');
      expect(output).toMatch(/lost-write: \S+ was acknowledged at \d@\d+/);
      expect(output).toContain('| FAILED |');
      expect(code).toBe(1);
    },
    ENDS_WITHIN_MS,
  );

  it('says what it takes, and what is wrong with a command', async () => {
    const { code, output } = await nemesis('--nodes', '4');
    expect([code, output]).toEqual([2, expect.stringContaining('--nodes 4: 3 or 5 is wanted')]);
    expect((await nemesis('--help')).output).toContain('npm run nemesis -- [options]');
  });
});
