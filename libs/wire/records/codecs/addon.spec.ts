import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addonOnFirstUse } from './addon';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'streamline-addon-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('an addon that is loaded when it is first used', () => {
  it('is not looked for before, and is loaded once', () => {
    const file = path.join(directory, 'addon.cjs');
    const addon = addonOnFirstUse<{ loadedAt: number }>(file);
    writeFileSync(file, 'module.exports = { loadedAt: performance.now() };');
    const first = addon();
    expect(first.loadedAt).toBeGreaterThan(0);
    expect(addon()).toBe(first);
  });

  it('says at each use that it cannot be loaded, until it can', () => {
    const file = path.join(directory, 'late.cjs');
    const addon = addonOnFirstUse<{ there: boolean }>(file);
    for (let use = 0; use < 2; use += 1) expect(addon).toThrow(/Cannot find module/);
    writeFileSync(file, 'module.exports = { there: true };');
    expect(addon().there).toBe(true);
  });
});
