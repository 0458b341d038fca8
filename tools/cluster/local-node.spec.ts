import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { lastLineOf, LocalNode } from './local-node';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'streamline-local-node-'));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

/** A node that is another program instead, which runs until it is stopped. */
function program(script: string): LocalNode {
  const plan = {
    id: 1,
    kafka: '',
    http: '',
    logFile: path.join(directory, 'log'),
    flags: ['-e', `setInterval(() => {}, 60_000);${script}`],
  };
  return new LocalNode(plan, process.execPath);
}

describe('a local node', () => {
  it('is stopped by SIGTERM, and tells what it ended with and logged last', async () => {
    const node = program("process.on('SIGTERM', () => { console.error('bye'); process.exit(3); }); console.log('up');");
    await vi.waitFor(async () => expect(await readFile(node.plan.logFile, 'utf8')).toBe('up\n'), 60_000);
    expect(node.end).toBeUndefined();
    expect(await node.stop()).toEqual({ code: 3, signal: null, lastLine: 'bye' });
  });

  it('is in a process group of its own, which the ^C of a terminal does not reach', async () => {
    const node = program('');
    const [, group] = /^\d+ \(.*\) \S \d+ (\d+)/s.exec(await readFile(`/proc/${node.pid}/stat`, 'utf8')) ?? [];
    expect(Number(group)).toBe(node.pid);
    node.kill();
    expect(await node.stop()).toMatchObject({ code: null, signal: 'SIGKILL' });
  });

  it('tells why there is no process', async () => {
    const node = new LocalNode({ id: 1, kafka: '', http: '', logFile: path.join(directory, 'log'), flags: [] }, '/nowhere');
    expect(await node.stop()).toEqual({ code: null, signal: null, lastLine: expect.stringContaining('ENOENT') as string });
  });
});

describe('the last line of a log', () => {
  it.each([
    ['', ''],
    ['one\ntwo\n\n  \n', 'two'],
    [`${'long '.repeat(2_000)}\n  end`, 'end'],
  ])('is the last that says something: %#', async (text, line) => {
    const file = path.join(directory, 'log');
    await writeFile(file, text);
    expect(await lastLineOf(file)).toBe(line);
  });
});
