import path from 'node:path';
import type { Disk, DiskFile } from '@streamline/runtime/ports/disk';
import { PREPARING_SUFFIX, slotPath } from './journal-scan';

const ZEROS = Buffer.alloc(1024 * 1024);
/** The disk's queue is shared with the groups that are written meanwhile: sync in small steps. */
const SYNC_EVERY_BYTES = 4 * 1024 * 1024;

/** Makes the ring's files: written with zeros, synced, then named (J-2), so that a file that has its name is whole. */
export class SlotFiles {
  constructor(
    private readonly disk: Disk,
    private readonly directory: string,
    private readonly fileBytes: number,
  ) {}

  /** Makes the directory where there is none, removes what an interrupted `make` left, and makes the names durable. */
  async prepareDirectory(): Promise<string[]> {
    const names = await this.listOrMake();
    for (const name of names) if (name.endsWith(PREPARING_SUFFIX)) await this.disk.unlink(path.join(this.directory, name));
    await this.disk.syncDirectory(this.directory);
    return names.filter((name) => !name.endsWith(PREPARING_SUFFIX));
  }

  /** Makes the file of `slot`; with `header` it is in use from the moment it has its name. */
  async make(slot: number, header: Buffer | undefined): Promise<void> {
    const finalPath = slotPath(this.directory, slot);
    const preparingPath = finalPath + PREPARING_SUFFIX;
    if (await this.disk.exists(preparingPath)) await this.disk.unlink(preparingPath);
    const file = await this.disk.open(preparingPath, 'create');
    try {
      await this.fill(file, header);
    } finally {
      await file.close();
    }
    await this.disk.rename(preparingPath, finalPath);
    await this.disk.syncDirectory(this.directory);
  }

  async remove(slot: number): Promise<void> {
    await this.disk.unlink(slotPath(this.directory, slot));
    await this.disk.syncDirectory(this.directory);
  }

  private async fill(file: DiskFile, header: Buffer | undefined): Promise<void> {
    let unsynced = 0;
    for (let at = 0; at < this.fileBytes; at += ZEROS.length) {
      const bytes = Math.min(ZEROS.length, this.fileBytes - at);
      const isFirst = at === 0 && header !== undefined;
      await file.write(at, isFirst ? [header, ZEROS.subarray(0, bytes - header.length)] : [ZEROS.subarray(0, bytes)]);
      unsynced += bytes;
      if (unsynced >= SYNC_EVERY_BYTES) {
        await file.datasync();
        unsynced = 0;
      }
    }
    await file.datasync();
  }

  private async listOrMake(): Promise<string[]> {
    try {
      return await this.disk.list(this.directory);
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code !== 'ENOENT') throw error;
    }
    await this.disk.makeDirectory(this.directory);
    await this.disk.syncDirectory(path.dirname(this.directory));
    return [];
  }
}
