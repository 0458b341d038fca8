/**
 * `npm run bench`: brings the build up to date, bundles tools/bench and runs it. `npm run bench -- --help` lists the options.
 */
import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const args = process.argv.slice(2);
const needsNode = !['--help', '-h', '--without', '--main'].some((option) => args.includes(option));

if (needsNode) {
  const { status } = spawnSync('sh', [path.join(root, 'tools/prepare.sh'), 'node'], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
const outfile = path.join(root, 'dist/bench/bench.mjs');
await build({
  absWorkingDir: root,
  entryPoints: ['tools/bench/main.ts'],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  tsconfig: 'tsconfig.base.json',
  external: ['@node-rs/crc32', 'snappy', 'lz4-napi', '@toondepauw/node-zstd', '@platformatic/kafka', 'picocolors'],
  sourcemap: 'inline',
  sourcesContent: false,
  logLevel: 'warning',
});
const { main } = await import(pathToFileURL(outfile).href);
process.exitCode = await main(args, root);
