import type { SnapshotMeta } from '@streamline/core/raft/types';
import type { DiskFile } from '@streamline/runtime/ports/disk';
import { SnapshotFoot, SnapshotMeta as WireMeta } from '@streamline/wire/contracts/generated/streamline/raft/v1/log';
import { crc32c } from '../journal/crc32c';
import { decode, fromWireSnapshot, toWireSnapshot } from './entry-codec';
import type { FileKind } from './file-frames';
import { encodeFrame, encodePreamble, FrameReader, sizeOf } from './file-frames';
import { RaftStorageError } from './raft-storage';
import type { SnapshotBytes } from './state-machine';

/** Preamble, a frame with the meta, frames with the state machine's bytes, a frame with their length and checksum. */
const SNAPSHOT_FILE: FileKind = { magic: 'SLRS', formatVersion: 1 };
const CHUNK_BYTES = 256 * 1024;
/** The disk's queue is shared with the journal: sync in small steps. */
const SYNC_EVERY_BYTES = 8 * 1024 * 1024;
const NOTHING = new Uint8Array();

/** Writes a whole snapshot to an empty file and syncs it. */
export async function writeSnapshot(file: DiskFile, meta: SnapshotMeta, bytes: SnapshotBytes): Promise<void> {
  const writer = new ChunkWriter(file);
  await writer.write([encodePreamble(SNAPSHOT_FILE), ...encodeFrame(WireMeta.encode(toWireSnapshot(meta)).finish(), [])]);
  for await (const piece of bytes) await writer.take(piece);
  await writer.finish();
}

/** Cuts pieces of any size into chunks of one size, each with its checksum. */
class ChunkWriter {
  #position = 0;
  #unsynced = 0;
  #pieces: Uint8Array[] = [];
  #waiting = 0;
  #dataBytes = 0;
  #dataCrc = 0;

  constructor(private readonly file: DiskFile) {}

  async take(piece: Uint8Array): Promise<void> {
    for (let from = 0; from < piece.length;) {
      const part = piece.subarray(from, from + CHUNK_BYTES - this.#waiting);
      from += part.length;
      this.#pieces.push(part);
      this.#waiting += part.length;
      if (this.#waiting === CHUNK_BYTES) await this.#flush();
    }
  }

  async finish(): Promise<void> {
    await this.#flush();
    const foot = SnapshotFoot.encode({ dataBytes: this.#dataBytes, dataCrc32c: this.#dataCrc }).finish();
    await this.write(encodeFrame(foot, []));
    await this.file.datasync();
  }

  async write(chunks: readonly Uint8Array[]): Promise<void> {
    await this.file.write(this.#position, chunks);
    const bytes = sizeOf(chunks);
    this.#position += bytes;
    this.#unsynced += bytes;
    if (this.#unsynced < SYNC_EVERY_BYTES) return;
    this.#unsynced = 0;
    await this.file.datasync();
  }

  async #flush(): Promise<void> {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#dataBytes += this.#waiting;
    this.#waiting = 0;
    if (pieces.length === 0) return;
    for (const piece of pieces) this.#dataCrc = crc32c(piece, this.#dataCrc);
    await this.write(encodeFrame(NOTHING, pieces));
  }
}

/** What a snapshot file says that it is; undefined where its beginning is not whole. Fails with RaftFormatError. */
export async function readMeta(file: DiskFile): Promise<SnapshotMeta | undefined> {
  const reader = new FrameReader(file, await file.size());
  const frame = (await reader.readPreamble(SNAPSHOT_FILE)) ? await reader.next() : undefined;
  return frame && fromWireSnapshot(decode(WireMeta, frame.head, 'the meta of a snapshot'));
}

/** True if every byte of the file is there as it was written, and it is the snapshot `id`. */
export async function isWhole(file: DiskFile, id: string): Promise<boolean> {
  const meta = await readMeta(file);
  if (meta?.id !== id) return false;
  try {
    for await (const _ of readSnapshot(file)) continue;
    return true;
  } catch (error) {
    if (error instanceof RaftStorageError) return false;
    throw error;
  }
}

/** The state machine's bytes, each chunk verified before it is handed out. Fails with RaftStorageError, perhaps at the end. */
export async function* readSnapshot(file: DiskFile): AsyncGenerator<Uint8Array> {
  const { path } = file;
  const reader = new FrameReader(file, await file.size());
  let dataBytes = 0;
  let dataCrc = 0;
  if (!(await reader.readPreamble(SNAPSHOT_FILE)) || (await reader.next()) === undefined) throw damaged(path, 0);
  for (;;) {
    const { offset } = reader;
    const frame = await reader.next();
    if (frame === undefined) throw damaged(path, offset);
    if (frame.head.length > 0) {
      const foot = decode(SnapshotFoot, frame.head, 'the foot of a snapshot');
      if (foot.dataBytes !== dataBytes || foot.dataCrc32c !== dataCrc || !reader.isAtEnd) throw damaged(path, offset);
      return;
    }
    dataBytes += frame.payload.length;
    dataCrc = crc32c(frame.payload, dataCrc);
    yield frame.payload;
  }
}

function damaged(path: string, offset: number): RaftStorageError {
  return new RaftStorageError(
    `The snapshot ${path} is damaged at offset ${offset}. Nothing was changed. ` +
      "Restore the controller's directory as a whole from a copy, or, where other members hold the log, remove this node and let it join again with an empty directory.",
  );
}
