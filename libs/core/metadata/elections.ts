import type { NodeId, TopicId } from '../types/ids';
import type { BrokerImage, MetadataImage, PartitionImage } from './image';
import type { Departure, ElectionRules } from './leadership';
import { withLeader, withoutNeedlessElr, withoutReplica } from './leadership';
import type { MetadataRecord } from './records';
import type { TopicConfigValues } from './topic-configs';
import { topicConfigValues } from './topic-configs';

type ConfigTexts = ReadonlyMap<string, string>;

/** Configs that are about to hold, in place of those in the image. */
export interface ConfigOverrides {
  readonly cluster?: ConfigTexts;
  /** Only this topic is looked at, with `own` as its configs. */
  readonly topic?: string;
  readonly own?: ConfigTexts;
}

/** A broker that partitions may be given to. */
export function mayLead(broker: BrokerImage | undefined): boolean {
  return broker !== undefined && !broker.fenced && broker.state === 'Running';
}

/** Leaders for partitions that nobody leads, where the rules allow one. `returning` counts as live. */
export function leadersForLeaderless(
  image: MetadataImage,
  overrides: ConfigOverrides = {},
  returning?: NodeId,
): MetadataRecord[] {
  const alive = (node: NodeId): boolean => node === returning || mayLead(image.brokers.get(node));
  const records: MetadataRecord[] = [];
  eachPartition(image, overrides, (partition, config) => {
    if (partition.leader !== undefined) return;
    const change = withLeader(partition, rulesFor(config, alive));
    if (change !== undefined) records.push(change);
  });
  return records;
}

/**
 * Nobody is eligible any more where a lower min.insync.replicas makes the ISR large enough: its leader commits without the others
 * from then on. To be written before the configs themselves (KIP-966).
 */
export function elrAfter(image: MetadataImage, overrides: ConfigOverrides): MetadataRecord[] {
  const records: MetadataRecord[] = [];
  eachPartition(image, overrides, (partition, config) => {
    const change = withoutNeedlessElr(
      partition,
      rulesFor(config, () => false),
    );
    if (change !== undefined) records.push(change);
  });
  return records;
}

export interface Departures {
  readonly records: readonly MetadataRecord[];
  /** Partitions whose only copy of acknowledged records may have been lost (P-2). */
  readonly possiblyLost: number;
}

/** What becomes of the partitions of a broker that leaves; `departureOf` says how it leaves those of a topic with such configs. */
export function departuresOf(
  image: MetadataImage,
  node: NodeId,
  departureOf: (config: TopicConfigValues) => Departure,
): Departures {
  const alive = (other: NodeId): boolean => other !== node && mayLead(image.brokers.get(other));
  const records: MetadataRecord[] = [];
  let possiblyLost = 0;
  eachPartition(image, {}, (partition, config) => {
    if (!partition.replicas.includes(node)) return;
    const departure = departureOf(config);
    const change = withoutReplica(partition, node, departure, rulesFor(config, alive));
    if (change === undefined) return;
    records.push(change);
    if ((departure === 'unclean' || departure === 'new-disk') && holdsAll(partition, node)) possiblyLost++;
  });
  return { records, possiblyLost };
}

/** True where the broker has every acknowledged record, and no other replica is known to. */
export function holdsAll({ isr, elr, lastKnownElr }: PartitionImage, node: NodeId): boolean {
  const complete = isr.length + elr.length > 0 ? [...isr, ...elr] : lastKnownElr;
  return complete.length === 1 && complete[0] === node;
}

/** The rules for an election of this partition as the image stands. */
export function electionRules(image: MetadataImage, partition: PartitionImage): ElectionRules {
  const name = image.topics.get(partition.topicId)?.name ?? '';
  const config = topicConfigValues(image.dynamicConfigs(2, name), image.dynamicConfigs(4, ''));
  return rulesFor(config, (node) => mayLead(image.brokers.get(node)));
}

function rulesFor(config: TopicConfigValues, alive: (node: NodeId) => boolean): ElectionRules {
  return {
    mayLead: alive,
    minInsyncReplicas: config.minInsyncReplicas,
    uncleanElection: config.uncleanLeaderElectionEnable,
  };
}

function eachPartition(
  image: MetadataImage,
  overrides: ConfigOverrides,
  visit: (partition: PartitionImage, config: TopicConfigValues) => void,
): void {
  const cluster = overrides.cluster ?? image.dynamicConfigs(4, '');
  const only = overrides.topic === undefined ? undefined : image.topicIdsByName.get(overrides.topic);
  const ids: Iterable<TopicId> = overrides.topic === undefined ? image.topics.keys() : only === undefined ? [] : [only];
  for (const id of ids) {
    const topic = image.topics.get(id);
    if (topic === undefined) continue;
    const config = topicConfigValues(overrides.own ?? image.dynamicConfigs(2, topic.name), cluster);
    for (const partition of topic.partitions) visit(partition, config);
  }
}
