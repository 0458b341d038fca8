import type { Offset } from '@streamline/core/types/ids';
import type { CutPoint } from '@streamline/core/log/log-state';
import type { Durability } from '@streamline/core/log/partition-record';
import { activeHasExpired, retainedStart } from '@streamline/core/log/retention';
import { shouldRollByTime } from '@streamline/core/log/roll';
import type { Segment } from '@streamline/core/log/segment';
import type { Cancel } from '../ports/clock';
import type { DiskPartitionLog } from './disk-partition-log';
import type { EngineContext } from './engine-context';
import { LogError } from './log-error';
import { producersBelow } from './producer-scan';

/** Timers cannot wait longer; settings beyond it mean "never" (Kafka's default for flush.ms). */
const TIMER_MAX_MS = 0x7fff_ffff;
const RETRY_MS = 1000;

/** What happens to a partition besides appends and reads: start, truncation, durability, retention, deletion. One at a time. */
export class LogMaintenance {
  private queue: Promise<unknown> = Promise.resolve();
  private wantedDurability: Durability;
  private backgroundSync: Promise<void> | undefined;
  private cancelFlushTimer: Cancel | undefined;
  private readonly removals = new Map<Segment, Cancel>();
  /** Tasks under way that make or unlink files by name. */
  private readonly fileTasks = new Set<Promise<void>>();

  constructor(
    private readonly context: EngineContext,
    private readonly log: DiskPartitionLog,
  ) {
    this.wantedDurability = log.state.durability;
  }

  /** Runs a task when all that were asked for before have ended. */
  private exclusive<T>(task: () => Promise<T>): Promise<T> {
    const run = this.queue.then(task);
    this.queue = run.catch(() => undefined);
    return run;
  }

  /** Resolves when nothing of the partition is under way. */
  async settled(): Promise<void> {
    this.cancelFlushTimer?.();
    this.cancelFlushTimer = undefined;
    await this.queue;
    await this.backgroundSync;
  }

  async advanceLogStart(offset: Offset): Promise<void> {
    const { log } = this;
    log.assertUsable();
    if (offset > log.logEndOffset)
      throw new LogError('out-of-range', `offset ${offset} is past the log's end, ${log.logEndOffset}`);
    if (offset > log.logStartOffset) {
      log.journalPreamble();
      log.state.logStartOffset = offset;
      log.state.epochs.advanceStart(offset);
      log.control({ kind: 'log-start', slot: log.state.identity.slot, offset });
    }
    await this.context.journal.flush();
    log.state.durableStartOffset = Math.max(log.state.durableStartOffset, Math.min(offset, log.state.logStartOffset));
    this.removeBelowStart();
  }

  /** Unlinks, after `file.delete.delay.ms`, segments that are wholly below the log's start. LOG_START is durable by now (S-3). */
  removeBelowStart(): void {
    if (this.log.gone) return;
    for (const segment of this.log.state.doomBelowStart()) this.removeLater(segment);
  }

  private removeLater(segment: Segment): void {
    this.context.dirty(this.log);
    const delayMs = Math.min(this.log.config.fileDeleteDelayMs, TIMER_MAX_MS);
    this.removals.set(
      segment,
      this.context.clock.schedule(delayMs, () => void this.removeNow(segment).catch(() => undefined)),
    );
  }

  private async removeNow(segment: Segment): Promise<void> {
    this.removals.get(segment)?.();
    this.removals.delete(segment);
    this.context.indexes.forget(segment);
    await this.withFiles(async () => {
      await this.log.files.remove(segment);
      this.log.state.forgetDoomed(segment);
      this.context.dirty(this.log);
    });
  }

  /**
   * Runs a task that makes or unlinks files by name, unless the partition was deleted. A deletion waits for it: another life of the
   * partition may have files of these names then (LOG-2).
   */
  async withFiles(task: () => Promise<void>): Promise<void> {
    if (this.log.gone) return;
    const running = task();
    this.fileTasks.add(running);
    try {
      await running;
    } finally {
      this.fileTasks.delete(running);
    }
  }

  /** Unlinks at once what waits for its delay. */
  async finishRemovals(): Promise<void> {
    for (const segment of [...this.removals.keys()]) await this.removeNow(segment);
  }

  /** A segment was closed by an append. */
  rolled(): void {
    if (this.log.state.durability === 'page-cache') this.syncSoon();
  }

