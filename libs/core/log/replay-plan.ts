import type { PartitionIndex, TopicId } from '@streamline/core/types/ids';
import { EpochHistory } from './epoch-history';
import type { Durability, PartitionIdentity, PartitionRecord } from './partition-record';

/** What the journal says about a partition besides its batches (LOG-2). */
export type ControlRecord =
  | {
      readonly kind: 'open';
      readonly slot: number;
      readonly topicId: TopicId;
      readonly partition: PartitionIndex;
      readonly durability: Durability;
      readonly segmentBytes: number;
    }
  | { readonly kind: 'delete'; readonly slot: number }
  | { readonly kind: 'truncate'; readonly slot: number; readonly offset: number }
  | { readonly kind: 'log-start'; readonly slot: number; readonly offset: number }
  /** All that the log had is gone, and it begins at `offset`: in one record, since half of it would be a shorter log that looks whole. */
  | { readonly kind: 'begin-anew'; readonly slot: number; readonly offset: number }
  | { readonly kind: 'epoch'; readonly slot: number; readonly epoch: number; readonly startOffset: number };

interface Truncation {
  readonly position: number;
  readonly offset: number;
}

/** One partition while the journal is replayed: the catalogue's record, brought forward by control records. */
export class PartitionReplay {
  readonly epochs: EpochHistory;
  logStartOffset: number;
  controlPosition: number;
  deleted: boolean;
  /** The journal holds something of it that the catalogue's record does not reflect. */
  touched = false;
  /** The lowest truncation that the catalogue's record does not reflect. */
  private lowestNewTruncation: number | undefined;
  private readonly truncations: Truncation[] = [];

  constructor(readonly record: PartitionRecord) {
    this.epochs = new EpochHistory(record.epochs);
    this.logStartOffset = record.logStartOffset;
    this.controlPosition = record.controlPosition;
    this.deleted = record.deleted;
  }

  /** First pass. Records that the catalogue's state reflects change nothing, but truncations still bury older batches. */
  note(control: ControlRecord, position: number): void {
    if (control.kind === 'truncate') this.truncations.push({ position, offset: control.offset });
    if (control.kind === 'begin-anew') this.truncations.push({ position, offset: 0 });
    if (position <= this.record.controlPosition) return;
    this.touched = true;
    this.controlPosition = position;
    switch (control.kind) {
      case 'open':
        return;
      case 'delete':
        this.deleted = true;
        return;
      case 'truncate':
        this.lowestNewTruncation = Math.min(this.lowestNewTruncation ?? control.offset, control.offset);
        this.logStartOffset = Math.min(this.logStartOffset, control.offset);
        this.epochs.truncateTo(control.offset);
        return;
      case 'begin-anew':
        this.lowestNewTruncation = 0;
        this.logStartOffset = control.offset;
        this.epochs.truncateTo(0);
        return;
      case 'log-start':
        this.logStartOffset = Math.max(this.logStartOffset, control.offset);
        this.epochs.advanceStart(control.offset);
        return;
      case 'epoch':
        this.epochs.begin(control.epoch, control.startOffset);
        return;
    }
  }

  /** S-4, between the passes: what is before it stays in the segments, all from it on is cut and comes from the journal. */
  cutOffset(): number {
    return Math.min(this.record.syncedEndOffset, this.lowestNewTruncation ?? this.record.syncedEndOffset);
  }

  /**
   * Where a scan past the synced end stops (P-1): at a truncation that the catalogue does not reflect, since nothing was written after it
   * before the catalogue knew of it.
   */
  get scanLimit(): number {
    return this.lowestNewTruncation ?? Number.MAX_SAFE_INTEGER;
  }

  /** S-4, second pass: whether no later truncation removed this batch. */
  survives(baseOffset: number, position: number): boolean {
    return !this.truncations.some((truncation) => truncation.position > position && truncation.offset <= baseOffset);
  }
}

/**
 * Hears only records above the redo position. A slot that the catalogue does not know was therefore opened since, or deleted for good.
 *
 * Decides replay in two passes over the journal (S-4): the first hears of all control records and finds the cuts, the second asks of
 * each batch whether it is to be applied. Partitions are known by slot, never by name (S-2).
 */
export class ReplayPlan {
  private readonly partitions = new Map<number, PartitionReplay>();
  private highestSlot: number;

  /** @param highestSlot the largest slot that was ever given out, as the catalogue knows it */
  constructor(records: Iterable<PartitionRecord>, highestSlot: number) {
    this.highestSlot = highestSlot;
    for (const record of records) {
      this.partitions.set(record.slot, new PartitionReplay(record));
      this.highestSlot = Math.max(this.highestSlot, record.slot);
    }
  }

  /** First pass, control records in journal order. */
  noteControl(control: ControlRecord, position: number): void {
    this.highestSlot = Math.max(this.highestSlot, control.slot);
    if (control.kind === 'open' && !this.partitions.has(control.slot)) {
      this.partitions.set(control.slot, new PartitionReplay(emptyRecord(control, control.durability, control.segmentBytes)));
    }
    this.find(control.slot)?.note(control, position);
  }

  /** First pass: a batch of this slot that ends before `endOffset` is in the journal. */
  noteBatch(slot: number, endOffset: number): void {
    const partition = this.find(slot);
    if (partition !== undefined && endOffset > partition.record.syncedEndOffset) partition.touched = true;
  }

  /** The partition that a slot names; `undefined` where the catalogue already knows that it was deleted. */
  find(slot: number): PartitionReplay | undefined {
    return this.partitions.get(slot);
  }

  /** Second pass: the partition to which this batch is to be applied, if any. */
  target(slot: number, baseOffset: number, position: number): PartitionReplay | undefined {
    const partition = this.find(slot);
    if (partition === undefined || partition.deleted) return undefined;
    return partition.survives(baseOffset, position) ? partition : undefined;
  }

  /** All partitions, deleted ones too. */
  all(): Iterable<PartitionReplay> {
    return this.partitions.values();
  }

  /** The slot for the next partition. */
  get nextSlot(): number {
    return this.highestSlot + 1;
  }
}

/** A partition that was opened and holds nothing yet. */
export function emptyRecord(identity: PartitionIdentity, durability: Durability, segmentBytes: number): PartitionRecord {
  return {
    slot: identity.slot,
    topicId: identity.topicId,
    partition: identity.partition,
    durability,
    segmentBytes,
    controlPosition: -1,
    logStartOffset: 0,
    syncedEndOffset: 0,
    epochs: [],
    segments: [],
    producers: [],
    deleted: false,
    offlineReason: undefined,
  };
}
