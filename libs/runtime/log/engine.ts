import type { LogConfig } from '@streamline/core/log/log-config';
import { emptyRecord } from '@streamline/core/log/replay-plan';
import type { ControlRecord } from '@streamline/core/log/replay-plan';
import type { PartitionRecord } from '@streamline/core/log/partition-record';
import { BatchField } from '@streamline/wire/records/batch-header';
import type { Clock } from '../ports/clock';
import type { Disk } from '../ports/disk';
import type { Journal, JournalPosition } from '../ports/journal';
import type { Random } from '../ports/random';
import type { Catalogue } from './catalogue';
import { Checkpointer } from './checkpointer';
import { DirectorySync } from './directory-sync';
import { DiskPartitionLog, durabilityFor } from './disk-partition-log';
import type { EngineContext } from './engine-context';
import { FileTable } from './file-table';
import type { IncarnationKeeper } from './incarnation-marker';
import { IndexCache } from './index-cache';
import { JournalType, encodeControl } from './journal-records';
import type { LogEngine, PartitionKey, PartitionLog } from './log-engine';
import { LogError } from './log-error';
import type { LogLimits } from './log-limits';
import { partitionsPath } from './segment-path';
import type { RecordMemory } from './record-memory';
import { SegmentWrites } from './segment-writes';
import { Semaphore } from './semaphore';
import { SpaceGuard } from './space-guard';
import { TailCache } from './tail-cache';
import { TailMemory } from './tail-memory';
import type { TailEntry } from './tail-queue';

/** Smaller batches are gone over again in less time than their CRC is combined. */
const CRC_REUSE_BYTES_MIN = 4096;

/** What an engine is made of. */
export interface EngineParts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly directory: string;
  readonly limits: LogLimits;
  readonly catalogue: Catalogue;
  readonly redo: JournalPosition;
}

/** All partition logs of one storage role; see `LogEngine`. One thread, one writer. */
export class Engine implements LogEngine, EngineContext {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly root: string;
  readonly limits: LogLimits;
  readonly files: FileTable;
  readonly indexes: IndexCache;
  readonly cache: TailCache;
  readonly memory: TailMemory;
  readonly space: SpaceGuard;
  readonly partitionsDirectory: DirectorySync;
  readonly writes: SegmentWrites;
  readonly opens: Semaphore;
  readonly reads: Semaphore;
  readonly largeSyncs: Semaphore;
  readonly checkpointer: Checkpointer;
  stopped: string | undefined = 'the log engine is starting';
  private attached: Journal | undefined;
  private nextSlot = 1;
  private readonly logs = new Map<string, DiskPartitionLog>();
  /** Directories of earlier lives that are being moved away, by name. */
  private readonly leaving = new Map<string, Promise<void>>();
  /** Deletions that a disk refused, by name: they are tried again by the next one. */
  private readonly undeleted = new Map<string, DiskPartitionLog>();
  /** Journaled batches that are not durable yet, in journal order. */
  private awaiting: TailEntry[] = [];
  private awaitingHead = 0;
  /** Page-cache partitions whose control records are not durable yet. */
  private readonly waitingToWrite = new Set<DiskPartitionLog>();
  private stableListeners: ((logs: readonly PartitionLog[]) => void)[] = [];
  private fatalListeners: ((error: Error) => void)[] = [];
  private fatal: Error | undefined;
  private headroomCallbacks: (() => void)[] = [];
  private isJournalAsked = false;
  private brokerEpoch = -1;
  private writingEverything = false;
  private closing: Promise<void> | undefined;

  constructor(
    parts: EngineParts,
    private readonly incarnation: Pick<IncarnationKeeper, 'registered' | 'stopped'>,
  ) {
    this.disk = parts.disk;
    this.clock = parts.clock;
    this.random = parts.random;
    this.root = parts.directory;
    this.limits = parts.limits;
    this.files = new FileTable(parts.disk, parts.limits.maxOpenFiles);
    this.indexes = new IndexCache(parts.limits.indexCacheBytes);
    this.memory = new TailMemory(parts.limits.slabBytes, parts.clock);
    this.cache = new TailCache(parts.limits.tailCacheBytes, this.memory);
    this.space = new SpaceGuard(parts.disk, parts.clock, parts.directory, parts.limits.spaceMarginBytes, () =>
      this.writeEverything(),
    );
    this.partitionsDirectory = new DirectorySync(parts.disk, partitionsPath(parts.directory));
    this.writes = new SegmentWrites(parts.disk.openWriter());
    this.opens = new Semaphore(parts.limits.parallelOpens);
    this.reads = new Semaphore(parts.limits.parallelReads);
    this.largeSyncs = new Semaphore(parts.limits.parallelLargeSyncs);
    this.checkpointer = new Checkpointer(this, parts.catalogue, parts.redo, () => this.nextSlot);
    this.catalogue = parts.catalogue;
  }

  private readonly catalogue: Catalogue;

  get journal(): Journal {
    if (this.attached === undefined) throw new LogError('gone', 'the journal is not open yet');
    return this.attached;
  }

