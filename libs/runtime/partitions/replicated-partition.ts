import type { HighWatermarkEffect } from '@streamline/core/replication/effects';
import type { ReplicaMetadata } from '@streamline/core/replication/types';
import type { LeaderEpoch, Offset } from '@streamline/core/types/ids';
import { durabilityFor } from '../log/disk-partition-log';
import type { ReplicatedPartition } from '../replication/replica-host';
import type { HostedPartition } from './hosted-partition';

/** What the metadata says of the partition now. */
export function replicaMetadata({ image, settings }: HostedPartition): ReplicaMetadata {
  const { leader, leaderEpoch, partitionEpoch, replicas, addingReplicas, isr, elr, failedReplicas } = image;
  const { minInsyncReplicas } = settings;
  const durability = durabilityFor(settings.log);
  return {
    leader,
    leaderEpoch,
    partitionEpoch,
    replicas,
    addingReplicas,
    isr,
    elr,
    failedReplicas,
    minInsyncReplicas,
    durability,
  };
}

/**
 * The partition as its replica sees it. `tell` is called when this broker begins or ceases to lead, `dropLog` to put an empty log in the place
 * of one that failed.
 */
export function replicatedPartition(
  hosted: HostedPartition,
  tell: () => void,
  dropLog: () => Promise<void>,
): ReplicatedPartition {
  const { key, topicName } = hosted;
  return {
    key,
    topicName,
    get log() {
      return hosted.log;
    },
    dropLog,
    lead: (epoch: LeaderEpoch) => {
      if (hosted.leading === epoch) return;
      hosted.lead(epoch);
      tell();
    },
    resign: (errorCode: number) => {
      if (hosted.leading === undefined) return;
      hosted.resign(errorCode);
      tell();
    },
    committed: ({ offset, errorCode, isReset }: HighWatermarkEffect) => {
      if (isReset) return hosted.resetHighWatermark(offset);
      // A follower's high watermark is the leader's, as far as its own log goes.
      const end = Math.min(offset, hosted.log.logEndOffset) as Offset;
      if (end > hosted.highWatermark) hosted.commit(end, errorCode);
    },
  };
}
