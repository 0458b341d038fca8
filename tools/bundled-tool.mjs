/**
 * Tools that are written in TypeScript beside the product: bundled when they are run, so that they use its sources as they are.
 */
import { build } from 'esbuild';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Bundles `main.ts` of a folder, and programs beside it that it starts, into dist/<name>; returns what main.ts exports. */
export async function loadTool(name, folder, programs = []) {
  const outdir = path.join(root, 'dist', name);
  const { outputFiles } = await build({
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
    write: false,
  });
  for (const { path: file, contents } of outputFiles) replaceFile(file, contents);
  process.setSourceMapsEnabled(true);
  return import(pathToFileURL(path.join(outdir, 'main.mjs')).href);
}

/** Whole or not at all: another start of the same tool may be reading it. */
function replaceFile(file, contents) {
  const next = `${file}.${process.pid}`;
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(next, contents);
  renameSync(next, file);
}
