import type { GroupRecord } from '@streamline/core/groups/group-record';
import type { LeaderEpoch, Offset } from '@streamline/core/types/ids';
import { batchesIn } from '@streamline/wire/records/batch-iterator';
import { isControl, isTransactional, readBatchHeader } from '@streamline/wire/records/batch-header';
import { RecordFormatError } from '@streamline/wire/records/record-format-error';
import { recordsOf } from '@streamline/wire/records/record-view';
import type { PartitionKey } from '../log/log-engine';
import type { LocalPartitions } from '../partitions/local-partitions';
import { CommittedOffsetReader } from './committed-offset-reader';
import { decodeGroupRecord, GroupRecordError } from './group-record-codec';

/** What the batches of one chunk hold together; far above what a coordinator writes. */
const MAX_DECOMPRESSED_BYTES = 268_435_456;

export interface LoadSource {
  readonly partitions: LocalPartitions;
  readonly key: PartitionKey;
  readonly leaderEpoch: LeaderEpoch;
  readonly chunkBytes: number;
  /** Lets others have a turn of the event loop. */
  readonly pause: () => Promise<void>;
  readonly isStopped: () => boolean;
  readonly replay: (record: GroupRecord) => void;
}

export interface Loaded {
  readonly records: number;
  readonly bytes: number;
  /** The log's end when the load was complete: what was replayed is committed once the high watermark is there. */
  readonly endOffset: Offset;
}

/**
 * Replays a coordinator's partition from its log start to the end that it has now. Undefined where this node does not lead it in
 * that epoch, or has stopped to.
 *
 * @throws GroupRecordError, WireError or RecordFormatError for a record that cannot be read; the log's error where it
 *   cannot be read at all.
 */
export async function loadShard(source: LoadSource): Promise<Loaded | undefined> {
  const bounds = source.partitions.bounds(source.key);
  if (bounds?.leaderEpoch !== source.leaderEpoch) return undefined;
  const endOffset = bounds.logEndOffset;
  const offsets = new CommittedOffsetReader();
  let next = bounds.logStartOffset;
  let records = 0;
  let bytes = 0;
  while (next < endOffset) {
    if (source.isStopped()) return undefined;
    const result = await source.partitions.readLocal(source.key, next, source.chunkBytes);
    // To go on without what is missing would forget commits.
    if (result.bytes === 0) throw new Error(`nothing could be read at offset ${next}, before the log's end at ${endOffset}`);
    bytes += result.bytes;
    for (const chunk of result.chunks) {
      let read = 0;
      for (const batch of batchesIn(chunk)) {
        read += batch.byteLength;
        const header = readBatchHeader(batch);
        if (isControl(header.attributes) || isTransactional(header.attributes)) {
          throw new GroupRecordError(
            `the batch at offset ${header.baseOffset} is of a transaction, which this version cannot read`,
          );
        }
        for (const record of recordsOf(batch, header, MAX_DECOMPRESSED_BYTES)) {
          source.replay(offsets.read(record.key, record.value) ?? decodeGroupRecord(record));
          records += 1;
        }
        next = (header.baseOffset + header.lastOffsetDelta + 1) as Offset;
      }
      if (read !== chunk.byteLength) throw new RecordFormatError(`the chunk before offset ${next} ends within a batch`, 'size');
    }
    await source.pause();
  }
  return source.isStopped() ? undefined : { records, bytes, endOffset };
}
