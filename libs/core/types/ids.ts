import type { Brand } from './brand';

/** A node of the cluster, and the broker on it: 1 to 2^31-1 (guide: "must be > 0"). */
export type NodeId = Brand<number, 'NodeId'>;

/** One registration of a broker incarnation; grows with each (KIP-903). */
export type BrokerEpoch = Brand<number, 'BrokerEpoch'>;

/** 16 bytes in Kafka's url-safe base64 without padding, 22 characters (KIP-516). */
export type TopicId = Brand<string, 'TopicId'>;

/** A partition of a topic, from 0. */
export type PartitionIndex = Brand<number, 'PartitionIndex'>;

/** The place of a record in its partition, 0 to 2^53-1; also "end" offsets, which are one past the last. */
export type Offset = Brand<number, 'Offset'>;

/** Grows with each leader of a partition (KIP-101). */
export type LeaderEpoch = Brand<number, 'LeaderEpoch'>;

/** An idempotent producer (KIP-98), 0 to 2^53-1. */
export type ProducerId = Brand<number, 'ProducerId'>;

/** Milliseconds since 1970, UTC. */
export type TimestampMs = Brand<number, 'TimestampMs'>;

/** Made when a data directory is formatted, 22 characters like a topic id. */
export type DirectoryId = Brand<string, 'DirectoryId'>;

/** Names one cluster for ever, 22 characters like a topic id. */
export type ClusterId = Brand<string, 'ClusterId'>;

/** A place in the metadata log, from 1. */
export type MetadataIndex = Brand<number, 'MetadataIndex'>;

/** The id that stands for "no topic id" on the wire. */
export const ZERO_TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAA' as TopicId;

const ID_PATTERN = /^[A-Za-z0-9_-]{22}$/;

/** True for 22 characters of url-safe base64: the text form of topic, cluster and directory ids. */
export function isUuidText(text: string): boolean {
  return ID_PATTERN.test(text);
}