  get recordMemory(): RecordMemory {
    return this.memory;
  }

  get durablePosition(): number {
    return this.attached?.durablePosition ?? Number.MAX_SAFE_INTEGER;
  }

  /** Replay is over: from here on records go to the journal. */
  attach(journal: Journal, nextSlot: number): void {
    this.attached = journal;
    this.stopped = undefined;
    this.nextSlot = nextSlot;
    this.memory.durable(journal.durablePosition);
    journal.onDurable((durable) => this.journalDurable(durable));
    journal.onFailure((error) => this.fail(error));
    journal.onPressure(() => this.checkpointer.press());
  }

  /** S-8: recovery ends with a checkpoint of all that is not in the journal. */
  async recovered(deletedSlots: readonly number[]): Promise<void> {
    await this.checkpointer.afterRecovery(deletedSlots);
    this.checkpointer.start();
  }

  /** A log that recovery found. */
  adopt(record: PartitionRecord, config: LogConfig): DiskPartitionLog {
    const log = new DiskPartitionLog(this, record, config, true);
    this.logs.set(nameOf(log.key), log);
    return log;
  }

  open(key: PartitionKey, config: LogConfig): PartitionLog {
    if (this.closing !== undefined) throw new LogError('gone', 'the log engine is closed');
    const name = nameOf(key);
    const known = this.logs.get(name);
    if (known !== undefined) {
      known.opened = true;
      known.configure(config);
      return known;
    }
    const record = emptyRecord({ slot: this.nextSlot, ...key }, durabilityFor(config), config.segmentBytes);
    this.nextSlot += 1;
    const log = new DiskPartitionLog(this, record, config, false);
    log.opened = true;
    const leaving = this.leaving.get(name);
    if (leaving !== undefined) log.files.waitFor(leaving);
    this.logs.set(name, log);
    return log;
  }

  get(key: PartitionKey): PartitionLog | undefined {
    return this.logs.get(nameOf(key));
  }

  all(): Iterable<PartitionLog> {
    return this.logs.values();
  }

  async delete(key: PartitionKey): Promise<void> {
    const name = nameOf(key);
    const log = this.logs.get(name) ?? this.undeleted.get(name);
    if (log === undefined) return;
    this.logs.delete(name);
    this.undeleted.delete(name);
    const before = this.leaving.get(name);
    const { freed, removed } = log.maintenance.delete();
    const leaving = before === undefined ? freed : before.catch(() => undefined).then(() => freed);
    this.leaving.set(name, leaving);
    const forget = (): void => {
      if (this.leaving.get(name) === leaving) this.leaving.delete(name);
    };
    leaving.then(forget, () => undefined);
    try {
      await removed;
    } catch (error) {
      this.undeleted.set(name, log);
      throw error;
    }
    this.partitionsDirectory.changed();
    this.checkpointer.removed(log);
  }

  onStable(listener: (logs: readonly PartitionLog[]) => void): void {
    this.stableListeners.push(listener);
  }

  onFatal(listener: (error: Error) => void): void {
    this.fatalListeners.push(listener);
    if (this.fatal !== undefined) listener(this.fatal);
  }

  get hasSpace(): boolean {
    return this.space.allows(false);
  }

  get headroomBytes(): number {
    const memory = this.limits.tailCacheBytes + this.limits.checkpointStepBytes - this.cache.sizeBytes;
    return Math.min(this.journal.headroomBytes, memory);
  }

  onHeadroom(callback: () => void): void {
    if (this.headroomBytes > 0) {
      callback();
      return;
    }
    this.headroomCallbacks.push(callback);
    this.checkpointer.press();
    this.tellHeadroom();
  }

  setBrokerEpoch(brokerEpoch: number): void {
    this.brokerEpoch = brokerEpoch;
    this.incarnation.registered();
  }

  async checkpoint(): Promise<void> {
    await this.checkpointer.run({ pageCacheToo: false });
  }

  async runRetention(): Promise<void> {
    const nowMs = this.clock.wallMs();
    for (const log of [...this.logs.values()]) {
      if (this.stopped !== undefined) return;
      await log.maintenance.retain(nowMs);
    }
  }

  close(syncWithinMs = Number.POSITIVE_INFINITY): Promise<void> {
    this.closing ??= this.closeNow(syncWithinMs);
    return this.closing;
  }

  private async closeNow(syncWithinMs: number): Promise<void> {
    if (this.fatal === undefined) this.stopped = 'the log engine is closed';
    this.space.close();
    if (this.fatal === undefined) {
      const startMs = this.clock.monotonicMs();
      for (const leaving of this.leaving.values()) await leaving.catch(() => undefined);
      const logs = [...this.logs.values()];
      for (const log of logs) await log.maintenance.settled();
      // Until here checkpoints go on by themselves, all of them: a full journal waits for them.
      await this.journal.flush();
      this.checkpointer.hurry({
        journaledMs: startMs + Math.min(syncWithinMs, this.limits.stopSyncMs),
        pageCacheMs: startMs + syncWithinMs,
      });
      this.checkpointer.stop();
      await this.checkpointer.finish();
      if (this.clock.monotonicMs() < startMs + syncWithinMs) for (const log of logs) await log.maintenance.finishRemovals();
      await this.checkpointer.persistActiveIndexes(logs);
      if (await this.checkpointer.finish()) await this.incarnation.stopped(this.brokerEpoch);
      await this.journal.close();
    }
    await this.writes.close();
    await this.files.closeAll();
    await this.catalogue.close();
  }

