import { crc32c } from '@node-rs/crc32';
import type { Segment } from '@streamline/core/log/segment';
import { SparseIndex } from '@streamline/core/log/sparse-index';
import type { Disk } from '../ports/disk';
import { errnoOf } from './log-error';

const HEADER_BYTES = 32;
const OFFSET_ENTRY_BYTES = 8;
const TIME_ENTRY_BYTES = 12;
const OFFSET_MAGIC = Buffer.from('STRMOIDX', 'latin1');
const TIME_MAGIC = Buffer.from('STRMTIDX', 'latin1');
const FORMAT_VERSION = 1;

/** The two index files of a segment. */
export interface IndexPaths {
  readonly offsets: string;
  readonly times: string;
}

/** An index that was read from files, and how many bytes of batches it covers. */
export interface LoadedIndex {
  readonly index: SparseIndex;
  readonly coveredBytes: number;
}

/**
 * Writes a segment's index as `.index` (`relative offset u32 | position u32`) and `.timeindex` (`timestamp i64 | relative offset u32`),
 * each after `magic[8] | version u16 | zero u16 | count u32 | covered bytes i64 | zero u32 | crc u32`. They are not synced: a missing or
 * damaged one is built anew from the batches (LOG-7).
 */
export async function writeIndexFiles(disk: Disk, paths: IndexPaths, index: SparseIndex, coveredBytes: number): Promise<void> {
  const offsets = Buffer.alloc(index.length * OFFSET_ENTRY_BYTES);
  const times = Buffer.alloc(index.length * TIME_ENTRY_BYTES);
  let at = 0;
  index.forEach((relativeOffset, positionBytes, maxTimestampBefore) => {
    offsets.writeUInt32BE(relativeOffset, at * OFFSET_ENTRY_BYTES);
    offsets.writeUInt32BE(positionBytes, at * OFFSET_ENTRY_BYTES + 4);
    times.writeBigInt64BE(BigInt(maxTimestampBefore), at * TIME_ENTRY_BYTES);
    times.writeUInt32BE(relativeOffset, at * TIME_ENTRY_BYTES + 8);
    at += 1;
  });
  await replaceFile(disk, paths.offsets, [header(OFFSET_MAGIC, index.length, coveredBytes, offsets), offsets]);
  await replaceFile(disk, paths.times, [header(TIME_MAGIC, index.length, coveredBytes, times), times]);
}

/** Reads a segment's index files; undefined where one is missing, damaged, of another version or covers more than there is. */
export async function readIndexFiles(disk: Disk, paths: IndexPaths, segment: Segment): Promise<LoadedIndex | undefined> {
  const offsets = await readEntries(disk, paths.offsets, OFFSET_MAGIC, OFFSET_ENTRY_BYTES);
  const times = await readEntries(disk, paths.times, TIME_MAGIC, TIME_ENTRY_BYTES);
  if (offsets === undefined || times === undefined || offsets.count !== times.count) return undefined;
  if (offsets.coveredBytes !== times.coveredBytes || offsets.coveredBytes > segment.written.bytes) return undefined;
  const index = new SparseIndex(segment.baseOffset);
  for (let at = 0; at < offsets.count; at += 1) {
    index.add(
      segment.baseOffset + offsets.entries.readUInt32BE(at * OFFSET_ENTRY_BYTES),
      offsets.entries.readUInt32BE(at * OFFSET_ENTRY_BYTES + 4),
      Number(times.entries.readBigInt64BE(at * TIME_ENTRY_BYTES)),
    );
  }
  return { index, coveredBytes: offsets.coveredBytes };
}

function header(magic: Buffer, count: number, coveredBytes: number, entries: Buffer): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  magic.copy(bytes, 0);
  bytes.writeUInt16BE(FORMAT_VERSION, 8);
  bytes.writeUInt32BE(count, 12);
  bytes.writeBigInt64BE(BigInt(coveredBytes), 16);
  bytes.writeUInt32BE(crc32c(entries, crc32c(bytes.subarray(0, 28))), 28);
  return bytes;
}

async function replaceFile(disk: Disk, path: string, chunks: readonly Buffer[]): Promise<void> {
  try {
    await disk.unlink(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  const file = await disk.open(path, 'create');
  try {
    await file.write(0, chunks);
  } finally {
    await file.close();
  }
}

interface Entries {
  readonly count: number;
  readonly coveredBytes: number;
  readonly entries: Buffer;
}

async function readEntries(disk: Disk, path: string, magic: Buffer, entryBytes: number): Promise<Entries | undefined> {
  if (!(await disk.exists(path))) return undefined;
  const file = await disk.open(path, 'read');
  try {
    const content = Buffer.allocUnsafe(await file.size());
    const got = await file.read(0, content);
    return checkedEntries(content.subarray(0, got), magic, entryBytes);
  } finally {
    await file.close();
  }
}

function checkedEntries(content: Buffer, magic: Buffer, entryBytes: number): Entries | undefined {
  if (content.length < HEADER_BYTES || !content.subarray(0, 8).equals(magic) || content.readUInt16BE(8) !== FORMAT_VERSION)
    return undefined;
  const count = content.readUInt32BE(12);
  if (content.length !== HEADER_BYTES + count * entryBytes) return undefined;
  const entries = content.subarray(HEADER_BYTES);
  if (crc32c(entries, crc32c(content.subarray(0, 28))) !== content.readUInt32BE(28)) return undefined;
  return { count, coveredBytes: Number(content.readBigInt64BE(16)), entries };
}
