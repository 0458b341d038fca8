import type { PartitionIndex, TopicId } from '@streamline/core/types/ids';
import type { EpochEntry } from '@streamline/core/log/epoch-history';
import type { PartitionPatch } from '@streamline/core/log/partition-record';
import type { ProducerBatch, ProducerEntry } from '@streamline/core/log/producer-table';
import type { SegmentRecord } from '@streamline/core/log/segment';
import type { ByteReader } from './byte-reader';
import type { ByteWriter } from './byte-writer';
import { durabilityCode, durabilityOf } from './journal-records';

const CLOSED_FLAG = 1;

/** Writes a patch as it stands in the catalogue (layout 1; docs/spec/log.md, "Catalogue"). */
export function encodePatch(writer: ByteWriter, patch: PartitionPatch): void {
  writer.u32(patch.slot);
  writer.bytes(Buffer.from(patch.topicId, 'base64url'));
  writer.i32(patch.partition);
  writer.u8(durabilityCode(patch.durability));
  writer.i64(patch.segmentBytes);
  writer.i64(patch.controlPosition);
  writer.i64(patch.logStartOffset);
  writer.i64(patch.syncedEndOffset);
  writer.u8(patch.deleted ? 1 : 0);
  writer.text(patch.offlineReason ?? '');
  encodeList(writer, patch.epochs, encodeEpoch);
  encodeList(writer, patch.removedSegments, (out, baseOffset) => out.i64(baseOffset));
  encodeList(writer, patch.segments, encodeSegment);
  encodeList(writer, patch.removedProducers, (out, producerId) => out.i64(producerId));
  encodeList(writer, patch.producers, encodeProducer);
}

export function decodePatch(reader: ByteReader): PartitionPatch {
  const slot = reader.u32();
  const topicId = reader.bytes(16).toString('base64url') as TopicId;
  const partition = reader.i32() as PartitionIndex;
  const durability = durabilityOf(reader.u8());
  const segmentBytes = reader.i64();
  const controlPosition = reader.i64();
  const logStartOffset = reader.i64();
  const syncedEndOffset = reader.i64();
  const deleted = reader.u8() === 1;
  const offlineReason = reader.text();
  return {
    slot,
    topicId,
    partition,
    durability,
    segmentBytes,
    controlPosition,
    logStartOffset,
    syncedEndOffset,
    deleted,
    offlineReason: offlineReason === '' ? undefined : offlineReason,
    epochs: decodeList(reader, decodeEpoch),
    removedSegments: decodeList(reader, (from) => from.i64()),
    segments: decodeList(reader, decodeSegment),
    removedProducers: decodeList(reader, (from) => from.i64()),
    producers: decodeList(reader, decodeProducer),
  };
}

function encodeEpoch(writer: ByteWriter, entry: EpochEntry): void {
  writer.i32(entry.epoch);
  writer.i64(entry.startOffset);
}

function decodeEpoch(reader: ByteReader): EpochEntry {
  return { epoch: reader.i32(), startOffset: reader.i64() };
}

function encodeSegment(writer: ByteWriter, segment: SegmentRecord): void {
  writer.i64(segment.baseOffset);
  writer.u32(segment.revision);
  writer.i64(segment.syncedBytes);
  writer.i64(segment.syncedEndOffset);
  writer.i64(segment.maxTimestamp);
  writer.i64(segment.maxTimestampOffset);
  writer.i64(segment.firstTimestamp);
  writer.i64(segment.createdMs);
  writer.u8(segment.closed ? CLOSED_FLAG : 0);
}

function decodeSegment(reader: ByteReader): SegmentRecord {
  return {
    baseOffset: reader.i64(),
    revision: reader.u32(),
    syncedBytes: reader.i64(),
    syncedEndOffset: reader.i64(),
    maxTimestamp: reader.i64(),
    maxTimestampOffset: reader.i64(),
    firstTimestamp: reader.i64(),
    createdMs: reader.i64(),
    closed: (reader.u8() & CLOSED_FLAG) !== 0,
  };
}

function encodeProducer(writer: ByteWriter, entry: ProducerEntry): void {
  writer.i64(entry.producerId);
  writer.i32(entry.epoch);
  encodeList(writer, entry.batches, encodeBatch);
}

function decodeProducer(reader: ByteReader): ProducerEntry {
  return { producerId: reader.i64(), epoch: reader.i32(), batches: decodeList(reader, decodeBatch) };
}

function encodeBatch(writer: ByteWriter, batch: ProducerBatch): void {
  writer.i32(batch.firstSequence);
  writer.i32(batch.lastSequence);
  writer.i64(batch.baseOffset);
  writer.i64(batch.lastOffset);
  writer.i64(batch.timestamp);
}

function decodeBatch(reader: ByteReader): ProducerBatch {
  return {
    firstSequence: reader.i32(),
    lastSequence: reader.i32(),
    baseOffset: reader.i64(),
    lastOffset: reader.i64(),
    timestamp: reader.i64(),
  };
}

export function encodeList<T>(writer: ByteWriter, items: readonly T[], encode: (writer: ByteWriter, item: T) => void): void {
  writer.u32(items.length);
  for (const item of items) encode(writer, item);
}

export function decodeList<T>(reader: ByteReader, decode: (reader: ByteReader) => T): T[] {
  const count = reader.u32();
  const items: T[] = [];
  for (let at = 0; at < count; at += 1) items.push(decode(reader));
  return items;
}
