import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** One configuration for every project; `npx vitest run --config tools/vitest.config.ts <folder>` runs a folder's specs. */
export default defineConfig({
  root,
  resolve: { alias: { '@streamline/services': path.join(root, 'services'), '@streamline': path.join(root, 'libs') } },
  test: {
    include: ['libs/**/*.spec.ts', 'services/**/*.spec.ts', 'tools/**/*.spec.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    environment: 'node',
    pool: 'forks',
    maxWorkers: 2,
    // Of a test that hangs; on a busy machine others take many times as long as alone.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
