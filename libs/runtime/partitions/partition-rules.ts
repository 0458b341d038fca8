import type { PartitionImage } from '@streamline/core/metadata/image';
import type { TopicSettings } from './topic-settings';

/** min(min.insync.replicas, replicas): what the committed ISR must have for acks=all (KIP-966). */
export function effectiveMinIsrOf(partition: { readonly image: PartitionImage; readonly settings: TopicSettings }): number {
  return Math.min(partition.settings.minInsyncReplicas, partition.image.replicas.length);
}
