/**
 * `npm run nemesis`: brings the build up to date, bundles test/nemesis and runs it. `npm run nemesis -- --help` lists the options.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { loadTool, root } from './bundled-tool.mjs';

const args = process.argv.slice(2);
if (!args.includes('--help') && !args.includes('-h')) {
  const { status } = spawnSync('sh', [path.join(root, 'tools/prepare.sh'), 'node'], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
await loadTool('nemesis', 'test/nemesis', ['run.ts']);
const directory = path.join(root, 'dist/nemesis');
// librdkafka tells of every lost connection on the standard output of its process, and can't be kept from it.
const clientsLog = openSync(path.join(directory, 'clients.log'), 'w');
// In a mount namespace of its own, so that the nodes' disks are gone with it, however it ends.
const program = ['--mount', '--', process.execPath, '--enable-source-maps', path.join(directory, 'run.mjs'), root, ...args];
const { status } = spawnSync('unshare', program, { stdio: ['inherit', clientsLog, 'inherit'] });
closeSync(clientsLog);
process.exitCode = status ?? 1;
