import type { DiskFile } from '@streamline/runtime/ports/disk';

/** Reads a file forwards in large pieces; what was asked for last is valid until the next `load`. */
export class FileWindow {
  private start = 0;
  private end = 0;
  /** Bytes that came from the disk, for the recovery's report. */
  bytesRead = 0;

  constructor(
    private readonly file: DiskFile,
    private buffer: Buffer,
    private readonly fileBytes: number,
  ) {}

  /** `bytes` from `offset` where they are in memory, else undefined: `load` them. */
  peek(offset: number, bytes: number): Buffer | undefined {
    const at = offset - this.start;
    return at >= 0 && offset + bytes <= this.end ? this.buffer.subarray(at, at + bytes) : undefined;
  }

  /** Brings `bytes` from `offset` on, and as much after them as fits, into memory; what is beyond the file reads as zeros. */
  async load(offset: number, bytes: number): Promise<Buffer> {
    if (this.buffer.length < bytes) this.buffer = Buffer.allocUnsafe(bytes);
    const wanted = Math.min(this.buffer.length, Math.max(bytes, this.fileBytes - offset));
    const read = await this.file.read(offset, this.buffer.subarray(0, wanted));
    this.buffer.fill(0, read, wanted);
    this.start = offset;
    this.end = offset + wanted;
    this.bytesRead += read;
    return this.buffer.subarray(0, bytes);
  }
}
