import { PRESSED_GAP_MS, checkpointDue, retryDelayMs } from '@streamline/core/log/checkpoint-policy';
import type { PartitionRecord } from '@streamline/core/log/partition-record';
import type { Cancel } from '../ports/clock';
import type { JournalPosition } from '../ports/journal';
import type { Catalogue } from './catalogue';
import type { DiskPartitionLog } from './disk-partition-log';
import type { EngineContext } from './engine-context';
import { errnoOf } from './log-error';
import { Semaphore, forEachParallel } from './semaphore';

const LOOK_AGAIN_MS = 250;
/** An index that a walk over so few bytes rebuilds is not worth two files. */
const WALKABLE_BYTES = 1 << 20;

/** What a checkpoint covers besides journaled batches. */
export interface CheckpointScope {
  /** Sync page-cache partitions too: at a clean stop and after recovery. */
  readonly pageCacheToo: boolean;
}

/** How long a stop goes on syncing, on the monotonic clock: what is not begun by then is left as it is (LOG-18). */
export interface StopDeadlines {
  /** For journaled partitions: the next start replays what is left of them. */
  readonly journaledMs: number;
  /** For page-cache partitions: the next start scans what is left of them (P-1). */
  readonly pageCacheMs: number;
}

/** Counts for tests and metrics. */
export interface CheckpointCounts {
  checkpoints: number;
  failures: number;
  lastDurationMs: number;
}

/**
 * Moves the redo position forward (S-6): writes and syncs the segments of all partitions that changed, a few at a time; makes what they
 * hold now durable in the catalogue; and only then gives journal files back.
 */
export class Checkpointer {
  readonly counts: CheckpointCounts = { checkpoints: 0, failures: 0, lastDurationMs: 0 };
  private dirty = new Set<DiskPartitionLog>();
  /** Page-cache partitions of which the catalogue knows less than there is: a full checkpoint syncs them. */
  private readonly unsynced = new Set<DiskPartitionLog>();
  private removedSlots = new Set<number>();
  private readonly catalogueLock = new Semaphore(1);
  private running: Promise<void> | undefined;
  private cancelTimer: Cancel | undefined;
  private journaledBytes = 0;
  private consecutiveFailures = 0;
  private lastEndMs: number;
  private pressed = false;
  private started = false;
  /** The journal holds records above the redo position although nothing is dirty: recovery found them all synced. */
  private lagging = false;
  private deadlines: StopDeadlines = { journaledMs: Number.POSITIVE_INFINITY, pageCacheMs: Number.POSITIVE_INFINITY };

  constructor(
    private readonly context: EngineContext,
    private readonly catalogue: Catalogue,
    private redo: JournalPosition,
    private readonly nextSlot: () => number,
  ) {
    this.lastEndMs = context.clock.monotonicMs();
  }

  mark(log: DiskPartitionLog): void {
    this.dirty.add(log);
    this.arm();
  }

  /** The partition's directory is gone; the catalogue may forget it. */
  removed(log: DiskPartitionLog): void {
    log.vanished = true;
    this.dirty.delete(log);
    this.unsynced.delete(log);
    this.removedSlots.add(log.state.identity.slot);
    this.arm();
  }

  /**
   * S-8: what a killed process left readable may not be on the disk. Page-cache partitions are synced and published before anyone relies
   * on them; batches that came out of the journal are durable there, and follow with the next checkpoint.
   */
  async afterRecovery(deletedSlots: readonly number[]): Promise<void> {
    const logs = [...this.dirty].filter((log) => log.state.durability === 'page-cache');
    if (logs.length > 0 || deletedSlots.length > 0) {
      const failures: unknown[] = [];
      await this.syncSome(logs, { pageCacheToo: true }, failures);
      try {
        await this.publish(logs, deletedSlots, this.redo, false);
      } catch (error) {
        if (errnoOf(error) !== 'ENOSPC' || failures.length > 0) throw error;
        // A full disk (S-10): what is synced is on it whether the catalogue says so or not; the first checkpoint says it.
        for (const slot of deletedSlots) this.removedSlots.add(slot);
        return;
      }
      if (failures.length > 0) throw failures[0];
      for (const log of logs) this.dirty.delete(log);
    }
  }

