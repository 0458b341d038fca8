import { basename } from 'node:path';
import type { LeaderEpoch } from '@streamline/core/types/ids';
import { EpochHistory } from '@streamline/core/log/epoch-history';
import type { LogConfig } from '@streamline/core/log/log-config';
import type { PartitionRecord } from '@streamline/core/log/partition-record';
import { ReplayPlan } from '@streamline/core/log/replay-plan';
import type { PartitionReplay } from '@streamline/core/log/replay-plan';
import type { Segment } from '@streamline/core/log/segment';
import type { JournalPosition, JournalRecord } from '../ports/journal';
import { BadBatchError, batchHeadAt, endOffsetAt, walkBatches } from './batch-walk';
import type { DiskPartitionLog } from './disk-partition-log';
import type { Engine } from './engine';
import { decodeRecord } from './journal-records';
import type { PartitionKey } from './log-engine';
import { LogError, errnoOf } from './log-error';
import { producersBelow } from './producer-scan';
import { adoptScanned } from './page-cache-scan';
import { SEGMENT_HEADER_BYTES, segmentHeaderFault } from './segment-header';
import { deletedPath, parseSegmentFileName, partitionPath, partitionsPath } from './segment-path';
import { forEachParallel } from './semaphore';

const PARALLEL = 4;

/** Counts of what recovery did. */
export interface RecoveryCounts {
  batchesApplied: number;
  bytesApplied: number;
  batchesAlreadySynced: number;
  /** Batches that a later truncation or deletion buried. */
  batchesBuried: number;
  partitionsTouched: number;
  pageCacheBytesKept: number;
}

/**
 * Brings the partitions back: the catalogue's records, brought forward by the journal in two passes (S-4), and page-cache partitions by a
 * scan past their synced ends (P-1).
 */
export class Recovery {
  readonly counts: RecoveryCounts = {
    batchesApplied: 0,
    bytesApplied: 0,
    batchesAlreadySynced: 0,
    batchesBuried: 0,
    partitionsTouched: 0,
    pageCacheBytesKept: 0,
  };
  readonly plan: ReplayPlan;
  /** Page-cache partitions that were scanned: after another boot they may have lost what was acknowledged (P-2). */
  readonly scanned: PartitionKey[] = [];
  private readonly logs = new Map<PartitionReplay, DiskPartitionLog>();
  private readonly appliedEnds = new Map<DiskPartitionLog, number>();
  private preparing: Promise<void> | undefined;
  /** Names below the directory of all partitions, before anything was written. */
  private directories: ReadonlySet<string> = new Set();

  constructor(
    private readonly engine: Engine,
    records: Iterable<PartitionRecord>,
    nextSlot: number,
    private readonly redo: JournalPosition,
    private readonly cleanStop: boolean,
  ) {
    this.plan = new ReplayPlan(records, nextSlot - 1);
  }

  /** First pass over the journal. */
  note(record: JournalRecord): void {
    if (record.position <= this.redo) return;
    const entry = decodeRecord(record.type, record.payload);
    if ('control' in entry) this.plan.noteControl(entry.control, record.position);
    else this.plan.noteBatch(entry.batch.slot, endOffsetAt(entry.batch.bytes, 0));
  }

  /** Second pass over the journal. */
  async apply(record: JournalRecord): Promise<void> {
    if (record.position <= this.redo) return;
    await this.prepare();
    const entry = decodeRecord(record.type, record.payload);
    if ('control' in entry) return;
    const head = batchHeadAt(entry.batch.bytes, 0);
    if (head === undefined) throw new LogError('damaged', `journal record ${record.position} holds no batch`);
    const target = this.plan.target(entry.batch.slot, head.baseOffset, record.position);
    const log = target === undefined ? undefined : this.logs.get(target);
    if (log === undefined || log.offlineReason !== undefined) {
      this.counts.batchesBuried += 1;
      return;
    }
    if (head.lastOffset < (this.appliedEnds.get(log) ?? 0)) {
      this.counts.batchesAlreadySynced += 1;
      return;
    }
    this.counts.batchesApplied += 1;
    this.counts.bytesApplied += head.sizeBytes;
    this.appliedEnds.set(log, head.lastOffset + 1);
    log.replay(head, entry.batch.bytes, this.engine.clock.wallMs(), record.position);
    if (this.engine.cache.pressed) await this.syncAll();
  }

  /** Between the passes, or after them where the journal holds nothing: partitions are cut to what is known to be on the disk. */
  prepare(): Promise<void> {
    this.preparing ??= this.prepareNow();
    return this.preparing;
  }

