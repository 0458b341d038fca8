import type { PersistEffect, PurgeEffect, ReadEntriesEffect } from '@streamline/core/raft/effects';
import type { Entry, RaftInit, SnapshotMeta } from '@streamline/core/raft/types';
import type { ClusterId } from '@streamline/core/types/ids';
import type { SnapshotBytes } from './state-machine';

/** What is on disk is not one unbroken log of this member: the start is refused, and nothing is changed. */
export class RaftStorageError extends Error {
  override readonly name = 'RaftStorageError';
}

/** The directory was written by a version that is newer than this one. */
export class RaftFormatError extends Error {
  override readonly name = 'RaftFormatError';

  constructor(path: string, what: string) {
    super(
      `${path} holds ${what}, which this version of Streamline does not know. ` +
        'A newer version wrote it: start that version (or a newer one) on this data directory.',
    );
  }
}

/** What recovery found, for the core. */
export type RecoveredRaft = Pick<RaftInit, 'hardState' | 'log' | 'snapshot' | 'bootstrap'>;

/** A piece of a snapshot's file. Undefined: it is not there any more, or damaged. */
export type SnapshotPiece = { readonly data: Uint8Array; readonly last: boolean } | undefined;

/**
 * A member's log, vote and snapshots on disk. Failures of writes come through `onFailure`, once, and are the end of the process
 * (J-9): the promises of what was under way then never resolve.
 */
export interface RaftStorage {
  readonly recovered: RecoveredRaft;
  /** An entry of at most so many encoded bytes fits into the journal. */
  readonly entryBytesMax: number;
  onFailure(listener: (error: Error) => void): void;
  /**
   * Takes effects in their order; each resolves when it and those before are durable, in order. What waits while a write is in
   * flight goes into the next one together (group commit).
   */
  persist(effect: PersistEffect): Promise<void>;
  /** The journal is full for now (J-7): entries are taken and wait. Hosts refuse proposals meanwhile. */
  readonly isPressed: boolean;
  /** Entries as `ReadEntriesEffect` asks for them, from memory or disk; none if the first is not stored. */
  readEntries(effect: ReadEntriesEffect): Promise<readonly Entry[]>;
  /** Removes what is not needed any more, in the background. */
  purge(effect: PurgeEffect): void;
  /** Writes a snapshot file; resolves with whether it is durable under its name (false: no room for it). */
  takeSnapshot(snapshot: SnapshotMeta, bytes: SnapshotBytes): Promise<boolean>;
  readSnapshotChunk(snapshotId: string, offset: number, bytesMax: number): Promise<SnapshotPiece>;
  /** One at a time. Resolves as `SnapshotChunkWrittenInput.written` says. */
  writeSnapshotChunk(snapshot: SnapshotMeta, offset: number, data: Uint8Array, last: boolean): Promise<boolean>;
  dropSnapshot(snapshotId: string): void;
  /** What the state machine put into an installed (or taken) snapshot, verified as it is read. Fails with RaftStorageError. */
  openSnapshot(snapshot: SnapshotMeta): AsyncIterable<Uint8Array>;
  /** From now on the directory belongs to this cluster, and no other one starts on it. */
  bindCluster(clusterId: ClusterId): Promise<void>;
  readonly clusterId: ClusterId | undefined;
  /** A clean stop. What was persisted before is durable. */
  close(): Promise<void>;
}
