import type { NodeId } from '../types/ids';
import type { BrokerConfigDefinition } from './broker-config-definitions';
import { BROKER_CONFIGS, brokerConfigDefinition } from './broker-config-definitions';
import type { ConfigValue, DescribedConfig, DescribedSynonym, ParsedConfig } from './config-definition';
import { CONFIG_TYPE_CODES, ConfigSource, parseConfig, readConfig, saturate } from './config-definition';
import type { MetadataImage } from './image';
import type { ReplicationLimits } from './replication-limits';
import { REPLICATION_LIMITS } from './replication-limits';
import { TOPIC_CONFIGS } from './topic-config-definitions';
import { defaultFlushMessages, refusalOfTopicDefault } from './topic-configs';

type ConfigTexts = ReadonlyMap<string, string>;

const NONE: ConfigTexts = new Map();

/** The topic config whose default a broker config gives. */
const TOPIC_CONFIG_OF: ReadonlyMap<string, string> = new Map(
  TOPIC_CONFIGS.flatMap((topic) => topic.synonyms.map(({ name }) => [name, topic.name] as const)),
);

/** Checks a config that is about to be set for the whole cluster: known, changeable, of its type, in range, and with an effect. */
export function checkClusterConfig(name: string, text: string, limits: ReplicationLimits = REPLICATION_LIMITS): ParsedConfig {
  const definition = brokerConfigDefinition(name);
  if (definition === undefined) return { ok: false, message: `Unknown broker config name: ${name}` };
  const parsed = parseConfig(definition, text);
  if (!parsed.ok) return parsed;
  const { replicationFactorMax } = limits;
  if (name === 'default.replication.factor' && typeof parsed.value === 'bigint' && parsed.value > replicationFactorMax) {
    const reason = `the largest replication factor is ${replicationFactorMax}`;
    return { ok: false, message: `Invalid value ${parsed.text} for configuration ${name}: refused, because ${reason}` };
  }
  const topicConfig = TOPIC_CONFIG_OF.get(name);
  return (topicConfig === undefined ? undefined : refusalOfTopicDefault(topicConfig, parsed.value, parsed.text)) ?? parsed;
}

/**
 * A broker's configs as DescribeConfigs tells them, by name. `statics` are the settings of that node (flags, environment,
 * file), by Kafka's config names.
 */
export function describeBrokerConfig(image: MetadataImage, nodeId: NodeId, statics: ConfigTexts = NONE): DescribedConfig[] {
  const cluster = image.dynamicConfigs(4, '');
  const identity = new Map([
    ['node.id', String(nodeId)],
    ['broker.id', String(nodeId)],
  ]);
  return BROKER_CONFIGS.map((definition) => {
    const synonyms = valuesOf(definition, cluster, identity.get(definition.name) ?? statics.get(definition.name));
    const [inEffect] = synonyms;
    return describe(definition, inEffect, synonyms);
  });
}

/** What is set for the whole cluster (resource type 4, empty name): only what is set, as in Kafka. */
export function describeClusterConfig(image: MetadataImage): DescribedConfig[] {
  const cluster = image.dynamicConfigs(4, '');
  return BROKER_CONFIGS.filter(({ name }) => cluster.has(name)).map((definition) => {
    const synonyms = valuesOf(definition, cluster, undefined);
    return describe(definition, synonyms[0], synonyms);
  });
}

/** The cluster-wide value in effect of a broker config: what the log says, else the default. Null where there is none. */
export function clusterConfigText(image: MetadataImage, name: string): string | null {
  return image.dynamicConfigs(4, '').get(name) ?? brokerConfigDefinition(name)?.defaultValue ?? null;
}

/** The cluster-wide value in effect of an integer broker config. */
export function clusterConfigInteger(image: MetadataImage, name: string): number {
  const value = clusterConfigValue(image, name);
  if (typeof value !== 'bigint') throw new Error(`Broker config ${name} is no integer`);
  return saturate(value);
}

function clusterConfigValue(image: MetadataImage, name: string): ConfigValue {
  const definition = brokerConfigDefinition(name);
  const text = clusterConfigText(image, name);
  if (definition === undefined || text === null) throw new Error(`Broker config ${name} has no value`);
  return readConfig(definition, text);
}

function valuesOf(definition: BrokerConfigDefinition, cluster: ConfigTexts, fromNode: string | undefined): DescribedSynonym[] {
  const { name } = definition;
  const found: DescribedSynonym[] = [];
  const dynamic = cluster.get(name);
  if (dynamic !== undefined) found.push({ name, value: dynamic, source: ConfigSource.DYNAMIC_DEFAULT_BROKER });
  if (fromNode !== undefined) found.push({ name, value: fromNode, source: ConfigSource.STATIC_BROKER });
  const fallback = name === 'log.flush.interval.messages' ? defaultFlushMessages(cluster) : definition.defaultValue;
  if (fallback !== null) found.push({ name, value: fallback, source: ConfigSource.DEFAULT });
  return found;
}

function describe(
  definition: BrokerConfigDefinition,
  inEffect: DescribedSynonym | undefined,
  synonyms: readonly DescribedSynonym[],
): DescribedConfig {
  return {
    name: definition.name,
    value: inEffect?.value ?? null,
    source: inEffect?.source ?? ConfigSource.DEFAULT,
    type: CONFIG_TYPE_CODES[definition.type],
    isSensitive: false,
    isReadOnly: definition.update === 'read-only',
    synonyms,
    documentation: definition.doc,
  };
}