  /** After the passes: removes what was deleted, and settles what was found. */
  async finish(): Promise<void> {
    await this.prepare();
    for (const replay of this.plan.all()) {
      if (!replay.deleted) continue;
      const { disk, root } = this.engine;
      await disk.removeTree(deletedPath(root, replay.record));
      if (!this.isAlive(replay)) await disk.removeTree(partitionPath(root, replay.record));
      this.engine.partitionsDirectory.changed();
    }
    for (const log of this.logs.values()) {
      // It began anew there, and nothing was appended since or all of that is lost.
      if (log.state.endOffset < log.state.logStartOffset) log.state.endOffset = log.state.logStartOffset;
      log.stableEndOffset = log.logEndOffset;
      log.state.epochs.endAt(log.logEndOffset);
      log.leaderEpoch = log.state.epochs.latestEpoch as LeaderEpoch;
    }
  }

  /** Slots that the catalogue may forget. */
  get deletedSlots(): number[] {
    return [...this.plan.all()].filter((replay) => replay.deleted).map((replay) => replay.record.slot);
  }

  private isAlive(deleted: PartitionReplay): boolean {
    const { topicId, partition } = deleted.record;
    return this.engine.get({ topicId, partition }) !== undefined;
  }

  /** Journaled batches leave memory once they are synced. */
  private async syncAll(): Promise<void> {
    await forEachParallel([...this.appliedEnds.keys()], PARALLEL, async (log) => {
      if (log.offlineReason === undefined && log.hasUnwritten) await log.writer.syncAll();
    });
  }

  private async prepareNow(): Promise<void> {
    const work: DiskPartitionLog[] = [];
    for (const replay of this.plan.all()) {
      if (replay.touched) this.counts.partitionsTouched += 1;
      if (replay.deleted) continue;
      const log = this.engine.adopt({ ...replay.record, logStartOffset: 0 }, recoveredConfig(replay.record));
      this.logs.set(replay, log);
      log.state.logStartOffset = log.state.durableStartOffset = replay.logStartOffset;
      log.state.controlPosition = replay.controlPosition;
      this.appliedEnds.set(log, replay.cutOffset());
      if (replay.touched || (replay.record.durability === 'page-cache' && !this.cleanStop)) work.push(log);
      else log.maintenance.removeBelowStart();
      if (replay.touched) this.engine.dirty(log);
    }
    // One look instead of one for each partition: most of many small ones have no directory before their first checkpoint.
    if (work.length > 0) this.directories = new Set(await this.engine.disk.list(partitionsPath(this.engine.root)));
    const replays = new Map([...this.logs].map(([replay, log]) => [log, replay]));
    await forEachParallel(work, PARALLEL, async (log) => {
      const replay = replays.get(log);
      if (replay === undefined) return;
      try {
        await this.bringBack(log, replay);
      } catch (error) {
        // Damage fails that replica alone (S-11); it has gone offline by now.
        if (!(error instanceof LogError && error.kind === 'offline')) throw error;
      }
    });
  }

  private async bringBack(log: DiskPartitionLog, replay: PartitionReplay): Promise<void> {
    if (log.offlineReason !== undefined) return;
    const names = await this.namesIn(log);
    const found = new Set(names.map((name) => `${log.files.directory}/${name}`));
    // Names that the catalogue relies on are durable; of others a killed process leaves that open.
    const allKnown = log.state.segments.every((segment) => found.has(log.files.pathOf(segment, 'log')));
    if (names.length > 0 && !(allKnown && log.state.segments.length > 0 && this.strangers(log, names).length === 0))
      log.files.adoptDirectory();
    log.state.dropRemoved((segment) => found.has(log.files.pathOf(segment, 'log')), replay.cutOffset());
    await this.cut(log, replay);
    if (log.offlineReason !== undefined) return;
    const strangers = this.strangers(log, names);
    if (log.state.durability === 'page-cache' && !this.cleanStop) {
      this.counts.pageCacheBytesKept += await adoptScanned(log, strangers, replay.scanLimit);
      this.scanned.push(log.key);
      this.engine.dirty(log);
    }
    for (const name of this.strangers(log, names)) await log.files.removeStranger(name);
    log.state.epochs = new EpochHistory(replay.epochs.all());
    log.state.logStartOffset = log.state.durableStartOffset = replay.logStartOffset;
    log.maintenance.removeBelowStart();
  }

