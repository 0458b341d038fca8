import type { PartitionImage } from '@streamline/core/metadata/image';
import type { MetadataState } from '@streamline/core/metadata/metadata-state';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import type { MetadataInvariant } from '@streamline/testing/cluster/metadata-ghost';
import type { DataCounters } from './counters';

/** Counts what becomes of partitions. */
export class PartitionStatistics implements MetadataInvariant {
  readonly #before = new Map<string, PartitionImage>();

  constructor(private readonly counters: DataCounters) {}

  after(_index: number, records: readonly MetadataRecord[], { topics }: MetadataState): void {
    const { counters } = this;
    const created = new Set(records.flatMap((record) => (record.kind === 'topic' ? [record.topicId] : [])));
    counters.topicsCreated += created.size;
    for (const record of records) {
      if (record.kind === 'removeTopic') counters.topicsDeleted += 1;
      if (record.kind === 'partition' && !created.has(record.topicId)) counters.partitionsAdded += 1;
      if (record.kind !== 'partitionChange' && record.kind !== 'partition') continue;
      const now = topics.get(record.topicId)?.partitions[record.partition];
      const key = `${record.topicId}/${record.partition}`;
      const before = this.#before.get(key);
      if (now !== undefined) this.#before.set(key, now);
      if (now !== undefined && before !== undefined && now !== before) this.#count(before, now);
    }
  }

  #count(before: PartitionImage, now: PartitionImage): void {
    const { counters } = this;
    if (now.isr.length < before.isr.length) counters.isrShrunk += 1;
    if (now.isr.length > before.isr.length) counters.isrGrown += 1;
    if (now.leader !== undefined && before.leader !== now.leader) counters.failovers += 1;
    if (now.elr.length > before.elr.length) counters.eligibleReplicas += 1;
    if (isMoving(before) && !isMoving(now)) counters.reassignmentsDone += 1;
  }
}

export function isMoving({ addingReplicas, removingReplicas }: PartitionImage): boolean {
  return addingReplicas.length + removingReplicas.length > 0;
}
