import { MetadataState } from '@streamline/core/metadata/metadata-state';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import type { WholeImage } from '@streamline/core/metadata/snapshot';
import { captureImage } from '@streamline/core/metadata/snapshot';
import type { Configuration, Entry, RaftInit, VoterId } from '@streamline/core/raft/types';
import type { ClusterId, DirectoryId, MetadataIndex } from '@streamline/core/types/ids';
import { decodeRecord } from '@streamline/runtime/metadata/record-codec';
import type { Applied, StateMachine } from '@streamline/runtime/raft/state-machine';
import type { ClusterGhost, CommittedEntry, Invariant } from '@streamline/testing/raft/cluster-ghost';

/** Something that a caller was told has happened. */
export type Acknowledged =
  | { readonly kind: 'created'; readonly name: string; readonly topicId: string; readonly index: number }
  | { readonly kind: 'deleted'; readonly name: string; readonly index: number }
  | { readonly kind: 'partitions'; readonly name: string; readonly count: number; readonly index: number }
  | { readonly kind: 'config'; readonly name: string; readonly value: number; readonly index: number }
  | { readonly kind: 'producer-ids'; readonly first: number; readonly count: number }
  | {
      readonly kind: 'registered';
      readonly brokerId: number;
      readonly epoch: number;
      readonly incarnationId: string;
      readonly index: number;
    }
  | {
      readonly kind: 'isr';
      readonly topicId: string;
      readonly partition: number;
      readonly partitionEpoch: number;
      readonly isr: readonly number[];
    };

/** Sees what the cluster commits, what callers are told and what nodes become; throws a Violation where a property does not hold. */
export interface MetadataInvariant {
  /** The entry is committed; `state` is what it was decided for. */
  before?(index: number, records: readonly MetadataRecord[], state: MetadataState): void;
  /** `state` is what it led to. */
  after?(index: number, records: readonly MetadataRecord[], state: MetadataState): void;
  /** A configuration of the members is committed. */
  configured?(configuration: Configuration, index: number): void;
  acknowledged?(acknowledged: Acknowledged, state: MetadataState): void;
  /** The directory takes itself for part of the cluster. */
  belongs?(directoryId: DirectoryId, clusterId: ClusterId): void;
  /** A process takes up its log. */
  starts?(id: VoterId, init: RaftInit, ghost: ClusterGhost): void;
  /** Its cluster has told this member that it was removed. */
  toldRemoved?(id: VoterId, ghost: ClusterGhost): void;
  /** A state machine is where it says it is; `reference` is the image there. */
  compared?(id: VoterId, machine: StateMachine<Applied>, reference: WholeImage, when: string): void;
}

/** A node's own image is compared now and then, and always where it came by another way than by entries. */
const COMPARED_EVERY = 16;

/** The metadata as the committed log says it is, index by index. */
export class MetadataGhost implements Invariant {
  readonly current = new MetadataState();
  /** By the last committed configuration. */
  members: readonly VoterId[] = [];
  /** `#images[i]` is the image at index i. */
  readonly #images: WholeImage[] = [captureImage(this.current)];
  #invariants: readonly MetadataInvariant[] = [];

  watchWith(invariants: readonly MetadataInvariant[]): void {
    this.#invariants = invariants;
  }

  committed({ entry }: CommittedEntry): void {
    const records = entry.records.map(decodeRecord);
    const { index } = entry;
    for (const invariant of this.#invariants) invariant.before?.(index, records, this.current);
    this.current.apply(index as MetadataIndex, records);
    this.#images[index] = captureImage(this.current);
    for (const invariant of this.#invariants) invariant.after?.(index, records, this.current);
    this.#configured(entry);
  }

  acknowledged(acknowledged: Acknowledged): void {
    for (const invariant of this.#invariants) invariant.acknowledged?.(acknowledged, this.current);
  }

  belongs(directoryId: DirectoryId, clusterId: ClusterId): void {
    for (const invariant of this.#invariants) invariant.belongs?.(directoryId, clusterId);
  }

  starts(id: VoterId, init: RaftInit, ghost: ClusterGhost): void {
    for (const invariant of this.#invariants) invariant.starts?.(id, init, ghost);
  }

  toldRemoved(id: VoterId, ghost: ClusterGhost): void {
    for (const invariant of this.#invariants) invariant.toldRemoved?.(id, ghost);
  }

  applied(id: VoterId, machine: StateMachine<Applied>): void {
    if (machine.appliedIndex % COMPARED_EVERY === 0) this.compare(id, machine, 'after an entry');
  }

  compare(id: VoterId, machine: StateMachine<Applied>, when: string): void {
    const reference = this.#images[machine.appliedIndex];
    if (reference === undefined) return;
    for (const invariant of this.#invariants) invariant.compared?.(id, machine, reference, when);
  }

  #configured({ configuration, index }: Entry): void {
    if (configuration === undefined) return;
    this.members = configuration.members.map(({ id }) => id);
    for (const invariant of this.#invariants) invariant.configured?.(configuration, index);
  }
}
