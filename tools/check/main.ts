import { fork, spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { fingerprints } from './imports';
import type { Finding, Question } from './part';
import { Passed } from './passed';
import type { Tree } from './tree';
import { digestOf, digestOfFiles, readTree } from './tree';

const GENERATED = /(^|\/)generated\//;
const LINTED = /\.(ts|[cm]?js)$/;
/** What the type of anything may depend on without an import. */
const AMBIENT = /\bdeclare (global|module)\b/;
const FORMAT_RULES = ['package-lock.json', '.prettierrc.json', '.prettierignore', '.gitignore', '.editorconfig'];

const NOTHING: Finding = { problems: '', fine: [] };

/** What one part of the check came to. */
interface Outcome {
  readonly part: string;
  readonly problems: string;
  /** What was looked at. */
  readonly scope: string;
  readonly ms: number;
}

/**
 * Types, lint, format and contracts of the tree at `root`, all at once. What was found to be fine before, with all that it depends on, is
 * not looked at again; a clone begins without any such record. Returns the exit code.
 */
export async function main(root: string): Promise<number> {
  const cache = path.join(root, 'node_modules/.cache/streamline-check');
  const tree = await readTree(root);
  const buildInfo = path.join(cache, `types-${digestOf([root])}.json`);
  const tsgo = ['node_modules/tsgo/bin/tsc', '-p', 'tsconfig.base.json', '--incremental', '--tsBuildInfoFile', buildInfo];
  const buf = 'node_modules/.bin/buf';
  const outcomes = await Promise.all([
    program(root, 'types', process.execPath, tsgo),
    part(root, 'lint', tree, lintFingerprints, path.join(cache, 'lint')),
    part(root, 'format', tree, formatFingerprints, path.join(cache, 'format')),
    program(root, 'contracts', buf, ['lint', 'proto']),
    program(root, 'contracts (breaking)', buf, ['breaking', 'proto', '--against', 'proto/accepted.binpb']),
  ]);
  const failed = outcomes.filter(({ problems }) => problems !== '');
  for (const { problems, part: name } of failed) console.error(`${problems.trimEnd()}\ncheck: ${name} failed`);
  const times = outcomes.map(({ part: name, scope, ms }) => `${name}${scope} ${(ms / 1000).toFixed(1)} s`).join(', ');
  if (failed.length === 0) console.log(`check: types, lint, format and contracts are fine (${times})`);
  return failed.length === 0 ? 0 : 1;
}

function lintFingerprints(tree: Tree): ReadonlyMap<string, string> {
  const base = digestOfFiles(tree, (file, content) => {
    if (file === 'package-lock.json' || file.startsWith('tools/eslint/') || file === 'tools/check/lint-part.ts') return true;
    return /(^|\/)tsconfig[^/]*\.json$|\.d\.ts$/.test(file) || (file.endsWith('.ts') && AMBIENT.test(content.toString('utf8')));
  });
  const files = [...tree.keys()].filter((file) => LINTED.test(file) && !GENERATED.test(file));
  return fingerprints(tree, files, base);
}

function formatFingerprints(tree: Tree): ReadonlyMap<string, string> {
  const base = digestOfFiles(tree, (file) => FORMAT_RULES.includes(file));
  return new Map([...tree].map(([file, content]) => [file, digestOf([base, file, content])]));
}

/** Has the files looked at that are not known to be fine. Those that changed meanwhile are looked at again the next time. */
async function part(
  root: string,
  name: string,
  tree: Tree,
  fingerprintsOf: (tree: Tree) => ReadonlyMap<string, string>,
  record: string,
): Promise<Outcome> {
  const startedMs = Date.now();
  const passed = await Passed.load(record);
  const asked = fingerprintsOf(tree);
  const unknown = [...asked].filter(([, fingerprint]) => !passed.has(fingerprint)).map(([file]) => file);
  const finding = unknown.length === 0 ? NOTHING : await ask(`${name}-part.mjs`, { root, files: unknown });
  if (finding.fine.length > 0) {
    const now = fingerprintsOf(await readTree(root));
    await passed.add(finding.fine.flatMap((file) => (asked.get(file) === now.get(file) ? (now.get(file) ?? []) : [])));
  }
  return { part: name, problems: finding.problems, scope: ` of ${unknown.length} files`, ms: Date.now() - startedMs };
}

function ask(programFile: string, question: Question): Promise<Finding> {
  const beside = path.join(path.dirname(fileURLToPath(import.meta.url)), programFile);
  // One run, not an editor: programs of types are not watched.
  const child = fork(beside, [], { cwd: question.root, env: { ...process.env, TSESTREE_SINGLE_RUN: 'true' } });
  return new Promise((resolve) => {
    child.once('message', (finding: Finding) => resolve(finding));
    child.once('exit', (code) => resolve({ problems: `${programFile} ended with code ${code ?? 'of a signal'}`, fine: [] }));
    child.send(question);
  });
}

function program(root: string, name: string, file: string, args: readonly string[]): Promise<Outcome> {
  const startedMs = Date.now();
  const child = spawn(file, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (text: Buffer) => (output += text.toString()));
  child.stderr.on('data', (text: Buffer) => (output += text.toString()));
  return new Promise((resolve) => {
    const end = (problems: string): void => resolve({ part: name, problems, scope: '', ms: Date.now() - startedMs });
    child.once('error', (error) => end(String(error)));
    child.once('close', (code) => end(code === 0 ? '' : output || `${file} ended with code ${code ?? 'of a signal'}`));
  });
}
