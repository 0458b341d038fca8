import type { PartitionIdentity } from '@streamline/core/log/partition-record';
import type { Reach, Segment } from '@streamline/core/log/segment';
import { DirectorySync } from './directory-sync';
import type { EngineContext } from './engine-context';
import { TableFile } from './file-table';
import { errnoOf } from './log-error';
import { SEGMENT_HEADER_BYTES, encodeSegmentHeader } from './segment-header';
import type { ChooseWrite } from './segment-writes';
import { deletedPath, partitionPath, partitionsPath, segmentFileName } from './segment-path';

/** The files of one partition: what `Segment` counts in bytes becomes writes, syncs and unlinks here. */
export class LogFiles {
  readonly directory: string;
  private readonly names: DirectorySync;
  private readonly files = new Map<Segment, TableFile>();
  /** A segment of the same name may come after it: what still asks for a removed one gets nothing. */
  private readonly removed = new WeakSet<Segment>();
  private directoryMade = false;
  private movedAway = false;
  /** Writes wait for it: the directory of an earlier life is being moved away. */
  private ready: Promise<void> = Promise.resolve();

  constructor(
    private readonly context: EngineContext,
    private readonly identity: PartitionIdentity,
  ) {
    this.directory = partitionPath(context.root, identity);
    this.names = new DirectorySync(context.disk, this.directory);
  }

  waitFor(ready: Promise<void>): void {
    this.ready = ready;
  }

  /** The directory is there, but a killed process may not have made its names durable (S-8). */
  adoptDirectory(): void {
    this.directoryMade = true;
    this.names.changed();
    this.context.partitionsDirectory.changed();
  }

  /** Closes a segment's file and knows nothing of it any more; the file stays. */
  async forget(segment: Segment): Promise<void> {
    const file = this.files.get(segment);
    this.files.delete(segment);
    if (file !== undefined) await this.context.files.forget(file);
  }

  /** The segment's file is on the disk already. */
  adopt(segment: Segment): void {
    this.directoryMade = true;
    this.fileOf(segment).exists = true;
  }

  fileOf(segment: Segment): TableFile {
    let file = this.files.get(segment);
    if (file === undefined) {
      file = new TableFile(this.pathOf(segment, 'log'), () => this.sync(segment));
      file.gone = this.removed.has(segment);
      this.files.set(segment, file);
    }
    return file;
  }

  pathOf(segment: Segment, extension: 'log' | 'index' | 'timeindex'): string {
    return `${this.directory}/${segmentFileName(segment.baseOffset, segment.revision, extension)}`;
  }

  /**
   * Writes batches one after the other into a segment from a position on, the header before the first, as part of a group.
   * @param choose what is to be written, its position counted from the segment's first batch
   */
  async write(segment: Segment, isUrgent: boolean, choose: ChooseWrite): Promise<void> {
    await this.ready;
    const write = (): Promise<void> => this.writeTo(segment, isUrgent, choose);
    // All of ten thousand partitions may want to write at once: the files of a few are opened for it at a time.
    await (this.context.files.peek(this.fileOf(segment)) === undefined ? this.context.opens.run(write) : write());
  }

  private async writeTo(segment: Segment, isUrgent: boolean, choose: ChooseWrite): Promise<void> {
    const file = this.fileOf(segment);
    if (!file.exists) {
      file.mayCreate = true;
      await this.makeDirectory();
    }
    await this.context.files.use(file, async (handle) => {
      if (!file.exists) {
        file.exists = true;
        this.names.changed();
      }
      await this.context.writes.write(handle, isUrgent, (bytesMax) => {
        const chosen = choose(bytesMax);
        if (chosen === undefined) return undefined;
        file.unsynced = true;
        const { position, chunks, bytes } = chosen;
        if (position > 0) return { position: SEGMENT_HEADER_BYTES + position, chunks, bytes };
        return { position: 0, chunks: [encodeSegmentHeader(this.identity, segment.baseOffset), ...chunks], bytes };
      });
      // A sync that was submitted meanwhile did not cover it (S-5).
      file.unsynced = true;
    });
  }

