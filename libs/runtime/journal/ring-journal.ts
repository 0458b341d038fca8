import * as format from '@streamline/core/journal/format';
import { GroupKind } from '@streamline/core/journal/format';
import type { Ring } from '@streamline/core/journal/ring';
import type { Cancel } from '@streamline/runtime/ports/clock';
import type { DurableFile } from '@streamline/runtime/ports/disk';
import type { Journal, JournalPosition } from '@streamline/runtime/ports/journal';
import { crc32c } from './crc32c';
import { GroupWriter } from './group-writer';
import { JournalFailedError } from './journal-error';
import { recordBytesMax, reserveBytesMax, usableFileBytes } from './journal-options';
import type { JournalOptions } from './journal-options';
import { slotPath } from './journal-scan';
import { PendingRecords } from './pending-records';
import type { TakenRecords } from './pending-records';
import type { SlotFiles } from './slot-files';

const SEAL_DELAY_MS = 100;
const MAKE_RETRY_MS = 1000;
/** Blocks that have to stay free at the end of a file after each mark, for those that may follow it (RESERVED_TAIL_BYTES). */
const KEPT_AFTER_SEAL = 4;
const KEPT_AFTER_END = 3;
const NO_RECORDS: TakenRecords = { parts: [], bytes: 0, count: 0 };

/** Where a journal goes on, as opening found it. */
export interface JournalStart {
  readonly writer: GroupWriter;
  readonly position: number;
  readonly redo: number;
  /** The part of `redo` that is surely on the disk. */
  readonly durableRedo: number;
}

/** What the single writer does next. */
type Action = 'data' | 'rotate' | 'note' | 'seal' | 'end';

/**
 * The journal's driver (J-1 to J-9). One loop writes, one group at a time; what was appended meanwhile goes into the
 * next group (group commit). Files are begun, made and released as `Ring` decides.
 */
export class RingJournal implements Journal {
  readonly recordBytesMax: number;
  private readonly pending = new PendingRecords();
  private readonly reserveBytes: number;
  private writer: GroupWriter;
  private end: number;
  private durable: number;
  private redo: number;
  private durableRedo: number;
  private failure: JournalFailedError | undefined;
  private isPumping = false;
  private isMaking = false;
  private isSealDue = false;
  private isClosing = false;
  private isEnded = false;
  private cancelSeal: Cancel | undefined;
  private cancelMake: Cancel | undefined;
  private lastWriteMs = 0;
  private writeStartedMs: number | undefined;
  private durableListener: ((durable: JournalPosition) => void) | undefined;
  private failureListener: ((error: Error) => void) | undefined;
  private pressureListener: ((releaseUpTo: JournalPosition) => void) | undefined;
  private headroomCallbacks: (() => void)[] = [];
  private flushes: { readonly upTo: number; readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  private idle: (() => void)[] = [];

  constructor(
    private readonly options: JournalOptions,
    private readonly ring: Ring,
    private readonly slots: SlotFiles,
    private readonly files: Map<number, DurableFile>,
    start: JournalStart,
  ) {
    this.recordBytesMax = recordBytesMax(options.groupBytesMax);
    this.reserveBytes = options.reserveBytes ?? Math.min(reserveBytesMax(options), ring.capacityBytes / 8);
    this.writer = start.writer;
    this.end = start.position;
    this.durable = start.position;
    this.redo = start.redo;
    this.durableRedo = start.durableRedo;
  }

  append(type: number, chunks: readonly Uint8Array[], lastCrc?: number): JournalPosition {
    if (this.failure !== undefined) throw this.failure;
    if (this.isClosing) throw new JournalFailedError('the journal is closed');
    if (!Number.isInteger(type) || type < 1 || type > 127) throw new RangeError(`record type ${type} is not from 1 to 127`);
    let bytes = 0;
    for (const chunk of chunks) bytes += chunk.length;
    if (bytes > this.recordBytesMax) throw new RangeError(`the record has ${bytes} bytes, at most ${this.recordBytesMax} fit`);
    this.end += this.pending.add(type, chunks, bytes, lastCrc);
    this.wake();
    return this.end as JournalPosition;
  }

  get headroomBytes(): number {
    const inCurrent = this.writer.leftBytes(this.options.groupBytesMax);
    const freeFiles = this.ring.freeFiles(this.redo, this.cancelMake === undefined);
    const free = inCurrent + freeFiles * usableFileBytes(this.options) - this.reserveBytes;
    return Math.min(this.options.pendingBytesMax, free) - this.pending.bytes;
  }

  onHeadroom(callback: () => void): void {
    if (this.headroomBytes > 0) callback();
    else this.headroomCallbacks.push(callback);
  }

  get endPosition(): JournalPosition {
    return this.end as JournalPosition;
  }

  get durablePosition(): JournalPosition {
    return this.durable as JournalPosition;
  }

  onDurable(listener: (durable: JournalPosition) => void): void {
    this.durableListener = listener;
  }

  onFailure(listener: (error: Error) => void): void {
    this.failureListener = listener;
    if (this.failure !== undefined) listener(this.failure);
  }

  onPressure(listener: (releaseUpTo: JournalPosition) => void): void {
    this.pressureListener = listener;
  }

  get outstandingWriteMs(): number {
    return this.writeStartedMs === undefined ? 0 : this.options.clock.monotonicMs() - this.writeStartedMs;
  }

  get usedBytes(): number {
    return this.ring.usedBytes(this.redo, this.writer.offset);
  }

  get capacityBytes(): number {
    return this.ring.capacityBytes;
  }

  flush(): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    if (this.durable >= this.end) return Promise.resolve();
    return new Promise((resolve, reject) => this.flushes.push({ upTo: this.end, resolve, reject }));
  }