  /** Files of segments that the log does not have. */
  private strangers(log: DiskPartitionLog, names: readonly string[]): string[] {
    const own = new Set(log.state.segments.map((segment) => log.files.pathOf(segment, 'log')));
    return names.filter((name) => parseSegmentFileName(name) !== undefined && !own.has(`${log.files.directory}/${name}`));
  }

  private async namesIn(log: DiskPartitionLog): Promise<string[]> {
    if (!this.directories.has(basename(log.files.directory))) return [];
    try {
      return await this.engine.disk.list(log.files.directory);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  }

  /** Cuts segments to what the catalogue says is synced, or to a later truncation below that (S-4). */
  private async cut(log: DiskPartitionLog, replay: PartitionReplay): Promise<void> {
    const offset = replay.cutOffset();
    for (const segment of log.state.segments) {
      if (segment.baseOffset >= offset) continue;
      const fault = await this.faultOf(log, segment, offset);
      if (fault === undefined) continue;
      log.goOffline(`${log.files.pathOf(segment, 'log')}: ${fault}`);
      return;
    }
    if (offset < replay.record.syncedEndOffset) await this.truncate(log, offset);
    else if (log.state.active?.closed === false && log.state.durability === 'fsync') await log.files.truncate(log.state.active);
    log.writer.writtenEnd = log.state.endOffset;
  }

  private async truncate(log: DiskPartitionLog, offset: number): Promise<void> {
    const segment = log.state.segments.findLast((candidate) => candidate.baseOffset < offset);
    const cut = { offset, segment, positionBytes: segment === undefined ? 0 : await this.positionOf(log, segment, offset) };
    if (log.offlineReason !== undefined) return;
    const found = log.state.losesProducers(offset) ? await producersBelow(log, cut, this.engine.clock.wallMs()) : undefined;
    const removed = log.state.truncateTo(cut, found);
    log.writer.cutTo(offset);
    log.syncedEnd = Math.min(log.syncedEnd, offset);
    for (const gone of removed) await log.files.remove(gone);
    if (segment !== undefined) await log.files.truncate(segment);
  }

  /**
   * Where a segment is to be cut. The file may have been cut there before the crash, and something else may stand after it that is
   * torn; anything bad before it is damage (S-11).
   */
  private async positionOf(log: DiskPartitionLog, segment: Segment, offset: number): Promise<number> {
    if (segment.endOffset <= offset) return segment.appended.bytes;
    let found = segment.appended.bytes;
    try {
      await this.engine.files.use(log.files.fileOf(segment), (file) =>
        walkBatches(file, segment, 0, segment.appended.bytes, (batch, positionBytes) => {
          if (batch.baseOffset < offset) return false;
          found = positionBytes;
          return true;
        }),
      );
    } catch (error) {
      if (!(error instanceof BadBatchError)) throw error;
      if (error.expectedOffset === offset) return error.positionBytes;
      log.goOffline(`${log.files.pathOf(segment, 'log')}: ${error.message}`);
    }
    return found;
  }

  /** S-11: what the catalogue says is synced has to be there. */
  private async faultOf(log: DiskPartitionLog, segment: Segment, cutOffset: number): Promise<string | undefined> {
    try {
      return await this.engine.files.use(log.files.fileOf(segment), async (file) => {
        const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
        const got = await file.read(0, header);
        const fault = segmentHeaderFault(header.subarray(0, got), log.state.identity, segment.baseOffset);
        if (fault !== undefined) return fault;
        const sizeBytes = (await file.size()) - SEGMENT_HEADER_BYTES;
        if (sizeBytes >= segment.synced.bytes || segment.endOffset > cutOffset) return undefined;
        return `ends ${segment.synced.bytes - sizeBytes} bytes before its synced end, offset ${segment.synced.endOffset}`;
      });
    } catch (error) {
      return `cannot be read (${String(error)})`;
    }
  }
}

/** Until the host opens the partition with its topic's settings: what replay needs, everything else without limit. */
function recoveredConfig(record: PartitionRecord): LogConfig {
  return {
    segmentBytes: record.segmentBytes,
    segmentMs: Number.MAX_SAFE_INTEGER,
    segmentIndexBytes: 10 << 20,
    segmentJitterMs: 0,
    indexIntervalBytes: 4096,
    retentionMs: -1,
    retentionBytes: -1,
    fileDeleteDelayMs: 0,
    flushMessages: record.durability === 'fsync' ? 1 : Number.MAX_SAFE_INTEGER,
    flushMs: Number.MAX_SAFE_INTEGER,
    logAppendTime: false,
    producerIdExpirationMs: Number.MAX_SAFE_INTEGER,
    internal: false,
  };
}
