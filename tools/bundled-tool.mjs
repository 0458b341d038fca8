/**
 * Tools that are written in TypeScript beside the product: bundled when they are run, so that they use its sources as they are.
 */
import { build } from 'esbuild';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Bundles `main.ts` of a folder, and programs beside it that it starts, into dist/<name>; returns what main.ts exports. */
export async function loadTool(name, folder, programs = []) {
  const outdir = path.join(root, 'dist', name);
  await build({
    absWorkingDir: root,
    entryPoints: ['main.ts', ...programs].map((file) => path.join(folder, file)),
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    tsconfig: 'tsconfig.base.json',
    packages: 'external',
    sourcemap: 'inline',
    sourcesContent: false,
    logLevel: 'warning',
  });
  process.setSourceMapsEnabled(true);
  return import(pathToFileURL(path.join(outdir, 'main.mjs')).href);
}
