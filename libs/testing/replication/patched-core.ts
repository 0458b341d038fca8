import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { PartitionReplica } from '@streamline/core/replication/replica';
import { build } from 'esbuild';
import type { ReplicaFactory } from './surroundings';

/** One place of the core's source, replaced: `find` has to stand there exactly once. */
export interface Patch {
  /** In libs/core/replication, without the extension. */
  readonly file: string;
  readonly find: string;
  readonly instead: string;
}

interface CoreModule {
  readonly PartitionReplica: typeof PartitionReplica;
  readonly setInvariantsEnabled: (value: boolean) => void;
}

const CORE = path.resolve('libs/core/replication');

/**
 * The shipped core with some of its lines replaced and its own assertions off, so that simulations have to find by themselves what is
 * wrong with it. Run in the clone's top folder. Throws where a patch does not fit the source any more.
 */
export async function patchedCore(patches: readonly Patch[]): Promise<ReplicaFactory> {
  const contents = "export { PartitionReplica } from './replica'; export { setInvariantsEnabled } from './invariant';";
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: CORE, loader: 'ts' },
    bundle: true,
    write: false,
    logLevel: 'silent',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    plugins: [
      {
        name: 'planted-bugs',
        setup({ onLoad }) {
          onLoad({ filter: /libs\/core\/replication\/.*\.ts$/ }, async ({ path: file }) => {
            return { contents: applyPatches(path.basename(file, '.ts'), await readFile(file, 'utf8'), patches), loader: 'ts' };
          });
        },
      },
    ],
  });
  const directory = await mkdtemp(path.join(tmpdir(), 'streamline-patched-replication-'));
  try {
    const file = path.join(directory, 'core.mjs');
    await writeFile(file, outputFiles[0]?.contents ?? '');
    const { PartitionReplica, setInvariantsEnabled }: CoreModule = await import(/* @vite-ignore */ pathToFileURL(file).href);
    setInvariantsEnabled(false);
    return (init, config, facts) => new PartitionReplica(init, config, facts);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Spaces and line ends count as one space, so that a formatter may break lines as it likes. */
function applyPatches(name: string, source: string, patches: readonly Patch[]): string {
  let patched = source;
  for (const { file, find, instead } of patches) {
    if (file !== name) continue;
    const pattern = new RegExp(find.trim().split(/\s+/).map(escapeForRegExp).join('\\s+'), 'g');
    const found = patched.match(pattern)?.length ?? 0;
    if (found !== 1) throw new Error(`${name}.ts has ${found} places, not one, with: ${find}`);
    patched = patched.replace(pattern, () => instead);
  }
  return patched;
}

function escapeForRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
