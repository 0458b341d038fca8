import type { MetadataImage } from '@streamline/core/metadata/image';
import type { StorageSide } from '../storage-side';

/** What is not yet as it has to become where all is well: partitions led, all their replicas in sync, nothing on the move. */
export function whatReplicasLack({ topics }: MetadataImage): string | undefined {
  for (const { name, partitions } of topics.values()) {
    for (const { partition, leader, isr, replicas, addingReplicas, removingReplicas } of partitions) {
      const what = `${name}-${partition}`;
      if (leader === undefined) return `nobody leads ${what}`;
      if (addingReplicas.length + removingReplicas.length > 0) return `${what} is moving`;
      if (isr.length < replicas.length) return `only ${isr.join()} of ${replicas.join()} are in sync for ${what}`;
    }
  }
  return undefined;
}

/** Logs of topics that were deleted, and of partitions that others have now, have to go (S-2). */
export function whatIsLeftOver({ topics }: MetadataImage, sides: readonly StorageSide[]): string | undefined {
  for (const { process, engine } of sides) {
    for (const { key } of engine?.all() ?? []) {
      const { topicId, partition } = key;
      const replicas = topics.get(topicId)?.partitions[partition]?.replicas ?? [];
      if (!replicas.includes(process.nodeId)) return `node ${process.nodeId} still has ${topicId}/${partition}`;
    }
  }
  return undefined;
}

/** No replica begins before its leader (REPL-13); one may begin later, of a deletion that a leader did not come to the end of. */
export function whatStartsLack({ topics }: MetadataImage, topicName: string, sides: readonly StorageSide[]): string | undefined {
  for (const { id, name, partitions } of topics.values()) {
    if (name !== topicName) continue;
    for (const { partition, leader } of partitions) {
      const starts = new Map<number, number>();
      for (const { process, engine } of sides) {
        const log = engine?.get({ topicId: id, partition });
        if (log !== undefined) starts.set(process.nodeId, log.logStartOffset);
      }
      const leaderStart = starts.get(leader ?? 0) ?? 0;
      for (const [nodeId, start] of starts)
        if (start < leaderStart) return `${name}-${partition} begins at ${start} at ${nodeId}, at ${leaderStart} at its leader`;
    }
  }
  return undefined;
}
