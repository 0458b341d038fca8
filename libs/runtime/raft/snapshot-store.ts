import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { SnapshotMeta } from '@streamline/core/raft/types';
import type { Disk, DiskFile } from '@streamline/runtime/ports/disk';
import { hasCode } from './disk-errors';
import type { SnapshotPiece } from './raft-storage';
import { RaftStorageError } from './raft-storage';
import { isWhole, readMeta, readSnapshot, writeSnapshot } from './snapshot-file';
import { SnapshotReaders } from './snapshot-readers';
import type { SnapshotBytes } from './state-machine';

/**
 * `.snapshot` counts. `.received` is complete and verified, and counts only once the log says that it is installed.
 * `.taking` and `.receiving` are parts, of no use after a restart.
 */
type Suffix = 'snapshot' | 'received' | 'taking' | 'receiving';

const NAME = /^[0-9a-f]{24}\.(snapshot|received|taking|receiving)$/;

interface Receiving {
  readonly id: string;
  readonly path: string;
  readonly file: DiskFile;
  nextOffset: number;
}

export interface SnapshotStoreOptions {
  readonly disk: Disk;
  /** Exists; its name is durable. */
  readonly directory: string;
  /** A snapshot could not be written or is damaged: nothing is lost, yet the log stays longer than it should. */
  readonly onProblem: (error: Error) => void;
}

/** The snapshots of a member: each a file, named by its id, that has its final name only when all of it is durable. */
export class SnapshotStore {
  /** That count. */
  readonly #known = new Map<string, SnapshotMeta>();
  /** Found whole since the start, or written since. */
  readonly #verified = new Set<string>();
  readonly #readers = new SnapshotReaders((id) => this.#openVerified(id));
  #receiving: Receiving | undefined;

  constructor(private readonly options: SnapshotStoreOptions) {}

  /** Looks what is there; changes nothing. `installed`: the last one that the journal tells, perhaps removed after a newer one was taken. */
  async recover(installed: SnapshotMeta | undefined): Promise<SnapshotMeta | undefined> {
    const { disk, directory } = this.options;
    const names = (await disk.exists(directory)) ? await disk.list(directory) : [];
    for (const name of names) {
      const suffix = NAME.exec(name)?.[1];
      if (suffix !== 'snapshot' && suffix !== 'received') continue;
      const meta = await this.#metaOf(join(directory, name));
      if (suffix === 'received' && meta?.id !== installed?.id) continue;
      if (meta === undefined) throw this.#damaged(name);
      this.#known.set(meta.id, meta);
    }
    if ((this.newest?.index ?? 0) < (installed?.index ?? 0)) {
      throw new RaftStorageError(
        `The snapshot ${installed?.id}, which the log goes on from, is missing in ${directory}. Nothing was changed. ` +
          "Restore the controller's directory as a whole from a copy.",
      );
    }
    return this.newest;
  }

