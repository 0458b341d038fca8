import { ErrorCode } from '../types/error-code';
import type { NodeId } from '../types/ids';
import { brokerConfigDefinition } from './broker-config-definitions';
import { checkClusterConfig, clusterConfigText } from './broker-configs';
import type { ParsedConfig } from './config-definition';
import { splitList } from './config-definition';
import type { Decision, Failure } from './decision';
import { failure, splitRecords } from './decision';
import { elrAfter, leadersForLeaderless } from './elections';
import type { ConfigResourceType, MetadataImage } from './image';
import type { MetadataRecord } from './records';
import type { ReplicationLimits } from './replication-limits';
import { REPLICATION_LIMITS } from './replication-limits';
import { topicConfigDefinition } from './topic-config-definitions';
import { checkTopicConfig, inheritedTopicConfig } from './topic-configs';

export type ConfigOperation = 'set' | 'delete' | 'append' | 'subtract';

export interface ConfigChange {
  readonly name: string;
  readonly value: string | undefined;
  /** undefined: a number that Kafka does not know. */
  readonly operation: ConfigOperation | undefined;
}

export interface ResourceConfigChange {
  /** Kafka's number; 2 topic, 4 broker, anything else is refused. */
  readonly resourceType: number;
  readonly resourceName: string;
  readonly changes: readonly ConfigChange[];
  /** The legacy AlterConfigs: `changes` are all that is set, whatever is not named goes back to its default. */
  readonly replaceAll: boolean;
}

export interface AlterConfigs {
  readonly resources: readonly ResourceConfigChange[];
  readonly validateOnly: boolean;
}

export interface ResourceOutcome {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly error: Failure | undefined;
}

type ConfigTexts = ReadonlyMap<string, string>;