  /** Writes at once, and syncs in the background after `flush.messages` records or `flush.ms`. */
  pageCacheAppended(): void {
    const { log } = this;
    log.writePageCache();
    const unsyncedBytes = log.state.active === undefined ? 0 : log.state.active.appended.bytes - log.state.active.synced.bytes;
    if (log.unsyncedRecords >= log.config.flushMessages || unsyncedBytes >= this.context.limits.pageCacheUnsyncedBytes) {
      this.syncSoon();
    } else if (this.cancelFlushTimer === undefined && log.config.flushMs <= TIMER_MAX_MS) {
      this.cancelFlushTimer = this.context.clock.schedule(log.config.flushMs, () => this.syncSoon());
    }
  }

  private syncSoon(): void {
    this.cancelFlushTimer?.();
    this.cancelFlushTimer = undefined;
    if (this.backgroundSync !== undefined || this.context.stopped !== undefined) return;
    this.log.unsyncedRecords = 0;
    this.backgroundSync = this.log.writer
      .syncAll()
      .then(() => this.context.dirty(this.log))
      .catch(() => undefined)
      .finally(() => (this.backgroundSync = undefined));
  }

  truncateTo(offset: Offset): Promise<void> {
    return this.cutting(async () => {
      const { state } = this.log;
      const hasLaterEpoch = state.epochs.latest !== undefined && state.epochs.latest.startOffset >= offset;
      if (offset >= state.endOffset && !hasLaterEpoch) return;
      await this.settleBeforeCut();
      await this.cutOrGiveUp(Math.min(offset, state.endOffset));
    });
  }

  startAt(offset: Offset): Promise<void> {
    return this.cutting(async () => {
      const { log, context } = this;
      await this.settleBeforeCut();
      await this.cutOrGiveUp(0, offset);
      // A scan takes only files that continue what the catalogue knows (P-1).
      await context.checkpointNow(log);
    });
  }

  /** Nothing is appended from now on until the task has ended. */
  private cutting(task: () => Promise<void>): Promise<void> {
    this.log.truncations += 1;
    return this.exclusive(async () => {
      try {
        this.log.assertUsable();
        await task();
      } finally {
        this.log.truncations -= 1;
      }
    });
  }

  /**
   * The catalogue gets all there is before anything is cut (LOG-12): while the truncation is under way it keeps that state, and the redo
   * position stays before the truncation's record, so that replay has either everything or the cut.
   */
  private async settleBeforeCut(): Promise<void> {
    await this.context.journal.flush();
    await this.log.writer.syncAll();
    await this.context.checkpointNow(this.log);
    this.log.assertUsable();
  }

  /** @param beginAt where the log begins anew, of which then nothing stays: `offset` is 0 */
  private async cutOrGiveUp(offset: number, beginAt?: Offset): Promise<void> {
    try {
      await this.cutNow(offset, beginAt);
    } catch (error) {
      if (!(error instanceof LogError))
        this.log.goOffline(`${this.log.files.directory}: cannot be cut at ${offset} (${String(error)})`);
      throw error;
    } finally {
      this.log.cutting = undefined;
      this.context.dirty(this.log);
    }
  }

  private async cutNow(offset: number, beginAt: Offset | undefined): Promise<void> {
    const { log, context } = this;
    const cut = await this.cutPoint(offset);
    const found = log.state.losesProducers(cut.offset) ? await producersBelow(log, cut, context.clock.wallMs()) : undefined;
    log.journalPreamble();
    const { slot } = log.state.identity;
    log.cutting = log.control(
      beginAt === undefined ? { kind: 'truncate', slot, offset: cut.offset } : { kind: 'begin-anew', slot, offset: beginAt },
    );
    log.dropTail(log.tail.indexOf(cut.offset));
    const removed = log.state.truncateTo(cut, found);
    log.writer.cutTo(cut.offset);
    log.stableEndOffset = Math.min(log.stableEndOffset, cut.offset) as Offset;
    log.syncedEnd = Math.min(log.syncedEnd, cut.offset);
    if (beginAt !== undefined) this.beginAt(beginAt);
    await context.journal.flush();
    await log.writer.idle();
    for (const segment of removed) await this.removeNow(segment);
    if (log.logEndOffset <= log.logStartOffset) await this.finishRemovals();
    if (cut.segment !== undefined) {
      context.indexes.forget(cut.segment);
      await log.files.truncate(cut.segment);
    }
    if (log.state.durability === 'page-cache') await this.makeTruncationKnown(cut);
  }

  private beginAt(offset: Offset): void {
    const { log } = this;
    log.state.startAt(offset);
    log.stableEndOffset = offset;
    log.syncedEnd = log.writer.writtenEnd = offset;
  }

