import type { DirectoryId, MetadataIndex, NodeId } from '@streamline/core/types/ids';
import type { JournalRecord } from '@streamline/runtime/ports/journal';
import type { HardState } from './log-format';
import { decodeCheckpoint, decodeEntry, decodeHardState, JournalRecordType, LogFormatError } from './log-format';
import type { CommittedEntry, LogPlace } from './metadata-log';

/** What is on disk is not one unbroken metadata log of this node: the start is refused, and nothing is changed. */
export class MetadataLogError extends Error {
  override readonly name = 'MetadataLogError';
}

/** Collects what the journal hands out at a start. */
export class RecoveredLog {
  hardState: HardState | undefined;
  checkpoint: LogPlace = { index: 0 as MetadataIndex, term: 0 };
  readonly entries: CommittedEntry[] = [];

  /** Takes one record of the journal; copies what it keeps. */
  take({ type, payload }: JournalRecord): void {
    switch (type) {
      case JournalRecordType.HARD_STATE:
        this.hardState = decodeHardState(payload);
        return;
      case JournalRecordType.ENTRY:
        this.entries.push(decodeEntry(Buffer.from(payload)));
        return;
      case JournalRecordType.CHECKPOINT:
        this.checkpoint = decodeCheckpoint(payload);
        return;
      default:
        throw new LogFormatError(`a record of type ${type}`);
    }
  }

  /** The last entry that the log bears out. */
  get last(): LogPlace {
    const entry = this.entries.at(-1);
    return entry === undefined || entry.index < this.checkpoint.index ? this.checkpoint : entry;
  }

  /** Refuses a journal that was written by another node or for another disk. */
  checkOwner(nodeId: NodeId, directoryId: DirectoryId): void {
    if (this.hardState === undefined) return;
    if (this.hardState.nodeId !== nodeId) {
      throw new MetadataLogError(
        `This controller journal belongs to node ${this.hardState.nodeId}, not ${nodeId}: do not change node_id values between restarts.`,
      );
    }
    if (this.hardState.directoryId !== directoryId) {
      throw new MetadataLogError(
        `This controller journal belongs to directory ${this.hardState.directoryId}, not ${directoryId}: it was copied here from another data directory.`,
      );
    }
  }

  /**
   * True where the image is ahead of the log and must be thrown away, as the log can rebuild it from its first entry (S-12).
   * Fails with MetadataLogError where it is ahead and the log cannot: then it is the log that was lost.
   */
  mustRebuildImage(applied: LogPlace): boolean {
    if (applied.index <= this.last.index) return false;
    if (this.entries[0]?.index === 1) return true;
    throw new MetadataLogError(
      `The metadata image is at index ${applied.index}, but the log ends at ${this.last.index}: the controller's journal was lost or replaced. ` +
        "Restore the controller's directory as a whole from a copy.",
    );
  }

  /**
   * The entries that an image at `applied` still lacks, in order.
   * Fails with MetadataLogError where one is missing: the image is older than what was released, or the log has a gap.
   */
  entriesAfter(applied: LogPlace): readonly CommittedEntry[] {
    if (applied.index < this.checkpoint.index) {
      throw new MetadataLogError(
        `The metadata image is at index ${applied.index}, but the log was released up to ${this.checkpoint.index}: the image directory was lost or replaced. ` +
          "Restore the controller's directory as a whole from a copy.",
      );
    }
    const missing = this.entries.filter(({ index }) => index > applied.index);
    for (const [at, { index }] of missing.entries()) {
      if (index !== applied.index + 1 + at) {
        throw new MetadataLogError(
          `The metadata log has entry ${index} where ${applied.index + 1 + at} should be: entries are missing. ` +
            "Restore the controller's directory as a whole from a copy.",
        );
      }
    }
    return missing;
  }
}
