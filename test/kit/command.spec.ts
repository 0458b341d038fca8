import { afterEach, describe, expect, it } from 'vitest';
import { Command } from './command';

const LONG_MS = 30_000;

let command: Command | undefined;
afterEach(() => command?.dispose());

function shell(script: string): Command {
  command = Command.start('sh', ['-c', script]);
  return command;
}

describe('Command', () => {
  it('tells at once that a process has ended without printing what is waited for, with what it did print', async () => {
    const began = performance.now();
    await expect(shell('echo other; exit 3').prints('wanted', LONG_MS)).rejects.toThrow(
      /ended with 3 without printing 'wanted':\nother/,
    );
    await expect(shell('kill -9 $$').prints('wanted', LONG_MS)).rejects.toThrow(/ended with SIGKILL/);
    expect(performance.now() - began).toBeLessThan(LONG_MS);
  });

  it('sees what a process prints last, before it ends', async () => {
    await shell('echo wanted; exit 1').prints('wanted', LONG_MS);
    expect(await command?.end()).toEqual({ code: 1, signal: null });
  });
});
