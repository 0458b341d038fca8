import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import type { openRaftStorage } from '@streamline/runtime/raft/open-raft-storage';
import type { RaftDriver } from '@streamline/runtime/raft/raft-driver';
import type { ConsensusFactory } from './core-node';
import type { PlantedPorts } from './shipped-node';

/** One place of the source, replaced: `find` has to stand there exactly once. */
export interface Patch {
  /** Name of the file, or the end of its path where others are named so too, without the extension. */
  readonly file: string;
  readonly find: string;
  readonly instead: string;
}

type RaftClass = new (...args: Parameters<ConsensusFactory>) => ReturnType<ConsensusFactory>;

interface CoreModule {
  readonly Raft: RaftClass;
  readonly setInvariantsEnabled: (value: boolean) => void;
}

interface HostModule extends CoreModule {
  readonly RaftDriver: typeof RaftDriver;
  readonly openRaftStorage: typeof openRaftStorage;
}

const LIBS = path.resolve('libs');
const CORE_EXPORTS =
  "export { Raft } from '@streamline/core/raft/raft'; export { setInvariantsEnabled } from '@streamline/core/raft/invariant';";
const HOST_EXPORTS =
  "export { RaftDriver } from '@streamline/runtime/raft/raft-driver'; export { openRaftStorage } from '@streamline/runtime/raft/open-raft-storage';";

/**
 * The shipped core with some of its lines replaced and its own assertions off, so that simulations have to find by themselves
 * what is wrong with it. Run in the clone's top folder. Throws where a patch does not fit the source any more.
 */
export async function patchedCore(patches: readonly Patch[]): Promise<ConsensusFactory> {
  const module: CoreModule = await patchedModule(CORE_EXPORTS, patches);
  return coreOf(module);
}

/** The same of all that is shipped: driver and storage, with the core that they bring along. */
export async function patchedHost(
  patches: readonly Patch[],
): Promise<Required<Pick<PlantedPorts, 'core' | 'driver' | 'openStorage'>>> {
  const module: HostModule = await patchedModule(CORE_EXPORTS + HOST_EXPORTS, patches);
  return { core: coreOf(module), driver: module.RaftDriver, openStorage: module.openRaftStorage };
}

function coreOf({ Raft, setInvariantsEnabled }: CoreModule): ConsensusFactory {
  setInvariantsEnabled(false);
  return (init, time) => new Raft(init, time);
}

/** What `contents` exports, bundled with the patches applied to the files that the filter fits. */
export async function patchedModule<Module>(
  contents: string,
  patches: readonly Patch[],
  filter = /libs\/(core|runtime)\/raft\/.*\.ts$/,
): Promise<Module> {
  const unused = new Set(patches);
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: LIBS, loader: 'ts' },
    alias: { '@streamline': LIBS },
    bundle: true,
    // Found from within the clone, where the bundle is written: some of them are native.
    packages: 'external',
    write: false,
    logLevel: 'silent',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    sourcemap: 'inline',
    plugins: [
      {
        name: 'planted-bugs',
        setup({ onLoad }) {
          onLoad({ filter }, async ({ path: file }) => {
            const fitting = patches.filter((patch) => file.endsWith(`/${patch.file}.ts`));
            for (const patch of fitting) unused.delete(patch);
            return { contents: applyPatches(await readFile(file, 'utf8'), fitting), loader: 'ts' };
          });
        },
      },
    ],
  });
  for (const { file } of unused) throw new Error(`there is no ${file}.ts to plant a bug in`);
  const dist = path.resolve('dist');
  await mkdir(dist, { recursive: true });
  const directory = await mkdtemp(path.join(dist, 'patched-raft-'));
  try {
    const file = path.join(directory, 'raft.mjs');
    await writeFile(file, outputFiles[0]?.contents ?? '');
    const module: Module = await import(/* @vite-ignore */ pathToFileURL(file).href);
    return module;
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Spaces and line ends count as one space, so that a formatter may break lines as it likes. */
function applyPatches(source: string, patches: readonly Patch[]): string {
  let patched = source;
  for (const { file, find, instead } of patches) {
    const pattern = new RegExp(find.trim().split(/\s+/).map(escapeForRegExp).join('\\s+'), 'g');
    const found = patched.match(pattern)?.length ?? 0;
    if (found !== 1) throw new Error(`${file}.ts has ${found} places, not one, with: ${find}`);
    patched = patched.replace(pattern, () => instead);
  }
  return patched;
}

function escapeForRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
