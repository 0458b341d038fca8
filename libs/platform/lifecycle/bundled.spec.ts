import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleFixture, FixtureProcess } from './fixtures/spawn-fixture';

let script: string;
let directory: string;

beforeAll(async () => {
  script = await bundleFixture('bundled.ts');
  directory = mkdtempSync(join(tmpdir(), 'streamline-bundle-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** CommonJS modules that are imported late look different in a bundle than in these tests. */
describe('what is loaded late, in a bundle', () => {
  it.each([
    ['a.yaml', 'node_id: 3'],
    ['a.toml', 'node_id = 3'],
  ])('reads %s and tells metrics', async (name, text) => {
    const path = join(directory, name);
    writeFileSync(path, text);
    const run = new FixtureProcess(script, ['config', '--config', path]);
    expect((await run.exited).code).toBe(0);
    expect(run.output).toMatch(/^node_id = 3 /m);
    expect(run.output).toContain('streamline_process_resident_memory_bytes{process="admin"}');
  });
});
