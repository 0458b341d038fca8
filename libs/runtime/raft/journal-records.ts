import type { PersistEffect } from '@streamline/core/raft/effects';
import type { Configuration, HardState, VoterId } from '@streamline/core/raft/types';
import type { ClusterId, DirectoryId, NodeId } from '@streamline/core/types/ids';
import type { JournalPosition } from '@streamline/runtime/ports/journal';
import { decodeBulkFrame, encodeBulkFrame, splitPayload } from '@streamline/wire/contracts/bulk-frame';
import { StateRecord, WriteRecord } from '@streamline/wire/contracts/generated/streamline/raft/v1/log';
import {
  decode,
  decodeEntry,
  encodeEntry,
  fromWireConfiguration,
  fromWireHardState,
  fromWireSnapshot,
  toWireConfiguration,
  toWireHardState,
  toWireSnapshot,
} from './entry-codec';
import { RaftFormatError } from './raft-storage';

/** Version of the records in the journal that this build writes, and the newest that it reads. */
const FORMAT_VERSION = 2;

/** The journal's record types; 1 to 3 were those of the log before Raft (take-over.ts). Numbers once used are never used again. */
export const RaftRecordType = { STATE: 4, WRITE: 5 } as const;

/** What a part has beside its entries, at most: a configuration of MEMBERS_MAX members, and the entries' lengths. */
const PART_HEADER_BYTES_MAX = 64 * 1024;
/** What an entry's length takes there, with room to spare. */
const LENGTH_BYTES_MAX = 16;

/** How much of a journal record may be entries. */
export interface PartLimits {
  readonly bytesMax: number;
  readonly entriesMax: number;
}

export function partLimits(recordBytesMax: number): PartLimits {
  const headerBytes = Math.min(PART_HEADER_BYTES_MAX, Math.floor(recordBytesMax / 2));
  return { bytesMax: recordBytesMax - headerBytes, entriesMax: Math.floor(headerBytes / 2 / LENGTH_BYTES_MAX) };
}

/** Who a directory belongs to, and what must not be forgotten when the journal is recycled (J-6, R-6). */
export interface RaftState {
  readonly nodeId: NodeId;
  readonly directoryId: DirectoryId;
  readonly clusterId: ClusterId | undefined;
  /** Grows with each recovery from the loss of a majority; 0: there was none. */
  readonly clusterEpoch: number;
  readonly hardState: HardState;
  readonly voters: readonly VoterId[];
  readonly bootstrap: Configuration | undefined;
  readonly coveredPosition: JournalPosition;
}

export function encodeState(state: RaftState): Uint8Array {
  return StateRecord.encode({
    formatVersion: FORMAT_VERSION,
    nodeId: state.nodeId,
    directoryId: state.directoryId,
    clusterId: state.clusterId ?? '',
    clusterEpoch: state.clusterEpoch,
    hardState: toWireHardState(state.hardState),
    voters: [...state.voters],
    bootstrap: state.bootstrap && toWireConfiguration(state.bootstrap),
    coveredPosition: state.coveredPosition,
  }).finish();
}

export function decodeState(bytes: Uint8Array): RaftState {
  const record = decode(StateRecord, bytes, 'the state of a Raft member');
  checkVersion(record.formatVersion);
  return {
    nodeId: record.nodeId as NodeId,
    directoryId: record.directoryId as DirectoryId,
    clusterId: record.clusterId === '' ? undefined : (record.clusterId as ClusterId),
    clusterEpoch: record.clusterEpoch,
    hardState: fromWireHardState(record.hardState ?? { term: 0, votedFor: '', commitIndex: 0 }),
    voters: record.voters as VoterId[],
    bootstrap: record.bootstrap && fromWireConfiguration(record.bootstrap),
    coveredPosition: record.coveredPosition as JournalPosition,
  };
}

/** What a `persist` effect changes, without its messages. */
export interface LogWrite extends Pick<PersistEffect, 'hardState' | 'installSnapshot' | 'truncateAfter' | 'entries'> {
  /** Begins an epoch of the cluster together with the write, or not at all: a recovery from the loss of its majority. */
  readonly clusterEpoch?: number | undefined;
}

/** A write's entries may be spread over several parts; all else is in the first. Without its last part it never happened. */
export interface WritePart extends LogWrite {
  readonly first: boolean;
  readonly last: boolean;
}

/** The chunks of the journal records that hold a write: as few records as the limits allow, at least one. */
export function encodeWrite(write: LogWrite, { bytesMax, entriesMax }: PartLimits): (readonly Uint8Array[])[] {
  const groups: Uint8Array[][] = [[]];
  let bytes = 0;
  for (const entry of write.entries) {
    const encoded = encodeEntry(entry);
    const group = groups.at(-1);
    const isFull = group === undefined || group.length >= entriesMax || (group.length > 0 && bytes + encoded.length > bytesMax);
    if (isFull) {
      groups.push([encoded]);
      bytes = encoded.length;
    } else {
      group.push(encoded);
      bytes += encoded.length;
    }
  }
  return groups.map((entries, at) => {
    const header: WriteRecord = {
      formatVersion: FORMAT_VERSION,
      first: at === 0,
      last: at === groups.length - 1,
      entryBytes: entries.map(({ length }) => length),
      ...(at === 0 ? changesOf(write) : NO_CHANGES),
    };
    return [encodeBulkFrame(WriteRecord, header, []), ...entries];
  });
}

const NO_CHANGES = { installSnapshot: undefined, hardState: undefined, truncateAfter: undefined, clusterEpoch: undefined };

function changesOf({
  installSnapshot,
  hardState,
  truncateAfter,
  clusterEpoch,
}: LogWrite): Pick<WriteRecord, keyof typeof NO_CHANGES> {
  return {
    installSnapshot: installSnapshot && toWireSnapshot(installSnapshot),
    hardState: hardState && toWireHardState(hardState),
    truncateAfter,
    clusterEpoch,
  };
}

/** The entries are views of `payload`. */
export function decodeWrite(payload: Buffer): WritePart {
  const { header, payload: bytes } = decodeBulkFrame(WriteRecord, payload);
  checkVersion(header.formatVersion);
  return {
    first: header.first,
    last: header.last,
    hardState: header.hardState && fromWireHardState(header.hardState),
    installSnapshot: header.installSnapshot && fromWireSnapshot(header.installSnapshot),
    truncateAfter: header.truncateAfter,
    clusterEpoch: header.clusterEpoch,
    entries: splitPayload(bytes, header.entryBytes).map(decodeEntry),
  };
}

function checkVersion(version: number): void {
  if (version !== FORMAT_VERSION) throw new RaftFormatError("the controller's journal", `records of format version ${version}`);
}
