import { createRequire } from 'node:module';

const load = createRequire(import.meta.url);

/**
 * An addon that is loaded when it is first used. Together those of the codecs take 8 MB of memory and 15 ms of the start, also of a node whose
 * clients do not compress.
 *
 * @returns the module; throws what Node throws where it cannot be loaded, at each use
 */
export function addonOnFirstUse<Module>(name: string): () => Module {
  let loaded: Module | undefined;
  return () => (loaded ??= load(name) as Module);
}
