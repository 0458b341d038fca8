import { dirname, join } from 'node:path';
import type { Configuration, SnapshotMeta } from '@streamline/core/raft/types';
import { voterId } from '@streamline/core/raft/types';
import type { ClusterId, DirectoryId, NodeId } from '@streamline/core/types/ids';
import type { JournalOptions } from '@streamline/runtime/journal/journal-options';
import { openJournal, type OpenedJournal } from '@streamline/runtime/journal/open-journal';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { Disk } from '@streamline/runtime/ports/disk';
import type { JournalPosition } from '@streamline/runtime/ports/journal';
import type { Random } from '@streamline/runtime/ports/random';
import { hasCode } from './disk-errors';
import { DiskRaftStorage, type StateHolder } from './disk-raft-storage';
import { JournalReplay } from './journal-replay';
import { decodeState, encodeState, RaftRecordType, type RaftState } from './journal-records';
import { LogGapError, LogReplay } from './log-replay';
import { RaftStorageError, type RecoveredRaft } from './raft-storage';
import { recoverSegments, type RecoveredSegments } from './segment-files';
import { DEFAULT_SEGMENT_LIMITS, SegmentLog, type DurableWrite, type SegmentLimits } from './segment-log';
import { SnapshotStore } from './snapshot-store';
import { decodeLegacyOwner } from './take-over';

export type RaftJournalSize = Pick<JournalOptions, 'fileBytes' | 'fileCount' | 'groupBytesMax' | 'pendingBytesMax'>;

/** Small files, since metadata is small; what is not in segments must fit (J-7). */
export const RAFT_JOURNAL: RaftJournalSize = {
  fileBytes: 4 * 1024 * 1024,
  fileCount: 8,
  groupBytesMax: 1024 * 1024,
  pendingBytesMax: 8 * 1024 * 1024,
};

/** Entries in one batch of a log that is taken over, and room for the files beside it. */
const TAKE_OVER_ENTRIES = 256;
const TAKE_OVER_BYTES = 1024 * 1024;

export interface OpenRaftStorageOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  /** Absolute; it must exist. Segments lie in `log` and snapshots in `snapshots` there. */
  readonly directory: string;
  /** `journal` in that directory by default; its parent must exist. */
  readonly journalDirectory?: string | undefined;
  readonly nodeId: NodeId;
  readonly directoryId: DirectoryId;
  /** Undefined where the node knows of none yet; the directory may. */
  readonly clusterId: ClusterId | undefined;
  /** For a directory from before Raft, and for an empty one where nothing is to be found out. Remembered. */
  readonly bootstrap: Configuration;
  /**
   * Asked for an empty directory, before anything is written: what this member belongs to. Where it fails the opening does, and
   * the directory is as empty as before.
   */
  readonly form?: (() => Promise<FormedMembership>) | undefined;
  /** RAFT_JOURNAL by default. */
  readonly journalSize?: RaftJournalSize | undefined;
  readonly segmentLimits?: SegmentLimits;
  /** Called after each group of the journal that holds records, for metrics. */
  readonly onGroup?: JournalOptions['onGroup'];
  /** Looks at what was recovered before anything is changed; where it fails, the opening fails with its error. */
  readonly judge?: (recovered: RecoveredRaft) => Promise<void>;
  /** Something went wrong that loses nothing: a snapshot that could not be written, or that came damaged. */
  readonly onProblem?: (error: Error) => void;
}

/** What a member begins with. */
export interface FormedMembership {
  readonly bootstrap: Configuration;
  /** Undefined: a cluster that begins here, and has no id yet. */
  readonly clusterId: ClusterId | undefined;
  /** Of that cluster: how often it was recovered; 0 by default. */
  readonly clusterEpoch?: number;
}

/**
 * Opens a member's log, vote and snapshots, making them where there are none, and taking over what a version before Raft wrote.
 * Fails, with nothing changed, where the files are damaged, newer, or not this member's: RaftStorageError, RaftFormatError,
 * JournalDamagedError, JournalFormatError.
 */