  release(redo: JournalPosition): void {
    if (Math.min(redo, this.durable + 1) <= this.redo || this.failure !== undefined) return;
    this.redo = Math.min(redo, this.durable + 1);
    this.scheduleSeal();
    this.wake();
    this.tellHeadroom();
  }

  async close(): Promise<void> {
    if (this.isClosing) throw new JournalFailedError('the journal is closed already');
    this.isClosing = true;
    this.cancelSeal?.();
    this.cancelMake?.();
    this.wake();
    while (this.isPumping || this.isMaking) await new Promise<void>((resolve) => this.idle.push(resolve));
    if (!this.isEnded)
      this.fail(new Error(`the ring is full: ${this.pending.bytes} bytes wait for a release that did not come before the end`));
    for (const file of this.files.values()) await file.close();
    if (this.failure !== undefined) throw this.failure;
  }

  /** After an end mark: whatever happens now, the last stop was not this clean one. */
  async markOpened(): Promise<void> {
    await this.writer.write(GroupKind.Opened, this.durable, this.redo, NO_RECORDS);
  }

  /** Writes the last group again: it is readable, but may not be on the disk (kill before the end of the write, EIO). */
  async rewriteLast(startPosition: number, payload: Buffer, recordCount: number): Promise<boolean> {
    if (payload.length > this.writer.roomBytes(0)) {
      const bytes = format.paddedGroupBytes(payload.length);
      const fits = bytes <= this.options.fileBytes - format.BLOCK_BYTES - format.RESERVED_TAIL_BYTES;
      const slot = fits ? this.ring.nextSlot(this.durableRedo) : undefined;
      // A full ring and a crash while the last group was written again, or smaller files: the sync at opening has to do.
      if (slot === undefined) return false;
      await this.begin(slot, startPosition, Math.max(bytes, this.options.groupBytesMax));
    }
    await this.writer.write(GroupKind.Copy, startPosition, this.redo, {
      parts: [payload],
      bytes: payload.length,
      count: recordCount,
    });
    this.durableRedo = this.redo;
    this.ring.shortenPrevious(this.writer.header.startPosition);
    if (this.writer.hasBlock(KEPT_AFTER_SEAL)) await this.writer.write(GroupKind.Seal, this.durable, this.redo, NO_RECORDS);
    return true;
  }

