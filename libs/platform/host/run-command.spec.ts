import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runCommand } from './run-command';
import { VERSION } from './version';

const written: string[] = [];

beforeEach(() => {
  written.length = 0;
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((text) => written.push(String(text)) > 0);
  }
});

afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

async function run(...args: string[]): Promise<number> {
  let loads = 0;
  const load = () => Promise.resolve((loads++, []));
  vi.spyOn(process, 'argv', 'get').mockReturnValue(['node', 'main.mjs', ...args]);
  await runCommand({ roles: ['storage'], load });
  return loads;
}

describe('runCommand', () => {
  it('answers what is asked without loading any service', async () => {
    for (const args of [['--version'], ['--help'], ['config'], ['docs', 'exit-codes'], ['--no-such-flag']]) {
      expect(await run(...args), args.join(' ')).toBe(0);
    }
    expect(written[0]).toBe(`${VERSION}\n`);
    expect(written[2]).toContain('roles = ["storage"]');
    expect(process.exitCode).toBe(2);
  });

  it('hands what stands behind "cluster" to the program that has it, and ends with its exit code', async () => {
    const handed: (readonly string[])[] = [];
    const cluster = (args: readonly string[]) => Promise.resolve(handed.push(args) + 20);
    vi.spyOn(process, 'argv', 'get').mockReturnValue(['node', 'main.mjs', 'cluster', 'status', '--json']);
    await runCommand({ roles: ['storage'], load: () => Promise.resolve([]), cluster });
    expect(handed).toEqual([['status', '--json']]);
    expect(process.exitCode).toBe(21);
    await run('cluster', 'status');
    expect(written.at(-1)).toContain('this program has no command cluster');
    expect(process.exitCode).toBe(2);
  });
});
