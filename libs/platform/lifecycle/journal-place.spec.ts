import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DirectoryId } from '@streamline/core/types/ids';
import { ExitCode } from '../config/exit-codes';
import { journalPlace } from './journal-place';

let base: string;
let data: string;
let disk: string;

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'streamline-journal-place-'));
  data = join(base, 'data');
  disk = join(base, 'disk');
  await mkdir(join(data, 'storage'), { recursive: true });
});

afterEach(() => rm(base, { recursive: true }));

function place(journalDir: string | undefined, directoryId = 'directorydirectory0000'): Promise<string> {
  const directory = { directoryId: directoryId as DirectoryId, rolePath: (role: string) => join(data, role) };
  return journalPlace({ directory, role: 'storage', journalDir });
}

function refuses(exitCode: ExitCode, message: RegExp) {
  return expect.objectContaining({ exitCode, message: expect.stringMatching(message) });
}

describe('journalPlace', () => {
  it('puts the journal of a role in <journal_dir>/<role>, and finds it there again', async () => {
    expect(await place(disk)).toBe(join(disk, 'storage'));
    expect(await place(disk)).toBe(join(disk, 'storage'));
    expect(await readdir(join(disk, 'storage'))).toEqual(['owner.json']);
  });

  it('leaves it in the data directory without the setting', async () => {
    expect(await place(undefined)).toBe(join(data, 'storage/journal'));
    expect(await readdir(join(data, 'storage'))).toEqual([]);
  });

  it('refuses to begin anew where the journal is not', async () => {
    await place(disk);
    await rm(disk, { recursive: true });
    await expect(place(disk)).rejects.toEqual(refuses(ExitCode.LOG_DAMAGED, /storage journal .* is not in .*disk/));
    await expect(place(join(base, 'other'))).rejects.toEqual(refuses(ExitCode.LOG_DAMAGED, /it was last in .*disk/));
    await expect(place(undefined)).rejects.toEqual(refuses(ExitCode.DIRECTORY_UNREADABLE, /journal_dir is not set/));
    await mkdir(join(disk, 'storage'), { recursive: true });
    await expect(place(disk)).rejects.toEqual(refuses(ExitCode.LOG_DAMAGED, /is not in/));
  });

  it('follows a journal that was moved', async () => {
    await place(disk);
    await rename(disk, join(base, 'moved'));
    expect(await place(join(base, 'moved'))).toBe(join(base, 'moved/storage'));
    await expect(place(undefined)).rejects.toEqual(
      expect.objectContaining({ remedy: `Start with --journal-dir ${join(base, 'moved')}.` }),
    );
  });

  it('refuses the journal of another data directory, and files that are no journal', async () => {
    await place(disk);
    await rm(join(data, 'storage'), { recursive: true });
    await mkdir(join(data, 'storage'));
    await expect(place(disk, 'anotheranotherano0000a')).rejects.toEqual(refuses(ExitCode.WRONG_DIRECTORY, /storage journal of/));
    await mkdir(join(base, 'full/storage'), { recursive: true });
    await writeFile(join(base, 'full/storage/000.journal'), '');
    await expect(place(join(base, 'full'))).rejects.toEqual(refuses(ExitCode.DIRECTORY_UNREADABLE, /holds files/));
  });

  it('refuses to leave a journal behind that lies in the data directory', async () => {
    await mkdir(join(data, 'storage/journal'));
    await expect(place(disk)).rejects.toEqual(refuses(ExitCode.DIRECTORY_UNREADABLE, /has its journal in itself/));
  });

  it('goes on after a first start that was cut short at any point', async () => {
    await mkdir(join(disk, 'storage'), { recursive: true });
    await writeFile(join(disk, 'storage/owner.json.new'), '{"dir');
    await place(disk);
    await rm(join(data, 'storage/journal-place.json'));
    expect(await place(disk)).toBe(join(disk, 'storage'));
  });
});
