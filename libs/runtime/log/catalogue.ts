import { crc32c } from '@node-rs/crc32';
import { applyPatch, diffRecords } from '@streamline/core/log/partition-record';
import type { PartitionRecord } from '@streamline/core/log/partition-record';
import type { Disk, DiskFile } from '../ports/disk';
import type { JournalPosition } from '../ports/journal';
import type { Random } from '../ports/random';
import { ByteReader } from './byte-reader';
import { ByteWriter } from './byte-writer';
import { decodeList, decodePatch, encodeList, encodePatch } from './catalogue-codec';
import { errnoOf, LogError } from './log-error';

const FILE_NAME = 'catalogue';
const NEXT_FILE_NAME = 'catalogue.next';
const MAGIC = Buffer.from('STRMCTLG', 'latin1');
const FORMAT_VERSION = 1;
const SALT_BYTES = 16;
/** Frames begin on such boundaries, so that damage can be told from a torn tail. */
const SECTOR_BYTES = 512;
const FRAME_HEADER_BYTES = 20;
const FRAME_MAGIC = 0x46524d45;
const MAX_FRAME_BYTES = 1 << 30;
/** A frame of a whole catalogue holds about this much; one of many such frames commits only with the last. */
const SNAPSHOT_FRAME_BYTES = 4 << 20;
const REWRITE_FLOOR_BYTES = 4 << 20;
const REWRITE_FACTOR = 4;

/** What a checkpoint makes durable in one step (S-6). */
export interface CatalogueCommit {
  /** Replay needs nothing at or before it. */
  readonly redo: JournalPosition;
  /** The smallest slot that was never given out. */
  readonly nextSlot: number;
  readonly records: readonly PartitionRecord[];
  readonly removedSlots: readonly number[];
}

export interface CatalogueState {
  readonly redo: JournalPosition;
  readonly nextSlot: number;
  readonly records: ReadonlyMap<number, PartitionRecord>;
  /** The last frame was torn: a checkpoint was cut short. */
  readonly torn: boolean;
}

/**
 * The compact list of all partitions of an engine, in one file: a snapshot, and a frame with what changed for each checkpoint
 * (LOG-3). A start reads it and needs no directory and no segment file. Each frame has a CRC seeded by the file's random salt.
 */
export class Catalogue {
  private file: DiskFile | undefined;
  private endBytes = 0;
  private snapshotBytes = 0;
  private sequence = 0;
  private saltCrc = 0;
  private mustRewrite = true;

  private constructor(
    private readonly disk: Disk,
    private readonly directory: string,
    private readonly random: Random,
    private readonly records: Map<number, PartitionRecord>,
  ) {}

  /** Reads the catalogue of a directory, or begins an empty one. @throws LogError where it is damaged or of a later version */
  static async open(disk: Disk, directory: string, random: Random): Promise<{ catalogue: Catalogue; state: CatalogueState }> {
    const records = new Map<number, PartitionRecord>();
    const catalogue = new Catalogue(disk, directory, random, records);
    const state = await catalogue.load();
    return { catalogue, state };
  }

  /** Makes a checkpoint durable. After a failure the next call writes a new file, so a failed sync is never trusted (S-9). */
  async commit(commit: CatalogueCommit): Promise<void> {
    const patches = commit.records.map((record) => diffRecords(this.records.get(record.slot), record));
    for (const record of commit.records) this.records.set(record.slot, record);
    for (const slot of commit.removedSlots) this.records.delete(slot);
    if (this.mustRewrite || this.endBytes > Math.max(REWRITE_FLOOR_BYTES, this.snapshotBytes * REWRITE_FACTOR)) {
      await this.rewrite(commit);
      return;
    }
    const writer = new ByteWriter();
    writer.u8(1);
    writer.i64(commit.redo);
    writer.u32(commit.nextSlot);
    encodeList(writer, commit.removedSlots, (out, slot) => out.u32(slot));
    encodeList(writer, patches, encodePatch);
    await this.append(this.frame(writer.finish()));
  }

  /**
   * Makes what was read durable: a killed process may have left a last frame that is readable and not on the disk (S-8). The journal must
   * not hear of its redo position before.
   */
  async secure(state: CatalogueState): Promise<void> {
    if (this.file === undefined) return;
    const { file, endBytes } = this;
    try {
      await this.rewrite({ redo: state.redo, nextSlot: state.nextSlot, records: [], removedSlots: [] });
    } catch (error) {
      if (errnoOf(error) !== 'ENOSPC' && errnoOf(error) !== 'EDQUOT') throw error;
      await writeAgain(file, endBytes);
    }
  }

