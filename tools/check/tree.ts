import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

/** What is installed, built, or not ours. */
const SKIPPED: ReadonlySet<string> = new Set(['node_modules', 'dist', '.git', '.nx', '.cache']);

/** The files of a work tree: path from its root, with `/`, to content. */
export type Tree = ReadonlyMap<string, Buffer>;

/** Reads all files of the tree, in the order of their paths. */
export async function readTree(root: string): Promise<Tree> {
  const paths = (await pathsIn(root, '')).sort();
  const contents = await Promise.all(paths.map((each) => readFile(path.join(root, each))));
  return new Map(paths.map((each, at) => [each, contents[at] ?? Buffer.alloc(0)]));
}

async function pathsIn(root: string, folder: string): Promise<string[]> {
  const entries = await readdir(path.join(root, folder), { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry): Promise<string[]> => {
      const each = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : pathsIn(root, each);
      return entry.isFile() ? [each] : [];
    }),
  );
  return found.flat();
}

/** One text for all of the parts, in their order. */
export function digestOf(parts: Iterable<string | Buffer>): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('base64url').slice(0, 22);
}

/** One text for the files that are meant, by path and content. */
export function digestOfFiles(tree: Tree, isMeant: (path: string, content: Buffer) => boolean): string {
  return digestOf([...tree].filter(([each, content]) => isMeant(each, content)).flat());
}
