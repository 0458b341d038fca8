import type { BrokerEpoch, NodeId } from '../types/ids';
import type { BrokerImage, ConfigResourceType, MetadataImage, PartitionImage } from './image';
import type { MetadataRecord, PartitionRecord, ProducerIdsRecord } from './records';

/** An image that can be read out whole. */
export interface WholeImage extends MetadataImage {
  configResources(): Iterable<{
    readonly type: ConfigResourceType;
    readonly name: string;
    readonly configs: ReadonlyMap<string, string>;
  }>;
}

/** The records that build this image anew on an empty state. Read them in one go: the image must not change meanwhile. */
export function* snapshotRecords(image: WholeImage): Generator<MetadataRecord> {
  if (image.clusterId !== undefined) yield { kind: 'cluster', clusterId: image.clusterId };
  for (const [name, level] of image.features) yield { kind: 'featureLevel', name, level };
  for (const broker of image.brokers.values()) yield* brokerRecords(broker);
  for (const topic of image.topics.values()) {
    yield { kind: 'topic', topicId: topic.id, name: topic.name };
    for (const partition of topic.partitions) yield partitionRecord(partition);
  }
  for (const { type, name, configs } of image.configResources()) {
    for (const [config, value] of configs) {
      yield { kind: 'config', resourceType: type, resourceName: name, name: config, value };
    }
  }
  if (image.nextProducerId > 0) yield producerIdsRecord(image.nextProducerId);
}

/** The two records that make a broker what it is: its registration and its state since. */
export function brokerRecords(broker: BrokerImage): readonly MetadataRecord[] {
  const { id, epoch, fenced } = broker;
  return [
    {
      kind: 'registerBroker',
      brokerId: id,
      brokerEpoch: epoch,
      incarnationId: broker.incarnationId,
      directoryId: broker.directoryId,
      endpoints: broker.endpoints,
      rack: broker.rack,
      features: broker.features,
      fenced,
    },
    { kind: 'brokerState', brokerId: id, brokerEpoch: epoch, state: broker.state, fenced },
  ];
}

/** A partition as it stands. */
export function partitionRecord(partition: PartitionImage): PartitionRecord {
  return {
    kind: 'partition',
    topicId: partition.topicId,
    partition: partition.partition,
    replicas: partition.replicas,
    isr: partition.isr,
    elr: partition.elr,
    lastKnownElr: partition.lastKnownElr,
    addingReplicas: partition.addingReplicas,
    removingReplicas: partition.removingReplicas,
    failedReplicas: partition.failedReplicas,
    leader: partition.leader,
    leaderEpoch: partition.leaderEpoch,
    partitionEpoch: partition.partitionEpoch,
  };
}

/** How far producer ids are given away; to whom the last block went is of no interest in a snapshot. */
export function producerIdsRecord(nextProducerId: number): ProducerIdsRecord {
  return { kind: 'producerIds', brokerId: 0 as NodeId, brokerEpoch: 0 as BrokerEpoch, nextProducerId };
}

/** The image as it is now, to be read out later while the original goes on changing: only the maps are copied. */
export function captureImage(image: WholeImage): WholeImage {
  const resources = [...image.configResources()];
  return {
    index: image.index,
    clusterId: image.clusterId,
    brokers: new Map(image.brokers),
    topics: new Map(image.topics),
    topicIdsByName: new Map(image.topicIdsByName),
    features: new Map(image.features),
    nextProducerId: image.nextProducerId,
    dynamicConfigs: (type, name) => resources.find((each) => each.type === type && each.name === name)?.configs ?? new Map(),
    configResources: () => resources,
  };
}
