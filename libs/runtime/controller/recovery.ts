import { join } from 'node:path';
import { nextClusterEpoch } from '@streamline/core/formation/encounter';
import type { MetadataImage } from '@streamline/core/metadata/image';
import type { PartitionNames } from '@streamline/core/metadata/remove-broker';
import { EMPTY_CONFIGURATION, entrySizeBytes } from '@streamline/core/raft/limits';
import type { Configuration, Entry, Member, VoterId } from '@streamline/core/raft/types';
import { nodeIdOf, voterId } from '@streamline/core/raft/types';
import type { ClusterId, NodeId } from '@streamline/core/types/ids';
import type { DiskRaftStorage } from '../raft/disk-raft-storage';
import type { RecoveredRaft } from '../raft/raft-storage';
import { openRaftStorage } from '../raft/open-raft-storage';
import { loadImage } from './metadata-image';
import { ImageStore } from './image-store';
import { checkReach, type OpenLogOptions } from './open-metadata-log';

/** Partitions that are named; the others are counted. */
const NAMED_MAX = 1_000;

/** There is nothing to recover here, or not from here; nothing was changed. */
export class RecoveryRefusedError extends Error {
  override readonly name = 'RecoveryRefusedError';

  constructor(
    problem: string,
    readonly remedy: string,
  ) {
    super(problem);
  }
}

export type RecoveryOptions = Pick<
  OpenLogOptions,
  'disk' | 'clock' | 'random' | 'directory' | 'journalDirectory' | 'journalSize' | 'nodeId' | 'directoryId' | 'openStore'
> & { readonly clusterId: ClusterId };

/** What an operator has to know before. */
export interface RecoveryFindings {
  readonly clusterId: ClusterId;
  readonly nodeId: NodeId;
  /** Who is left out. */
  readonly others: readonly { readonly nodeId: NodeId; readonly address: string; readonly isVoter: boolean }[];
  /** Where this node's log ends; what others had committed after that is lost. */
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** Partitions without a replica on this node; undefined where it cannot tell, since it has no image of the metadata. */
  readonly elsewhere: PartitionNames | undefined;
}

/**
 * Lets one member go on without all the others, after a majority was lost for good: it becomes the only voter of its cluster
 * with whatever its log holds, committed or not. The cluster begins a new epoch with it, so that no member of before is
 * listened to again (FORM-7); both are one write to the log, which takes effect whole or not at all.
 */
export class LogRecovery {
  private constructor(
    private readonly options: RecoveryOptions,
    private readonly storage: DiskRaftStorage,
    readonly findings: RecoveryFindings,
  ) {}

  /** Of a node that is stopped, whose directory is locked for the caller. Fails with RecoveryRefusedError, or as a start does. */
  static async open(options: RecoveryOptions): Promise<LogRecovery> {
    let elsewhere: PartitionNames | undefined;
    const storage = await openRaftStorage({
      ...options,
      bootstrap: EMPTY_CONFIGURATION,
      // Before anything is written: also what a version before Raft left stays as it is.
      judge: async (recovered) => {
        checkPlace(configurationOf(recovered), selfOf(options));
        elsewhere = await partitionsElsewhere(options, recovered);
      },
    });
    return new LogRecovery(options, storage, { ...findingsOf(options, storage), elsewhere });
  }

  /** Durable when resolved. */
  async carryOut(): Promise<void> {
    const { storage, options } = this;
    const { hardState, log } = storage.recovered;
    const term = Math.max(hardState.term, log.termRuns.at(-1)?.term ?? log.baseTerm) + 1;
    const self = selfOf(options);
    const failed = new Promise<never>((_, reject) => storage.onFailure(reject));
    const written = storage.persist({
      kind: 'persist',
      persistId: 1,
      clusterEpoch: nextClusterEpoch(storage.clusterEpoch, options.random.next()),
      hardState: { term, votedFor: self, commitIndex: hardState.commitIndex },
      entries: [this.#alone(self, term)],
      installSnapshot: undefined,
      truncateAfter: undefined,
      messages: [],
    });
    await Promise.race([written, failed]);
  }

  close(): Promise<void> {
    return this.storage.close();
  }

  #alone(self: VoterId, term: number): Entry {
    const { members } = configurationOf(this.storage.recovered);
    const address = members.find(({ id }) => id === self)?.address ?? '';
    const configuration = { members: [{ id: self, address }], voters: [self], outgoingVoters: [], learners: [] };
    return {
      index: this.storage.recovered.log.lastIndex + 1,
      term,
      kind: 'configuration',
      records: [],
      id: undefined,
      configuration,
      timestampMs: this.options.clock.wallMs(),
      sizeBytes: entrySizeBytes([], configuration),
    };
  }
}

function selfOf({ nodeId, directoryId }: RecoveryOptions): VoterId {
  return voterId(nodeId, directoryId);
}

/** In force, committed or not. */
function configurationOf({ log, snapshot, bootstrap }: RecoveredRaft): Configuration {
  return (log.configurations.at(-1) ?? snapshot?.configuration)?.configuration ?? bootstrap;
}

function checkPlace({ members, voters }: Configuration, self: VoterId): void {
  if (voters.length === 0) {
    throw new RecoveryRefusedError('it has not received the metadata of its cluster yet', 'Recover from another node.');
  }
  if (!members.some(({ id }) => id === self)) {
    throw new RecoveryRefusedError('it was removed from its cluster', 'Recover from a node that is a member.');
  }
  if (members.length === 1) {
    throw new RecoveryRefusedError('it is the only member of its cluster, and needs nobody to go on', 'Start it.');
  }
}

function findingsOf(options: RecoveryOptions, { recovered }: DiskRaftStorage): Omit<RecoveryFindings, 'elsewhere'> {
  const { nodeId, clusterId } = options;
  const { log } = recovered;
  const { members, voters, outgoingVoters } = configurationOf(recovered);
  const others = members.filter(({ id }) => id !== selfOf(options));
  const isVoter = ({ id }: Member): boolean => voters.includes(id) || outgoingVoters.includes(id);
  return {
    clusterId,
    nodeId,
    others: others.map((member) => ({ nodeId: nodeIdOf(member.id), address: member.address, isVoter: isVoter(member) })),
    lastIndex: log.lastIndex,
    lastTerm: log.termRuns.at(-1)?.term ?? log.baseTerm,
  };
}

/** As far as the metadata was applied here. */
async function partitionsElsewhere(
  { disk, directory, openStore, nodeId }: RecoveryOptions,
  recovered: RecoveredRaft,
): Promise<PartitionNames | undefined> {
  const store = await ImageStore.open({ disk, path: join(directory, 'image'), open: openStore });
  try {
    const { state, place } = await loadImage(store);
    checkReach(place.index, recovered);
    return place.index === 0 ? undefined : withoutReplicaOn(nodeId, state);
  } finally {
    await store.close();
  }
}

function withoutReplicaOn(nodeId: NodeId, { topics }: Pick<MetadataImage, 'topics'>): PartitionNames {
  const names: string[] = [];
  let total = 0;
  for (const { name, partitions } of topics.values()) {
    for (const { partition, replicas } of partitions) {
      if (replicas.includes(nodeId)) continue;
      total++;
      if (names.length < NAMED_MAX) names.push(`${name}-${partition}`);
    }
  }
  return { total, names };
}
