import type { DirectoryId, MetadataIndex, NodeId } from '@streamline/core/types/ids';
import { LogCheckpoint, LogEntry, LogHardState } from '@streamline/wire/contracts/generated/streamline/metadata/v1/log';
import type { CommittedEntry, LogPlace } from './metadata-log';

/** Version of the messages in a controller's journal that this build writes, and the newest that it reads. */
const FORMAT_VERSION = 1;

/** The journal's record types; numbers once used are never used again. */
export const JournalRecordType = { HARD_STATE: 1, ENTRY: 2, CHECKPOINT: 3 } as const;

/** Who the log belongs to, and the vote that must not be forgotten (Raft, section 5.2; J-6). */
export interface HardState {
  readonly nodeId: NodeId;
  readonly directoryId: DirectoryId;
  readonly term: number;
  readonly votedFor: NodeId | undefined;
}

/** The journal was written by a version that is newer than this one. */
export class LogFormatError extends Error {
  override readonly name = 'LogFormatError';

  constructor(what: string) {
    super(
      `The controller's journal holds ${what}, which this version of Streamline does not know. ` +
        'A newer version wrote it: start that version (or a newer one) on this data directory.',
    );
  }
}

export function encodeHardState({ nodeId, directoryId, term, votedFor }: HardState): Uint8Array {
  return LogHardState.encode({ formatVersion: FORMAT_VERSION, nodeId, directoryId, term, votedFor: votedFor ?? 0 }).finish();
}

export function decodeHardState(bytes: Uint8Array): HardState {
  const { formatVersion, nodeId, directoryId, term, votedFor } = LogHardState.decode(bytes);
  checkVersion(formatVersion, 'hard state');
  return {
    nodeId: nodeId as NodeId,
    directoryId: directoryId as DirectoryId,
    term,
    votedFor: votedFor === 0 ? undefined : (votedFor as NodeId),
  };
}

export function encodeEntry({ index, term, records }: CommittedEntry): Uint8Array {
  return LogEntry.encode({ formatVersion: FORMAT_VERSION, index, term, records: [...records] }).finish();
}

/** The records are views of `bytes`. */
export function decodeEntry(bytes: Uint8Array): CommittedEntry {
  const { formatVersion, index, term, records } = LogEntry.decode(bytes);
  checkVersion(formatVersion, 'an entry');
  return { index: index as MetadataIndex, term, records };
}

export function encodeCheckpoint({ index, term }: LogPlace): Uint8Array {
  return LogCheckpoint.encode({ formatVersion: FORMAT_VERSION, appliedIndex: index, appliedTerm: term }).finish();
}

export function decodeCheckpoint(bytes: Uint8Array): LogPlace {
  const { formatVersion, appliedIndex, appliedTerm } = LogCheckpoint.decode(bytes);
  checkVersion(formatVersion, 'a checkpoint');
  return { index: appliedIndex as MetadataIndex, term: appliedTerm };
}

function checkVersion(version: number, what: string): void {
  if (version !== FORMAT_VERSION) throw new LogFormatError(`${what} of format version ${version}`);
}
