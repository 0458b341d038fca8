import type { DirectoryId, MetadataIndex, NodeId } from '@streamline/core/types/ids';
import type { Journal, JournalPosition } from '@streamline/runtime/ports/journal';
import type { CommittedMetadata } from './committed-metadata';
import type { HardState } from './log-format';
import { encodeCheckpoint, encodeEntry, encodeHardState, JournalRecordType } from './log-format';
import type { RecoveredLog } from './log-recovery';
import type { CommittedEntry, LogPlace, LogStatus, MetadataLog, NodeState } from './metadata-log';
import { EntryTooLargeError, NotLeaderError } from './metadata-log';

export interface SingleVoterLogOptions {
  readonly nodeId: NodeId;
  readonly directoryId: DirectoryId;
  readonly journal: Journal;
  /** The largest record that the journal takes, in bytes. */
  readonly entryBytesMax: number;
  /** What the journal handed out when it was opened. */
  readonly recovered: RecoveredLog;
  readonly machine: CommittedMetadata;
  /** Told of the new term before it is written: journal files that are begun from now on carry it (J-6). */
  readonly onHardState: (hardState: HardState) => void;
  /** Entries between two checkpoints (the guide's snapshot_interval_logs). */
  readonly checkpointEntries: number;
}

interface PlacedEntry {
  readonly index: MetadataIndex;
  readonly position: JournalPosition;
}

/**
 * The metadata log of a cluster with one voter: it elects itself at each start with a new term, and an entry is committed
 * once it is durable in the journal. Terms, votes and entries are written as Raft needs them, so that Raft can take the
 * directory over.
 */
export class SingleVoterLog implements MetadataLog {
  /** Checkpoints that were made, for metrics. */
  checkpoints = 0;
  #nodeState: NodeState = 'Candidate';
  #failure: Error | undefined;
  #checkpointing: Promise<void> | undefined;
  /** Entries that no checkpoint covers, oldest first. */
  #uncovered: PlacedEntry[] = [];
  #proposing = false;
  #stopWaiting: () => void = () => undefined;
  readonly #failureListeners: ((error: Error) => void)[] = [];
  readonly #leadershipListeners: ((leads: boolean) => void)[] = [];

  private constructor(
    private readonly options: SingleVoterLogOptions,
    readonly hardState: HardState,
  ) {
    options.journal.onFailure((error) => this.fail(error));
    options.journal.onPressure(() => this.#startCheckpoint());
  }

  /**
   * Brings the state machine to the end of the recovered log, then elects itself.
   * Fails with MetadataLogError before anything is written where the log is not whole or not this node's.
   */
  static async start(options: SingleVoterLogOptions): Promise<SingleVoterLog> {
    const { recovered, machine, nodeId, directoryId, journal } = options;
    recovered.checkOwner(nodeId, directoryId);
    if (recovered.mustRebuildImage(machine.applied)) await machine.reset();
    machine.apply(recovered.entriesAfter(machine.applied));
    const term = Math.max(recovered.hardState?.term ?? 0, machine.applied.term) + 1;
    const hardState: HardState = { nodeId, directoryId, term, votedFor: nodeId };
    options.onHardState(hardState);
    journal.append(JournalRecordType.HARD_STATE, [encodeHardState(hardState)]);
    const log = new SingleVoterLog(options, hardState);
    await log.#commit([[]]);
    log.#nodeState = 'Leader';
    return log;
  }

  get status(): LogStatus {
    const { nodeId, machine } = this.options;
    return {
      nodeState: this.#nodeState,
      nodeId,
      leaderId: this.#nodeState === 'Leader' ? nodeId : undefined,
      term: this.hardState.term,
      committedIndex: machine.applied.index,
      voters: [nodeId],
      learners: [],
    };
  }

  get nextIndex(): MetadataIndex {
    return (this.options.machine.applied.index + 1) as MetadataIndex;
  }

  async propose(entries: readonly (readonly Uint8Array[])[]): Promise<MetadataIndex> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#nodeState !== 'Leader') throw new NotLeaderError('This controller is stopping.');
    return this.#commit(entries);
  }

