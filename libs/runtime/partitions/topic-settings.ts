import type { LogConfig } from '@streamline/core/log/log-config';
import type { MetadataImage } from '@streamline/core/metadata/image';
import type { TopicConfigValues } from '@streamline/core/metadata/topic-configs';
import { effectiveTopicConfig, isInternalTopic } from '@streamline/core/metadata/topic-configs';
import { CodecId } from '@streamline/wire/records/codecs/codec';
import type { ProduceRules } from '@streamline/wire/records/validate-produce';

/** What a topic's configs mean for the partitions of it that this node hosts. */
export interface TopicSettings {
  readonly log: LogConfig;
  readonly produce: ProduceRules;
  readonly minInsyncReplicas: number;
  /** cleanup.policy names `delete`: only then may records be deleted before their time (DeleteRecords). */
  readonly deletable: boolean;
  readonly internal: boolean;
}

/**
 * The settings in effect for a topic, from the image.
 *
 * @param producerIdExpirationMs producer.id.expiration.ms of this node.
 */
export function topicSettings(image: MetadataImage, topicName: string, producerIdExpirationMs: number): TopicSettings {
  const values = effectiveTopicConfig(image, topicName);
  const internal = isInternalTopic(topicName);
  return {
    log: logConfigOf(values, internal, producerIdExpirationMs),
    produce: produceRulesOf(values),
    minInsyncReplicas: values.minInsyncReplicas,
    deletable: values.cleanupPolicy.includes('delete'),
    internal,
  };
}

/** The log's part of a topic's configs. */
export function logConfigOf(values: TopicConfigValues, internal: boolean, producerIdExpirationMs: number): LogConfig {
  return {
    segmentBytes: values.segmentBytes,
    segmentMs: values.segmentMs,
    segmentIndexBytes: values.segmentIndexBytes,
    segmentJitterMs: values.segmentJitterMs,
    indexIntervalBytes: values.indexIntervalBytes,
    retentionMs: values.retentionMs,
    retentionBytes: values.retentionBytes,
    fileDeleteDelayMs: values.fileDeleteDelayMs,
    flushMessages: values.flushMessages,
    flushMs: values.flushMs,
    logAppendTime: values.messageTimestampType === 'LogAppendTime',
    producerIdExpirationMs,
    internal,
  };
}

/** `compression.type` as a codec id; undefined: what the producer chose. */
function codecOf({ compressionType }: TopicConfigValues): number | undefined {
  if (compressionType === 'producer') return undefined;
  return compressionType === 'uncompressed' ? CodecId.none : CodecId[compressionType];
}

/** The level of that codec; undefined: its own default. */
function levelOf(values: TopicConfigValues): number | undefined {
  if (values.compressionType === 'zstd') return values.compressionZstdLevel;
  return values.compressionType === 'gzip' && values.compressionGzipLevel !== -1 ? values.compressionGzipLevel : undefined;
}

/** What producers must keep to, and what becomes of what they send. */
export function produceRulesOf(values: TopicConfigValues): ProduceRules {
  return {
    maxMessageBytes: values.maxMessageBytes,
    maxDecompressedBytes: values.maxDecompressedMessageBytes,
    timestampBeforeMaxMs: values.messageTimestampBeforeMaxMs,
    timestampAfterMaxMs: values.messageTimestampAfterMaxMs,
    logAppendTime: values.messageTimestampType === 'LogAppendTime',
    compactedTopic: values.cleanupPolicy.includes('compact'),
    codecId: codecOf(values),
    compressionLevel: levelOf(values),
  };
}

/** True where every setting of the log is the same. */
export function sameLogConfig(one: LogConfig, other: LogConfig): boolean {
  if (one === other) return true;
  const keys = Object.keys(one) as (keyof LogConfig)[];
  return keys.every((key) => one[key] === other[key]);
}
