import type { PartitionIndex } from '@streamline/core/types/ids';

/** The partition whose leader coordinates a group: Kafka's `abs(groupId.hashCode()) % partitions`, with Java's hash. */
export function partitionOfGroup(groupId: string, partitionCount: number): PartitionIndex {
  let hash = 0;
  for (let index = 0; index < groupId.length; index += 1) hash = (Math.imul(hash, 31) + groupId.charCodeAt(index)) | 0;
  // As Kafka's Utils.abs: the smallest int32 has no absolute value and counts as 0.
  const positive = hash === -0x80000000 ? 0 : Math.abs(hash);
  return (positive % partitionCount) as PartitionIndex;
}