  journaled(bytes: number): void {
    this.journaledBytes += bytes;
    if (this.journaledBytes >= this.context.limits.checkpointStepBytes) this.consider();
  }

  /** The journal or the tail cache wants room. */
  press(): void {
    this.pressed = true;
    this.disarm();
    this.consider();
  }

  /** Starts a checkpoint where one is due. */
  consider(): void {
    if (this.running !== undefined || !this.started) return;
    const due = checkpointDue(
      {
        journalBytesSinceRedo: this.journaledBytes,
        dirty: this.dirty.size > 0 || this.removedSlots.size > 0 || this.lagging,
        sinceLastMs: this.context.clock.monotonicMs() - this.lastEndMs,
        lastDurationMs: this.counts.lastDurationMs,
        consecutiveFailures: this.consecutiveFailures,
        pressed: this.pressed || this.context.cache.pressed,
      },
      { stepBytes: this.context.limits.checkpointStepBytes, intervalMs: this.context.limits.checkpointIntervalMs },
    );
    if (due) this.run({ pageCacheToo: false }).catch(() => undefined);
    else if (this.dirty.size > 0 || this.lagging) this.arm();
  }

  /** Runs a checkpoint now, after the one under way. @throws where something could not be written or synced */
  async run(scope: CheckpointScope): Promise<void> {
    while (this.running !== undefined) await this.running.catch(() => undefined);
    this.running = this.step(scope).finally(() => {
      this.running = undefined;
      this.consider();
    });
    await this.running;
  }

  /** Makes one partition's state durable in the catalogue without moving the redo position. */
  async publishOne(log: DiskPartitionLog): Promise<void> {
    await this.publish([log], [], this.redo, false);
  }

  /**
   * From here on checkpoints run by themselves. What was replayed waits its turn, so that ten thousand partitions serve before they are
   * synced; unless it is as much as checkpoints let wait, or half of the journal.
   */
  start(): void {
    this.started = true;
    const { journal, clock } = this.context;
    this.journaledBytes = journal.durablePosition - Math.max(this.redo, 0);
    this.lagging = this.journaledBytes > 0;
    this.lastEndMs = clock.monotonicMs();
    if (journal.usedBytes > journal.capacityBytes / 2) this.press();
    else this.consider();
  }

  /** From here on checkpoints sync only until the deadlines, the one under way too (LOG-18). */
  hurry(deadlines: StopDeadlines): void {
    this.deadlines = deadlines;
  }

  /**
   * The last checkpoint, after `hurry`: page-cache partitions first, since they are in no journal; then those of which the most would be
   * left to replay. False: page-cache partitions are left that are not synced, so that the stop is not clean (P-2).
   * @throws where something could not be written or synced
   */
  async finish(): Promise<boolean> {
    await this.run({ pageCacheToo: true });
    return this.unsynced.size === 0;
  }

  /** Checkpoints run only when asked for. */
  stop(): void {
    this.started = false;
    this.disarm();
  }

  private disarm(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
  }

  private arm(): void {
    if (this.cancelTimer !== undefined || !this.started) return;
    const lookAgainMs = this.pressed || this.context.cache.pressed ? PRESSED_GAP_MS : LOOK_AGAIN_MS;
    const delayMs = Math.max(lookAgainMs, retryDelayMs(this.consecutiveFailures));
    this.cancelTimer = this.context.clock.schedule(delayMs, () => {
      this.cancelTimer = undefined;
      this.consider();
    });
  }

  private async step(scope: CheckpointScope): Promise<void> {
    const startMs = this.context.clock.monotonicMs();
    const target = this.context.journal.durablePosition;
    if (scope.pageCacheToo) for (const log of this.unsynced) this.dirty.add(log);
    const logs = scope.pageCacheToo ? mostUrgentFirst(this.dirty) : [...this.dirty];
    const removed = [...this.removedSlots];
    this.dirty = new Set();
    this.removedSlots = new Set();
    this.journaledBytes = 0;
    this.pressed = false;
    try {
      await this.syncAndPublish(logs, removed, target, scope);
      this.consecutiveFailures = 0;
      this.counts.checkpoints += 1;
    } catch (error) {
      for (const log of logs) if (!log.vanished) this.dirty.add(log);
      for (const slot of removed) this.removedSlots.add(slot);
      this.consecutiveFailures += 1;
      this.counts.failures += 1;
      throw error;
    } finally {
      this.lastEndMs = this.context.clock.monotonicMs();
      this.counts.lastDurationMs = this.lastEndMs - startMs;
    }
    await this.settle(logs);
  }

