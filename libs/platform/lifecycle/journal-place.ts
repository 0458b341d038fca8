import { mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod/mini';
import type { DirectoryId } from '@streamline/core/types/ids';
import { ExitCode } from '../config/exit-codes';
import type { RoleName } from '../config/roles';
import type { DataDirectory } from './data-directory';
import { replaceFile, syncDirectory } from './durable-file';
import { StartupError } from './startup-error';

/** In the directory of a journal that lies outside of its data directory: whose it is. */
const OWNER_FILE = 'owner.json';
/** In a role's directory: that its journal lies elsewhere, and where it lay when it was last opened. */
const PLACE_FILE = 'journal-place.json';

const ownerSchema = z.object({ directoryId: z.string(), role: z.string() });
const placeSchema = z.object({ journal: z.string() });

export interface JournalPlaceOptions {
  readonly directory: Pick<DataDirectory, 'directoryId' | 'rolePath'>;
  readonly role: RoleName;
  /** The setting journal_dir: absolute; undefined: the journal lies in the data directory. */
  readonly journalDir: string | undefined;
}

/**
 * The directory of a role's journal: `<journal_dir>/<role>`, or `journal` in the role's own directory. A journal holds what
 * was acknowledged, so that one that is not where it should be is never begun anew, whichever of the two disks is missing.
 * Fails with a StartupError that says where the journal was and what to do.
 */
export async function journalPlace({ directory, role, journalDir }: JournalPlaceOptions): Promise<string> {
  const roleDirectory = directory.rolePath(role);
  const known = await readJson(join(roleDirectory, PLACE_FILE), placeSchema);
  if (journalDir === undefined) {
    if (known !== undefined) throw elsewhere(role, known.journal);
    return join(roleDirectory, 'journal');
  }
  const place = join(journalDir, role);
  const owner = await readJson(join(place, OWNER_FILE), ownerSchema);
  if (owner !== undefined) checkOwner(place, owner, directory.directoryId, role);
  if (known === undefined) await firstTime(roleDirectory, place, owner === undefined);
  else if (owner === undefined) throw missing(role, place, known.journal);
  if (owner === undefined) await claim(place, directory.directoryId, role);
  if (known?.journal !== place) await writeJson(join(roleDirectory, PLACE_FILE), { journal: place });
  return place;
}

/** A journal outside belongs to a role that has nothing yet: what it has was written with a journal in the data directory. */
async function firstTime(roleDirectory: string, place: string, isUnclaimed: boolean): Promise<void> {
  const own = (await namesIn(roleDirectory)).filter((name) => !name.startsWith('lock.') && !name.endsWith('.new'));
  if (own.length > 0) {
    throw new StartupError(
      ExitCode.DIRECTORY_UNREADABLE,
      `${roleDirectory} has its journal in itself, but journal_dir says ${place}`,
      'Leave journal_dir unset: it can be given to an empty data directory only.',
    );
  }
  if (isUnclaimed && (await namesIn(place)).some((name) => name !== `${OWNER_FILE}.new`)) {
    throw new StartupError(
      ExitCode.DIRECTORY_UNREADABLE,
      `${place} holds files, but nothing says that they are a journal of this node`,
      'Name an empty directory with --journal-dir.',
    );
  }
}

async function claim(place: string, directoryId: DirectoryId, role: RoleName): Promise<void> {
  const firstMade = await mkdir(place, { recursive: true, mode: 0o750 });
  if (firstMade !== undefined) {
    for (let made = place; made.length >= firstMade.length; made = dirname(made)) await syncDirectory(dirname(made));
  }
  await writeJson(join(place, OWNER_FILE), { directoryId, role });
}

function checkOwner(place: string, owner: z.infer<typeof ownerSchema>, directoryId: DirectoryId, role: RoleName): void {
  if (owner.directoryId === directoryId && owner.role === role) return;
  throw new StartupError(
    ExitCode.WRONG_DIRECTORY,
    `${place} is the ${owner.role} journal of data directory ${owner.directoryId}; this one is ${directoryId}`,
    'Give each node a --journal-dir of its own.',
  );
}

function elsewhere(role: RoleName, journal: string): StartupError {
  return new StartupError(
    ExitCode.DIRECTORY_UNREADABLE,
    `the ${role} journal of this data directory lies in ${journal}, but journal_dir is not set`,
    `Start with --journal-dir ${dirname(journal)}.`,
  );
}

function missing(role: RoleName, place: string, last: string): StartupError {
  const was = last === place ? '' : `; it was last in ${last}`;
  return new StartupError(
    ExitCode.LOG_DAMAGED,
    `the ${role} journal of this data directory is not in ${place}${was}`,
    'Mount its disk, or name where it lies now with --journal-dir. It holds acknowledged records and is not begun anew.',
  );
}

async function namesIn(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw refused(path, error);
  }
}

async function readJson<Schema extends z.ZodMiniType>(path: string, schema: Schema): Promise<z.infer<Schema> | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw refused(path, error);
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new StartupError(ExitCode.DIRECTORY_UNREADABLE, `${path} is damaged`, 'Restore this file from a copy.', {
      cause: error,
    });
  }
}

async function writeJson(path: string, value: Readonly<Record<string, string>>): Promise<void> {
  try {
    await replaceFile(path, `${JSON.stringify(value)}\n`);
  } catch (error) {
    throw refused(path, error);
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function refused(path: string, error: unknown): StartupError {
  const remedy = 'Check --journal-dir: it has to be a directory that this user may write.';
  return new StartupError(ExitCode.DIRECTORY_UNREADABLE, `${path} cannot be used: ${codeOf(error) ?? String(error)}`, remedy, {
    cause: error,
  });
}