  /** Begins `slot`: its header is durable before the file before it says so and before any group (J-3). */
  async begin(slot: number, startPosition: number, groupBytesMax = this.options.groupBytesMax): Promise<void> {
    const file = this.files.get(slot);
    if (file === undefined) throw new JournalFailedError(`the journal has no file ${slot}`);
    const sequence = this.ring.lastSequence + 1;
    const header = { ...newHeader(this.options, sequence, startPosition, this.redo), groupBytesMax };
    await file.write(0, [format.encodeFileHeader(header, crc32c)]);
    const payload = format.encodeContinuation(sequence);
    await this.writer.write(GroupKind.Continued, startPosition, this.redo, { parts: [payload], bytes: payload.length, count: 0 });
    this.durableRedo = this.redo;
    this.ring.begin(slot, sequence, startPosition, this.durable, this.options.fileBytes);
    this.writer = new GroupWriter(file, slot, header, format.BLOCK_BYTES);
  }

  /** Lets the writer look for work, in a microtask: what one turn of the event loop appends goes into one group. */
  private wake(): void {
    if (this.isPumping || this.isEnded || this.failure !== undefined) return;
    this.isPumping = true;
    queueMicrotask(() => void this.pump());
  }

  private async pump(): Promise<void> {
    try {
      for (let action = this.decide(); action !== undefined; action = this.decide()) await this.perform(action);
    } catch (error) {
      this.fail(error);
    }
    this.isPumping = false;
    this.tellIdle();
  }

  private decide(): Action | undefined {
    if (this.failure !== undefined || this.isEnded) return undefined;
    if (!this.pending.isEmpty) {
      const hasNext = this.ring.nextSlot(this.durableRedo) !== undefined;
      if (!hasNext) this.makeSlot();
      // Without another file there has to be room left to write the last group again after a crash.
      if (this.pending.firstBytes <= this.writer.roomBytes(hasNext ? 0 : this.options.groupBytesMax)) return 'data';
      if (hasNext) return 'rotate';
      return this.redo > this.durableRedo && this.ring.hasReleased(this.redo) ? 'note' : undefined;
    }
    if (this.isClosing) return this.decideEnd();
    return this.isSealDue && this.writer.hasBlock(KEPT_AFTER_SEAL) ? 'seal' : undefined;
  }

  private decideEnd(): Action {
    const needsFile = !this.writer.hasBlock(KEPT_AFTER_END) && this.ring.nextSlot(this.durableRedo) !== undefined;
    return needsFile ? 'rotate' : 'end';
  }

  private async perform(action: Action): Promise<void> {
    switch (action) {
      case 'data':
        return this.writeData();
      case 'rotate':
        return this.rotate();
      case 'note':
        return this.writeMark(GroupKind.Note);
      case 'seal':
        this.isSealDue = false;
        return this.writeMark(GroupKind.Seal);
      case 'end':
        // Without room for the mark the next start takes this one for a crash, and merely looks closer.
        if (this.writer.hasBlock(KEPT_AFTER_END)) await this.writeMark(GroupKind.End);
        this.isEnded = true;
        return undefined;
    }
  }

  private async writeData(): Promise<void> {
    const kept = this.ring.nextSlot(this.durableRedo) === undefined ? this.options.groupBytesMax : 0;
    const records = this.pending.take(this.writer.roomBytes(kept));
    const redo = this.redo;
    this.isSealDue = false;
    this.writeStartedMs = this.options.clock.monotonicMs();
    const bytes = await this.writer.write(GroupKind.Data, this.durable, redo, records);
    this.lastWriteMs = this.options.clock.monotonicMs();
    const writeMs = this.lastWriteMs - this.writeStartedMs;
    this.writeStartedMs = undefined;
    if (this.failure !== undefined) return;
    this.durableRedo = redo;
    this.durable += records.bytes;
    this.options.onGroup?.({ bytes, records: records.count, writeMs });
    this.durableListener?.(this.durable as JournalPosition);
    this.settleFlushes();
    this.tellHeadroom();
    this.scheduleSeal();
  }

  private async writeMark(kind: GroupKind): Promise<void> {
    const redo = this.redo;
    this.writeStartedMs = this.options.clock.monotonicMs();
    await this.writer.write(kind, this.durable, redo, NO_RECORDS);
    this.writeStartedMs = undefined;
    this.durableRedo = redo;
  }