  /** The redo position moves with the last of the partitions, as far as none of them lacks a batch. */
  private async syncAndPublish(
    logs: readonly DiskPartitionLog[],
    removedSlots: readonly number[],
    target: JournalPosition,
    scope: CheckpointScope,
  ): Promise<void> {
    const failures: unknown[] = [];
    let redo = target;
    const { publishedTogether } = this.context.limits;
    for (let from = 0; from === 0 || from < logs.length; from += publishedTogether) {
      const some = logs.slice(from, from + publishedTogether);
      const isLast = from + publishedTogether >= logs.length;
      const left = await this.syncSome(some, scope, failures);
      for (const log of left) this.mark(log);
      const told = some.filter((log) => !left.has(log));
      redo = await this.publish(
        told,
        isLast ? removedSlots : [],
        left.size > 0 ? this.redo : redo,
        isLast && failures.length === 0,
      );
    }
    if (failures.length > 0) throw failures[0];
    this.lagging = this.redo < redo;
  }

  /**
   * Directory syncs and segment datasyncs come before the record that relies on them (S-6). Returns the journaled partitions that the
   * stop's deadline leaves to replay.
   */
  private async syncSome(
    logs: readonly DiskPartitionLog[],
    scope: CheckpointScope,
    failures: unknown[],
  ): Promise<ReadonlySet<DiskPartitionLog>> {
    const left = new Set<DiskPartitionLog>();
    await forEachParallel(logs, this.context.limits.parallelSyncs, async (log) => {
      if (log.gone || log.offlineReason !== undefined) return;
      const isJournaled = log.state.durability === 'fsync';
      if (!isJournaled && !scope.pageCacheToo) return;
      if (isJournaled ? this.isLeftToReplay(log) : this.isLate(this.deadlines.pageCacheMs)) {
        if (isJournaled) left.add(log);
        return;
      }
      try {
        await log.writer.syncAll();
      } catch (error) {
        if (log.offlineReason === undefined && !log.gone) failures.push(error);
      }
    });
    return left;
  }

  private isLeftToReplay(log: DiskPartitionLog): boolean {
    const { journaledMs } = this.deadlines;
    if (journaledMs === Number.POSITIVE_INFINITY) return false;
    return this.isLate(journaledMs) || log.state.unsyncedBytes < this.context.limits.stopSyncBytes;
  }

  private isLate(deadlineMs: number): boolean {
    return this.context.clock.monotonicMs() >= deadlineMs;
  }

  /**
   * Writes the record, then releases the journal (S-6). Returns how far the redo position may go, `redo` at most; it goes there where
   * `moves`.
   */
  private async publish(
    logs: readonly DiskPartitionLog[],
    removedSlots: readonly number[],
    redo: JournalPosition,
    moves: boolean,
  ): Promise<JournalPosition> {
    return this.catalogueLock.run(async () => {
      const { journal, partitionsDirectory } = this.context;
      if (removedSlots.length > 0) await partitionsDirectory.sync();
      const ready = logs.filter((log) => log.cutting === undefined || log.gone);
      const cuts = new Map(ready.map((log) => [log, log.state.cuts]));
      const captured = ready.map((log): [DiskPartitionLog, PartitionRecord] => [
        log,
        durableOnly(log.capture(), journal.durablePosition),
      ]);
      const records = captured.map(([, record]) => record);
      const furthest = this.furthest(redo, logs, captured);
      const newRedo = moves ? furthest : this.redo;
      await this.catalogue.commit({ redo: newRedo, nextSlot: this.nextSlot(), records, removedSlots });
      for (const [log, record] of captured) {
        log.state.noteCatalogued(record, cuts.get(log) ?? -1);
        this.noteLeft(log, record.syncedEndOffset);
      }
      for (const log of logs) if (!cuts.has(log)) this.mark(log);
      if (newRedo > this.redo) this.release(newRedo);
      return furthest;
    });
  }

