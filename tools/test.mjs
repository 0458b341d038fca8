/**
 * Runs the test suites one after the other and adds up what they counted:
 *   node tools/test.mjs [check] [unit] [acceptance]      (default: all three)
 * Every step runs, also after a failure. What failed is told again at the end, since the output is long and is often cut; the
 * last line is `N passed, N failed` and the exit code tells the same.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const reports = path.join(root, 'dist/test-reports');

const FAILURE_LINES_MAX = 30;

const STEPS = {
  check: { command: ['sh', 'tools/check.sh'] },
  unit: {
    command: ['node_modules/.bin/vitest', 'run', '--config', 'tools/vitest.config.ts'],
    counts: true,
    // Thousands of stories of crashes, and fresh seeds of Raft clusters for so long on each of two layers, then of whole controllers and whole
    // nodes; plain `npm run unit` has fewer.
    env: {
      STORY_SEEDS: 'thorough',
      SIM_SECONDS: '90',
      CLUSTER_SIM_SECONDS: '20',
      DATA_SIM_SECONDS: '20',
      ...seedsOfSources(),
    },
  },
  acceptance: { command: ['node_modules/.bin/vitest', 'run', '--config', 'test/vitest.config.ts'], counts: true },
};

/** Where fresh seeds begin: other sources, other seeds; the same sources, the same seeds on every machine, so that what failed fails again. */
function seedsOfSources() {
  const { status, stdout } = spawnSync('git', ['rev-parse', 'HEAD:libs', 'HEAD:services'], { cwd: root, encoding: 'utf8' });
  if (status !== 0) return {};
  return { SIM_BASE: String(Number.parseInt(createHash('sha256').update(stdout).digest('hex').slice(0, 11), 16)) };
}

function run(name, { command, counts, env }) {
  console.log(`\n==> ${name}: ${command.join(' ')}`);
  const report = path.join(reports, `${name}.json`);
  rmSync(report, { force: true });
  const args = counts
    ? [...command.slice(1), '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    : command.slice(1);
  const startedMs = performance.now();
  const { status } = spawnSync(command[0], args, { cwd: root, stdio: 'inherit', env: { ...env, ...process.env } });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const ok = status === 0;
  console.log(`==> ${name}: ${ok ? 'ok' : `failed (exit ${status})`} after ${seconds} s`);
  if (!counts) return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, failures: ok ? [] : [name] };
  return count(name, report, ok);
}

/** A suite that failed without a failing test (it did not start, say) still counts as a failure. */
function count(name, report, ok) {
  try {
    const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, 'utf8'));
    const failed = ok ? numFailedTests : Math.max(1, numFailedTests);
    return { passed: numPassedTests, failed, failures: testResults.flatMap(failuresOf) };
  } catch (error) {
    return { passed: 0, failed: 1, failures: [`${name}: no report: ${error.message}`] };
  }
}

function failuresOf({ name, status, message, assertionResults }) {
  const file = path.relative(root, name);
  const failed = assertionResults.filter((test) => test.status === 'failed');
  if (failed.length === 0 && status === 'failed') return [`${file}\n${indented(message)}`];
  return failed.map(({ fullName, failureMessages }) => `${file} > ${fullName}\n${indented(failureMessages.join('\n'))}`);
}

function indented(text) {
  return text
    .split('\n')
    .slice(0, FAILURE_LINES_MAX)
    .map((line) => `    ${line}`)
    .join('\n');
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
for (const failure of results.flatMap(({ failures }) => failures)) console.log(`\nfailed: ${failure}`);
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