  async close(): Promise<void> {
    await this.file?.close();
    this.file = undefined;
  }

  private async append(frame: Buffer): Promise<void> {
    if (this.file === undefined) throw new LogError('gone', 'the catalogue is closed');
    this.mustRewrite = true;
    await this.file.write(this.endBytes, [frame]);
    await this.file.datasync();
    this.mustRewrite = false;
    this.endBytes += frame.length;
  }

  private async rewrite(commit: CatalogueCommit): Promise<void> {
    this.mustRewrite = true;
    const salt = this.random.bytes(SALT_BYTES);
    this.saltCrc = crc32c(salt);
    this.sequence = 0;
    const chunks = [fileHeader(salt), ...this.snapshotFrames(commit)];
    const nextPath = `${this.directory}/${NEXT_FILE_NAME}`;
    if (await this.disk.exists(nextPath)) await this.disk.unlink(nextPath);
    const file = await this.disk.open(nextPath, 'create');
    try {
      await file.write(0, chunks);
      await file.datasync();
      await this.disk.rename(nextPath, `${this.directory}/${FILE_NAME}`);
      await this.disk.syncDirectory(this.directory);
    } catch (error) {
      await file.close();
      throw error;
    }
    const old = this.file;
    this.file = file;
    this.endBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    this.snapshotBytes = this.endBytes;
    this.mustRewrite = false;
    await old?.close();
  }

  private snapshotFrames(commit: CatalogueCommit): Buffer[] {
    const frames: Buffer[] = [];
    let body = new ByteWriter();
    let count = 0;
    const finish = (last: boolean): void => {
      const writer = new ByteWriter();
      writer.u8(last ? 1 : 0);
      writer.i64(commit.redo);
      writer.u32(commit.nextSlot);
      writer.u32(0);
      writer.u32(count);
      writer.bytes(body.finish());
      frames.push(this.frame(writer.finish()));
      body = new ByteWriter();
      count = 0;
    };
    for (const record of this.records.values()) {
      encodePatch(body, diffRecords(undefined, record));
      count += 1;
      if (body.sizeBytes >= SNAPSHOT_FRAME_BYTES) finish(false);
    }
    finish(true);
    return frames;
  }

  private frame(payload: Buffer): Buffer {
    this.sequence += 1;
    const frame = Buffer.alloc(Math.ceil((FRAME_HEADER_BYTES + payload.length) / SECTOR_BYTES) * SECTOR_BYTES);
    frame.writeUInt32BE(FRAME_MAGIC, 0);
    frame.writeUInt32BE(payload.length, 4);
    frame.writeBigUInt64BE(BigInt(this.sequence), 8);
    payload.copy(frame, FRAME_HEADER_BYTES);
    frame.writeUInt32BE(frameCrc(frame, payload.length, this.saltCrc), 16);
    return frame;
  }

  private async load(): Promise<CatalogueState> {
    const path = `${this.directory}/${FILE_NAME}`;
    const nothing = { redo: -1 as JournalPosition, nextSlot: 1, records: this.records, torn: false };
    if (!(await this.disk.exists(path))) return nothing;
    const file = await this.disk.open(path, 'write');
    const content = Buffer.allocUnsafe(await file.size());
    const got = await file.read(0, content);
    this.saltCrc = crc32c(checkedSalt(content.subarray(0, got), path));
    const state = this.readFrames(content.subarray(0, got), path);
    this.file = file;
    return state;
  }

