import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bundleFixture, FixtureProcess } from './fixtures/spawn-fixture';

let script: string;
let running: FixtureProcess | undefined;

beforeAll(async () => {
  script = await bundleFixture('node-process.ts');
});
afterEach(async () => {
  running?.kill('SIGKILL');
  await running?.exited;
});

async function run(behaviour: string): Promise<FixtureProcess> {
  running = new FixtureProcess(script, [behaviour]);
  if (behaviour !== 'fails-to-start') await running.says(/^ready$/m);
  return running;
}

describe('a node as a process', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('stops in order on %s and exits 0', async (signal) => {
    const node = await run('well');
    node.kill(signal);
    expect(await node.exited).toEqual({ code: 0, signal: null });
    expect(node.output).toMatch(/"stopping"[^]*"stopped"/);
    expect(node.output).toMatch(/gateway stopping[^]*storage flushed/);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('exits at once on a second signal (%s)', async (signal, code) => {
    const node = await run('hangs-for-long');
    node.kill('SIGTERM');
    await node.says(/gateway stopping/);
    const again = setInterval(() => node.kill(signal), 100);
    expect((await node.exited).code).toBe(code);
    clearInterval(again);
    expect(node.output).not.toContain('storage flushed');
  });

  it('takes a signal that comes twice at once for one, as Ctrl-C under npm does', async () => {
    const node = await run('hangs');
    node.kill('SIGINT');
    // The kernel makes one of two signals that wait: the second is sent when the first was taken.
    await node.says(/gateway stopping/);
    node.kill('SIGINT');
    expect((await node.exited).code).toBe(10);
    expect(node.output).toContain('storage flushed');
  });

  it('exits 10 when a component does not stop, after it stopped the others', async () => {
    const node = await run('hangs');
    node.kill('SIGTERM');
    expect((await node.exited).code).toBe(10);
    expect(node.output).toContain('storage flushed');
    expect(node.output).toContain('"unfinished":["gateway"]');
  });

  it('exits with the code of the failure when a component cannot stop, after it stopped the others', async () => {
    const node = await run('full-at-stop');
    node.kill('SIGTERM');
    expect((await node.exited).code).toBe(8);
    expect(node.output).toMatch(/gateway stopping[^]*storage flushed[^]*the disk refused a write/);
  });

  it('exits 8 at once when the disk fails, and stops nothing in order', async () => {
    const node = await run('disk');
    expect((await node.exited).code).toBe(8);
    expect(node.output).toContain('the disk refused a write: write failed. Check the disk');
    expect(node.output).not.toContain('storage flushed');
  });

  it('exits 1 with the reason when an error was not foreseen', async () => {
    const node = await run('throws');
    expect((await node.exited).code).toBe(1);
    expect(node.output).toMatch(/"level":"fatal".*unexpected error/);
  });

  it('stops what it had started when a start fails, and exits with its code', async () => {
    const node = await run('fails-to-start');
    expect((await node.exited).code).toBe(1);
    expect(node.output).toMatch(/storage flushed[^]*unexpected error: no luck/);
  });

  it('writes every log line before it ends', async () => {
    const node = await run('loud');
    expect((await node.exited).code).toBe(0);
    const lines = [...node.output.matchAll(/"line":(\d+)/g)].map(([, line]) => Number(line));
    expect(lines).toEqual(Array.from({ length: 1_000 }, (_, line) => line));
  });
});