  onLeadership(listener: (leads: boolean) => void): void {
    this.#leadershipListeners.push(listener);
    listener(this.#nodeState === 'Leader');
  }

  onFailure(listener: (error: Error) => void): void {
    if (this.#failure !== undefined) listener(this.#failure);
    else this.#failureListeners.push(listener);
  }

  /** What the image or the journal can no longer write (J-9). */
  fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#stopWaiting();
    this.#stepDown();
    for (const listener of this.#failureListeners) listener(error);
  }

  async close(): Promise<void> {
    if (this.#nodeState === 'Shutdown' && this.#failure === undefined) return;
    this.#stepDown();
    await this.#checkpointing;
    if (this.#failure !== undefined) return;
    await this.#checkpoint();
    await this.options.journal.close();
  }

  #stepDown(): void {
    if (this.#nodeState === 'Shutdown') return;
    this.#nodeState = 'Shutdown';
    for (const listener of this.#leadershipListeners) listener(false);
  }

  async #commit(entries: readonly (readonly Uint8Array[])[]): Promise<MetadataIndex> {
    if (this.#proposing) throw new Error('A proposal is under way: the controller has one writer');
    this.#proposing = true;
    try {
      const { journal, machine } = this.options;
      const { committed, encoded } = this.#encode(entries);
      await this.#headroom();
      const placed = committed.map(({ index }, at): PlacedEntry => {
        return { index, position: journal.append(JournalRecordType.ENTRY, [encoded[at] ?? new Uint8Array()]) };
      });
      // Before the wait: a checkpoint meanwhile must not release what the image does not hold yet.
      this.#uncovered.push(...placed);
      await journal.flush();
      machine.apply(committed);
      if (this.#uncovered.length >= this.options.checkpointEntries) this.#startCheckpoint();
      return machine.applied.index;
    } finally {
      this.#proposing = false;
    }
  }

  #encode(entries: readonly (readonly Uint8Array[])[]): { committed: CommittedEntry[]; encoded: Uint8Array[] } {
    const { nextIndex } = this;
    const committed = entries.map((records, at): CommittedEntry => {
      return { index: (nextIndex + at) as MetadataIndex, term: this.hardState.term, records };
    });
    const encoded = committed.map(encodeEntry);
    const largest = Math.max(...encoded.map(({ length }) => length));
    if (largest > this.options.entryBytesMax) {
      throw new EntryTooLargeError(
        `An entry of ${largest} bytes is larger than the ${this.options.entryBytesMax} that the log takes.`,
      );
    }
    return { committed, encoded };
  }

  /** Waits while too much waits for the disk (J-7). */
  async #headroom(): Promise<void> {
    const { journal } = this.options;
    while (journal.headroomBytes <= 0) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#stopWaiting = resolve;
        journal.onHeadroom(resolve);
      });
    }
  }

  #startCheckpoint(): void {
    if (this.#checkpointing !== undefined || this.#failure !== undefined) return;
    this.#checkpointing = this.#checkpoint()
      .catch((error: unknown) => this.fail(error instanceof Error ? error : new Error(String(error))))
      .finally(() => {
        this.#checkpointing = undefined;
      });
  }

  /**
   * Lets the journal go up to what the image holds durably (S-6, S-12). The vote is written again beside the checkpoint, so
   * that releasing what is older forgets neither.
   */
  async #checkpoint(): Promise<void> {
    const { journal, machine } = this.options;
    const covered: LogPlace = await machine.makeDurable();
    const position = journal.append(JournalRecordType.HARD_STATE, [encodeHardState(this.hardState)]);
    journal.append(JournalRecordType.CHECKPOINT, [encodeCheckpoint(covered)]);
    await journal.flush();
    this.#uncovered = this.#uncovered.filter(({ index }) => index > covered.index);
    const [oldest] = this.#uncovered;
    this.checkpoints++;
    journal.release(oldest === undefined || oldest.position > position ? position : oldest.position);
  }
}