  /**
   * Makes what is written of a segment durable, names included. Only what was written before the sync was submitted counts, and
   * nothing where the bytes changed meanwhile (S-5).
   */
  async sync(segment: Segment): Promise<void> {
    const file = this.fileOf(segment);
    // One at a time: of two syncs that run together only one is told of an error (S-9).
    while (file.syncing !== undefined) await file.syncing.catch(() => undefined);
    if (file.failure !== undefined) throw file.failure;
    const reach = segment.written;
    const generation = segment.generation;
    if (!file.unsynced && reach.bytes <= segment.synced.bytes) return;
    file.syncing = this.datasync(file).finally(() => (file.syncing = undefined));
    await file.syncing;
    await this.syncNames();
    this.noteSynced(segment, reach, generation);
  }

  private datasync(file: TableFile): Promise<void> {
    return this.context.files.use(file, async (handle) => {
      file.unsynced = false;
      try {
        await handle.datasync();
      } catch (error) {
        file.unsynced = true;
        file.failure = error instanceof Error ? error : new Error(String(error));
        throw error;
      }
    });
  }

  /** The directory of the partition and the name of the directory itself. */
  async syncNames(): Promise<void> {
    await this.names.sync();
    await this.context.partitionsDirectory.sync();
  }

  noteSynced(segment: Segment, reach: Reach, generation: number): void {
    if (segment.generation === generation && reach.bytes > segment.synced.bytes) segment.synced = reach;
  }

  /** S-9: what the file holds past the segment's end means nothing, so its failed sync needs no repair; its synced part stands. */
  giveUpRest(segment: Segment): void {
    const file = this.fileOf(segment);
    file.unsynced = false;
    file.failure = undefined;
  }

  /** Shortens a segment's file to what the segment holds. */
  async truncate(segment: Segment): Promise<void> {
    const file = this.fileOf(segment);
    if (!file.exists) return;
    await this.context.files.use(file, async (handle) => {
      file.unsynced = true;
      await handle.truncate(SEGMENT_HEADER_BYTES + segment.appended.bytes);
      // As in `write`: a sync that was submitted meanwhile did not cover it.
      file.unsynced = true;
    });
    await this.removeIndexFiles(segment);
  }

  /** Unlinks a segment's files; no error where they are not there. */
  async remove(segment: Segment): Promise<void> {
    const file = this.fileOf(segment);
    this.removed.add(segment);
    this.files.delete(segment);
    await this.context.files.forget(file);
    if (!this.directoryMade) return;
    await this.unlinkIfThere(this.pathOf(segment, 'log'));
    await this.removeIndexFiles(segment);
    this.names.changed();
  }

  /** Unlinks a file of the directory that belongs to no segment. */
  async removeStranger(name: string): Promise<void> {
    await this.unlinkIfThere(`${this.directory}/${name}`);
    this.names.changed();
  }

  /** Removes the directory with all it holds. Its name is free for another life of the partition once `freed` resolves. */
  removeAll(): { readonly freed: Promise<void>; readonly removed: Promise<void> } {
    const moved = deletedPath(this.context.root, this.identity);
    const freed = this.moveAway(moved);
    const removed = freed.then(() => this.context.disk.removeTree(moved));
    return { freed, removed };
  }

  private async moveAway(moved: string): Promise<void> {
    // An earlier life that could not be moved away goes with this one.
    await this.ready.catch(() => undefined);
    for (const file of this.files.values()) await this.context.files.forget(file);
    this.files.clear();
    if (await this.context.disk.exists(this.directory)) {
      await this.context.disk.rename(this.directory, moved);
      this.movedAway = true;
    }
    if (this.movedAway) await this.context.disk.syncDirectory(partitionsPath(this.context.root));
  }

  private async removeIndexFiles(segment: Segment): Promise<void> {
    await this.unlinkIfThere(this.pathOf(segment, 'index'));
    await this.unlinkIfThere(this.pathOf(segment, 'timeindex'));
  }

  private async unlinkIfThere(path: string): Promise<void> {
    try {
      await this.context.disk.unlink(path);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }

  private async makeDirectory(): Promise<void> {
    if (this.directoryMade) return;
    try {
      await this.context.disk.makeDirectory(this.directory);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
    this.directoryMade = true;
    this.context.partitionsDirectory.changed();
  }
}
