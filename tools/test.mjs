/**
 * Runs the test suites one after the other and adds up what they counted:
 *   node tools/test.mjs [check] [unit] [acceptance]      (default: all three)
 * Every step runs, also after a failure; the last line is `N passed, N failed` and the exit code tells the same.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const reports = path.join(root, 'dist/test-reports');

const STEPS = {
  check: { command: ['sh', 'tools/check.sh'] },
  unit: { command: ['node_modules/.bin/vitest', 'run', '--config', 'tools/vitest.config.ts'], counts: true },
  acceptance: { command: ['node_modules/.bin/vitest', 'run', '--config', 'test/vitest.config.ts'], counts: true },
};

function run(name, { command, counts }) {
  console.log(`\n==> ${name}: ${command.join(' ')}`);
  const report = path.join(reports, `${name}.json`);
  rmSync(report, { force: true });
  const args = counts
    ? [...command.slice(1), '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    : command.slice(1);
  const startedMs = performance.now();
  const { status } = spawnSync(command[0], args, { cwd: root, stdio: 'inherit' });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const ok = status === 0;
  console.log(`==> ${name}: ${ok ? 'ok' : `failed (exit ${status})`} after ${seconds} s`);
  if (!counts) return { passed: ok ? 1 : 0, failed: ok ? 0 : 1 };
  return count(report, ok);
}

/** A suite that failed without a failing test (it did not start, say) still counts as a failure. */
function count(report, ok) {
  try {
    const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8'));
    return { passed: numPassedTests, failed: ok ? numFailedTests : Math.max(1, numFailedTests) };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(STEPS);
for (const name of wanted) {
  if (!(name in STEPS)) {
    console.error(`test: there is no step '${name}'; the steps are ${Object.keys(STEPS).join(', ')}`);
    process.exit(2);
  }
}
mkdirSync(reports, { recursive: true });
const results = wanted.map((name) => run(name, STEPS[name]));
const passed = results.reduce((sum, result) => sum + result.passed, 0);
const failed = results.reduce((sum, result) => sum + result.failed, 0);
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
