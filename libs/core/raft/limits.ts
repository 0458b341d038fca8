import type { Configuration, Proposal, RaftConfig } from './types';

/** Voters of one configuration (of each side, while it is joint). */
export const VOTERS_MAX = 7;

/** Voters, outgoing voters and learners together. */
export const MEMBERS_MAX = 64;

/** Characters of a member's address: a host name of 253, a colon and a port. */
export const ADDRESS_LENGTH_MAX = 259;

/** What an entry counts for beside its records: index, term, kind, time, proposal id and framing, in bytes. */
export const ENTRY_OVERHEAD_BYTES = 96;

/** What a member counts for in a configuration entry, in bytes, beside its address. */
const MEMBER_OVERHEAD_BYTES = 64;

/** Of a node that no configuration has reached yet: it follows whoever leads and never campaigns. */
export const EMPTY_CONFIGURATION: Configuration = { members: [], voters: [], outgoingVoters: [], learners: [] };

/** The guide's defaults, and ours where it has none. */
export const DEFAULT_RAFT_CONFIG: RaftConfig = {
  heartbeatIntervalMs: 500,
  electionTimeoutMinMs: 1000,
  electionTimeoutMaxMs: 2000,
  snapshotIntervalLogs: 1000,
  maxLogsInSnapshot: 1000,
  purgeBatchSize: 100,
  maxPayloadEntries: 100,
  entryBytesMax: 1024 * 1024,
  batchBytesMax: 1024 * 1024,
  inflightAppendsMax: 64,
  inflightBytesMax: 8 * 1024 * 1024,
  uncommittedBytesMax: 16 * 1024 * 1024,
  windowBytesMax: 16 * 1024 * 1024,
  windowEntriesMax: 8192,
  heldLogsMax: 100_000,
  snapshotChunkBytes: 256 * 1024,
  inflightChunksMax: 4,
  pendingReadsMax: 4096,
  refusedJitterMaxMs: 150,
};

/** What an entry with these contents counts for, in bytes: the `sizeBytes` of an `Entry`. */
export function entrySizeBytes(records: Proposal['records'], configuration?: Configuration): number {
  let bytes = ENTRY_OVERHEAD_BYTES;
  for (const record of records) bytes += record.length;
  if (configuration !== undefined) {
    for (const { address } of configuration.members) bytes += MEMBER_OVERHEAD_BYTES + address.length;
  }
  return bytes;
}
