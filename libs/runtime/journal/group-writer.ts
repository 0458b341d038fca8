import * as format from '@streamline/core/journal/format';
import type { FileHeader } from '@streamline/core/journal/format';
import type { DurableFile } from '@streamline/runtime/ports/disk';
import { crc32c } from './crc32c';
import type { TakenRecords } from './pending-records';

const PADDING = Buffer.alloc(format.BLOCK_BYTES);

/** Puts groups into one use of one file, one after the other. */
export class GroupWriter {
  private readonly seed: number;
  private readonly groupHeader = Buffer.alloc(format.GROUP_HEADER_BYTES);

  constructor(
    readonly file: DurableFile,
    readonly slot: number,
    readonly header: FileHeader,
    private nextOffset: number,
  ) {
    this.seed = format.saltSeed(header.salt, crc32c);
  }

  get offset(): number {
    return this.nextOffset;
  }

  /** Bytes of the file that groups with records may still take, `keptBytes` being left free. */
  leftBytes(keptBytes: number): number {
    return Math.max(this.header.fileBytes - this.nextOffset - format.RESERVED_TAIL_BYTES - keptBytes, 0);
  }

  /** Bytes of records that the next group may hold, `keptBytes` of the file being left free. */
  roomBytes(keptBytes: number): number {
    const left = this.leftBytes(keptBytes);
    const padded = Math.min(left - (left % format.BLOCK_BYTES), this.header.groupBytesMax);
    return padded - format.GROUP_HEADER_BYTES;
  }

  /** Whether one block more leaves `keptBlocks` at the end of the file. */
  hasBlock(keptBlocks: number): boolean {
    return this.nextOffset + (1 + keptBlocks) * format.BLOCK_BYTES <= this.header.fileBytes;
  }

  /** Writes one group; resolves with its size in the file when it is durable (J-4). */
  async write(kind: format.GroupKind, startPosition: number, redo: number, payload: TakenRecords): Promise<number> {
    const at = this.nextOffset;
    const header = {
      kind,
      payloadBytes: payload.bytes,
      recordCount: payload.count,
      startPosition,
      redo,
      blockIndex: at / format.BLOCK_BYTES,
    };
    format.encodeGroupHeader(this.groupHeader, header, payload.parts, this.header.salt, this.seed, crc32c, payload.crcs);
    const bytes = format.paddedGroupBytes(payload.bytes);
    const padding = PADDING.subarray(0, bytes - format.GROUP_HEADER_BYTES - payload.bytes);
    await this.file.write(at, [this.groupHeader, ...payload.parts, padding]);
    this.nextOffset = at + bytes;
    return bytes;
  }
}
