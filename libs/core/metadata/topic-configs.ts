import { RECORD_BATCH_BYTES_MAX } from '../types/limits';
import { brokerConfigDefinition, DURABILITY_CONFIG } from './broker-config-definitions';
import type { ConfigSource as Source, ConfigValue, DescribedConfig, DescribedSynonym, ParsedConfig } from './config-definition';
import { CONFIG_TYPE_CODES, ConfigSource, parseConfig, readConfig, saturate } from './config-definition';
import type { MetadataImage } from './image';
import type { TopicConfigDefinition } from './topic-config-definitions';
import { LONG_MAX_TEXT, TOPIC_CONFIGS, topicConfigDefinition } from './topic-config-definitions';

/**
 * A topic's configs in effect, parsed. Sizes in bytes, times in ms; what Kafka writes as 2^63-1 ("never") is 2^53-1 here.
 * Immutable, and the same object as long as nothing that it depends on changes.
 */
export interface TopicConfigValues {
  readonly cleanupPolicy: readonly ('delete' | 'compact')[];
  /** -1: for ever; also where cleanup.policy does not name delete. */
  readonly retentionMs: number;
  /** -1: without limit; also where cleanup.policy does not name delete. */
  readonly retentionBytes: number;
  readonly segmentBytes: number;
  readonly segmentMs: number;
  readonly segmentJitterMs: number;
  readonly segmentIndexBytes: number;
  readonly indexIntervalBytes: number;
  readonly fileDeleteDelayMs: number;
  /** 1: durability `fsync`; larger: `page-cache`. */
  readonly flushMessages: number;
  readonly flushMs: number;
  /** The codec that batches are stored with; `producer`: as they came. */
  readonly compressionType: CompressionType;
  /** -1: zlib's default. */
  readonly compressionGzipLevel: number;
  readonly compressionZstdLevel: number;
  readonly maxMessageBytes: number;
  readonly maxDecompressedMessageBytes: number;
  readonly messageTimestampType: 'CreateTime' | 'LogAppendTime';
  readonly messageTimestampBeforeMaxMs: number;
  readonly messageTimestampAfterMaxMs: number;
  readonly minInsyncReplicas: number;
  readonly uncleanLeaderElectionEnable: boolean;
}

export type CompressionType = 'producer' | 'uncompressed' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

const COMPRESSION_TYPES: readonly CompressionType[] = ['producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'];

type ConfigTexts = ReadonlyMap<string, string>;

/** Topics that are Streamline's own; only they may say cleanup.policy=compact before the compactor exists (they clean themselves). */
const INTERNAL_TOPICS: ReadonlySet<string> = new Set(['__consumer_offsets', '__transaction_state', '__share_group_state']);

export function isInternalTopic(name: string): boolean {
  return INTERNAL_TOPICS.has(name);
}

/** Checks one config of a topic as it is about to be set: known, of its type, in range, and with an effect. */
export function checkTopicConfig(topicName: string, name: string, text: string): ParsedConfig {
  const definition = topicConfigDefinition(name);
  if (definition === undefined) return { ok: false, message: `Unknown topic config name: ${name}` };
  const parsed = parseConfig(definition, text);
  if (!parsed.ok) return parsed;
  return refusal(definition, parsed.value, parsed.text, isInternalTopic(topicName)) ?? parsed;
}

/** Checks a value that topics get by default (a cluster-wide broker config); undefined: nothing against it. */
export function refusalOfTopicDefault(topicConfig: string, value: ConfigValue, text: string): ParsedConfig | undefined {
  const definition = topicConfigDefinition(topicConfig);
  return definition === undefined ? undefined : refusal(definition, value, text, false);
}

/** The configs in effect on a topic: its own, else the cluster's, else the defaults. Cheap when nothing changed since the last call. */
export function effectiveTopicConfig(image: MetadataImage, topicName: string): TopicConfigValues {
  return topicConfigValues(image.dynamicConfigs(2, topicName), image.dynamicConfigs(4, ''));
}

