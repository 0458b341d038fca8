import path from 'node:path/posix';
import type { Tree } from './tree';
import { digestOf } from './tree';

/** Finds a few too many, such as in comments, and none too few. */
const IMPORTS = /\b(?:from|import)\s*\(?\s*(?:\/\*.*?\*\/\s*)?['"]([^'"\n]+)['"]/g;
const SCRIPT = /\.[cm]?[jt]s$/;

/** The files of the tree that a file names in its imports; packages are not among them. */
export function importsOf(tree: Tree, file: string): readonly string[] {
  const text = tree.get(file)?.toString('utf8') ?? '';
  const found = new Set<string>();
  for (const [, specifier = ''] of text.matchAll(IMPORTS)) {
    const target = targetOf(file, specifier);
    if (target === undefined) continue;
    const stem = target.replace(/\.[cm]?js$/, '');
    for (const candidate of [target, `${target}.ts`, `${stem}.ts`, `${stem}.d.ts`, `${target}/index.ts`]) {
      if (tree.has(candidate)) found.add(candidate);
    }
  }
  return [...found];
}

function targetOf(file: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return path.join(path.dirname(file), specifier);
  const [, ring, rest] = /^@streamline\/([^/]+)\/(.+)$/.exec(specifier) ?? [];
  if (ring === undefined || rest === undefined) return undefined;
  return ring === 'services' ? `services/${rest}` : `libs/${ring}/${rest}`;
}

/**
 * A text for each script that changes whenever it does, or anything that it imports, directly or not: what lint rules that know types
 * say of a file depends on nothing else in the tree. `base` is for what all depend on.
 */
export function fingerprints(tree: Tree, files: readonly string[], base: string): ReadonlyMap<string, string> {
  const digests = new Map<string, string>();
  const digest = (file: string): string => {
    const known = digests.get(file) ?? digestOf([file, tree.get(file) ?? '']);
    digests.set(file, known);
    return known;
  };
  const imports = new Map<string, readonly string[]>();
  const direct = (file: string): readonly string[] => {
    const known = imports.get(file) ?? (SCRIPT.test(file) ? importsOf(tree, file) : []);
    imports.set(file, known);
    return known;
  };
  return new Map(
    files.map((file) => {
      const reached = new Set([file]);
      for (const each of reached) for (const next of direct(each)) reached.add(next);
      return [file, digestOf([base, digest(file), ...[...reached].map(digest).sort()])];
    }),
  );
}