  journalControl(control: ControlRecord): JournalPosition {
    const { type, payload } = encodeControl(control);
    return this.journal.append(type, [payload]);
  }

  journalBatch(entry: TailEntry, prefix: Buffer): void {
    entry.journalPosition = appendBatch(this.journal, prefix, entry.bytes);
    this.memory.journaled(entry.slab, entry.journalPosition);
    this.awaiting.push(entry);
    this.checkpointer.journaled(entry.bytes.length);
  }

  writeWhenDurable(log: DiskPartitionLog): void {
    this.waitingToWrite.add(log);
  }

  stable(log: DiskPartitionLog): void {
    this.tellStable([log]);
  }

  dirty(log: DiskPartitionLog): void {
    this.checkpointer.mark(log);
  }

  addUnwritten(bytes: number): void {
    this.space.unwrittenBytes += bytes;
  }

  checkpointNow(log: DiskPartitionLog): Promise<void> {
    return this.checkpointer.publishOne(log);
  }

  /** The cache may have let entries go, a checkpoint may have ended. */
  tellHeadroom(): void {
    if (this.headroomCallbacks.length === 0) return;
    if (this.headroomBytes <= 0) {
      this.askJournal();
      return;
    }
    const callbacks = this.headroomCallbacks;
    this.headroomCallbacks = [];
    for (const callback of callbacks) callback();
  }

  /** The tail tells by itself when it became smaller; the journal has to be asked, each time that it is what has no room. */
  private askJournal(): void {
    if (this.isJournalAsked || this.journal.headroomBytes > 0) return;
    this.isJournalAsked = true;
    this.journal.onHeadroom(() => {
      this.isJournalAsked = false;
      this.tellHeadroom();
    });
  }

  private journalDurable(durable: JournalPosition): void {
    this.memory.durable(durable);
    this.tellHeadroom();
    const moved = new Set<DiskPartitionLog>();
    while (this.awaitingHead < this.awaiting.length) {
      const entry = this.awaiting[this.awaitingHead];
      if (entry === undefined || entry.journalPosition > durable) break;
      this.awaitingHead += 1;
      const log = entry.owner;
      if (log instanceof DiskPartitionLog && log.durable(entry)) moved.add(log);
    }
    this.compactAwaiting();
    if (moved.size > 0) this.tellStable([...moved]);
    for (const log of moved) log.writeWhereWorthwhile();
    for (const log of this.waitingToWrite) {
      if (log.state.controlPosition > durable) continue;
      this.waitingToWrite.delete(log);
      log.writer.start();
    }
    this.writeEverythingWherePressed();
  }

  private compactAwaiting(): void {
    if (this.awaitingHead === this.awaiting.length) {
      this.awaiting = [];
      this.awaitingHead = 0;
    } else if (this.awaitingHead > 4096 && this.awaitingHead * 2 > this.awaiting.length) {
      this.awaiting = this.awaiting.slice(this.awaitingHead);
      this.awaitingHead = 0;
    }
  }

  /** Too much stands in memory only: all partitions write. */
  private writeEverythingWherePressed(): void {
    const { unwrittenBytes } = this.space;
    if (unwrittenBytes < this.limits.unwrittenBytes / 2) this.writingEverything = false;
    if (this.writingEverything || unwrittenBytes < this.limits.unwrittenBytes) return;
    this.writingEverything = true;
    this.writeEverything();
  }

  private writeEverything(): void {
    if (this.fatal !== undefined) return;
    for (const log of this.logs.values()) if (log.hasUnwritten) log.writer.start();
  }

  private tellStable(logs: readonly DiskPartitionLog[]): void {
    if (this.fatal !== undefined) return;
    for (const listener of this.stableListeners) listener(logs);
  }

  /** J-9: durability is lost; nothing is acknowledged any more. */
  private fail(error: Error): void {
    if (this.fatal !== undefined) return;
    this.fatal = error;
    this.stopped = `the journal failed: ${error.message}`;
    this.checkpointer.stop();
    for (const listener of this.fatalListeners) listener(error);
  }
}

/** The CRC of a large batch was checked before it was appended: the journal's goes on from it. */
function appendBatch(journal: Journal, prefix: Buffer, batch: Buffer): JournalPosition {
  if (batch.length < CRC_REUSE_BYTES_MIN) return journal.append(JournalType.batch, [prefix, batch]);
  const covered = batch.subarray(BatchField.attributes);
  const chunks = [prefix, batch.subarray(0, BatchField.attributes), covered];
  return journal.append(JournalType.batch, chunks, batch.readUInt32BE(BatchField.crc));
}

function nameOf(key: PartitionKey): string {
  return `${key.topicId}-${key.partition}`;
}
