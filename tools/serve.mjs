/**
 * Runs one service alone, as `nx serve <name>` does: `node tools/serve.mjs gateway [flags]`. The four together are one
 * split node on loopback, with the data of each under the same data directory.
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const [name, ...flags] = process.argv.slice(2);
const child = spawn(process.execPath, [path.join(root, 'dist', name, 'main.mjs'), '--profile', 'development', ...flags], {
  cwd: root,
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)));
