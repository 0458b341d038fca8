import type { CutPoint } from '@streamline/core/log/log-state';
import { ProducerTable, producersAfterCut } from '@streamline/core/log/producer-table';
import type { ProducerEntry } from '@streamline/core/log/producer-table';
import { batchHeadAt, walkBatches } from './batch-walk';
import type { DiskPartitionLog } from './disk-partition-log';

/**
 * The producers of a log as its batches before a cut show them, where a truncation went below what is remembered. Segments whose newest
 * record is older than the expiration hold no producer that is still known.
 */
export async function producersBelow(log: DiskPartitionLog, cut: CutPoint, nowMs: number): Promise<Iterable<ProducerEntry>> {
  const table = new ProducerTable();
  for (const segment of [...log.state.segments]) {
    if (
      segment.written.bytes === 0 ||
      segment.baseOffset >= cut.offset ||
      nowMs - segment.maxTimestamp >= log.config.producerIdExpirationMs
    )
      continue;
    const endBytes = segment === cut.segment ? Math.min(cut.positionBytes, segment.written.bytes) : segment.written.bytes;
    await log.reader.guarded(segment, () =>
      log.context.files.use(log.files.fileOf(segment), (file) =>
        walkBatches(file, segment, 0, endBytes, (batch) => table.apply(batch, batch.baseOffset, batch.maxTimestamp)),
      ),
    );
  }
  for (let at = log.tail.indexOf(log.writer.writtenEnd); at < log.tail.length; at += 1) {
    const entry = log.tail.at(at);
    const head = entry === undefined || entry.baseOffset >= cut.offset ? undefined : batchHeadAt(entry.bytes, 0);
    if (head !== undefined) table.apply(head, head.baseOffset, head.maxTimestamp);
  }
  return producersAfterCut(table, log.state.producers.all(), cut.offset);
}
