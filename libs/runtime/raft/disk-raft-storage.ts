import type { PersistEffect, PurgeEffect, ReadEntriesEffect } from '@streamline/core/raft/effects';
import type { Entry, SnapshotMeta, Term } from '@streamline/core/raft/types';
import type { ClusterId } from '@streamline/core/types/ids';
import type { Journal, JournalPosition } from '@streamline/runtime/ports/journal';
import type { LogWrite, PartLimits, RaftState } from './journal-records';
import { encodeState, encodeWrite, partLimits, RaftRecordType } from './journal-records';
import { sizeOf } from './file-frames';
import type { RaftStorage, RecoveredRaft, SnapshotPiece } from './raft-storage';
import type { SegmentLog } from './segment-log';
import type { SnapshotStore } from './snapshot-store';
import type { SnapshotBytes } from './state-machine';
import { TermRuns } from './term-runs';

/** What a record may take in the journal beside its own bytes: the group's head, and padding. */
const GROUP_OVERHEAD_BYTES = 8192;

export interface DiskRaftStorageParts {
  readonly journal: Journal;
  readonly segments: SegmentLog;
  readonly snapshots: SnapshotStore;
  readonly recovered: RecoveredRaft;
  readonly state: StateHolder;
  /** Writes of the journal that the segments do not hold yet, oldest first: where each begins and ends there. */
  readonly uncovered: readonly Uncovered[];
  /** Journal bytes between two checkpoints, about. */
  readonly checkpointBytes: number;
}

/** What each journal file begins with: kept apart, since the journal asks for it while it is being opened (J-6). */
export interface StateHolder {
  state: RaftState;
}

export interface Uncovered {
  readonly firstPosition: JournalPosition;
  /** Of its last part; Infinity while that is not in the journal. */
  position: number;
}

/** A write of the core, or of a recovery. */
type Write = PersistEffect & Pick<LogWrite, 'clusterEpoch'>;

interface Waiting {
  readonly effect: Write;
  readonly resolve: () => void;
  /** Records of it that are not in the journal yet; undefined until its turn comes. */
  parts?: (readonly Uint8Array[])[];
  truncateTerm?: Term | undefined;
}

interface InJournal extends Waiting {
  readonly position: JournalPosition;
}

/**
 * Raft's storage on the controller's journal: a write is durable there first; entries then go to segments in the background,
 * and from time to time a checkpoint syncs these and lets the journal be recycled (J-6, S-6).
 */
