import type { MetadataImage, PartitionImage } from '@streamline/core/metadata/image';
import type { MetadataState } from '@streamline/core/metadata/metadata-state';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import type { TopicId } from '@streamline/core/types/ids';
import { Violation } from '@streamline/testing/raft/violation';
import type { MetadataInvariant } from '../metadata-ghost';

/**
 * After each entry (META-11, META-12, META-22): leaders are in the ISR, on brokers that are registered, unfenced and Running; ISR
 * and ELR are replicas; epochs go on as they should, and no two incarnations lead with the same one.
 */
export class SoundPartitions implements MetadataInvariant {
  readonly #before = new Map<string, PartitionImage>();
  /** Of each topic, partition and leader epoch: the incarnation that led. */
  readonly #incarnations = new Map<string, string>();

  constructor(private readonly leaderChanged: () => void) {}

  after(index: number, records: readonly MetadataRecord[], state: MetadataState): void {
    const areBrokersMeant = records.some(
      ({ kind }) => kind === 'brokerState' || kind === 'registerBroker' || kind === 'unregisterBroker',
    );
    const touched = new Set<TopicId>(areBrokersMeant ? state.topics.keys() : records.flatMap((record) => topicOf(record)));
    for (const topicId of touched) {
      const topic = state.topics.get(topicId);
      if (topic === undefined) continue;
      if (state.topicIdsByName.get(topic.name) !== topicId) this.#complain(index, `two topics are named ${topic.name}`);
      for (const partition of topic.partitions) this.#check(index, `${topic.name}-${partition.partition}`, partition, state);
    }
  }

  #check(index: number, name: string, partition: PartitionImage, image: MetadataImage): void {
    const { replicas, isr, elr, leader, leaderEpoch } = partition;
    if (new Set(replicas).size !== replicas.length) this.#complain(index, `${name} has a replica twice: ${replicas.join()}`);
    if (!isr.every((node) => replicas.includes(node)))
      this.#complain(index, `${name} has the ISR ${isr.join()} outside of ${replicas.join()}`);
    if (!elr.every((node) => replicas.includes(node) && !isr.includes(node)))
      this.#complain(index, `${name} has the ELR ${elr.join()}`);
    this.#checkEpochs(index, name, partition);
    if (leader === undefined) return;
    const broker = image.brokers.get(leader);
    if (!isr.includes(leader)) this.#complain(index, `${name} is led by ${leader}, the ISR is ${isr.join()}`);
    if (broker === undefined || broker.fenced || broker.state !== 'Running') {
      this.#complain(
        index,
        `${name} is led by ${leader}, which is ${broker?.state ?? 'not registered'}${broker?.fenced === true ? ' and fenced' : ''}`,
      );
    }
    const key = `${partition.topicId}-${partition.partition} ${leaderEpoch}`;
    const incarnation = `${leader} of epoch ${broker?.epoch}`;
    const known = this.#incarnations.get(key) ?? incarnation;
    if (known !== incarnation) this.#complain(index, `${name} is led in epoch ${leaderEpoch} by ${known} and by ${incarnation}`);
    this.#incarnations.set(key, incarnation);
  }

  #checkEpochs(index: number, name: string, partition: PartitionImage): void {
    const key = `${partition.topicId}-${partition.partition}`;
    const before = this.#before.get(key);
    this.#before.set(key, partition);
    if (before === undefined || before === partition) return;
    if (partition.partitionEpoch <= before.partitionEpoch) {
      this.#complain(index, `${name} goes from partition epoch ${before.partitionEpoch} to ${partition.partitionEpoch}`);
    }
    const isLeaderNew = partition.leader !== before.leader;
    if (isLeaderNew) this.leaderChanged();
    if (partition.leaderEpoch < before.leaderEpoch + Number(isLeaderNew)) {
      this.#complain(
        index,
        `${name} goes from leader ${before.leader} in epoch ${before.leaderEpoch} to ${partition.leader} in ${partition.leaderEpoch}`,
      );
    }
  }

  #complain(index: number, what: string): never {
    throw new Violation('sound-partitions', `at ${index}: ${what}`);
  }
}

function topicOf(record: MetadataRecord): readonly TopicId[] {
  return record.kind === 'partition' || record.kind === 'partitionChange' || record.kind === 'topic' ? [record.topicId] : [];
}
