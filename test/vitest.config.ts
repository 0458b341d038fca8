import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const alias = { '@streamline/services': path.join(root, 'services'), '@streamline': path.join(root, 'libs') };

/** The promises, kept by real processes: the same integration and client specs on both topologies, and the crash specs. */
function project(name: string, include: string[], topology?: 'combined' | 'split') {
  return {
    resolve: { alias },
    test: {
      name,
      root,
      include,
      environment: 'node',
      pool: 'forks' as const,
      fileParallelism: false,
      testTimeout: 300_000,
      hookTimeout: 300_000,
      ...(topology && { env: { TEST_TOPOLOGY: topology }, globalSetup: [path.join(root, 'test/kit/shared-node.ts')] }),
    },
  };
}

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      project('combined', ['test/integration/**/*.spec.ts', 'test/compat/**/*.spec.ts'], 'combined'),
      project('split', ['test/integration/**/*.spec.ts', 'test/compat/**/*.spec.ts'], 'split'),
      project('process', ['test/process/**/*.spec.ts', 'test/crash/**/*.spec.ts', 'test/nemesis/**/*.spec.ts']),
      project('kit', ['test/kit/**/*.spec.ts']),
      project('guide', ['test/guide/**/*.spec.ts']),
    ],
  },
});
