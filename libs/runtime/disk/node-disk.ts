import fs from 'node:fs';
import fsp from 'node:fs/promises';
import path from 'node:path';
import type { Disk, DiskFile, DurableFile, FileWriter } from '@streamline/runtime/ports/disk';
import { NodeFile } from './node-file';
import { NodeFileWriter } from './node-file-writer';
import { WriteThread } from './write-thread';

/** Undefined where the platform has no O_DSYNC; then every write is followed by an fdatasync (J-2). */
const O_DSYNC: number | undefined = fs.constants.O_DSYNC;

const OPEN_FLAGS = {
  read: 'r',
  write: 'r+',
  create: 'wx+',
} as const;

interface SharedThread {
  readonly thread: WriteThread;
  users: number;
}

/**
 * The platform's file system. Durable files of one directory share a thread, those of different directories do not: a
 * role's journal waits for no other role's (J-1, J-8). A thread runs as long as one of its files is open.
 */
export class NodeDisk implements Disk {
  private readonly threads = new Map<string, SharedThread>();

  async open(filePath: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    return new NodeFile(filePath, await fsp.open(filePath, OPEN_FLAGS[mode]));
  }

  async openDurable(filePath: string): Promise<DurableFile> {
    const handle = await fsp.open(filePath, fs.constants.O_RDWR | (O_DSYNC ?? 0));
    const directory = path.dirname(filePath);
    let shared = this.threads.get(directory);
    if (shared === undefined) {
      shared = { thread: new WriteThread('journal'), users: 0 };
      this.threads.set(directory, shared);
    }
    shared.users += 1;
    return new NodeDurableFile(filePath, handle, shared.thread, () => this.leave(directory));
  }

  openWriter(): FileWriter {
    return new NodeFileWriter();
  }

  list(directory: string): Promise<string[]> {
    return fsp.readdir(directory);
  }

  makeDirectory(directory: string): Promise<void> {
    return fsp.mkdir(directory);
  }

  rename(from: string, to: string): Promise<void> {
    return fsp.rename(from, to);
  }

  unlink(filePath: string): Promise<void> {
    return fsp.unlink(filePath);
  }

  removeTree(directory: string): Promise<void> {
    return fsp.rm(directory, { recursive: true, force: true });
  }

  async syncDirectory(directory: string): Promise<void> {
    const handle = await fsp.open(directory, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async exists(filePath: string): Promise<boolean> {
    try {
      await fsp.access(filePath);
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return false;
      throw error;
    }
  }

  async space(filePath: string): Promise<{ freeBytes: number; totalBytes: number }> {
    const { bavail, blocks, bsize } = await fsp.statfs(filePath);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  }

  private async leave(directory: string): Promise<void> {
    const shared = this.threads.get(directory);
    if (shared === undefined) return;
    shared.users -= 1;
    if (shared.users > 0) return;
    this.threads.delete(directory);
    await shared.thread.close();
  }
}

class NodeDurableFile implements DurableFile {
  private isWriting = false;
  private isClosed = false;

  constructor(
    readonly path: string,
    private readonly handle: fsp.FileHandle,
    private readonly thread: WriteThread,
    private readonly leave: () => Promise<void>,
  ) {}

  async write(position: number, chunks: readonly Uint8Array[]): Promise<void> {
    if (this.isWriting || this.isClosed)
      throw new Error(`${this.path}: ${this.isClosed ? 'the file is closed' : 'a write is in flight already'}`);
    this.isWriting = true;
    try {
      const write = { descriptor: this.handle.fd, position, chunks, needsSync: O_DSYNC === undefined };
      const [error] = await this.thread.write([write]);
      if (error !== undefined) throw error;
    } finally {
      this.isWriting = false;
    }
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await this.leave();
    await this.handle.close();
  }
}
