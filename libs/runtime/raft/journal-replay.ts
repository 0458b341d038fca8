import type { SnapshotMeta } from '@streamline/core/raft/types';
import type { JournalPosition, JournalRecord } from '@streamline/runtime/ports/journal';
import type { LogWrite, RaftState, WritePart } from './journal-records';
import { decodeState, decodeWrite, RaftRecordType } from './journal-records';
import { RaftFormatError } from './raft-storage';
import { LegacyLog } from './take-over';

/** A write that the journal handed out whole. */
export interface ReplayedWrite extends LogWrite {
  /** Of its first and its last part. */
  readonly firstPosition: JournalPosition;
  readonly position: JournalPosition;
}

/** Collects what the journal hands out at a start. */
export class JournalReplay {
  /** Of the last state record, with the vote of the last write. */
  state: RaftState | undefined;
  /** In order; only those that change the log, after `afterPosition`. */
  readonly writes: ReplayedWrite[] = [];
  /** The last snapshot whose installation the journal tells. */
  installed: SnapshotMeta | undefined;
  readonly legacy = new LegacyLog();
  #parts: { readonly position: JournalPosition; readonly part: WritePart }[] = [];

  /** `afterPosition`: up to there the segments have it. */
  constructor(private readonly afterPosition: JournalPosition) {}

  /** Takes one record of the journal; copies what it keeps. */
  take({ type, position, payload }: JournalRecord): void {
    switch (type) {
      case RaftRecordType.STATE:
        this.state = decodeState(payload);
        return;
      case RaftRecordType.WRITE:
        return this.#takePart(position, decodeWrite(Buffer.from(payload)));
      default:
        if (!this.legacy.take(type, payload)) throw new RaftFormatError("the controller's journal", `a record of type ${type}`);
    }
  }

  #takePart(position: JournalPosition, part: WritePart): void {
    // A first part takes the place of a write that a crash cut short.
    if (part.first) this.#parts = [];
    else if (this.#parts.length === 0) return;
    this.#parts.push({ position, part });
    if (!part.last) return;
    const [first] = this.#parts;
    const parts = this.#parts;
    this.#parts = [];
    if (first === undefined) return;
    const { hardState, installSnapshot, truncateAfter, clusterEpoch } = first.part;
    if (hardState !== undefined && this.state !== undefined) this.state = { ...this.state, hardState };
    if (clusterEpoch !== undefined && this.state !== undefined) this.state = { ...this.state, clusterEpoch };
    if (installSnapshot !== undefined) this.installed = installSnapshot;
    if (position <= this.afterPosition) return;
    const entries = parts.flatMap((each) => each.part.entries);
    if (installSnapshot === undefined && truncateAfter === undefined && entries.length === 0) return;
    this.writes.push({ firstPosition: first.position, position, hardState, installSnapshot, truncateAfter, entries });
  }
}
