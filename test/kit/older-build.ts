import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { REPOSITORY } from './command';

/** A build that knows metadata.version 1 and no newer one, as the version before did; `makeOlderBuild` makes it. */
export const OLDER_BUILD = path.join(REPOSITORY, 'dist/metadata-version-1/node/main.mjs');

export function makeOlderBuild(): void {
  execFileSync(process.execPath, ['tools/build.mjs', '--metadata-version-max', '1', 'node'], { cwd: REPOSITORY });
}