  private furthest(
    target: JournalPosition,
    logs: readonly DiskPartitionLog[],
    captured: readonly (readonly [DiskPartitionLog, PartitionRecord])[],
  ): JournalPosition {
    let furthest: number = target;
    for (const log of logs) if (log.cutting !== undefined && !log.gone) furthest = Math.min(furthest, log.cutting - 1);
    for (const [log, record] of captured) furthest = Math.min(furthest, redoLimit(log, record));
    return Math.max(furthest, this.redo) as JournalPosition;
  }

  /** What was appended after the redo position was chosen is for the next checkpoint. */
  private noteLeft(log: DiskPartitionLog, syncedEndOffset: number): void {
    this.unsynced.delete(log);
    if (log.gone || log.offlineReason !== undefined || syncedEndOffset >= log.logEndOffset) return;
    if (log.state.durability === 'page-cache') this.unsynced.add(log);
    else this.mark(log);
  }

  /** Nothing at or before `redo` is needed any more. */
  private release(redo: JournalPosition): void {
    this.redo = redo;
    this.context.journal.release(redo);
  }

  /** What a checkpoint makes possible: files below the log's start go, indexes of closed segments leave memory. */
  private async settle(logs: readonly DiskPartitionLog[]): Promise<void> {
    for (const log of logs) {
      if (log.gone || log.offlineReason !== undefined) continue;
      log.maintenance.removeBelowStart();
      for (const segment of log.state.segments) {
        if (this.isLate(this.deadlines.journaledMs)) break;
        if (!segment.closed || !segment.fullySynced || segment.index.length === 0) continue;
        await log.maintenance.withFiles(() => log.reader.indexes.persist(segment)).catch(() => undefined);
      }
    }
  }

  /** A clean stop leaves the indexes of active segments where the next start finds them. */
  async persistActiveIndexes(logs: Iterable<DiskPartitionLog>): Promise<void> {
    for (const log of logs) {
      const { active } = log.state;
      if (log.gone || log.offlineReason !== undefined || active === undefined || !active.fullySynced) continue;
      if (this.isLate(this.deadlines.journaledMs)) return;
      if (active.appended.bytes - active.indexedFrom.bytes < WALKABLE_BYTES) continue;
      await log.maintenance.withFiles(() => log.reader.indexes.persist(active)).catch(() => undefined);
    }
  }
}

/** Page-cache partitions, which no journal holds; then those of which replay would have the most to apply. */
function mostUrgentFirst(logs: Iterable<DiskPartitionLog>): DiskPartitionLog[] {
  const urgency = (log: DiskPartitionLog): number =>
    log.state.durability === 'page-cache' ? Number.POSITIVE_INFINITY : log.state.unsyncedBytes;
  const known = [...logs].map((log): [DiskPartitionLog, number] => [log, urgency(log)]);
  return known.sort(([, one], [, other]) => (one === other ? 0 : other - one)).map(([log]) => log);
}

/**
 * How far the redo position may go as far as this log is concerned: not past a batch that is not synced. A truncation meanwhile makes a
 * sync count for nothing (S-5).
 */
function redoLimit(log: DiskPartitionLog, record: PartitionRecord): number {
  if (log.gone || log.offlineReason !== undefined || log.state.durability === 'page-cache') return Number.MAX_SAFE_INTEGER;
  const next = log.tail.at(log.tail.indexOf(record.syncedEndOffset));
  return next === undefined ? Number.MAX_SAFE_INTEGER : next.journalPosition - 1;
}

/**
 * Control records that are not durable yet may be lost, and their positions given out again: replay has to see what stands there. What
 * they did may be in the record already, since applying them twice changes nothing. Waiting for them instead would stop the checkpoint
 * that a full journal waits for.
 */
function durableOnly(record: PartitionRecord, durable: JournalPosition): PartitionRecord {
  return record.controlPosition <= durable ? record : { ...record, controlPosition: durable };
}