  private async rotate(): Promise<void> {
    const slot = this.ring.nextSlot(this.durableRedo);
    if (slot === undefined) return;
    this.writeStartedMs = this.options.clock.monotonicMs();
    await this.begin(slot, this.durable);
    this.writeStartedMs = undefined;
    if (this.ring.isUnderPressure(this.redo)) this.pressureListener?.(this.ring.releaseTarget(this.redo) as JournalPosition);
  }

  /** Makes one more file, up to the ring's size, and removes files that do not fit any more. */
  private makeSlot(): void {
    if (this.isMaking || this.isClosing || this.cancelMake !== undefined) return;
    const misfits = this.ring.takeMisfits(this.durableRedo);
    const slot = this.ring.slotToMake();
    if (slot === undefined && misfits.length === 0) return;
    this.isMaking = true;
    void this.makeInBackground(slot, misfits)
      .catch((error: unknown) => this.makingFailed(error))
      .then(() => {
        this.isMaking = false;
        this.tellIdle();
        this.wake();
        this.tellHeadroom();
      });
  }

  private async makeInBackground(slot: number | undefined, misfits: readonly number[]): Promise<void> {
    for (const misfit of misfits) {
      await this.files.get(misfit)?.close();
      this.files.delete(misfit);
      await this.slots.remove(misfit);
    }
    if (slot === undefined) return;
    await this.slots.make(slot, undefined);
    this.files.set(slot, await this.options.disk.openDurable(slotPath(this.options.directory, slot)));
    this.ring.addBlank(slot);
  }

  /** A full disk only keeps the ring from growing: tried again later. Anything else is the end of this journal (J-9). */
  private makingFailed(error: unknown): void {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'ENOSPC' && code !== 'EDQUOT') return this.fail(error);
    this.cancelMake = this.options.clock.schedule(MAKE_RETRY_MS, () => {
      this.cancelMake = undefined;
      this.wake();
      this.tellHeadroom();
    });
  }

  /** One timer for any number of groups: when it fires it looks how long the journal has been idle. */
  private scheduleSeal(): void {
    if (this.cancelSeal !== undefined || this.isClosing) return;
    const delayMs = this.options.sealDelayMs ?? SEAL_DELAY_MS;
    this.cancelSeal = this.options.clock.schedule(delayMs, () => {
      this.cancelSeal = undefined;
      if (this.isPumping || this.options.clock.monotonicMs() - this.lastWriteMs < delayMs) return this.scheduleSeal();
      this.isSealDue = true;
      this.wake();
    });
  }

  private settleFlushes(): void {
    while (this.flushes[0] !== undefined && this.flushes[0].upTo <= this.durable) this.flushes.shift()?.resolve();
  }

  private tellHeadroom(): void {
    if (this.headroomCallbacks.length === 0 || this.headroomBytes <= 0) return;
    const callbacks = this.headroomCallbacks;
    this.headroomCallbacks = [];
    for (const callback of callbacks) callback();
  }

  private tellIdle(): void {
    const waiting = this.idle;
    this.idle = [];
    for (const resolve of waiting) resolve();
  }

  private fail(error: unknown): void {
    if (this.failure !== undefined) return;
    const reason = error instanceof Error ? error.message : String(error);
    this.failure = new JournalFailedError(
      `writing the journal in ${this.options.directory} failed: ${reason}. Nothing more is acknowledged; what is on the disk decides after a restart`,
      { cause: error },
    );
    this.cancelSeal?.();
    this.cancelMake?.();
    const waiting = this.flushes;
    this.flushes = [];
    for (const flush of waiting) flush.reject(this.failure);
    this.failureListener?.(this.failure);
  }
}

/** A header with a fresh salt (J-3) and what the owner wants in it (J-6). */
export function newHeader(options: JournalOptions, sequence: number, startPosition: number, redo: number): format.FileHeader {
  return {
    formatVersion: format.FORMAT_VERSION,
    sequence,
    fileBytes: options.fileBytes,
    groupBytesMax: options.groupBytesMax,
    startPosition,
    redo,
    salt: options.random.bytes(format.SALT_BYTES),
    ownerPayload: options.headerPayload?.() ?? Buffer.alloc(0),
  };
}