export async function openRaftStorage(options: OpenRaftStorageOptions): Promise<DiskRaftStorage> {
  const opening = new Opening(options);
  await opening.read();
  return opening.finish();
}

class Opening {
  readonly #logDirectory: string;
  readonly #snapshotDirectory: string;
  readonly #log = new LogReplay();
  readonly #holder: StateHolder;
  readonly #snapshots: SnapshotStore;
  #segments: RecoveredSegments = { segments: [], position: 0 as JournalPosition, voidPaths: [], isTorn: false };
  #replay = new JournalReplay(0 as JournalPosition);
  #opened: OpenedJournal | undefined;
  #snapshot: SnapshotMeta | undefined;
  #isTakenOver = false;
  /** What the journal has beyond the segments. */
  readonly #writes: DurableWrite[] = [];

  constructor(private readonly options: OpenRaftStorageOptions) {
    const { disk, directory, nodeId, directoryId, clusterId, bootstrap, onProblem = () => undefined } = options;
    this.#logDirectory = join(directory, 'log');
    this.#snapshotDirectory = join(directory, 'snapshots');
    this.#snapshots = new SnapshotStore({ disk, directory: this.#snapshotDirectory, onProblem });
    const hardState = { term: 0, votedFor: undefined, commitIndex: 0 };
    const { voters } = bootstrap;
    const coveredPosition = 0 as JournalPosition;
    this.#holder = { state: { nodeId, directoryId, clusterId, clusterEpoch: 0, hardState, voters, bootstrap, coveredPosition } };
  }