const NO_CONFIGS: ConfigTexts = new Map();
const memo = new WeakMap<ConfigTexts, WeakMap<ConfigTexts, TopicConfigValues>>();

/** Like `effectiveTopicConfig`, of the configs set on a topic and those set cluster-wide; both maps must not change any more. */
export function topicConfigValues(own: ConfigTexts, cluster: ConfigTexts): TopicConfigValues {
  const ownKey = own.size === 0 ? NO_CONFIGS : own;
  let byCluster = memo.get(ownKey);
  if (byCluster === undefined) memo.set(ownKey, (byCluster = new WeakMap()));
  let values = byCluster.get(cluster);
  if (values === undefined) byCluster.set(cluster, (values = computeValues(own, cluster)));
  return values;
}

/** The committed in-sync replicas that acks=all needs: never more than the partition has replicas (KIP-966). */
export function effectiveMinInsyncReplicas(config: TopicConfigValues, replicaCount: number): number {
  return Math.min(config.minInsyncReplicas, replicaCount);
}

/** All 37 topic configs as DescribeConfigs tells them, by name. */
export function describeTopicConfig(image: MetadataImage, topicName: string): DescribedConfig[] {
  return describeTopicConfigs(image.dynamicConfigs(2, topicName), image.dynamicConfigs(4, ''));
}

/** Like `describeTopicConfig`, of configs that need not be in an image: what CreateTopics answers with validate_only. */
export function describeTopicConfigs(own: ConfigTexts, cluster: ConfigTexts): DescribedConfig[] {
  return TOPIC_CONFIGS.map((definition) => {
    const inEffect = effective(definition, own, cluster);
    return {
      name: definition.name,
      value: inEffect.text,
      source: inEffect.source,
      type: CONFIG_TYPE_CODES[definition.type],
      isSensitive: false,
      isReadOnly: false,
      synonyms: synonymsOf(definition, own, cluster),
      documentation: definition.doc,
    };
  });
}

/** The default of flush.messages under the cluster's durability: 1 with fsync, never with page-cache. */
export function defaultFlushMessages(cluster: ConfigTexts): string {
  return cluster.get(DURABILITY_CONFIG) === 'page-cache' ? LONG_MAX_TEXT : '1';
}

/** The value in effect of one topic config, as text, where the topic itself does not set it. */
export function inheritedTopicConfig(definition: TopicConfigDefinition, cluster: ConfigTexts): string {
  return effective(definition, NO_CONFIGS, cluster).text;
}

function refusal(
  definition: TopicConfigDefinition,
  value: ConfigValue,
  text: string,
  internal: boolean,
): ParsedConfig | undefined {
  const complain = (reason: string): ParsedConfig => ({
    ok: false,
    message: `Invalid value ${text} for configuration ${definition.name}: refused, because ${reason}`,
  });
  if (definition.effect.kind === 'refused' && text !== definition.defaultValue) return complain(definition.effect.reason);
  if (definition.name === 'cleanup.policy' && !internal && Array.isArray(value) && value.includes('compact')) {
    return complain('log compaction is not built yet; use cleanup.policy=delete');
  }
  return undefined;
}

interface EffectiveConfig {
  readonly text: string;
  readonly value: ConfigValue;
  readonly source: Source;
}

function effective(definition: TopicConfigDefinition, own: ConfigTexts, cluster: ConfigTexts): EffectiveConfig {
  const set = own.get(definition.name);
  if (set !== undefined) return valueFrom(ConfigSource.DYNAMIC_TOPIC, definition, set);
  for (const synonym of definition.synonyms) {
    const inherited = cluster.get(synonym.name);
    if (inherited !== undefined) return valueFrom(ConfigSource.DYNAMIC_DEFAULT_BROKER, definition, inherited);
  }
  return valueFrom(ConfigSource.DEFAULT, definition, defaultOf(definition, cluster));
}