  /** Page-cache bytes are in no journal: until the catalogue knows of the cut, replay would cut what is written after it (LOG-12). */
  private async makeTruncationKnown(cut: CutPoint): Promise<void> {
    if (cut.segment !== undefined) await this.log.files.sync(cut.segment);
    await this.log.files.syncNames();
    this.log.cutting = undefined;
    await this.context.checkpointNow(this.log);
  }

  /** The batch that holds `offset` goes as a whole. */
  private async cutPoint(offset: number): Promise<CutPoint> {
    const { tail, state } = this.log;
    if (offset === state.endOffset) return { offset, segment: state.active, positionBytes: state.active?.appended.bytes ?? 0 };
    const entry = tail.at(tail.indexOf(offset));
    const first = tail.at(0);
    if (entry !== undefined && first !== undefined && first.baseOffset <= offset) {
      return { offset: Math.min(offset, entry.baseOffset), segment: entry.segment, positionBytes: entry.positionBytes };
    }
    const base = state.segments[0]?.baseOffset ?? state.endOffset;
    if (offset <= base) return { offset, segment: undefined, positionBytes: 0 };
    await this.log.writer.idle();
    const found = await this.log.reader.locate(offset);
    return { offset: Math.min(offset, found.baseOffset), segment: found.segment, positionBytes: found.positionBytes };
  }

  /** P-3: appends are held back in memory while everything before them is synced and the catalogue learns of the change. */
  configured(durability: Durability): void {
    if (durability === this.wantedDurability) return;
    this.wantedDurability = durability;
    const { log } = this;
    if (log.unknownToDisk && log.logEndOffset === 0) {
      log.state.durability = durability;
      return;
    }
    log.holding = true;
    this.changeDurability().catch(() => undefined);
  }

  private changeDurability(): Promise<void> {
    return this.exclusive(async () => {
      const { log, context } = this;
      if (log.gone || log.offlineReason !== undefined) return;
      try {
        await context.journal.flush();
        await log.writer.syncAll();
        log.state.durability = this.wantedDurability;
        log.journalPreamble();
        await context.checkpointNow(log);
      } catch (error) {
        log.blocked = `${log.files.directory}: the change of durability cannot be made durable (${String(error)})`;
        context.clock.schedule(RETRY_MS, () => void this.changeDurability().catch(() => undefined));
        return;
      }
      log.blocked = undefined;
      // All that there is is durable now: nothing else would tell of it.
      context.stable(log);
      if (log.state.durability === this.wantedDurability) log.releaseHeld();
      else void this.changeDurability().catch(() => undefined);
    });
  }

  /** Rolls and removes by time and size, forgets producers that have expired. */
  async retain(nowMs: number): Promise<void> {
    const { log } = this;
    if (log.gone || log.offlineReason !== undefined || log.truncations > 0) return;
    if (log.state.expireProducers(nowMs, log.config.producerIdExpirationMs) > 0) this.context.dirty(log);
    const bounds = { logStartOffset: log.logStartOffset, highWatermark: log.retentionBound, nowMs };
    const { active } = log.state;
    if (
      active !== undefined &&
      (shouldRollByTime(active, log.config, nowMs, 0) || activeHasExpired(active, log.config, bounds))
    ) {
      active.closed = true;
      this.context.dirty(log);
    }
    const start = retainedStart(log.state.segments, log.config, bounds);
    if (start > log.logStartOffset) await this.advanceLogStart(start as Offset);
    else this.removeBelowStart();
  }

  /** S-2: DELETE is durable before anything is unlinked. */
  delete(): { readonly freed: Promise<void>; readonly removed: Promise<void> } {
    const { log, context } = this;
    log.gone = true;
    this.cancelFlushTimer?.();
    for (const cancel of this.removals.values()) cancel();
    this.removals.clear();
    const known = !log.unknownToDisk;
    if (known) log.control({ kind: 'delete', slot: log.state.identity.slot });
    log.dropTail(0);
    const durable = this.exclusive(async () => {
      if (known) await context.journal.flush();
      await log.writer.idle();
      await Promise.allSettled(this.fileTasks);
    });
    const moved = durable.then(() => log.files.removeAll());
    const freed = moved.then((steps) => steps.freed);
    const removed = moved.then((steps) => steps.removed);
    // Where this fails `removed` says so; nobody may be waiting for the name.
    freed.catch(() => undefined);
    return { freed, removed };
  }
}