  /** Reads everything and refuses what must not be used. */
  async read(): Promise<void> {
    const { options } = this;
    const { disk, clock, random, onGroup, journalSize = RAFT_JOURNAL } = options;
    this.#segments = await recoverSegments(disk, this.#logDirectory, this.#log);
    this.#replay = new JournalReplay(this.#segments.position);
    this.#opened = await openJournal(
      {
        disk,
        clock,
        random,
        directory: options.journalDirectory ?? join(options.directory, 'journal'),
        ...journalSize,
        ...(onGroup && { onGroup }),
        // Without what is large and stands in the records.
        headerPayload: () => encodeState({ ...this.#holder.state, bootstrap: undefined }),
      },
      (record) => this.#replay.take(record),
    );
    try {
      await this.#judge();
      await options.judge?.(this.#recovered);
      await this.#form();
    } catch (error) {
      await this.#opened.journal.close();
      throw error;
    }
  }

  async finish(): Promise<DiskRaftStorage> {
    const opened = this.#opened;
    if (opened === undefined) throw new Error('finish comes after read');
    try {
      return await this.#finish(opened);
    } catch (error) {
      await opened.journal.close().catch(() => undefined);
      throw error;
    }
  }

  /** Nothing was ever written or promised by this member. */
  async #form(): Promise<void> {
    const { clusterId, form } = this.options;
    if (form === undefined || this.#replay.state !== undefined || this.#isTakenOver) return;
    if (clusterId !== undefined) {
      throw this.#lost(`this data directory belongs to cluster ${clusterId}, but the controller's journal is empty: it was lost`);
    }
    const formed = await form();
    const { voters } = formed.bootstrap;
    this.#holder.state = { ...this.#holder.state, ...formed, voters };
  }

  get #recovered(): RecoveredRaft {
    const { hardState, bootstrap = this.options.bootstrap } = this.#holder.state;
    return { hardState, log: this.#log.summary(this.#snapshot), snapshot: this.#snapshot, bootstrap };
  }

  async #judge(): Promise<void> {
    const { state, legacy } = this.#replay;
    const recovery = this.#opened?.recovery;
    const header = recovery?.headerPayload ?? Buffer.alloc(0);
    if (state !== undefined) {
      this.#checkOwner(state);
      this.#holder.state = { ...state, clusterId: state.clusterId ?? this.options.clusterId };
    } else if (legacy.hasRecords || (header.length > 0 && decodeLegacyOwner(header) !== undefined)) {
      this.#takeOver(header);
    } else {
      if (header.length > 0) this.#checkOwner(decodeState(header));
      if (this.#segments.segments.length > 0) {
        throw this.#lost("the controller's journal was lost or replaced: it holds nothing, but there are log segments");
      }
    }
    if (!this.#isTakenOver) this.#replayWrites(recovery?.end ?? (0 as JournalPosition));
    await this.#judgeSnapshot();
  }

  #replayWrites(journalEnd: JournalPosition): void {
    const { position } = this.#segments;
    const { coveredPosition } = this.#holder.state;
    if (position < coveredPosition) {
      throw this.#lost(
        `log segments were lost or damaged: they hold the journal up to ${position}, but it was released up to ${coveredPosition}`,
      );
    }
    if (position > journalEnd) {
      throw this.#lost(
        `the controller's journal was lost or replaced: it ends at ${journalEnd}, log segments know it to ${position}`,
      );
    }
    try {
      for (const write of this.#replay.writes) {
        const { truncateAfter } = write;
        this.#writes.push({ ...write, truncateTerm: truncateAfter === undefined ? undefined : this.#log.termAt(truncateAfter) });
        this.#log.apply(write);
      }
    } catch (error) {
      throw error instanceof LogGapError ? this.#lost(`the log has a gap: ${error.message}`) : error;
    }
  }

  async #judgeSnapshot(): Promise<void> {
    const installed = this.#replay.installed;
    // Of an older installation only the newest snapshot matters, which has its final name.
    const isInLog = installed !== undefined && this.#replay.writes.some((write) => write.installSnapshot?.id === installed.id);
    this.#snapshot = await this.#snapshots.recover(isInLog ? installed : undefined);
    const index = this.#snapshot?.index ?? 0;
    if (this.#snapshot !== undefined && (this.#log.baseIndex > index || this.#log.lastIndex < index)) {
      throw this.#lost(
        `the log holds entries ${this.#log.baseIndex + 1} to ${this.#log.lastIndex}, which do not go on from the newest snapshot (${index})`,
      );
    }
  }

  #checkOwner({ nodeId, directoryId, clusterId }: Pick<RaftState, 'nodeId' | 'directoryId' | 'clusterId'>): void {
    const { options } = this;
    if (nodeId !== options.nodeId) {
      throw new RaftStorageError(
        `This controller journal belongs to node ${nodeId}, not ${options.nodeId}: do not change node_id values between restarts.`,
      );
    }
    if (directoryId !== options.directoryId) {
      throw new RaftStorageError(
        `This controller journal belongs to directory ${directoryId}, not ${options.directoryId}: it was copied here from another data directory.`,
      );
    }
    if (clusterId !== undefined && options.clusterId !== undefined && clusterId !== options.clusterId) {
      throw new RaftStorageError(
        `This controller journal belongs to cluster ${clusterId}, not ${options.clusterId}: it was copied here from another cluster.`,
      );
    }
  }

  /** A journal of before Raft: its owner's vote goes on, its entries become the log. */
  #takeOver(header: Buffer): void {
    this.#isTakenOver = true;
    const { legacy } = this.#replay;
    const owner = legacy.owner ?? decodeLegacyOwner(header);
    if (owner === undefined) throw this.#lost('its journal does not say whose it is');
    this.#checkOwner({ ...owner, clusterId: undefined });
    const { baseIndex, baseTerm, entries } = legacy.log;
    this.#log.begin(baseIndex, baseTerm);
    this.#log.append(entries);
    const votedFor = owner.hasVoted ? voterId(owner.nodeId, owner.directoryId) : undefined;
    // Whatever is in the log of a single voter is committed.
    const hardState = { term: owner.term, votedFor, commitIndex: this.#log.lastIndex };
    this.#holder.state = { ...this.#holder.state, hardState };
  }

  async #finish({ journal, recovery }: OpenedJournal): Promise<DiskRaftStorage> {
    const { disk, clock, segmentLimits = DEFAULT_SEGMENT_LIMITS, journalSize = RAFT_JOURNAL } = this.options;
    if (this.#isTakenOver) await this.#checkRoom();
    await this.#makeDirectories();
    await this.#mendSegments();
    await this.#snapshots.clean();
    let onFailure: (error: Error) => void = () => undefined;
    const recoveredSegments = this.#isTakenOver ? { segments: [], position: 0 as JournalPosition } : this.#segments;
    const segments = new SegmentLog(
      {
        disk,
        clock,
        directory: this.#logDirectory,
        limits: segmentLimits,
        keepInstalled: async ({ installSnapshot }) => {
          if (installSnapshot !== undefined) await this.#snapshots.keepInstalled(installSnapshot);
        },
        onFailure: (error) => onFailure(error),
      },
      recoveredSegments,
      recoveredSegments.segments.at(-1)?.lastIndex ?? 0,
    );
    if (this.#isTakenOver) await this.#writeTakenOver(segments, recovery.end);
    else for (const write of this.#writes) segments.push(write);
    const isNewState = this.#replay.state === undefined || this.#replay.state.clusterId !== this.#holder.state.clusterId;
    if (isNewState) {
      const position = journal.append(RaftRecordType.STATE, [encodeState(this.#holder.state)]);
      await journal.flush();
      if (this.#isTakenOver) journal.release(position);
    }
    const storage = new DiskRaftStorage({
      journal,
      segments,
      snapshots: this.#snapshots,
      state: this.#holder,
      uncovered: this.#replay.writes.map(({ firstPosition, position }) => ({ firstPosition, position })),
      checkpointBytes: journalSize.fileBytes,
      recovered: this.#recovered,
    });
    onFailure = (error) => storage.fail(error);
    return storage;
  }

  /** In segments and synced before the journal says that it is Raft's: a crash in between begins the take-over anew. */
  async #writeTakenOver(segments: SegmentLog, end: JournalPosition): Promise<void> {
    const { entries, baseIndex } = this.#log;
    await segments.beginAt(baseIndex, this.#log.termAt(baseIndex) ?? 0, end);
    const nothing = { hardState: undefined, installSnapshot: undefined, truncateAfter: undefined, truncateTerm: undefined };
    for (let from = 0; from < entries.length; from += TAKE_OVER_ENTRIES) {
      segments.push({ ...nothing, entries: entries.slice(from, from + TAKE_OVER_ENTRIES), position: end });
    }
    await segments.checkpoint();
    this.#holder.state = { ...this.#holder.state, coveredPosition: end };
  }

  async #checkRoom(): Promise<void> {
    const needed = this.#log.entries.reduce((sum, { sizeBytes }) => sum + 2 * sizeBytes, TAKE_OVER_BYTES);
    const { freeBytes } = await this.options.disk.space(this.options.directory);
    if (freeBytes >= needed) return;
    const error = new Error(`${needed} bytes are needed in ${this.options.directory} to take over the log of an earlier version`);
    throw Object.assign(error, { code: 'ENOSPC' });
  }

  async #makeDirectories(): Promise<void> {
    const { disk } = this.options;
    for (const path of [this.#logDirectory, this.#snapshotDirectory]) {
      try {
        await disk.makeDirectory(path);
      } catch (error) {
        if (!hasCode(error, 'EEXIST')) throw error;
      }
    }
    // Also of an earlier life that was killed before it came to this.
    await disk.syncDirectory(dirname(this.#logDirectory));
  }

  /** Lets the segments end where they are valid. */
  async #mendSegments(): Promise<void> {
    const { disk } = this.options;
    const { segments, voidPaths, isTorn } = this.#segments;
    const taken = this.#isTakenOver ? segments.map(({ path }) => path) : [];
    for (const path of [...voidPaths, ...taken]) await disk.unlink(path);
    const last = segments.at(-1);
    if (!isTorn || last === undefined || this.#isTakenOver) return;
    const file = await disk.open(last.path, 'write');
    try {
      await file.truncate(last.sizeBytes);
    } finally {
      await file.close();
    }
  }

  #lost(what: string): RaftStorageError {
    return new RaftStorageError(
      `The consensus log in ${this.options.directory} is not whole: ${what}. Nothing was changed. ` +
        "Restore the controller's directory as a whole from a copy, or, where other members hold the log, remove this node and let it join again with an empty directory.",
    );
  }
}
