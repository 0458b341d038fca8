import fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import type { DiskFile } from '@streamline/runtime/ports/disk';

/** writev takes at most this many pieces (IOV_MAX on Linux, macOS and the BSDs). */
const PIECES_MAX = 1024;

/** A file of the platform. Short writes are gone on with until everything is written or an error says why not. */
export class NodeFile implements DiskFile {
  /** Writes by a thread that knows nothing but the descriptor's number: until they end it must not come to mean another file. */
  private threadWrites = 0;
  private whenWritten: (() => void)[] = [];

  constructor(
    readonly path: string,
    private readonly handle: FileHandle,
  ) {}

  async size(): Promise<number> {
    return (await this.handle.stat()).size;
  }

  async write(position: number, chunks: readonly Uint8Array[]): Promise<void> {
    let at = position;
    for (let from = 0; from < chunks.length; from += PIECES_MAX) {
      at = await this.writePieces(at, from === 0 && chunks.length <= PIECES_MAX ? chunks : chunks.slice(from, from + PIECES_MAX));
    }
  }

  async read(position: number, into: Uint8Array): Promise<number> {
    let done = 0;
    while (done < into.length) {
      const { bytesRead } = await this.handle.read(into, done, into.length - done, position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  readSync(position: number, into: Uint8Array): number {
    let done = 0;
    while (done < into.length) {
      const bytes = fs.readSync(this.handle.fd, into, done, into.length - done, position + done);
      if (bytes === 0) break;
      done += bytes;
    }
    return done;
  }

  /** Like `write`, blocking: only for bytes that the page cache takes at the speed of memory. */
  writeSync(position: number, chunks: readonly Uint8Array[]): void {
    let at = position;
    for (let rest = after(chunks, 0); rest.length > 0;) {
      const some = rest.length > PIECES_MAX ? rest.slice(0, PIECES_MAX) : rest;
      const bytes = fs.writevSync(this.handle.fd, some as Uint8Array[], at);
      if (bytes === 0) throw stalled(this.path);
      at += bytes;
      rest = after(rest, bytes);
    }
  }

  datasync(): Promise<void> {
    return this.handle.datasync();
  }

  truncate(size: number): Promise<void> {
    return this.handle.truncate(size);
  }

  async close(): Promise<void> {
    while (this.threadWrites > 0) await new Promise<void>((resolve) => this.whenWritten.push(resolve));
    await this.handle.close();
  }

  /** The descriptor for a thread that writes; it stays open until `endThreadWrite`. */
  beginThreadWrite(): number {
    this.threadWrites += 1;
    return this.handle.fd;
  }

  endThreadWrite(): void {
    this.threadWrites -= 1;
    if (this.threadWrites > 0) return;
    const waiting = this.whenWritten;
    this.whenWritten = [];
    for (const resolve of waiting) resolve();
  }

  /** Returns the position after the last byte. */
  private async writePieces(position: number, chunks: readonly Uint8Array[]): Promise<number> {
    let rest = chunks;
    let at = position;
    while (rest.length > 0) {
      const { bytesWritten } = await this.handle.writev(rest as Uint8Array[], at);
      at += bytesWritten;
      const left = after(rest, bytesWritten);
      if (left.length > 0 && bytesWritten === 0) throw stalled(this.path);
      rest = left;
    }
    return at;
  }
}

/** What remains of `chunks` after `written` bytes of them; empty chunks at the front are dropped. */
export function after(chunks: readonly Uint8Array[], written: number): readonly Uint8Array[] {
  let left = written;
  for (const [index, chunk] of chunks.entries()) {
    if (left < chunk.length) return [chunk.subarray(left), ...chunks.slice(index + 1)];
    left -= chunk.length;
  }
  return [];
}

function stalled(path: string): Error {
  return Object.assign(new Error(`EIO: a write to ${path} made no progress`), { code: 'EIO', syscall: 'write' });
}
