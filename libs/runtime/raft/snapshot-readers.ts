import type { DiskFile } from '@streamline/runtime/ports/disk';
import type { SnapshotPiece } from './raft-storage';

/** A file that is open for those who are sent it. */
interface Reading {
  readonly file: DiskFile;
  readonly sizeBytes: number;
  /** Pieces that are being read just now. */
  reads: number;
  /** Closed with the last of them; who comes later opens it again. */
  isOver: boolean;
}

/**
 * Keeps the file of a snapshot open from the first piece that is read of it to the last: all peers that are sent it read from
 * one handle. A transfer that is given up leaves it open until the snapshot is forgotten.
 */
export class SnapshotReaders {
  readonly #readings = new Map<string, Promise<Reading | undefined>>();

  /** `open`: the file, verified; undefined where it is damaged or counts no more. May fail, as disks do. */
  constructor(private readonly open: (id: string) => Promise<DiskFile | undefined>) {}

  async read(id: string, offset: number, bytesMax: number): Promise<SnapshotPiece> {
    const reading = await this.#reading(id);
    if (reading === undefined) return undefined;
    reading.reads++;
    try {
      const data = Buffer.allocUnsafe(Math.max(Math.min(bytesMax, reading.sizeBytes - offset), 0));
      const read = await reading.file.read(offset, data);
      const last = offset + read >= reading.sizeBytes;
      if (last) this.#end(id, reading);
      return { data: data.subarray(0, read), last };
    } finally {
      reading.reads--;
      await closeIfOver(reading);
    }
  }

  /** The snapshot is not sent any more, or its file is about to go. */
  async forget(id: string): Promise<void> {
    // A failure to open it was told to who asked.
    const reading = await this.#readings.get(id)?.catch(() => undefined);
    if (reading === undefined) return;
    this.#end(id, reading);
    await closeIfOver(reading);
  }

  async close(): Promise<void> {
    for (const id of [...this.#readings.keys()]) await this.forget(id);
  }

  async #reading(id: string): Promise<Reading | undefined> {
    for (;;) {
      const known = this.#readings.get(id);
      const opening = known ?? this.#begin(id);
      if (known === undefined) this.#readings.set(id, opening);
      let reading: Reading | undefined;
      try {
        reading = await opening;
      } finally {
        if (reading === undefined && this.#readings.get(id) === opening) this.#readings.delete(id);
      }
      if (reading?.isOver !== true) return reading;
    }
  }

  async #begin(id: string): Promise<Reading | undefined> {
    const file = await this.open(id);
    return file && { file, sizeBytes: await file.size(), reads: 0, isOver: false };
  }

  #end(id: string, reading: Reading): void {
    if (reading.isOver) return;
    reading.isOver = true;
    this.#readings.delete(id);
  }
}

async function closeIfOver({ file, reads, isOver }: Reading): Promise<void> {
  if (isOver && reads === 0) await file.close();
}
