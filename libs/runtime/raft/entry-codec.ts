import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { entrySizeBytes } from '@streamline/core/raft/limits';
import type {
  Configuration,
  Entry,
  EntryKind,
  HardState,
  Member,
  PlacedConfiguration,
  Proposal,
  ProposalId,
  SnapshotMeta,
  VoterId,
} from '@streamline/core/raft/types';
import * as wire from '@streamline/wire/contracts/generated/streamline/raft/v1/log';

/** Bytes that are no message of the log's format. */
export class RaftCodecError extends Error {
  override readonly name = 'RaftCodecError';
}

/** Of an entry that was encoded or decoded once: the journal, the segments and every peer get the same bytes. */
const encodedEntries = new WeakMap<Entry, Uint8Array>();

/** Used again for each entry: a new one would grow from nothing in steps, with garbage of twice the entry's size. */
let writer = new BinaryWriter();

const KIND_TO_WIRE: Readonly<Record<EntryKind, wire.EntryKind>> = {
  noop: wire.EntryKind.NOOP,
  records: wire.EntryKind.RECORDS,
  configuration: wire.EntryKind.CONFIGURATION,
};

export function encodeEntry(entry: Entry): Uint8Array {
  const known = encodedEntries.get(entry);
  if (known !== undefined) return known;
  const { index, term, kind, timestampMs, records, id, configuration } = entry;
  const bytes = encodeWhole({
    index,
    term,
    kind: KIND_TO_WIRE[kind],
    timestampMs,
    records: [...records],
    proposalId: id,
    configuration: configuration && toWireConfiguration(configuration),
  });
  encodedEntries.set(entry, bytes);
  return bytes;
}

function encodeWhole(entry: wire.Entry): Uint8Array {
  try {
    return wire.Entry.encode(entry, writer).finish();
  } catch (error) {
    // It holds half an entry.
    writer = new BinaryWriter();
    throw error;
  }
}

/** The entry's records are views of `bytes`, which must not change. Fails with RaftCodecError. */
export function decodeEntry(bytes: Uint8Array): Entry {
  const decoded = decode(wire.Entry, bytes, 'an entry');
  const kind = kindOf(decoded.kind, decoded.index);
  const configuration = decoded.configuration && fromWireConfiguration(decoded.configuration);
  if ((kind === 'configuration') !== (configuration !== undefined)) {
    throw new RaftCodecError(`entry ${decoded.index} is of kind ${kind}, but has ${configuration ? 'a' : 'no'} configuration`);
  }
  const entry: Entry = {
    index: decoded.index,
    term: decoded.term,
    kind,
    records: decoded.records,
    id: decoded.proposalId && fromWireProposalId(decoded.proposalId),
    configuration,
    timestampMs: decoded.timestampMs,
    sizeBytes: entrySizeBytes(decoded.records, configuration),
  };
  encodedEntries.set(entry, bytes);
  return entry;
}

export function toWireConfiguration({ members, voters, outgoingVoters, learners }: Configuration): wire.Configuration {
  return {
    members: members.map(({ id, address, staysLearner }) => ({ id, address, staysLearner: staysLearner === true })),
    voters: [...voters],
    outgoingVoters: [...outgoingVoters],
    learners: [...learners],
  };
}

export function fromWireConfiguration({ members, voters, outgoingVoters, learners }: wire.Configuration): Configuration {
  return {
    members: members.map(fromWireMember),
    voters: voters as VoterId[],
    outgoingVoters: outgoingVoters as VoterId[],
    learners: learners as VoterId[],
  };
}

function fromWireMember({ id, address, staysLearner }: wire.Member): Member {
  return staysLearner ? { id: id as VoterId, address, staysLearner } : { id: id as VoterId, address };
}

export function toWireSnapshot({ id, index, term, configuration }: SnapshotMeta): wire.SnapshotMeta {
  const placed = { index: configuration.index, configuration: toWireConfiguration(configuration.configuration) };
  return { id, index, term, configuration: placed };
}

/** Fails with RaftCodecError where the configuration is missing. */
export function fromWireSnapshot({ id, index, term, configuration }: wire.SnapshotMeta): SnapshotMeta {
  if (configuration?.configuration === undefined) throw new RaftCodecError(`snapshot ${id} has no configuration`);
  const placed: PlacedConfiguration = {
    index: configuration.index,
    configuration: fromWireConfiguration(configuration.configuration),
  };
  return { id, index, term, configuration: placed };
}

export function toWireHardState({ term, votedFor, commitIndex }: HardState): wire.HardState {
  return { term, votedFor: votedFor ?? '', commitIndex };
}

export function fromWireHardState({ term, votedFor, commitIndex }: wire.HardState): HardState {
  return { term, votedFor: votedFor === '' ? undefined : (votedFor as VoterId), commitIndex };
}

export function toWireProposal({ records, id }: Proposal): { records: Uint8Array[]; id: wire.ProposalId | undefined } {
  return { records: [...records], id };
}

export function fromWireProposalId({ clientId, sessionIndex, sequence }: wire.ProposalId): ProposalId {
  return { clientId, sessionIndex, sequence };
}

/** Decodes a message. Fails with RaftCodecError that says what it should have been. */
export function decode<T>(codec: { decode(bytes: Uint8Array): T }, bytes: Uint8Array, what: string): T {
  try {
    return codec.decode(bytes);
  } catch (error) {
    throw new RaftCodecError(`${bytes.length} bytes are not ${what}: ${String(error)}`, { cause: error });
  }
}

function kindOf(kind: wire.EntryKind, index: number): EntryKind {
  switch (kind) {
    case wire.EntryKind.NOOP:
      return 'noop';
    case wire.EntryKind.RECORDS:
      return 'records';
    case wire.EntryKind.CONFIGURATION:
      return 'configuration';
    case wire.EntryKind.UNSPECIFIED:
    default:
      throw new RaftCodecError(`entry ${index} is of kind ${kind}, which this version does not know`);
  }
}