/** Changes dynamic configs; each resource succeeds or fails by itself. */
export function alterConfigs(
  image: MetadataImage,
  command: AlterConfigs,
  limits: ReplicationLimits = REPLICATION_LIMITS,
): Decision<readonly ResourceOutcome[]> {
  const counts = new Map<string, number>();
  for (const { resourceType, resourceName } of command.resources) {
    const key = `${resourceType}:${resourceName}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const entries: (readonly MetadataRecord[])[] = [];
  const answer = command.resources.map((resource): ResourceOutcome => {
    const { resourceType, resourceName } = resource;
    const repeated = (counts.get(`${resourceType}:${resourceName}`) ?? 0) > 1;
    const outcome = repeated
      ? failure(ErrorCode.INVALID_REQUEST, `Each resource must appear at most once, but '${resourceName}' does not.`)
      : alterResource(image, resource, limits);
    if ('errorCode' in outcome) return { resourceType, resourceName, error: outcome };
    entries.push(...outcome);
    return { resourceType, resourceName, error: undefined };
  });
  return { entries: command.validateOnly ? [] : entries, answer };
}

type Entries = readonly (readonly MetadataRecord[])[];

function alterResource(image: MetadataImage, resource: ResourceConfigChange, limits: ReplicationLimits): Entries | Failure {
  const type = existingResource(image, resource);
  if (typeof type !== 'number') return type;
  const before = image.dynamicConfigs(type, resource.resourceName);
  const after = resource.replaceAll ? replaced(type, before, resource.changes) : changed(image, type, before, resource.changes);
  if ('errorCode' in after) return after;
  const set: MetadataRecord[] = [];
  for (const [name, value] of after) {
    if (before.get(name) === value) continue;
    const checked = checkedValue(resource, name, value, limits);
    if (typeof checked !== 'string') return checked;
    if (before.get(name) !== checked) set.push(configRecord(type, resource.resourceName, name, checked));
  }
  const removed = [...before.keys()].filter((name) => !after.has(name));
  const readOnly = removed.find((name) => isReadOnly(type, name));
  if (readOnly !== undefined) return readOnlyFailure(readOnly);
  if (type === 4 && removed.includes('min.insync.replicas')) {
    return failure(ErrorCode.INVALID_CONFIG, 'The cluster-wide min.insync.replicas cannot be removed, only set.');
  }
  const records: MetadataRecord[] = [
    ...removed.map((name) => configRecord(type, resource.resourceName, name, undefined)),
    ...set,
  ];
  if (records.length === 0) return [];
  const overrides = type === 4 ? { cluster: after } : { topic: resource.resourceName, own: after };
  // Allowing unclean elections takes effect at once, on partitions that nobody leads.
  return [...splitRecords(elrAfter(image, overrides)), records, ...splitRecords(leadersForLeaderless(image, overrides))];
}

function existingResource(
  image: MetadataImage,
  { resourceType, resourceName, changes }: ResourceConfigChange,
): ConfigResourceType | Failure {
  if (resourceType === 2) {
    if (image.topicIdsByName.has(resourceName)) return 2;
    return failure(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `The topic '${resourceName}' does not exist.`);
  }
  if (resourceType !== 4) {
    return failure(
      ErrorCode.INVALID_REQUEST,
      `Configs of resource type ${resourceType} cannot be changed; 2 (topic) and 4 (broker) can.`,
    );
  }
  if (resourceName === '') return 4;
  const id = Number(resourceName);
  if (!/^\d{1,10}$/.test(resourceName)) return failure(ErrorCode.INVALID_REQUEST, `'${resourceName}' is no broker id.`);
  if (!image.brokers.has(id as NodeId))
    return failure(ErrorCode.BROKER_ID_NOT_REGISTERED, `No broker with id ${id} is registered.`);
  return singleBrokerFailure(changes);
}

function singleBrokerFailure(changes: readonly ConfigChange[]): Failure {
  const names = changes.map(({ name }) => name);
  const readOnly = names.filter((name) => brokerConfigDefinition(name)?.update === 'read-only');
  if (readOnly.length > 0) return readOnlyFailure(readOnly.join(', '));
  const message = `No config can be set for a single broker; set ${names.join(', ') || 'it'} for the whole cluster, with an empty broker name.`;
  return failure(ErrorCode.INVALID_CONFIG, message);
}

function readOnlyFailure(names: string): Failure {
  return failure(ErrorCode.INVALID_REQUEST, `Cannot update these configs dynamically: ${names}; they are settings of the node.`);
}

/** All that is set afterwards; what cannot be changed at all stays without being named. */
function replaced(type: ConfigResourceType, before: ConfigTexts, changes: readonly ConfigChange[]): ConfigTexts | Failure {
  const named = new Map<string, string>();
  for (const { name, value } of changes) {
    if (value === undefined) return failure(ErrorCode.INVALID_REQUEST, `Null value not supported for: ${name}`);
    if (named.has(name)) return failure(ErrorCode.INVALID_REQUEST, `Error due to duplicate config keys: ${name}`);
    named.set(name, value);
  }
  return new Map([...[...before].filter(([name]) => isReadOnly(type, name)), ...named]);
}

function isReadOnly(type: ConfigResourceType, name: string): boolean {
  return type === 4 && brokerConfigDefinition(name)?.update === 'read-only';
}

function changed(
  image: MetadataImage,
  type: ConfigResourceType,
  before: ConfigTexts,
  changes: readonly ConfigChange[],
): ConfigTexts | Failure {
  const after = new Map(before);
  const seen = new Set<string>();
  for (const change of changes) {
    const { name, value, operation } = change;
    if (name === '') return failure(ErrorCode.INVALID_REQUEST, 'A config without a name cannot be changed.');
    if (seen.has(name)) return failure(ErrorCode.INVALID_REQUEST, `Error due to duplicate config keys: ${name}`);
    seen.add(name);
    if (operation === 'delete') {
      after.delete(name);
      continue;
    }
    if (operation === undefined)
      return failure(ErrorCode.INVALID_REQUEST, `Unknown operation on ${name}; set, delete, append and subtract exist.`);
    if (value === undefined) return failure(ErrorCode.INVALID_REQUEST, `Null value not supported for: ${name}`);
    if (operation === 'set') {
      after.set(name, value);
      continue;
    }
    const list = listBefore(image, type, name, before);
    if (typeof list !== 'string') return list ?? notAList(name, operation);
    after.set(name, combined(list, value, operation));
  }
  return after;
}

/** The text that APPEND and SUBTRACT start from: what is set, else what is in effect. */
function listBefore(
  image: MetadataImage,
  type: ConfigResourceType,
  name: string,
  before: ConfigTexts,
): string | Failure | undefined {
  const definition = type === 2 ? topicConfigDefinition(name) : brokerConfigDefinition(name);
  if (definition === undefined) return unknownConfig(type, name);
  if (definition.type !== 'LIST') return undefined;
  const set = before.get(name);
  if (set !== undefined) return set;
  const topicDefinition = type === 2 ? topicConfigDefinition(name) : undefined;
  if (topicDefinition !== undefined) return inheritedTopicConfig(topicDefinition, image.dynamicConfigs(4, ''));
  return clusterConfigText(image, name) ?? '';
}

function combined(list: string, change: string, operation: 'append' | 'subtract'): string {
  const parts = splitList(list);
  const others = splitList(change);
  if (operation === 'subtract') return parts.filter((part) => !others.includes(part)).join(',');
  return [...parts, ...others.filter((part) => !parts.includes(part))].join(',');
}

/** The value as it will be kept, or what is wrong with it. */
function checkedValue(
  { resourceType, resourceName }: ResourceConfigChange,
  name: string,
  value: string,
  limits: ReplicationLimits,
): string | Failure {
  const type = resourceType === 2 ? 2 : 4;
  if (isReadOnly(type, name)) return readOnlyFailure(name);
  const checked: ParsedConfig =
    type === 2 ? checkTopicConfig(resourceName, name, value) : checkClusterConfig(name, value, limits);
  return checked.ok ? checked.text : failure(ErrorCode.INVALID_CONFIG, checked.message);
}

function unknownConfig(type: ConfigResourceType, name: string): Failure {
  return failure(ErrorCode.INVALID_CONFIG, `Unknown ${type === 2 ? 'topic' : 'broker'} config name: ${name}`);
}

function notAList(name: string, operation: 'append' | 'subtract'): Failure {
  return failure(ErrorCode.INVALID_CONFIG, `Can't ${operation.toUpperCase()} to key ${name} because its type is not LIST.`);
}

function configRecord(
  resourceType: ConfigResourceType,
  resourceName: string,
  name: string,
  value: string | undefined,
): MetadataRecord {
  return { kind: 'config', resourceType, resourceName, name, value };
}