function valueFrom(source: Source, definition: TopicConfigDefinition, text: string): EffectiveConfig {
  return { text, value: readConfig(definition, text), source };
}

function defaultOf(definition: TopicConfigDefinition, cluster: ConfigTexts): string {
  return definition.name === 'flush.messages' ? defaultFlushMessages(cluster) : (definition.defaultValue ?? '');
}

function synonymsOf(definition: TopicConfigDefinition, own: ConfigTexts, cluster: ConfigTexts): DescribedSynonym[] {
  const found: DescribedSynonym[] = [];
  const set = own.get(definition.name);
  if (set !== undefined) found.push({ name: definition.name, value: set, source: ConfigSource.DYNAMIC_TOPIC });
  for (const { name } of definition.synonyms) {
    const inherited = cluster.get(name);
    if (inherited !== undefined) found.push({ name, value: inherited, source: ConfigSource.DYNAMIC_DEFAULT_BROKER });
    const fallback = defaultOfSynonym(definition, name, cluster);
    if (fallback !== null) found.push({ name, value: fallback, source: ConfigSource.DEFAULT });
  }
  return found;
}

function defaultOfSynonym(definition: TopicConfigDefinition, name: string, cluster: ConfigTexts): string | null {
  if (definition.name === 'flush.messages') return defaultFlushMessages(cluster);
  const broker = brokerConfigDefinition(name);
  return broker === undefined ? definition.defaultValue : broker.defaultValue;
}

function computeValues(own: ConfigTexts, cluster: ConfigTexts): TopicConfigValues {
  const value = (name: string): ConfigValue => {
    const definition = topicConfigDefinition(name);
    if (definition === undefined) throw new Error(`No topic config is called ${name}`);
    return effective(definition, own, cluster).value;
  };
  const integer = (name: string): number => {
    const found = value(name);
    if (typeof found !== 'bigint') throw new Error(`Topic config ${name} is no integer`);
    return saturate(found);
  };
  const cleanupPolicy = policies(value('cleanup.policy'));
  const deletes = cleanupPolicy.includes('delete');
  return {
    cleanupPolicy,
    retentionMs: deletes ? integer('retention.ms') : -1,
    retentionBytes: deletes ? integer('retention.bytes') : -1,
    segmentBytes: integer('segment.bytes'),
    segmentMs: integer('segment.ms'),
    segmentJitterMs: integer('segment.jitter.ms'),
    segmentIndexBytes: integer('segment.index.bytes'),
    indexIntervalBytes: integer('index.interval.bytes'),
    fileDeleteDelayMs: integer('file.delete.delay.ms'),
    flushMessages: integer('flush.messages'),
    flushMs: integer('flush.ms'),
    compressionType: COMPRESSION_TYPES.find((type) => type === value('compression.type')) ?? 'producer',
    compressionGzipLevel: integer('compression.gzip.level'),
    compressionZstdLevel: integer('compression.zstd.level'),
    // A log from before the bound may hold more.
    maxMessageBytes: Math.min(integer('max.message.bytes'), RECORD_BATCH_BYTES_MAX),
    maxDecompressedMessageBytes: integer('max.decompressed.message.bytes'),
    messageTimestampType: value('message.timestamp.type') === 'LogAppendTime' ? 'LogAppendTime' : 'CreateTime',
    messageTimestampBeforeMaxMs: integer('message.timestamp.before.max.ms'),
    messageTimestampAfterMaxMs: integer('message.timestamp.after.max.ms'),
    minInsyncReplicas: integer('min.insync.replicas'),
    uncleanLeaderElectionEnable: value('unclean.leader.election.enable') === true,
  };
}

function policies(value: ConfigValue): ('delete' | 'compact')[] {
  const parts = Array.isArray(value) ? value : [];
  return parts.filter((part) => part === 'delete' || part === 'compact');
}
