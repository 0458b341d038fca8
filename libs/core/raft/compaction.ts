import type { RaftContext } from './context';
import { invariant } from './invariant';
import type { LogIndex, SnapshotMeta } from './types';

/** What the peers of a leader still need of log and snapshots. */
export interface SnapshotsInUse {
  /** The lowest index of a snapshot that is being sent; Infinity if none is. */
  readonly lowestIndex: LogIndex;
  readonly ids: readonly string[];
}

/** Decides when the state machine is written down and how much of the log stays behind it (paper section 7; guide: log settings). */
export class Compaction {
  #taking: SnapshotMeta | undefined;
  /** Where the last attempt was, so that one that fails is not tried again at once. */
  #attemptIndex: LogIndex;
  /** After an attempt that failed, one that a follower waits for is made no sooner. */
  #retryMs = -Infinity;
  #count = 0;

  constructor(private readonly context: RaftContext) {
    this.#attemptIndex = context.snapshot?.index ?? context.log.baseIndex;
  }

  /** To be asked while the state machine is idle, that is: at exactly `appliedIndex`. */
  pump(): void {
    const { context } = this;
    const { appliedIndex, snapshot, config, log, nowMs } = context;
    if (this.#taking !== undefined || appliedIndex === 0 || appliedIndex < log.baseIndex) return;
    // After a restart the state machine may be behind the newest snapshot, and what was in force there is not known any more.
    if (appliedIndex < (snapshot?.index ?? 0)) return;
    const takenIndex = Math.max(snapshot?.index ?? 0, this.#attemptIndex);
    const isWanted = context.wantsSnapshot && nowMs >= this.#retryMs;
    if (isWanted || appliedIndex - takenIndex >= config.snapshotIntervalLogs) this.#take(appliedIndex);
  }

  taken(snapshotId: string, taken: boolean, inUse: SnapshotsInUse): void {
    const snapshot = this.#taking;
    if (snapshot?.id !== snapshotId) return;
    this.#taking = undefined;
    const { context } = this;
    context.wantsSnapshot = false;
    if (!taken) this.#retryMs = context.nowMs + context.config.electionTimeoutMinMs;
    // One that was received meanwhile is newer. It may not be installed durably yet, so nothing is purged on its account.
    if (!taken || snapshot.index < (context.snapshot?.index ?? 0)) return;
    context.snapshot = snapshot;
    this.#purge(snapshot, inUse);
  }

  #take(index: LogIndex): void {
    const { context } = this;
    const term = context.log.termAt(index);
    invariant(term !== undefined, 'RAFT-17', 'a snapshot of what is not in the log', index, context.log.baseIndex);
    const id = `${index}-${term ?? 0}-${context.self}-${context.incarnation}-${++this.#count}`;
    const snapshot = { id, index, term: term ?? 0, configuration: context.configurations.at(index) };
    this.#taking = snapshot;
    this.#attemptIndex = index;
    context.effects.push({ kind: 'take-snapshot', snapshot });
  }

  /** Keeps max_logs_in_snapshot entries behind the snapshot, more while a follower receives one that they continue. */
  #purge(snapshot: SnapshotMeta, { lowestIndex, ids }: SnapshotsInUse): void {
    const { context } = this;
    const { log, config } = context;
    const keptIndex = snapshot.index - config.maxLogsInSnapshot;
    const heldIndex = Math.max(Math.min(keptIndex, lowestIndex), keptIndex - config.heldLogsMax);
    const purged = heldIndex - log.baseIndex >= config.purgeBatchSize;
    if (purged) log.compact(heldIndex);
    context.configurations.compact(snapshot.index);
    const keepSnapshotIds = [...new Set([snapshot.id, ...ids])];
    context.effects.push({ kind: 'purge', index: log.baseIndex, keepSnapshotIds });
  }
}
