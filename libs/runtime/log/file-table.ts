import type { Disk, DiskFile } from '../ports/disk';
import { LogError, errnoOf } from './log-error';

/** A segment file that is open now and then. */
export class TableFile {
  handle: DiskFile | undefined;
  opening: Promise<DiskFile> | undefined;
  pins = 0;
  /** Writes since the last successful sync: the descriptor stays open, since closing loses the error (S-9). */
  unsynced = false;
  /** A sync that failed: nothing is known of what was not synced before, and trying again would tell nothing (S-9). */
  failure: Error | undefined;
  /** The sync that is under way. */
  syncing: Promise<void> | undefined;
  gone = false;
  /** False until the file was made. */
  exists = false;
  /** Its writer makes the file where it does not exist yet; nobody else does. */
  mayCreate = false;

  constructor(
    readonly path: string,
    /** Syncs the file, so that its descriptor may be closed. */
    readonly sync: () => Promise<void>,
  ) {}
}

/** Keeps at most so many segment files open, and closes the ones that were used longest ago. */
export class FileTable {
  /** Open files, the one used longest ago first. */
  private readonly open = new Map<TableFile, DiskFile>();
  private openingCount = 0;

  constructor(
    private readonly disk: Disk,
    private readonly maxOpenFiles: number,
  ) {}

  get openCount(): number {
    return this.open.size;
  }

  /** The handle where the file is open already. It may be used until the caller next awaits. */
  peek(file: TableFile): DiskFile | undefined {
    const handle = file.handle;
    if (handle === undefined) return undefined;
    this.open.delete(file);
    this.open.set(file, handle);
    return handle;
  }

  /** Runs `use` with the open file, made where it does not exist yet and may be; it is not closed meanwhile. */
  async use<T>(file: TableFile, use: (handle: DiskFile) => Promise<T>): Promise<T> {
    file.pins += 1;
    try {
      const handle = this.peek(file) ?? (await this.openFile(file));
      return await use(handle);
    } finally {
      file.pins -= 1;
    }
  }

  /** Closes a file for good: it is about to be unlinked. */
  async forget(file: TableFile): Promise<void> {
    file.gone = true;
    await file.opening?.catch(() => undefined);
    const handle = file.handle;
    file.handle = undefined;
    this.open.delete(file);
    await handle?.close();
  }

  async closeAll(): Promise<void> {
    for (const file of [...this.open.keys()]) await this.forget(file);
  }

  private openFile(file: TableFile): Promise<DiskFile> {
    if (file.gone) return Promise.reject(new LogError('gone', `${file.path} was removed`));
    file.opening ??= this.openNow(file).finally(() => (file.opening = undefined));
    return file.opening;
  }

  private async openNow(file: TableFile): Promise<DiskFile> {
    this.openingCount += 1;
    try {
      await this.makeRoom();
      if (!file.exists && !file.mayCreate) throw new LogError('gone', `${file.path} does not exist`);
      const handle = file.exists ? await this.disk.open(file.path, 'write') : await this.create(file.path);
      file.handle = handle;
      this.open.set(file, handle);
      return handle;
    } finally {
      this.openingCount -= 1;
    }
  }

  /** What stands under the name already was unlinked before a crash that brought it back: nobody counts on it. */
  private async create(path: string): Promise<DiskFile> {
    try {
      return await this.disk.open(path, 'create');
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
    await this.disk.unlink(path);
    return this.disk.open(path, 'create');
  }

  private async makeRoom(): Promise<void> {
    while (this.open.size + this.openingCount > this.maxOpenFiles) {
      const victim = this.oldest((file) => !file.unsynced) ?? (await this.syncedVictim());
      if (victim === undefined) return;
      const handle = victim.handle;
      victim.handle = undefined;
      this.open.delete(victim);
      await handle?.close();
    }
  }

  /** All idle files are unsynced: sync the oldest one to be allowed to close it. */
  private async syncedVictim(): Promise<TableFile | undefined> {
    const file = this.oldest(() => true);
    if (file === undefined) return undefined;
    try {
      await file.sync();
    } catch {
      // Kept by the file; its owner meets it when it syncs by itself (S-9).
      return undefined;
    }
    return file.pins === 0 && !file.unsynced && file.handle !== undefined ? file : undefined;
  }

  private oldest(fits: (file: TableFile) => boolean): TableFile | undefined {
    for (const file of this.open.keys()) {
      if (file.pins === 0 && fits(file)) return file;
    }
    return undefined;
  }
}
