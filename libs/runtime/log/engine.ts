import type { LogConfig } from '@streamline/core/log/log-config';
import { emptyRecord } from '@streamline/core/log/replay-plan';
import type { ControlRecord } from '@streamline/core/log/replay-plan';
import type { PartitionRecord } from '@streamline/core/log/partition-record';
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
import { IndexCache } from './index-cache';
import { JournalType, encodeControl } from './journal-records';
import type { LogEngine, PartitionKey, PartitionLog } from './log-engine';
import { LogError } from './log-error';
import type { LogLimits } from './log-limits';
import { Semaphore } from './semaphore';
import { partitionsPath } from './segment-path';
import { SpaceGuard } from './space-guard';
import { TailCache } from './tail-cache';
import type { TailEntry } from './tail-queue';

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

/** Runs at a clean stop, between the last checkpoint and the end of the journal. */
export type BeforeEnd = (brokerEpoch: number) => Promise<void>;

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
  readonly space: SpaceGuard;
  readonly partitionsDirectory: DirectorySync;
  readonly writes: Semaphore;
  readonly reads: Semaphore;
  readonly checkpointer: Checkpointer;
  stopped: string | undefined = 'the log engine is starting';
  private attached: Journal | undefined;
  private nextSlot = 1;
  private readonly logs = new Map<string, DiskPartitionLog>();
  /** Directories of earlier lives that are being moved away, by name. */
  private readonly leaving = new Map<string, Promise<void>>();
  /** Journaled batches that are not durable yet, in journal order. */
  private awaiting: TailEntry[] = [];
  private awaitingHead = 0;
  /** Page-cache partitions whose control records are not durable yet. */
  private readonly waitingToWrite = new Set<DiskPartitionLog>();
  private stableListeners: ((logs: readonly PartitionLog[]) => void)[] = [];
  private fatalListeners: ((error: Error) => void)[] = [];
  private fatal: Error | undefined;
  private headroomCallbacks: (() => void)[] = [];
  private brokerEpoch = -1;
  private writingEverything = false;
  private closing: Promise<void> | undefined;

  constructor(
    parts: EngineParts,
    private readonly beforeEnd: BeforeEnd,
  ) {
    this.disk = parts.disk;
    this.clock = parts.clock;
    this.random = parts.random;
    this.root = parts.directory;
    this.limits = parts.limits;
    this.files = new FileTable(parts.disk, parts.limits.maxOpenFiles);
    this.indexes = new IndexCache(parts.limits.indexCacheBytes);
    this.cache = new TailCache(parts.limits.tailCacheBytes);
    this.space = new SpaceGuard(parts.disk, parts.clock, parts.directory, parts.limits.spaceMarginBytes);
    this.partitionsDirectory = new DirectorySync(parts.disk, partitionsPath(parts.directory));
    this.writes = new Semaphore(parts.limits.parallelWrites);
    this.reads = new Semaphore(parts.limits.parallelReads);
    this.checkpointer = new Checkpointer(this, parts.catalogue, parts.redo, () => this.nextSlot);
    this.catalogue = parts.catalogue;
  }

  private readonly catalogue: Catalogue;

  get journal(): Journal {
    if (this.attached === undefined) throw new LogError('gone', 'the journal is not open yet');
    return this.attached;
  }

  get durablePosition(): number {
    return this.attached?.durablePosition ?? Number.MAX_SAFE_INTEGER;
  }

  /** Replay is over: from here on records go to the journal. */
  attach(journal: Journal, nextSlot: number): void {
    this.attached = journal;
    this.stopped = undefined;
    this.nextSlot = nextSlot;
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
    const log = this.logs.get(name);
    if (log === undefined) return;
    this.logs.delete(name);
    const before = this.leaving.get(name);
    const { freed, removed } = log.maintenance.delete();
    const leaving = before === undefined ? freed : before.then(() => freed);
    this.leaving.set(name, leaving);
    const forget = (): void => {
      if (this.leaving.get(name) === leaving) this.leaving.delete(name);
    };
    leaving.then(forget, () => undefined);
    await removed;
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
    this.journal.onHeadroom(() => this.tellHeadroom());
  }

  setBrokerEpoch(brokerEpoch: number): void {
    this.brokerEpoch = brokerEpoch;
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

  close(): Promise<void> {
    this.closing ??= this.closeNow();
    return this.closing;
  }

  private async closeNow(): Promise<void> {
    if (this.fatal === undefined) this.stopped = 'the log engine is closed';
    if (this.fatal === undefined) {
      for (const leaving of this.leaving.values()) await leaving.catch(() => undefined);
      const logs = [...this.logs.values()];
      for (const log of logs) await log.maintenance.settled();
      await this.journal.flush();
      // Until here checkpoints went on by themselves: a full journal waits for them.
      this.checkpointer.stop();
      await this.checkpointer.run({ pageCacheToo: true });
      for (const log of logs) await log.maintenance.finishRemovals();
      await this.checkpointer.persistActiveIndexes(logs);
      await this.checkpointer.run({ pageCacheToo: true });
      await this.beforeEnd(this.brokerEpoch);
      await this.journal.close();
    }
    await this.files.closeAll();
    await this.catalogue.close();
  }

  journalControl(control: ControlRecord): JournalPosition {
    const { type, payload } = encodeControl(control);
    return this.journal.append(type, [payload]);
  }

  journalBatch(entry: TailEntry, prefix: Buffer): void {
    entry.journalPosition = this.journal.append(JournalType.batch, [prefix, entry.bytes]);
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
    if (this.headroomCallbacks.length === 0 || this.headroomBytes <= 0) return;
    const callbacks = this.headroomCallbacks;
    this.headroomCallbacks = [];
    for (const callback of callbacks) callback();
  }

  private journalDurable(durable: JournalPosition): void {
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

function nameOf(key: PartitionKey): string {
  return `${key.topicId}-${key.partition}`;
}
