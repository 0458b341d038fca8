import type { MetadataState } from '@streamline/core/metadata/metadata-state';
import { isUncleanElection } from '@streamline/core/metadata/leadership';
import type { MetadataRecord, PartitionChangeRecord } from '@streamline/core/metadata/records';
import type { MetadataInvariant } from '@streamline/testing/cluster/metadata-ghost';
import { Violation } from '@streamline/testing/raft/violation';
import { DATA_TOPIC } from './client-world';
import type { DataCounters } from './counters';
import type { TopicPlan } from './plan';

/**
 * Elections after which acknowledged records of the clients' topic may be missing. Such a one is unclean, and only where the topic says so;
 * or it is that of the last known leader, which has lost its page cache, as have all others that had everything (META-15, META-20).
 */
export class Losses implements MetadataInvariant {
  /** Of each partition that it happened to, the epoch of the last such leader: what was acknowledged in it or later counts. */
  readonly #epochs = new Map<number, number>();

  constructor(
    private readonly topic: TopicPlan,
    private readonly counters: DataCounters,
    private readonly lost: (place: number) => void,
  ) {}

  has(place: number): boolean {
    return this.#epochs.has(place);
  }

  /** Acknowledged by a leader of this epoch: it is there for good. */
  isKept(place: number, leaderEpoch: number): boolean {
    return leaderEpoch >= (this.#epochs.get(place) ?? -1);
  }

  before(_index: number, records: readonly MetadataRecord[], state: MetadataState): void {
    for (const record of records) if (record.kind === 'partitionChange') this.#look(record, state);
  }

  #look(record: PartitionChangeRecord, { topics }: MetadataState): void {
    const topic = topics.get(record.topicId);
    const before = topic?.partitions[record.partition];
    if (topic === undefined || before === undefined || record.leader === undefined || record.leader === null) return;
    const { isr, elr, lastKnownElr } = before;
    const [lastKnown] = lastKnownElr.length === 1 ? lastKnownElr : [];
    const isComplete = isr.includes(record.leader) || elr.includes(record.leader);
    const isOfClients = topic.name === DATA_TOPIC;
    // Also where the last that had everything loses its page cache by this very record.
    const isLastKnown = isOfClients && this.topic.durability === 'page-cache' && !isComplete && lastKnown === record.leader;
    const isUnclean = !isLastKnown && isUncleanElection(before, record);
    if (isUnclean && (!isOfClients || !this.topic.uncleanElection)) {
      const what = `${topic.name}-${record.partition}: ${record.leader} is elected`;
      throw new Violation('clean-elections', `${what}, ISR ${isr.join()}, ELR ${elr.join()}`);
    }
    if (!isUnclean && !isLastKnown) return;
    if (isUnclean) this.counters.uncleanElections += 1;
    this.counters.possibleLosses += 1;
    this.#epochs.set(record.partition, before.leaderEpoch + 1);
    this.lost(record.partition);
  }
}
