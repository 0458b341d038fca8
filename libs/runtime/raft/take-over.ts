import type { Entry } from '@streamline/core/raft/types';
import { entrySizeBytes } from '@streamline/core/raft/limits';
import type { DirectoryId, NodeId } from '@streamline/core/types/ids';
import { LogCheckpoint, LogEntry, LogHardState } from '@streamline/wire/contracts/generated/streamline/metadata/v1/log';
import { decode } from './entry-codec';
import { RaftFormatError, RaftStorageError } from './raft-storage';

/** Version of the records that the log of a single voter wrote, before there was Raft. */
const LEGACY_VERSION = 1;
const LegacyRecordType = { HARD_STATE: 1, ENTRY: 2, CHECKPOINT: 3 } as const;

/** Who a journal of before Raft belongs to; it stands at the start of its files too. */
export interface LegacyOwner {
  readonly nodeId: NodeId;
  readonly directoryId: DirectoryId;
  readonly term: number;
  readonly hasVoted: boolean;
}

/** Undefined for the header of a journal that Raft wrote. */
export function decodeLegacyOwner(bytes: Uint8Array): LegacyOwner | undefined {
  const { formatVersion, nodeId, directoryId, term, votedFor } = decode(LogHardState, bytes, 'the owner of a journal');
  if (formatVersion !== LEGACY_VERSION) return undefined;
  return { nodeId: nodeId as NodeId, directoryId: directoryId as DirectoryId, term, hasVoted: votedFor !== 0 };
}

/**
 * What a journal holds that a version before Raft wrote: the log of a cluster with one voter. All its entries are committed;
 * those up to the checkpoint are in the image, and those before may be gone.
 */
export class LegacyLog {
  owner: LegacyOwner | undefined;
  checkpoint = { index: 0, term: 0 };
  readonly #entries: Entry[] = [];
  #hasRecords = false;

  /** False for a record of no such journal. */
  take(type: number, payload: Uint8Array): boolean {
    switch (type) {
      case LegacyRecordType.HARD_STATE:
        this.owner = decodeLegacyOwner(payload);
        if (this.owner === undefined) throw new RaftFormatError("the controller's journal", 'a hard state of another format');
        break;
      case LegacyRecordType.ENTRY:
        this.#entries.push(decodeLegacyEntry(Buffer.from(payload)));
        break;
      case LegacyRecordType.CHECKPOINT: {
        const { formatVersion, appliedIndex, appliedTerm } = decode(LogCheckpoint, payload, 'a checkpoint');
        if (formatVersion !== LEGACY_VERSION)
          throw new RaftFormatError("the controller's journal", `a checkpoint of format version ${formatVersion}`);
        this.checkpoint = { index: appliedIndex, term: appliedTerm };
        break;
      }
      default:
        return false;
    }
    this.#hasRecords = true;
    return true;
  }

  get hasRecords(): boolean {
    return this.#hasRecords;
  }

  /** The entry before the first that is left, and the entries from there on. Fails with RaftStorageError where one is missing. */
  get log(): { readonly baseIndex: number; readonly baseTerm: number; readonly entries: readonly Entry[] } {
    const [first] = this.#entries;
    if (first?.index === 1) return { baseIndex: 0, baseTerm: 0, entries: checked(this.#entries, 0) };
    const { index, term } = this.checkpoint;
    const entries = this.#entries.filter((entry) => entry.index > index);
    return { baseIndex: index, baseTerm: term, entries: checked(entries, index) };
  }
}

function checked(entries: readonly Entry[], baseIndex: number): readonly Entry[] {
  for (const [at, { index }] of entries.entries()) {
    const expected = baseIndex + 1 + at;
    if (index === expected) continue;
    throw new RaftStorageError(
      `The metadata log has entry ${index} where ${expected} should be: entries are missing. ` +
        "Restore the controller's directory as a whole from a copy.",
    );
  }
  return entries;
}

function decodeLegacyEntry(bytes: Uint8Array): Entry {
  const { formatVersion, index, term, records } = decode(LogEntry, bytes, 'an entry');
  if (formatVersion !== LEGACY_VERSION)
    throw new RaftFormatError("the controller's journal", `an entry of format version ${formatVersion}`);
  return {
    index,
    term,
    kind: records.length === 0 ? 'noop' : 'records',
    records,
    id: undefined,
    configuration: undefined,
    timestampMs: 0,
    sizeBytes: entrySizeBytes(records),
  };
}
