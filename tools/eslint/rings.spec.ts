import { ESLint } from 'eslint';
import { describe, expect, it } from 'vitest';
import tseslint from 'typescript-eslint';
import { layers, root } from './eslint.config.js';

const eslint = new ESLint({
  cwd: root,
  overrideConfigFile: true,
  overrideConfig: [{ files: ['**/*.ts'], languageOptions: { parser: tseslint.parser } }, ...layers],
});

async function problems(filePath: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath });
  return (result?.messages ?? []).map((message) => `${message.ruleId}: ${message.message}`);
}

/** One fixture for each edge that must not exist: the file that imports, and what it imports. */
const FORBIDDEN: readonly (readonly [from: string, imports: string])[] = [
  ['libs/core/log/x.ts', '@streamline/core/groups/group'],
  ['libs/core/log/x.ts', '../groups/group'],
  ['libs/core/log/x.ts', '@streamline/wire/records/batch-header'],
  ['libs/core/log/x.ts', '@streamline/runtime/ports/clock'],
  ['libs/core/log/x.ts', '@streamline/platform/config/settings'],
  ['libs/core/log/x.ts', '@streamline/testing/disk/memory-disk'],
  ['libs/core/log/x.ts', '@streamline/services/storage/main'],
  ['libs/core/log/x.ts', 'node:fs'],
  ['libs/core/log/x.ts', 'pino'],
  ['libs/wire/kafka/x.ts', '@streamline/core/log/segments'],
  ['libs/wire/kafka/x.ts', '@streamline/runtime/ports/disk'],
  ['libs/wire/kafka/x.ts', '@streamline/platform/config/settings'],
  ['libs/wire/kafka/x.ts', '@streamline/testing/disk/memory-disk'],
  ['libs/wire/kafka/x.ts', '@streamline/services/gateway/main'],
  ['libs/wire/kafka/x.ts', '@nestjs/common'],
  ['libs/wire/kafka/x.ts', 'node:fs/promises'],
  ['libs/wire/kafka/x.ts', 'net'],
  ['libs/runtime/log/x.ts', '@streamline/platform/rpc/bind'],
  ['libs/runtime/log/x.ts', '@streamline/testing/disk/memory-disk'],
  ['libs/runtime/log/x.ts', '@streamline/services/storage/main'],
  ['libs/runtime/log/x.ts', '@nestjs/common'],
  ['libs/platform/rpc/x.ts', '@streamline/testing/disk/memory-disk'],
  ['libs/platform/rpc/x.ts', '@streamline/services/storage/main'],
  ['libs/testing/disk/x.ts', '@streamline/services/storage/main'],
  ['services/gateway/x.ts', '@streamline/services/storage/storage.module'],
  ['services/gateway/x.ts', '../storage/storage.module'],
  ['services/gateway/x.ts', '@streamline/testing/disk/memory-disk'],
  ['services/node/x.ts', '@streamline/testing/disk/memory-disk'],
];

const ALLOWED: readonly (readonly [from: string, imports: string])[] = [
  ['libs/core/log/x.ts', './segments'],
  ['libs/core/log/x.ts', '@streamline/core/types/ids'],
  ['libs/wire/kafka/x.ts', '@streamline/core/types/error-code'],
  ['libs/wire/kafka/x.ts', '@streamline/wire/records/batch-header'],
  ['libs/wire/records/x.ts', 'node:zlib'],
  ['libs/runtime/log/x.ts', '@streamline/core/log/log-config'],
  ['libs/runtime/log/x.ts', 'node:fs'],
  ['libs/platform/rpc/x.ts', '@nestjs/common'],
  ['libs/testing/disk/x.ts', '@streamline/runtime/ports/disk'],
  ['services/gateway/x.ts', '@streamline/platform/rpc/bind'],
  ['services/node/x.ts', '@streamline/services/gateway/gateway.module'],
];

describe('streamline/rings', () => {
  it.each(FORBIDDEN)('refuses %s -> %s', async (from, imports) => {
    for (const code of [`import '${imports}';`, `export * from '${imports}';`, `const x = import('${imports}');`]) {
      expect((await problems(from, code)).join()).toContain('streamline/rings');
    }
    expect((await problems(from, `export type X = import('${imports}').Y;`)).join()).toContain('streamline/rings');
  });

  it.each(ALLOWED)('allows %s -> %s', async (from, imports) => {
    expect(await problems(from, `import '${imports}';`)).toEqual([]);
  });
});

describe('streamline/pure-core', () => {
  it.each([
    ['a clock', 'export const now = () => Date.now();'],
    ['a monotonic clock', 'export const now = () => performance.now();'],
    ['a timer', 'export function f() { setTimeout(() => {}, 1); }'],
    ['chance', 'export const dice = () => Math.random();'],
    ['a Promise', 'export const p = Promise.resolve(1);'],
    ['an async function', 'export async function f() {}'],
    ['await', 'await 1; export {};'],
    ['the process', 'export const home = process.env.HOME;'],
    ['output', "console.log('x'); export {};"],
    ['a way round', 'export const d = globalThis;'],
  ])('refuses %s in a core', async (_what, code) => {
    expect((await problems('libs/core/log/x.ts', code)).join()).toContain('streamline/pure-core');
    expect(await problems('libs/runtime/log/x.ts', code)).toEqual([]);
  });

  it('lets a core decide', async () => {
    expect(await problems('libs/core/log/x.ts', 'export const next = (a: number) => Math.max(a, 1);')).toEqual([]);
  });
});
