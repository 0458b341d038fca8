import type { PartitionIndex, TopicId } from '@streamline/core/types/ids';
import type { Durability } from '@streamline/core/log/partition-record';
import type { ControlRecord } from '@streamline/core/log/replay-plan';
import { ByteReader } from './byte-reader';
import { ByteWriter } from './byte-writer';
import { LogError } from './log-error';

/** Record types in the storage role's journal (LOG-2). Their numbers stand on the disk and are never used for anything else. */
export const JournalType = {
  open: 1,
  delete: 2,
  truncate: 3,
  logStart: 4,
  epoch: 5,
  batch: 6,
  beginAnew: 7,
} as const;

/** Version of the records' layout, the first byte of each. */
const LAYOUT_VERSION = 1;

/** Bytes before a batch in its record: version, three of zero, slot. */
export const BATCH_PREFIX_BYTES = 8;

const DURABILITY_CODES: readonly Durability[] = ['fsync', 'page-cache'];

export function durabilityCode(durability: Durability): number {
  return DURABILITY_CODES.indexOf(durability);
}

/** @throws LogError for a code that means nothing */
export function durabilityOf(code: number): Durability {
  const durability = DURABILITY_CODES[code];
  if (durability === undefined) throw new LogError('damaged', `durability ${code} is not known to this version`);
  return durability;
}

/** What stands before every batch of a slot; one buffer serves all of them. */
export function batchPrefix(slot: number): Buffer {
  const prefix = Buffer.alloc(BATCH_PREFIX_BYTES);
  prefix.writeUInt8(LAYOUT_VERSION, 0);
  prefix.writeUInt32BE(slot, 4);
  return prefix;
}

export interface EncodedControl {
  readonly type: number;
  readonly payload: Buffer;
}

export function encodeControl(control: ControlRecord): EncodedControl {
  const writer = new ByteWriter();
  writer.u8(LAYOUT_VERSION);
  writer.u32(control.slot);
  switch (control.kind) {
    case 'open':
      writer.bytes(Buffer.from(control.topicId, 'base64url'));
      writer.i32(control.partition);
      writer.u8(durabilityCode(control.durability));
      writer.i64(control.segmentBytes);
      return { type: JournalType.open, payload: writer.finish() };
    case 'delete':
      return { type: JournalType.delete, payload: writer.finish() };
    case 'truncate':
      writer.i64(control.offset);
      return { type: JournalType.truncate, payload: writer.finish() };
    case 'log-start':
      writer.i64(control.offset);
      return { type: JournalType.logStart, payload: writer.finish() };
    case 'begin-anew':
      writer.i64(control.offset);
      return { type: JournalType.beginAnew, payload: writer.finish() };
    case 'epoch':
      writer.i32(control.epoch);
      writer.i64(control.startOffset);
      return { type: JournalType.epoch, payload: writer.finish() };
  }
}

export interface JournaledBatch {
  readonly slot: number;
  /** A view of the record's payload. */
  readonly bytes: Buffer;
}

export type JournalEntry = { readonly control: ControlRecord } | { readonly batch: JournaledBatch };

/** @throws LogError for a type or a layout of a later version: nothing is skipped */
export function decodeRecord(type: number, payload: Buffer): JournalEntry {
  const version = payload[0];
  if (version !== LAYOUT_VERSION) {
    throw new LogError(
      'damaged',
      `journal record of type ${type} has layout ${version}; this version reads layout ${LAYOUT_VERSION}`,
    );
  }
  if (type === JournalType.batch) {
    return { batch: { slot: payload.readUInt32BE(4), bytes: payload.subarray(BATCH_PREFIX_BYTES) } };
  }
  const reader = new ByteReader(payload);
  reader.u8();
  return { control: decodeControl(type, reader.u32(), reader) };
}

function decodeControl(type: number, slot: number, reader: ByteReader): ControlRecord {
  switch (type) {
    case JournalType.open:
      return {
        kind: 'open',
        slot,
        topicId: reader.bytes(16).toString('base64url') as TopicId,
        partition: reader.i32() as PartitionIndex,
        durability: durabilityOf(reader.u8()),
        segmentBytes: reader.i64(),
      };
    case JournalType.delete:
      return { kind: 'delete', slot };
    case JournalType.truncate:
      return { kind: 'truncate', slot, offset: reader.i64() };
    case JournalType.logStart:
      return { kind: 'log-start', slot, offset: reader.i64() };
    case JournalType.beginAnew:
      return { kind: 'begin-anew', slot, offset: reader.i64() };
    case JournalType.epoch:
      return { kind: 'epoch', slot, epoch: reader.i32(), startOffset: reader.i64() };
    default:
      throw new LogError('damaged', `journal record type ${type} is not known to this version: start a version that knows it`);
  }
}