export class DiskRaftStorage implements RaftStorage {
  readonly recovered: RecoveredRaft;
  readonly entryBytesMax: number;
  /** Checkpoints that released journal, for metrics and tests. */
  checkpoints = 0;
  readonly #journal: Journal;
  readonly #partLimits: PartLimits;
  readonly #terms: TermRuns;
  /** Not yet in the journal, since it is full. */
  #waiting: Waiting[] = [];
  /** In the journal, not yet durable. */
  #inFlight: InJournal[] = [];
  #uncovered: Uncovered[];
  #isWaitingForRoom = false;
  /** The write whose first part comes next. */
  #opening: Write | undefined;
  #failure: Error | undefined;
  #failureListener: ((error: Error) => void) | undefined;
  #checkpointing: Promise<void> | undefined;
  #sinceCheckpointBytes = 0;
  #background: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(private readonly parts: DiskRaftStorageParts) {
    const { journal, recovered, uncovered } = parts;
    this.recovered = recovered;
    this.#partLimits = partLimits(journal.recordBytesMax);
    this.entryBytesMax = this.#partLimits.bytesMax;
    this.#journal = journal;
    this.#uncovered = [...uncovered];
    this.#terms = new TermRuns(recovered.log);
    journal.onDurable((durable) => this.#becameDurable(durable));
    journal.onFailure((error) => this.fail(error));
    journal.onPressure(() => this.#startCheckpoint());
  }

  get clusterId(): ClusterId | undefined {
    return this.parts.state.state.clusterId;
  }

  /** Grows with each recovery of the cluster from the loss of its majority. */
  get clusterEpoch(): number {
    return this.parts.state.state.clusterEpoch;
  }

  get journal(): Pick<Journal, 'usedBytes' | 'capacityBytes'> {
    return this.#journal;
  }

  get isPressed(): boolean {
    return this.#waiting.length > 0 || this.#journal.headroomBytes <= 0;
  }

  /** Calls back once there is room in the journal. */
  onRoom(callback: () => void): void {
    this.#journal.onHeadroom(callback);
  }

  onFailure(listener: (error: Error) => void): void {
    this.#failureListener = listener;
    if (this.#failure !== undefined) listener(this.#failure);
  }

  /** Also for what works beside the journal. */
  fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.parts.segments.stopWaiting();
    this.#failureListener?.(error);
  }

  /** With `clusterEpoch` the write begins that epoch of the cluster: members of an earlier one are not listened to any more. */
  persist(effect: Write): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ effect, resolve });
      this.#pump();
    });
  }

  async readEntries({ firstIndex, lastIndex, bytesMax }: ReadEntriesEffect): Promise<readonly Entry[]> {
    return this.parts.segments.read(firstIndex, lastIndex, bytesMax);
  }

  purge({ index, keepSnapshotIds }: PurgeEffect): void {
    this.#terms.compact(index);
    const forgotten = this.parts.snapshots.forgetOthers(keepSnapshotIds);
    void this.#inBackground(async () => {
      await this.parts.snapshots.remove(forgotten);
      await this.parts.segments.purge(index);
    });
  }

  takeSnapshot(snapshot: SnapshotMeta, bytes: SnapshotBytes): Promise<boolean> {
    return this.parts.snapshots.take(snapshot, bytes);
  }

  readSnapshotChunk(snapshotId: string, offset: number, bytesMax: number): Promise<SnapshotPiece> {
    return this.parts.snapshots.readChunk(snapshotId, offset, bytesMax);
  }

  writeSnapshotChunk(snapshot: SnapshotMeta, offset: number, data: Uint8Array, last: boolean): Promise<boolean> {
    return this.#inBackground(() => this.parts.snapshots.writeChunk(snapshot, offset, data, last));
  }

  dropSnapshot(snapshotId: string): void {
    void this.#inBackground(() => this.parts.snapshots.drop(snapshotId));
  }

  openSnapshot(snapshot: SnapshotMeta): AsyncIterable<Uint8Array> {
    return this.parts.snapshots.open(snapshot);
  }

  async bindCluster(clusterId: ClusterId): Promise<void> {
    const { state } = this.parts.state;
    if (state.clusterId === clusterId) return;
    this.parts.state.state = { ...state, clusterId };
    this.#journal.append(RaftRecordType.STATE, [encodeState(this.parts.state.state)]);
    await this.#journal.flush();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { segments, snapshots } = this.parts;
    if (this.#failure === undefined) {
      await this.#journal.flush();
      segments.stopWaiting();
      await this.#checkpointing;
      await this.#checkpoint();
    }
    await this.#background;
    await segments.close();
    await snapshots.close();
    if (this.#failure === undefined) await this.#journal.close();
    else await this.#journal.close().catch(() => undefined);
  }

  /** Puts what waits into the journal, record by record: each must fit, or there were no room for what lets go of more. */
  #pump(): void {
    if (this.#failure !== undefined) return;
    try {
      for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
        next.parts ??= this.#begin(next);
        if (!this.#appendParts(next.parts)) return this.#waitForRoom();
        this.#waiting.shift();
        this.#remember(next.effect);
        const { endPosition, durablePosition } = this.#journal;
        this.#inFlight.push({ ...next, position: endPosition });
        if (endPosition <= durablePosition) this.#becameDurable(durablePosition);
      }
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** False where the journal has no room for the next part. */
  #appendParts(parts: (readonly Uint8Array[])[]): boolean {
    for (let chunks = parts[0]; chunks !== undefined; chunks = parts[0]) {
      const bytes = sizeOf(chunks);
      if (this.#journal.headroomBytes < bytes + GROUP_OVERHEAD_BYTES) return false;
      parts.shift();
      const position = this.#journal.append(RaftRecordType.WRITE, chunks);
      this.#sinceCheckpointBytes += bytes;
      if (this.#opening !== undefined) {
        this.#uncovered.push({ firstPosition: position, position: Infinity });
        this.#opening = undefined;
      }
      if (parts.length === 0) this.#endWrite(position);
    }
    return true;
  }

  #endWrite(position: JournalPosition): void {
    const last = this.#uncovered.at(-1);
    if (last?.position === Infinity) last.position = position;
  }

  #waitForRoom(): void {
    this.#startCheckpoint();
    if (this.#isWaitingForRoom || this.#journal.headroomBytes > 0) return;
    this.#isWaitingForRoom = true;
    this.#journal.onHeadroom(() => {
      this.#isWaitingForRoom = false;
      this.#pump();
    });
  }

  /** The journal has all of it: from now on its files begin with what it says of vote and voters (J-6). */
  #remember({ hardState, installSnapshot, entries, clusterEpoch }: Write): void {
    const holder = this.parts.state;
    if (clusterEpoch !== undefined) holder.state = { ...holder.state, clusterEpoch };
    if (hardState !== undefined) holder.state = { ...holder.state, hardState };
    const configuration = entries.findLast((entry) => entry.configuration !== undefined)?.configuration;
    const placed = configuration ?? installSnapshot?.configuration.configuration;
    if (placed !== undefined) holder.state = { ...holder.state, voters: placed.voters };
  }

  /** The records of a write whose turn has come. */
  #begin(waiting: Waiting): (readonly Uint8Array[])[] {
    const { effect } = waiting;
    const { hardState, installSnapshot, truncateAfter, entries } = effect;
    const changesLog = installSnapshot !== undefined || truncateAfter !== undefined || entries.length > 0;
    waiting.truncateTerm = truncateAfter === undefined ? undefined : this.#terms.termAt(truncateAfter);
    if (changesLog) this.#terms.apply(effect);
    this.#opening = changesLog ? effect : undefined;
    return changesLog || hardState !== undefined ? encodeWrite(effect, this.#partLimits) : [];
  }

  #becameDurable(durable: JournalPosition): void {
    const { segments, snapshots } = this.parts;
    let count = 0;
    for (const { effect, position, truncateTerm, resolve } of this.#inFlight) {
      if (position > durable) break;
      count++;
      const { installSnapshot, truncateAfter, entries, hardState } = effect;
      if (installSnapshot !== undefined) snapshots.installed(installSnapshot);
      segments.push({ installSnapshot, truncateAfter, truncateTerm, entries, hardState, position });
      resolve();
    }
    if (count > 0) this.#inFlight.splice(0, count);
    if (this.#sinceCheckpointBytes >= this.parts.checkpointBytes) this.#startCheckpoint();
    if (this.#waiting.length > 0) this.#pump();
  }

  #startCheckpoint(): void {
    if (this.#checkpointing !== undefined || this.#failure !== undefined || this.#isClosed) return;
    this.#sinceCheckpointBytes = 0;
    this.#checkpointing = this.#checkpoint()
      .catch((error: unknown) => this.fail(error instanceof Error ? error : new Error(String(error))))
      .finally(() => {
        this.#checkpointing = undefined;
        // What waits for room may have begun to wait after this one looked.
        if (this.#waiting.length > 0 && this.#uncovered.length > 0) this.#startCheckpoint();
      });
  }

  /** Segments first, then the record that says so with the vote, then the journal lets go (S-6). */
  async #checkpoint(): Promise<void> {
    const covered = await this.parts.segments.checkpoint();
    if (covered === undefined || this.#failure !== undefined) return;
    const holder = this.parts.state;
    this.#uncovered = this.#uncovered.filter(({ position }) => position > covered);
    holder.state = { ...holder.state, coveredPosition: covered };
    const statePosition = this.#journal.append(RaftRecordType.STATE, [encodeState(holder.state)]);
    const oldest = this.#uncovered[0]?.firstPosition ?? statePosition;
    await this.#journal.flush();
    this.checkpoints++;
    this.#journal.release(oldest < statePosition ? oldest : statePosition);
    this.#pump();
  }

  #inBackground<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#background.then(work);
    this.#background = result.catch((error: unknown) => {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    });
    return result;
  }
}
