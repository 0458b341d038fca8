import type { BrokerImage, Endpoint, MetadataImage, PartitionImage, TopicImage } from '@streamline/core/metadata/image';
import type { NodeId, TopicId } from '@streamline/core/types/ids';

/** Kafka's "no such broker". */
export const NO_NODE = -1;

export function topicByName(image: MetadataImage, name: string): TopicImage | undefined {
  const id = image.topicIdsByName.get(name);
  return id === undefined ? undefined : image.topics.get(id);
}

/** `id` in its text form, as the codec reads it. */
export function topicById(image: MetadataImage, id: string): TopicImage | undefined {
  return image.topics.get(id as TopicId);
}

/** Where clients reach a broker; undefined where it has no such listener. */
export function kafkaEndpoint(broker: BrokerImage): Endpoint | undefined {
  return broker.endpoints.find(({ name }) => name === 'kafka');
}

/** True for brokers that clients are told of: registered, not fenced, not gone. */
export function isAlive(broker: BrokerImage | undefined): broker is BrokerImage {
  return broker !== undefined && !broker.fenced && broker.state !== 'Dead';
}

export interface BrokerAddress {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

export function addressOf(broker: BrokerImage | undefined): BrokerAddress | undefined {
  const endpoint = broker === undefined ? undefined : kafkaEndpoint(broker);
  if (broker === undefined || endpoint === undefined) return undefined;
  return { nodeId: broker.id, host: endpoint.host, port: endpoint.port, rack: broker.rack ?? null };
}

/** True for brokers that clients can go to. */
export function isReachable(image: MetadataImage, id: NodeId): boolean {
  const broker = image.brokers.get(id);
  return isAlive(broker) && kafkaEndpoint(broker) !== undefined;
}

/** Replicas that serve nobody: of brokers that clients are not told of, or with a log that failed. */
export function offlineReplicas({ replicas, failedReplicas }: PartitionImage, image: MetadataImage): NodeId[] {
  return replicas.filter((id) => failedReplicas.includes(id) || !isReachable(image, id));
}

/** The brokers that clients are told of. */
export function aliveBrokers(image: MetadataImage): BrokerAddress[] {
  const all: BrokerAddress[] = [];
  for (const broker of image.brokers.values()) {
    const address = isAlive(broker) ? addressOf(broker) : undefined;
    if (address !== undefined) all.push(address);
  }
  return all;
}

/**
 * Where clients send what is for the controller: any broker forwards it, so this is the one that answers, as long as it is
 * alive (Kafka: a random one).
 */
export function controllerFor(image: MetadataImage, self: NodeId): number {
  return isAlive(image.brokers.get(self)) ? self : (aliveBrokers(image)[0]?.nodeId ?? NO_NODE);
}

/** Who leads a partition, for clients that asked the wrong broker (KIP-951). */
export interface LeaderHint {
  readonly leaderId: number;
  readonly leaderEpoch: number;
}

/** The newer of what a storage said, if anything, and what this process's metadata says by now; of the same epoch the storage knows more. */
export function newestHint(told: LeaderHint | undefined, partition: PartitionImage | undefined): LeaderHint | undefined {
  if (partition === undefined || (told !== undefined && told.leaderEpoch >= partition.leaderEpoch)) return told;
  return { leaderId: partition.leader ?? NO_NODE, leaderEpoch: partition.leaderEpoch };
}

/** Addresses of the leaders that are named in hints, each once. */
export function endpointsOf(image: MetadataImage, leaders: Iterable<number>): BrokerAddress[] {
  const all: BrokerAddress[] = [];
  for (const leader of new Set(leaders)) {
    const broker = image.brokers.get(leader as NodeId);
    const address = isAlive(broker) ? addressOf(broker) : undefined;
    if (address !== undefined) all.push(address);
  }
  return all;
}
