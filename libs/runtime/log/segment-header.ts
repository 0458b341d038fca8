import { crc32c } from '@node-rs/crc32';
import type { PartitionIdentity } from '@streamline/core/log/partition-record';

/** Bytes before the first batch of a segment file. */
export const SEGMENT_HEADER_BYTES = 64;

const MAGIC = Buffer.from('STRMSEGM', 'latin1');
const FORMAT_VERSION = 1;
const CRC_AT = 60;

/** Bits of a segment's flags. Compaction is named from the first version on; nothing sets it yet. */
export const SegmentFlag = { compacted: 1 } as const;

/**
 * What every segment file begins with (docs/spec/log.md, "Segment"): `magic[8] | version u16 | flags u16 | slot u32 | topic id[16] | partition i32 |
 * base offset i64 | zero[16] | crc u32`. Slot and id tell whose bytes these are, whatever the directory is called (S-2).
 */
export function encodeSegmentHeader(identity: PartitionIdentity, baseOffset: number): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(header, 0);
  header.writeUInt16BE(FORMAT_VERSION, 8);
  header.writeUInt32BE(identity.slot, 12);
  Buffer.from(identity.topicId, 'base64url').copy(header, 16);
  header.writeInt32BE(identity.partition, 32);
  header.writeBigInt64BE(BigInt(baseOffset), 36);
  header.writeUInt32BE(crc32c(header.subarray(0, CRC_AT)), CRC_AT);
  return header;
}

/** Why these bytes do not begin a segment of this partition with this base; undefined where they do. */
export function segmentHeaderFault(header: Buffer, identity: PartitionIdentity, baseOffset: number): string | undefined {
  if (header.length < SEGMENT_HEADER_BYTES) return `the file ends within its header (${header.length} bytes)`;
  if (!header.subarray(0, 8).equals(MAGIC)) return 'this is no segment file';
  const version = header.readUInt16BE(8);
  if (version !== FORMAT_VERSION) return `segment format ${version}; this version reads format ${FORMAT_VERSION}`;
  if (header.readUInt16BE(10) !== 0) return `segment flags ${header.readUInt16BE(10)} are not known to this version`;
  return header.equals(encodeSegmentHeader(identity, baseOffset)) ? undefined : 'the header is damaged, or of another partition';
}
