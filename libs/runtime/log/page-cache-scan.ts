import { Segment } from '@streamline/core/log/segment';
import { BATCH_OVERHEAD_BYTES } from '@streamline/wire/records/batch-header';
import { isBatchCrcValid } from '@streamline/wire/records/batch-patch';
import type { DiskFile } from '../ports/disk';
import { batchHeadAt } from './batch-walk';
import type { WalkedBatch } from './batch-walk';
import type { DiskPartitionLog } from './disk-partition-log';
import { SEGMENT_HEADER_BYTES, segmentHeaderFault } from './segment-header';
import { parseSegmentFileName } from './segment-path';

const WINDOW_BYTES = 1 << 20;

/**
 * P-1: keeps every contiguous valid batch past the synced end, in the active segment and in files that were begun after it; never cuts to
 * the synced end. What follows the last of them is cut.
 * @param names segment files that the log does not know yet
 * @param limitOffset nothing from it on is kept: it was truncated
 * @returns the bytes that were kept
 */
export async function adoptScanned(log: DiskPartitionLog, names: readonly string[], limitOffset: number): Promise<number> {
  const { active } = log.state;
  // A closed segment is complete; after a failed sync its file may hold what the log does not (S-9).
  let kept = active === undefined || active.closed ? 0 : await scanFile(log, active, limitOffset);
  const files = names
    .map((name) => parseSegmentFileName(name))
    .filter((file) => file !== undefined)
    .sort((a, b) => a.baseOffset - b.baseOffset || b.revision - a.revision);
  for (const file of files) {
    const { endOffset, segments } = log.state;
    // A log that began anew within a batch has that batch as its first.
    const continues = file.baseOffset === endOffset || (file.baseOffset < endOffset && segments.length === 0);
    if (!continues || file.baseOffset >= limitOffset || file.baseOffset === log.state.active?.baseOffset) continue;
    const segment = new Segment(file.baseOffset, file.revision, log.context.clock.wallMs());
    log.files.adopt(segment);
    const bytes = (await headerFits(log, segment)) ? await scanFile(log, segment, limitOffset) : 0;
    if (bytes === 0) await log.files.forget(segment);
    kept += bytes;
  }
  log.writer.writtenEnd = log.state.endOffset;
  return kept;
}

async function headerFits(log: DiskPartitionLog, segment: Segment): Promise<boolean> {
  return log.context.files.use(log.files.fileOf(segment), async (file) => {
    const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
    const got = await file.read(0, header);
    return segmentHeaderFault(header.subarray(0, got), log.state.identity, segment.baseOffset) === undefined;
  });
}

/** Appends the valid batches past the segment's end to it; a fresh segment joins the log with its first one. */
async function scanFile(log: DiskPartitionLog, segment: Segment, limitOffset: number): Promise<number> {
  const table = log.files.fileOf(segment);
  const startBytes = segment.appended.bytes;
  await log.context.files.use(table, async (file) => {
    const window = new ScanWindow(file);
    for (;;) {
      const head = await window.batchAt(SEGMENT_HEADER_BYTES + segment.appended.bytes);
      if (head === undefined || head.baseOffset !== segment.appended.endOffset) break;
      if (head.lastOffset >= limitOffset || head.lastOffset < log.state.endOffset) break;
      if (!log.state.segments.includes(segment)) log.state.adoptSegment(segment);
      log.state.append(segment, head, log.config.indexIntervalBytes);
      segment.written = segment.appended;
    }
    if (segment.appended.bytes > startBytes) table.unsynced = true;
  });
  if (segment.appended.bytes > 0) await log.files.truncate(segment);
  return segment.appended.bytes - startBytes;
}

/** Reads a file from front to back, a window at a time. */
class ScanWindow {
  private bytes: Buffer = Buffer.alloc(0);
  private position = 0;

  constructor(private readonly file: DiskFile) {}

  /** The whole valid batch that begins at a position, or undefined. */
  async batchAt(position: number): Promise<WalkedBatch | undefined> {
    if (!(await this.cover(position, BATCH_OVERHEAD_BYTES))) return undefined;
    const head = batchHeadAt(this.bytes, position - this.position);
    if (head === undefined || !(await this.cover(position, head.sizeBytes))) return undefined;
    const at = position - this.position;
    return isBatchCrcValid(this.bytes.subarray(at, at + head.sizeBytes)) ? head : undefined;
  }

  private async cover(position: number, sizeBytes: number): Promise<boolean> {
    if (position >= this.position && position + sizeBytes <= this.position + this.bytes.length) return true;
    const leftBytes = (await this.file.size()) - position;
    if (sizeBytes > leftBytes) return false;
    // Ten thousand small files are scanned as fast as they are read only where their windows are small, too.
    const window = Buffer.allocUnsafe(Math.max(Math.min(WINDOW_BYTES, leftBytes), sizeBytes));
    this.bytes = window.subarray(0, await this.file.read(position, window));
    this.position = position;
    return this.bytes.length >= sizeBytes;
  }
}
