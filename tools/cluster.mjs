/**
 * `npm run cluster`: brings the build up to date, bundles tools/cluster and runs it. `npm run cluster -- --help` lists the options.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { loadTool, root } from './bundled-tool.mjs';

const args = process.argv.slice(2);

if (!args.includes('--help') && !args.includes('-h')) {
  const { status } = spawnSync('sh', [path.join(root, 'tools/prepare.sh'), 'node'], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
const { main } = await loadTool('cluster', 'tools/cluster');
process.exitCode = await main(args, root);
