import type { PartitionIndex, TopicId } from '@streamline/core/types/ids';
import type { EpochEntry } from './epoch-history';
import type { ProducerEntry } from './producer-table';
import type { SegmentRecord } from './segment';

/** `fsync`: durable in the journal before it is stable. `page-cache`: written to the segment is enough (P-1). */
export type Durability = 'fsync' | 'page-cache';

/**
 * One opening of a partition on this node. A partition that was deleted and comes back gets a new slot, so no record of its earlier
 * life can ever be taken for one of this life (S-2). Slots are never used twice.
 */
export interface PartitionIdentity {
  readonly slot: number;
  readonly topicId: TopicId;
  readonly partition: PartitionIndex;
}

/** What the catalogue keeps of a partition: a state that is wholly on the disk, or durable in the journal (LOG-3). */
export interface PartitionRecord extends PartitionIdentity {
  readonly durability: Durability;
  /** segment.bytes, so that replay rolls where the log would have. */
  readonly segmentBytes: number;
  /** Journal records of this partition other than batches up to here are part of this state. */
  readonly controlPosition: number;
  readonly logStartOffset: number;
  /** Everything before it is synced in `segments` (S-5). */
  readonly syncedEndOffset: number;
  readonly epochs: readonly EpochEntry[];
  readonly segments: readonly SegmentRecord[];
  /** The producers as they were at `syncedEndOffset`, never ahead of it. */
  readonly producers: readonly ProducerEntry[];
  /** DELETE is durable; the files may still be there. */
  readonly deleted: boolean;
  /** Why the replica cannot be served (S-9, S-11); it stays so over restarts. */
  readonly offlineReason: string | undefined;
}

/** A partition record of which lists hold only what changed; merging one into its predecessor gives the new record. */
export interface PartitionPatch extends Omit<PartitionRecord, 'segments' | 'producers'> {
  readonly segments: readonly SegmentRecord[];
  /** Base offsets of segments that are no more; where one comes back with another revision it stands in `segments` too. */
  readonly removedSegments: readonly number[];
  readonly producers: readonly ProducerEntry[];
  readonly removedProducers: readonly number[];
}

/** The record that a patch makes of its predecessor; `undefined` where it is the partition's first. */
export function applyPatch(before: PartitionRecord | undefined, patch: PartitionPatch): PartitionRecord {
  const { removedSegments, removedProducers, ...fields } = patch;
  const segments = new Map((before?.segments ?? []).map((segment) => [segment.baseOffset, segment]));
  for (const baseOffset of removedSegments) segments.delete(baseOffset);
  for (const segment of patch.segments) segments.set(segment.baseOffset, segment);
  const producers = new Map((before?.producers ?? []).map((entry) => [entry.producerId, entry]));
  for (const producerId of removedProducers) producers.delete(producerId);
  for (const entry of patch.producers) producers.set(entry.producerId, entry);
  return {
    ...fields,
    segments: [...segments.values()].sort((a, b) => a.baseOffset - b.baseOffset),
    producers: [...producers.values()],
  };
}

/** The patch that makes `after` of `before`; entries of producers are compared by identity, as they are values. */
export function diffRecords(before: PartitionRecord | undefined, after: PartitionRecord): PartitionPatch {
  const oldSegments = new Map((before?.segments ?? []).map((segment) => [segment.baseOffset, segment]));
  const oldProducers = new Map((before?.producers ?? []).map((entry) => [entry.producerId, entry]));
  const newSegments = new Set(after.segments.map((segment) => segment.baseOffset));
  const newProducers = new Set(after.producers.map((entry) => entry.producerId));
  return {
    ...after,
    segments: after.segments.filter((segment) => !sameSegment(oldSegments.get(segment.baseOffset), segment)),
    removedSegments: [...oldSegments.keys()].filter((baseOffset) => !newSegments.has(baseOffset)),
    producers: after.producers.filter((entry) => oldProducers.get(entry.producerId) !== entry),
    removedProducers: [...oldProducers.keys()].filter((producerId) => !newProducers.has(producerId)),
  };
}

function sameSegment(a: SegmentRecord | undefined, b: SegmentRecord): boolean {
  return (
    a !== undefined &&
    a.revision === b.revision &&
    a.syncedBytes === b.syncedBytes &&
    a.syncedEndOffset === b.syncedEndOffset &&
    a.maxTimestamp === b.maxTimestamp &&
    a.maxTimestampOffset === b.maxTimestampOffset &&
    a.firstTimestamp === b.firstTimestamp &&
    a.closed === b.closed
  );
}