  private readFrames(content: Buffer, path: string): CatalogueState {
    let redo = -1 as JournalPosition;
    let nextSlot = 1;
    let committed = 0;
    let pending: (() => void)[] = [];
    let at = SECTOR_BYTES;
    for (;;) {
      const payload = this.frameAt(content, at, this.sequence + 1);
      if (payload === undefined) break;
      this.sequence += 1;
      at += Math.ceil((FRAME_HEADER_BYTES + payload.length) / SECTOR_BYTES) * SECTOR_BYTES;
      const reader = new ByteReader(payload);
      const commits = reader.u8() === 1;
      const frameRedo = reader.i64() as JournalPosition;
      const frameNextSlot = reader.u32();
      const removed = decodeList(reader, (from) => from.u32());
      const patches = decodeList(reader, decodePatch);
      pending.push(() => {
        for (const patch of patches) this.records.set(patch.slot, applyPatch(this.records.get(patch.slot), patch));
        for (const slot of removed) this.records.delete(slot);
      });
      if (!commits) continue;
      for (const apply of pending) apply();
      pending = [];
      redo = frameRedo;
      nextSlot = frameNextSlot;
      committed = at;
    }
    if (committed === 0)
      throw new LogError('damaged', `${path}: no valid frame; restore the directory or remove this replica's disk`);
    this.refuseDamage(content, at, path);
    this.endBytes = committed;
    this.snapshotBytes = committed;
    // What a killed process wrote may be readable and yet not on the disk (S-8): the first commit writes a new file.
    this.mustRewrite = true;
    return { redo, nextSlot, records: this.records, torn: content.length > committed };
  }

  /** An invalid frame before a valid later one is no torn tail but damage: what the later one built on is lost. */
  private refuseDamage(content: Buffer, from: number, path: string): void {
    for (let at = from; at + FRAME_HEADER_BYTES <= content.length; at += SECTOR_BYTES) {
      const sequence = content.readUInt32BE(at) === FRAME_MAGIC ? Number(content.readBigUInt64BE(at + 8)) : 0;
      if (sequence > this.sequence && this.frameAt(content, at, sequence) !== undefined) {
        throw new LogError('damaged', `${path}: the frame at byte ${from} is damaged, a valid one follows at byte ${at}`);
      }
    }
  }

  private frameAt(content: Buffer, at: number, sequence: number): Buffer | undefined {
    if (at + FRAME_HEADER_BYTES > content.length || content.readUInt32BE(at) !== FRAME_MAGIC) return undefined;
    const sizeBytes = content.readUInt32BE(at + 4);
    if (sizeBytes > MAX_FRAME_BYTES || at + FRAME_HEADER_BYTES + sizeBytes > content.length) return undefined;
    if (Number(content.readBigUInt64BE(at + 8)) !== sequence) return undefined;
    const frame = content.subarray(at, at + FRAME_HEADER_BYTES + sizeBytes);
    if (frameCrc(frame, sizeBytes, this.saltCrc) !== frame.readUInt32BE(16)) return undefined;
    return frame.subarray(FRAME_HEADER_BYTES);
  }
}

/** On a full disk: the same bytes over themselves take no space, and the sync covers them whatever an earlier one said (S-9). */
async function writeAgain(file: DiskFile, endBytes: number): Promise<void> {
  const content = Buffer.allocUnsafe(endBytes);
  const got = await file.read(0, content);
  await file.write(0, [content.subarray(0, got)]);
  await file.datasync();
}

/** Over length, sequence and payload, seeded by the file's salt: an earlier file's bytes never validate (J-3). */
function frameCrc(frame: Buffer, payloadBytes: number, saltCrc: number): number {
  const head = crc32c(frame.subarray(4, 16), saltCrc);
  return crc32c(frame.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + payloadBytes), head);
}

/** magic[8] version u16, zero u16, salt[16], crc u32 over all before it; the rest of the sector is zero. */
function fileHeader(salt: Buffer): Buffer {
  const header = Buffer.alloc(SECTOR_BYTES);
  MAGIC.copy(header, 0);
  header.writeUInt16BE(FORMAT_VERSION, 8);
  salt.copy(header, 12);
  header.writeUInt32BE(crc32c(header.subarray(0, 12 + SALT_BYTES)), 12 + SALT_BYTES);
  return header;
}

function checkedSalt(content: Buffer, path: string): Buffer {
  if (content.length < SECTOR_BYTES || !content.subarray(0, 8).equals(MAGIC)) {
    throw new LogError('damaged', `${path}: this is no catalogue of partitions`);
  }
  const version = content.readUInt16BE(8);
  if (version !== FORMAT_VERSION)
    throw new LogError('damaged', `${path}: format ${version}; this version reads format ${FORMAT_VERSION}`);
  if (crc32c(content.subarray(0, 12 + SALT_BYTES)) !== content.readUInt32BE(12 + SALT_BYTES)) {
    throw new LogError('damaged', `${path}: the header's CRC is wrong`);
  }
  return content.subarray(12, 12 + SALT_BYTES);
}
