/**
 * `npm run bench`: brings the build up to date, bundles tools/bench and runs it. `npm run bench -- --help` lists the options.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { loadTool, root } from './bundled-tool.mjs';

const args = process.argv.slice(2);
const needsNode = !['--help', '-h', '--without', '--main'].some((option) => args.includes(option));

if (needsNode) {
  const { status } = spawnSync('sh', [path.join(root, 'tools/prepare.sh'), 'node'], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
const { main } = await loadTool('bench', 'tools/bench');
process.exitCode = await main(args, root);