  /** Removes what an interrupted life left. */
  async clean(): Promise<void> {
    const { disk, directory } = this.options;
    const kept = new Set([...this.#known.keys()].flatMap((id) => [this.#name(id, 'snapshot'), this.#name(id, 'received')]));
    for (const name of await disk.list(directory)) {
      if (NAME.test(name) && !kept.has(name)) await disk.unlink(join(directory, name));
    }
  }

  /** Of those that count. */
  get newest(): SnapshotMeta | undefined {
    let newest: SnapshotMeta | undefined;
    for (const meta of this.#known.values()) if (meta.index >= (newest?.index ?? 0)) newest = meta;
    return newest;
  }

  async take(meta: SnapshotMeta, bytes: SnapshotBytes): Promise<boolean> {
    const { disk } = this.options;
    const taking = this.#path(meta.id, 'taking');
    try {
      const file = await this.#create(taking);
      try {
        await writeSnapshot(file, meta, bytes);
      } finally {
        await file.close();
      }
      await disk.rename(taking, this.#path(meta.id, 'snapshot'));
      await disk.syncDirectory(this.options.directory);
    } catch (error) {
      this.options.onProblem(error instanceof Error ? error : new Error(String(error)));
      await disk.unlink(taking).catch(() => undefined);
      return false;
    }
    this.#known.set(meta.id, meta);
    this.#verified.add(meta.id);
    return true;
  }

  /** A piece of the file as it is: what a peer gets is this very file, checksums included. */
  async readChunk(id: string, offset: number, bytesMax: number): Promise<SnapshotPiece> {
    if (!this.#known.has(id)) return undefined;
    try {
      return await this.#readers.read(id, offset, bytesMax);
    } catch (error) {
      // Removed meanwhile.
      if (hasCode(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  async writeChunk({ id }: SnapshotMeta, offset: number, data: Uint8Array, last: boolean): Promise<boolean> {
    try {
      const receiving = offset === 0 ? await this.#beginReceiving(id) : this.#receiving;
      if (receiving === undefined || receiving.id !== id || receiving.nextOffset !== offset) {
        await this.#stopReceiving();
        return false;
      }
      await receiving.file.write(offset, [data]);
      receiving.nextOffset += data.length;
      return last ? await this.#finishReceiving(receiving) : true;
    } catch (error) {
      this.options.onProblem(error instanceof Error ? error : new Error(String(error)));
      await this.#stopReceiving();
      return false;
    }
  }

  async drop(id: string): Promise<void> {
    if (this.#receiving?.id === id) await this.#stopReceiving();
    if (!this.#known.has(id)) await this.options.disk.unlink(this.#path(id, 'received')).catch(() => undefined);
  }

  /** The installation is durable: the snapshot counts. */
  async keepInstalled(meta: SnapshotMeta): Promise<void> {
    const { disk, directory } = this.options;
    try {
      await disk.rename(this.#path(meta.id, 'received'), this.#path(meta.id, 'snapshot'));
    } catch (error) {
      // Done before, or a newer one has taken its place.
      if (!hasCode(error, 'ENOENT')) throw error;
    }
    await disk.syncDirectory(directory);
  }

  /** The installation is durable: from now on the snapshot can be read, whatever its name is. */
  installed(meta: SnapshotMeta): void {
    this.#known.set(meta.id, meta);
  }

  /** Those that count and are not among `ids` count no more; returns them, to be removed. What is taken later is not meant. */
  forgetOthers(ids: readonly string[]): readonly string[] {
    const others = [...this.#known.keys()].filter((id) => !ids.includes(id));
    for (const id of others) this.#known.delete(id);
    return others;
  }

  async remove(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      await this.#readers.forget(id);
      for (const suffix of ['snapshot', 'received'] as const) {
        await this.options.disk.unlink(this.#path(id, suffix)).catch((error: unknown) => {
          if (!hasCode(error, 'ENOENT')) throw error;
        });
      }
    }
  }

  async *open(meta: SnapshotMeta): AsyncGenerator<Uint8Array> {
    const file = await this.#open(meta.id);
    try {
      yield* readSnapshot(file);
    } finally {
      await file.close();
    }
  }

  async close(): Promise<void> {
    await this.#readers.close();
    await this.#stopReceiving();
  }

  /** Undefined where it counts no more or has rotted, which is found out once for each start, before a peer installs it. */
  async #openVerified(id: string): Promise<DiskFile | undefined> {
    if (!this.#known.has(id)) return undefined;
    const file = await this.#open(id);
    if (this.#verified.has(id)) return file;
    let isVerified = false;
    try {
      isVerified = await isWhole(file, id);
    } finally {
      if (!isVerified) await file.close();
    }
    if (isVerified) {
      this.#verified.add(id);
      return file;
    }
    this.options.onProblem(new RaftStorageError(`The snapshot ${file.path} is damaged: it is not sent to other members.`));
    return undefined;
  }

  async #metaOf(path: string): Promise<SnapshotMeta | undefined> {
    const file = await this.options.disk.open(path, 'read');
    try {
      return await readMeta(file);
    } finally {
      await file.close();
    }
  }

  async #beginReceiving(id: string): Promise<Receiving> {
    await this.#stopReceiving();
    const path = this.#path(id, 'receiving');
    this.#receiving = { id, path, file: await this.#create(path), nextOffset: 0 };
    return this.#receiving;
  }

  async #finishReceiving({ id, path, file }: Receiving): Promise<boolean> {
    const { disk, directory } = this.options;
    await file.datasync();
    if (!(await isWhole(file, id))) {
      this.options.onProblem(new RaftStorageError(`The snapshot ${id} came damaged: it is asked for again.`));
      await this.#stopReceiving();
      return false;
    }
    this.#receiving = undefined;
    await file.close();
    await disk.rename(path, this.#path(id, 'received'));
    await disk.syncDirectory(directory);
    this.#verified.add(id);
    return true;
  }

  async #stopReceiving(): Promise<void> {
    const receiving = this.#receiving;
    this.#receiving = undefined;
    if (receiving === undefined) return;
    await receiving.file.close().catch(() => undefined);
    await this.options.disk.unlink(receiving.path).catch(() => undefined);
  }

  async #create(path: string): Promise<DiskFile> {
    const { disk } = this.options;
    if (await disk.exists(path)) await disk.unlink(path);
    return disk.open(path, 'create');
  }

  /** Under its final name, which an installed one has only a moment later. Fails with ENOENT. */
  async #open(id: string): Promise<DiskFile> {
    const { disk } = this.options;
    for (const suffix of ['snapshot', 'received'] as const) {
      try {
        return await disk.open(this.#path(id, suffix), 'read');
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) throw error;
      }
    }
    return disk.open(this.#path(id, 'snapshot'), 'read');
  }

  /** Ids come from peers: they are no file names. */
  #name(id: string, suffix: Suffix): string {
    return `${createHash('sha256').update(id).digest('hex').slice(0, 24)}.${suffix}`;
  }

  #path(id: string, suffix: Suffix): string {
    return join(this.options.directory, this.#name(id, suffix));
  }

  #damaged(name: string): RaftStorageError {
    return new RaftStorageError(
      `The snapshot ${join(this.options.directory, name)} has no valid beginning. Nothing was changed. ` +
        "Restore the controller's directory as a whole from a copy, or, where other members hold the log, remove this node and let it join again with an empty directory.",
    );
  }
}
