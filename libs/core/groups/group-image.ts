import type { PartitionIndex } from '../types/ids';
import type { CommittedOffset, GroupRecord, StoredGroup } from './group-record';

/** What the log says of one group: it is stored, or has offsets, or both. */
export interface GroupEntry {
  /** Absent: only offsets were committed under this name ("simple group"). */
  stored: StoredGroup | undefined;
  /** By topic name, then partition; no empty inner maps. */
  readonly offsets: Map<string, Map<PartitionIndex, CommittedOffset>>;
}

/**
 * The durable state of one coordinator: a function of its log's records and of nothing else. Only `replay` changes it;
 * leaders and restarts share that path.
 */
export class GroupImage {
  readonly #groups = new Map<string, GroupEntry>();
  #offsetCount = 0;

  get groups(): ReadonlyMap<string, Readonly<GroupEntry>> {
    return this.#groups;
  }

  /** Committed offsets over all groups. */
  get offsetCount(): number {
    return this.#offsetCount;
  }

  offset(groupId: string, topic: string, partition: PartitionIndex): CommittedOffset | undefined {
    return this.#groups.get(groupId)?.offsets.get(topic)?.get(partition);
  }

  replay(record: GroupRecord): void {
    switch (record.kind) {
      case 'offset-committed':
        this.#putOffset(record.groupId, record.topic, record.partition, record.committed);
        break;
      case 'offset-removed':
        this.#removeOffset(record.groupId, record.topic, record.partition);
        break;
      case 'group-stored':
        this.#entry(record.groupId).stored = record.group;
        break;
      case 'group-removed':
        this.#removeGroup(record.groupId);
        break;
    }
  }

  /** The records that take `record` back when replayed after it, computed before: for an append that the log refused. */
  inverseOf(record: GroupRecord): GroupRecord[] {
    const { groupId } = record;
    const entry = this.#groups.get(groupId);
    switch (record.kind) {
      case 'offset-committed':
      case 'offset-removed': {
        const { topic, partition } = record;
        const before = entry?.offsets.get(topic)?.get(partition);
        if (before === undefined) return [{ kind: 'offset-removed', groupId, topic, partition }];
        return [{ kind: 'offset-committed', groupId, topic, partition, committed: before }];
      }
      case 'group-stored':
        if (entry?.stored !== undefined) return [{ kind: 'group-stored', groupId, group: entry.stored }];
        return [{ kind: 'group-removed', groupId }, ...recordsOfGroup(groupId, entry)];
      case 'group-removed':
        return recordsOfGroup(groupId, entry);
    }
  }

  #entry(groupId: string): GroupEntry {
    let entry = this.#groups.get(groupId);
    if (entry === undefined) {
      entry = { stored: undefined, offsets: new Map() };
      this.#groups.set(groupId, entry);
    }
    return entry;
  }

  #putOffset(groupId: string, topic: string, partition: PartitionIndex, committed: CommittedOffset): void {
    const { offsets } = this.#entry(groupId);
    let partitions = offsets.get(topic);
    if (partitions === undefined) {
      partitions = new Map();
      offsets.set(topic, partitions);
    }
    const before = partitions.size;
    partitions.set(partition, committed);
    this.#offsetCount += partitions.size - before;
  }

  #removeOffset(groupId: string, topic: string, partition: PartitionIndex): void {
    const entry = this.#groups.get(groupId);
    const partitions = entry?.offsets.get(topic);
    if (entry === undefined || partitions === undefined || !partitions.delete(partition)) return;
    this.#offsetCount -= 1;
    if (partitions.size === 0) entry.offsets.delete(topic);
    // No record says "empty": it would be gone after a rewrite of the log, and must not be here either.
    if (entry.stored === undefined && entry.offsets.size === 0) this.#groups.delete(groupId);
  }

  /**
   * A group's tombstone ends the group. Kafka writes one for each offset before it, so there is normally nothing left to
   * drop; that it drops what is left makes the tombstone whole in itself.
   */
  #removeGroup(groupId: string): void {
    const entry = this.#groups.get(groupId);
    if (entry === undefined) return;
    for (const partitions of entry.offsets.values()) this.#offsetCount -= partitions.size;
    this.#groups.delete(groupId);
  }
}

/** The records that say all that an entry holds. */
export function recordsOfGroup(groupId: string, entry: Readonly<GroupEntry> | undefined): GroupRecord[] {
  if (entry === undefined) return [];
  const records: GroupRecord[] = [];
  if (entry.stored !== undefined) records.push({ kind: 'group-stored', groupId, group: entry.stored });
  for (const topic of entry.offsets.keys()) records.push(...recordsOfTopic(groupId, topic, entry));
  return records;
}

/** The records of one topic's offsets in a group. */
export function recordsOfTopic(groupId: string, topic: string, entry: Readonly<GroupEntry>): GroupRecord[] {
  const records: GroupRecord[] = [];
  for (const [partition, committed] of entry.offsets.get(topic) ?? []) {
    records.push({ kind: 'offset-committed', groupId, topic, partition, committed });
  }
  return records;
}
