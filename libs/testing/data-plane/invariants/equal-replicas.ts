import type { MetadataImage } from '@streamline/core/metadata/image';
import type { Offset } from '@streamline/core/types/ids';
import type { PartitionLog } from '@streamline/runtime/log/log-engine';
import { Violation } from '@streamline/testing/raft/violation';
import { readBatchHeader } from '@streamline/wire/records/batch-header';
import { batchesIn } from '@streamline/wire/records/batch-iterator';
import { recordsOf } from '@streamline/wire/records/record-view';
import type { StorageSide } from '../storage-side';

const READ_BYTES = 64 * 1024;
const RECORDS_BYTES_MAX = 1 << 20;

/** Once all is well and nobody writes to a topic, all replicas of its partitions hold the same bytes. Returns how many were compared. */
export async function expectEqualReplicas(
  { topics }: MetadataImage,
  topicName: string,
  sides: readonly StorageSide[],
): Promise<number> {
  let compared = 0;
  for (const { id, name, partitions } of topics.values()) {
    if (name !== topicName) continue;
    for (const { partition, replicas } of partitions) {
      const logs = sides.flatMap(({ process, engine }) => {
        const log = engine?.get({ topicId: id, partition });
        return log !== undefined && replicas.includes(process.nodeId) ? [{ nodeId: process.nodeId, log }] : [];
      });
      const [first, ...others] = logs;
      if (first === undefined || logs.length < replicas.length)
        throw new Violation('equal-replicas', `${name}-${partition} has ${logs.length} of ${replicas.length} replicas`);
      const bytes = await bytesOf(first.log);
      for (const { nodeId, log } of others) {
        compared += 1;
        const what = `${name}-${partition} at ${first.nodeId} is ${extentOf(first.log)}, at ${nodeId} ${extentOf(log)}`;
        if (log.logEndOffset !== first.log.logEndOffset) throw new Violation('equal-replicas', what);
        if (log.logStartOffset === first.log.logStartOffset && !bytes.equals(await bytesOf(log)))
          throw new Violation('equal-replicas', `${what}, with other bytes`);
      }
    }
  }
  return compared;
}

/** All records of a log. */
export async function valuesOf(log: PartitionLog): Promise<readonly { readonly offset: number; readonly value: string }[]> {
  return [...batchesIn(await bytesOf(log))].flatMap((batch) =>
    [...recordsOf(batch, readBatchHeader(batch), RECORDS_BYTES_MAX)].flatMap(({ offset, value }) =>
      // The log may begin within a batch.
      offset < log.logStartOffset ? [] : [{ offset, value: value?.toString() ?? '' }],
    ),
  );
}

async function bytesOf(log: PartitionLog): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let at: number = log.logStartOffset; at < log.logEndOffset;) {
    const read = await log.read(at as Offset, { maxBytes: READ_BYTES, minOneBatch: true, upTo: log.logEndOffset });
    for (const batch of read.chunks.flatMap((chunk) => [...batchesIn(chunk)])) {
      const { baseOffset, lastOffsetDelta } = readBatchHeader(batch);
      at = Number(baseOffset) + lastOffsetDelta + 1;
      chunks.push(Buffer.from(batch));
    }
    if (read.chunks.length === 0) throw new Violation('equal-replicas', `nothing is at ${at} of ${extentOf(log)}`);
  }
  return Buffer.concat(chunks);
}

function extentOf({ logStartOffset, logEndOffset }: PartitionLog): string {
  return `${logStartOffset} to ${logEndOffset}`;
}
