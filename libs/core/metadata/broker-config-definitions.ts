import { RECORD_BATCH_BYTES_MAX } from '../types/limits';
import type { ConfigDefinition, ConfigType, ValidValues } from './config-definition';
import { DEFAULT_MAX_DECOMPRESSED_MESSAGE_BYTES, LONG_MAX_TEXT } from './topic-config-definitions';

/**
 * How a broker config changes: `cluster-wide` ones by AlterConfigs on the empty broker name, with effect at once;
 * `read-only` ones by the node's own settings and a restart. None can be set for a single broker.
 */
export type BrokerConfigUpdate = 'cluster-wide' | 'read-only';

export interface BrokerConfigDefinition extends ConfigDefinition {
  readonly update: BrokerConfigUpdate;
  /** Where ours differs from Apache Kafka's default: theirs. Absent for configs that Kafka does not have. */
  readonly kafkaDefault?: string;
}

/** Ours: durability of topics that do not say (`flush.messages`): fsync acknowledges what is on disk, page-cache what is written. */
export const DURABILITY_CONFIG = 'streamline.durability';
/** Ours: whether replicas are spread over racks. */
export const RACK_AWARE_CONFIG = 'streamline.rack.aware.assignment';

const ANY: ValidValues = { kind: 'any' };

function atLeast(min: bigint, max?: bigint): ValidValues {
  return { kind: 'range', min, max };
}

function definer(update: BrokerConfigUpdate) {
  return (
    name: string,
    type: ConfigType,
    defaultValue: string | null,
    valid: ValidValues,
    doc: string,
    kafkaDefault?: string,
  ): BrokerConfigDefinition => ({ name, type, defaultValue, valid, doc, update, kafkaDefault });
}

const clusterWide = definer('cluster-wide');
const readOnly = definer('read-only');

