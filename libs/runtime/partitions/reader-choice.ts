import type { BrokerImage } from '@streamline/core/metadata/image';
import { preferredReader, type Reader } from '@streamline/core/replication/reader-selection';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { NodeId, Offset, PartitionIndex, TopicId } from '@streamline/core/types/ids';
import type { FetchPartition } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { ReplicaHost } from '../replication/replica-host';
import type { HostedPartition } from './hosted-partition';
import type { Located, PartitionTable } from './partition-table';

type Wanted = Pick<FetchPartition, 'topicId' | 'partition' | 'currentLeaderEpoch'>;

/**
 * The replica here that a consumer reads from: the leader, or a follower where it may be one (KIP-392). Errors are those of
 * `PartitionTable.locate`: epochs are looked at first, for followers as well. One that is cut off sends consumers away (REPL-20).
 */
export function locateReader(table: PartitionTable, wanted: Wanted, leaderOnly: boolean): Located {
  const { topicId, partition, currentLeaderEpoch } = wanted;
  const located = table.locate(topicId, partition, currentLeaderEpoch);
  if (located.ok || leaderOnly || located.errorCode !== ErrorCode.NOT_LEADER_OR_FOLLOWER) return located;
  const hosted = table.get(topicId as TopicId, partition as PartitionIndex);
  if (hosted?.replica === undefined || hosted.replica.isCutOff) return located;
  const { offlineReason } = hosted.log;
  if (offlineReason !== undefined) return { ok: false, errorCode: ErrorCode.KAFKA_STORAGE_ERROR, message: offlineReason };
  return { ok: true, partition: hosted };
}

/** What a leader has to say about its followers. */
export type LeaderView = Pick<HostedPartition, 'nodeId' | 'leading'> & {
  readonly replica: Pick<ReplicaHost, 'committedIsr' | 'followers'> | undefined;
};

/**
 * The in-sync follower that a consumer of a rack is to read from in place of this leader; undefined: none. Consumers say their rack
 * because they want that, so there is no replica.selector.class to be set first.
 */
export function preferredReaderOf(
  { nodeId, leading, replica }: LeaderView,
  brokers: ReadonlyMap<NodeId, BrokerImage>,
  clientRack: string,
  fetchOffset: number,
): NodeId | undefined {
  const ownRack = brokers.get(nodeId)?.rack;
  if (leading === undefined || replica === undefined || clientRack === ownRack) return undefined;
  const { committedIsr } = replica;
  const readers = replica.followers
    .filter(({ id }) => committedIsr.includes(id))
    .map(({ id, startOffset, writtenEnd, caughtUpMs }): Reader => {
      const broker = brokers.get(id);
      const isAlive = broker !== undefined && !broker.fenced && broker.state !== 'Dead';
      return { id, rack: broker?.rack, isAlive, startOffset, endOffset: writtenEnd, caughtUpMs };
    });
  return preferredReader(clientRack, ownRack, readers, fetchOffset as Offset);
}