const TOPIC_DEFAULTS: readonly BrokerConfigDefinition[] = [
  clusterWide(
    'compression.gzip.level',
    'INT',
    '-1',
    { kind: 'range', min: 1n, max: 9n, also: -1n },
    'Default of the topic config of that name.',
  ),
  clusterWide(
    'compression.type',
    'STRING',
    'producer',
    { kind: 'oneOf', values: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'] },
    'Default of the topic config of that name.',
  ),
  clusterWide('compression.zstd.level', 'INT', '3', atLeast(-131_072n, 22n), 'Default of the topic config of that name.'),
  clusterWide(
    'log.cleanup.policy',
    'LIST',
    'delete',
    { kind: 'oneOf', values: ['compact', 'delete'] },
    'Default of cleanup.policy.',
  ),
  clusterWide(
    'log.flush.interval.messages',
    'LONG',
    '1',
    atLeast(1n),
    'Default of flush.messages; unset, it follows streamline.durability.',
    LONG_MAX_TEXT,
  ),
  clusterWide('log.flush.interval.ms', 'LONG', null, ANY, 'Default of flush.ms.'),
  clusterWide('log.index.interval.bytes', 'INT', '4096', atLeast(0n), 'Default of index.interval.bytes.'),
  clusterWide('log.index.size.max.bytes', 'INT', '10485760', atLeast(4n), 'Default of segment.index.bytes.'),
  clusterWide('log.message.timestamp.after.max.ms', 'LONG', '3600000', atLeast(0n), 'Default of message.timestamp.after.max.ms.'),
  clusterWide(
    'log.message.timestamp.before.max.ms',
    'LONG',
    LONG_MAX_TEXT,
    atLeast(0n),
    'Default of message.timestamp.before.max.ms.',
  ),
  clusterWide(
    'log.message.timestamp.type',
    'STRING',
    'CreateTime',
    { kind: 'oneOf', values: ['CreateTime', 'LogAppendTime'] },
    'Default of message.timestamp.type.',
  ),
  clusterWide('log.retention.bytes', 'LONG', '-1', ANY, 'Default of retention.bytes.'),
  clusterWide('log.retention.ms', 'LONG', null, atLeast(-1n), 'Default of retention.ms.'),
  clusterWide('log.roll.jitter.ms', 'LONG', null, atLeast(0n), 'Default of segment.jitter.ms.'),
  clusterWide('log.roll.ms', 'LONG', null, atLeast(1n), 'Default of segment.ms.'),
  clusterWide('log.segment.bytes', 'INT', '1073741824', atLeast(1_048_576n), 'Default of segment.bytes.'),
  clusterWide('log.segment.delete.delay.ms', 'LONG', '60000', atLeast(0n), 'Default of file.delete.delay.ms.'),
  clusterWide(
    'max.decompressed.message.bytes',
    'INT',
    String(DEFAULT_MAX_DECOMPRESSED_MESSAGE_BYTES),
    atLeast(1n, 2_147_483_639n),
    'Default of the topic config of that name.',
    '2147483639',
  ),
  clusterWide(
    'message.max.bytes',
    'INT',
    '1048588',
    atLeast(0n, BigInt(RECORD_BATCH_BYTES_MAX)),
    'Default of max.message.bytes, with the same bound.',
  ),
  clusterWide('min.insync.replicas', 'INT', '1', atLeast(1n), 'Default of the topic config of that name.'),
  clusterWide('unclean.leader.election.enable', 'BOOLEAN', 'false', ANY, 'Default of the topic config of that name.'),
];

/** Whether leaderships go back to the first replicas by themselves, and how often that is looked at. */
export const BALANCE_CONFIG = 'auto.leader.rebalance.enable';
export const BALANCE_INTERVAL_CONFIG = 'leader.imbalance.check.interval.seconds';

const CLUSTER: readonly BrokerConfigDefinition[] = [
  clusterWide(
    BALANCE_CONFIG,
    'BOOLEAN',
    'true',
    ANY,
    'Whether partitions go back to their preferred leaders by themselves, once these are in sync again.',
  ),
  clusterWide(
    'broker.session.timeout.ms',
    'INT',
    '10000',
    atLeast(100n),
    'How long a silent broker counts as alive (session_timeout_ms).',
    '9000',
  ),
  clusterWide(
    'default.replication.factor',
    'INT',
    '1',
    atLeast(1n, 32_767n),
    'Replicas of topics that are created without saying.',
  ),
  clusterWide(
    'offsets.topic.replication.factor',
    'SHORT',
    '3',
    atLeast(1n, 32_767n),
    'Replicas of the offsets topic, but no more than there are live brokers; more are added when brokers join.',
  ),
  clusterWide(
    BALANCE_INTERVAL_CONFIG,
    'LONG',
    '300',
    atLeast(1n),
    'How often partitions are looked for that are not led by their preferred leader.',
  ),
  clusterWide('num.partitions', 'INT', '1', atLeast(1n, 10_000n), 'Partitions of topics that are created without saying.'),
  clusterWide(
    DURABILITY_CONFIG,
    'STRING',
    'fsync',
    { kind: 'oneOf', values: ['fsync', 'page-cache'] },
    'Durability of topics that do not set flush.messages: fsync or page-cache.',
  ),
  readOnly(
    RACK_AWARE_CONFIG,
    'BOOLEAN',
    'true',
    ANY,
    'Whether replicas are spread over racks; set when the cluster is bootstrapped.',
  ),
];

const NODE: readonly BrokerConfigDefinition[] = [
  readOnly('advertised.listeners', 'LIST', null, ANY, 'The addresses that clients are told.'),
  readOnly(
    'auto.create.topics.enable',
    'BOOLEAN',
    'true',
    ANY,
    'Whether a Metadata request may create the topics that it names.',
  ),
  readOnly('broker.heartbeat.interval.ms', 'INT', '2000', ANY, 'How often a broker tells the controller that it is alive.'),
  readOnly('broker.id', 'INT', '-1', ANY, 'The same as node.id.'),
  readOnly('broker.rack', 'STRING', null, ANY, "This broker's rack."),
  readOnly('connections.max.idle.ms', 'LONG', '600000', ANY, 'Idle connections are closed after this long.'),
  readOnly('controlled.shutdown.enable', 'BOOLEAN', 'true', ANY, 'A stopping broker moves its leaderships first.'),
  readOnly('delete.topic.enable', 'BOOLEAN', 'true', ANY, 'Whether topics can be deleted.'),
  readOnly('fetch.max.bytes', 'INT', '57671680', atLeast(1024n), 'The most bytes of one fetch answer.'),
  readOnly(
    'group.initial.rebalance.delay.ms',
    'INT',
    '3000',
    ANY,
    'How long the first rebalance of an empty group waits for more members.',
  ),
  readOnly('group.max.session.timeout.ms', 'INT', '1800000', ANY, 'The longest session a group member may ask for.'),
  readOnly('group.max.size', 'INT', '2147483647', atLeast(1n), 'The most members of a group.'),
  readOnly('group.min.session.timeout.ms', 'INT', '6000', ANY, 'The shortest session a group member may ask for.'),
  readOnly('listeners', 'LIST', 'PLAINTEXT://:9092', ANY, 'The addresses that this broker listens on.'),
  readOnly('log.dirs', 'LIST', null, ANY, 'Where the logs lie.'),
  readOnly(
    'log.flush.scheduler.interval.ms',
    'LONG',
    LONG_MAX_TEXT,
    ANY,
    'Default of flush.ms where log.flush.interval.ms is not set.',
  ),
  readOnly('log.retention.check.interval.ms', 'LONG', '300000', atLeast(1n), 'How often retention is applied.'),
  readOnly('log.retention.hours', 'INT', '168', ANY, 'Default of retention.ms, in hours, where log.retention.ms is not set.'),
  readOnly('log.retention.minutes', 'INT', null, ANY, 'Default of retention.ms, in minutes, where log.retention.ms is not set.'),
  readOnly('log.roll.hours', 'INT', '168', atLeast(1n), 'Default of segment.ms, in hours, where log.roll.ms is not set.'),
  readOnly(
    'log.roll.jitter.hours',
    'INT',
    '0',
    atLeast(0n),
    'Default of segment.jitter.ms, in hours, where log.roll.jitter.ms is not set.',
  ),
  readOnly('max.connections', 'INT', '2147483647', atLeast(0n), 'The most client connections.'),
  readOnly('max.connections.per.ip', 'INT', '2147483647', atLeast(0n), 'The most client connections from one address.'),
  readOnly('max.incremental.fetch.session.cache.slots', 'INT', '1000', atLeast(0n), 'The most fetch sessions.'),
  readOnly('node.id', 'INT', null, atLeast(1n), "This node's id."),
  readOnly('offset.metadata.max.bytes', 'INT', '4096', ANY, 'The longest metadata string of a committed offset.'),
  readOnly('offsets.commit.timeout.ms', 'INT', '5000', atLeast(1n), 'How long an offset commit may wait to become durable.'),
  readOnly('offsets.retention.check.interval.ms', 'LONG', '600000', atLeast(1n), 'How often expired offsets are looked for.'),
  readOnly('offsets.retention.minutes', 'INT', '10080', atLeast(1n), 'How long offsets of an empty group are kept.'),
  readOnly('offsets.topic.compression.codec', 'INT', '0', ANY, 'Codec of the offsets topic: none.'),
  readOnly('offsets.topic.num.partitions', 'INT', '50', atLeast(1n), 'Partitions of the offsets topic.'),
  readOnly(
    'offsets.topic.segment.bytes',
    'INT',
    '16777216',
    atLeast(1n),
    'Segment size of the offsets topic. Smaller than in Apache Kafka: the topic is kept short by writing what lives again and deleting whole segments.',
    '104857600',
  ),
  readOnly('process.roles', 'LIST', null, ANY, 'The roles of this process.'),
  readOnly(
    'producer.id.expiration.ms',
    'INT',
    '86400000',
    atLeast(1n),
    'How long a partition remembers an idle idempotent producer.',
  ),
  readOnly('queued.max.request.bytes', 'LONG', '-1', ANY, 'The most bytes of requests that wait.'),
  readOnly(
    'replica.selector.class',
    'STRING',
    'org.apache.kafka.common.replica.RackAwareReplicaSelector',
    ANY,
    'Consumers that set client.rack are sent to an in-sync follower in that rack. Apache Kafka has none unless it is set.',
  ),
  readOnly('socket.request.max.bytes', 'INT', '104857600', atLeast(1n), 'The largest request.'),
];

/** The broker configs that mean something here, by name. */
export const BROKER_CONFIGS: readonly BrokerConfigDefinition[] = [...TOPIC_DEFAULTS, ...CLUSTER, ...NODE].sort((a, b) =>
  a.name < b.name ? -1 : 1,
);

const BY_NAME: ReadonlyMap<string, BrokerConfigDefinition> = new Map(BROKER_CONFIGS.map((each) => [each.name, each]));

export function brokerConfigDefinition(name: string): BrokerConfigDefinition | undefined {
  return BY_NAME.get(name);
}
