import { RECORD_BATCH_BYTES_MAX } from '../types/limits';
import type { ConfigDefinition, ConfigType, ValidValues } from './config-definition';

/**
 * A topic config has its effect, or is refused (INVALID_CONFIG, with the reason) when set to anything but its default:
 * nothing is acknowledged and then ignored.
 */
export type TopicConfigEffect = { readonly kind: 'supported' } | { readonly kind: 'refused'; readonly reason: string };

export interface TopicConfigDefinition extends ConfigDefinition {
  /** Broker configs that give the topic its default where they are set, the strongest first; the last one holds the default. */
  readonly synonyms: readonly TopicConfigSynonym[];
  readonly effect: TopicConfigEffect;
  /** Where ours differs from Apache Kafka's default: theirs. */
  readonly kafkaDefault?: string;
  /** The spec that observes the effect or the refusal. */
  readonly provedBy: string;
}

export interface TopicConfigSynonym {
  readonly name: string;
  /** The broker config's unit in the topic config's: hours and minutes become milliseconds. */
  readonly factor: bigint;
}

/** 2^63-1: "never" in Kafka's configs. */
export const LONG_MAX_TEXT = '9223372036854775807';

/** The largest decompressed batch that we take by default; Kafka allows 2 GiB, which one request can turn into memory. */
export const DEFAULT_MAX_DECOMPRESSED_MESSAGE_BYTES = 67_108_864;

const CONFIGS_SPEC = 'libs/core/metadata/topic-configs.spec.ts';
const EFFECTS_SPEC = 'libs/runtime/metadata/topic-config-effects.spec.ts';
const ALTER_SPEC = 'libs/core/metadata/alter-configs.spec.ts';
const PRODUCE_SPEC = 'libs/wire/records/validate-produce.spec.ts';
const APPEND_SPEC = 'libs/runtime/partitions/append-path.spec.ts';
const NO_COMPACTION = 'log compaction is not built yet; topics are cleaned by deletion only (cleanup.policy=delete)';
const ONE_LZ4_LEVEL = 'lz4 is compressed at one level here, its fastest';
const NO_TIERED_STORAGE = 'there is no remote (tiered) storage';
const NO_THROTTLES =
  'no single replica is throttled; replica_catch_up_bytes_per_second bounds what a node sends for replicas that are behind';

const HOURS = 3_600_000n;
const MINUTES = 60_000n;
const ANY: ValidValues = { kind: 'any' };
const supported: TopicConfigEffect = { kind: 'supported' };

function refused(reason: string): TopicConfigEffect {
  return { kind: 'refused', reason };
}

function atLeast(min: bigint, max?: bigint): ValidValues {
  return { kind: 'range', min, max };
}

function oneOf(...values: string[]): ValidValues {
  return { kind: 'oneOf', values };
}

function synonyms(...names: (string | readonly [string, bigint])[]): TopicConfigSynonym[] {
  return names.map((each) => (typeof each === 'string' ? { name: each, factor: 1n } : { name: each[0], factor: each[1] }));
}

interface Rest {
  readonly synonyms?: readonly TopicConfigSynonym[];
  readonly effect?: TopicConfigEffect;
  readonly kafkaDefault?: string;
  readonly provedBy?: string;
}

function define(
  name: string,
  type: ConfigType,
  defaultValue: string,
  valid: ValidValues,
  doc: string,
  { synonyms: others = [], effect = supported, kafkaDefault, provedBy = CONFIGS_SPEC }: Rest = {},
): TopicConfigDefinition {
  return { name, type, defaultValue, valid, doc, synonyms: others, effect, kafkaDefault, provedBy };
}

/** Kafka 4.4's topic configs, all of them, by name. */
export const TOPIC_CONFIGS: readonly TopicConfigDefinition[] = [
  define(
    'cleanup.policy',
    'LIST',
    'delete',
    oneOf('compact', 'delete'),
    'How old data goes: delete (by time and size). An empty list keeps everything. compact is refused on topics of users until the compactor exists.',
    { synonyms: synonyms('log.cleanup.policy'), provedBy: EFFECTS_SPEC },
  ),
  define(
    'compression.gzip.level',
    'INT',
    '-1',
    { kind: 'range', min: 1n, max: 9n, also: -1n },
    'Level of gzip where the broker compresses.',
    {
      synonyms: synonyms('compression.gzip.level'),
      provedBy: EFFECTS_SPEC,
    },
  ),
  define('compression.lz4.level', 'INT', '9', atLeast(1n, 17n), 'Level of lz4 where the broker compresses.', {
    synonyms: synonyms('compression.lz4.level'),
    effect: refused(ONE_LZ4_LEVEL),
  }),
  define(
    'compression.type',
    'STRING',
    'producer',
    oneOf('uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'),
    'The codec that batches are stored with; producer keeps what the producer chose. Anything else costs the broker the work of compressing.',
    { synonyms: synonyms('compression.type'), provedBy: EFFECTS_SPEC },
  ),
  define('compression.zstd.level', 'INT', '3', atLeast(-131_072n, 22n), 'Level of zstd where the broker compresses.', {
    synonyms: synonyms('compression.zstd.level'),
    provedBy: EFFECTS_SPEC,
  }),
  define('delete.retention.ms', 'LONG', '86400000', atLeast(0n), 'How long the compactor keeps tombstones.', {
    synonyms: synonyms('log.cleaner.delete.retention.ms'),
    effect: refused(NO_COMPACTION),
  }),
  define(
    'errors.deadletterqueue.group.enable',
    'BOOLEAN',
    'false',
    ANY,
    'Whether share groups may use this topic as dead-letter queue (KIP-1191).',
    {
      effect: refused('share groups are not built yet'),
    },
  ),
  define('file.delete.delay.ms', 'LONG', '60000', atLeast(0n), 'How long the files of a removed segment stay.', {
    synonyms: synonyms('log.segment.delete.delay.ms'),
    provedBy: EFFECTS_SPEC,
  }),
  define(
    'flush.messages',
    'LONG',
    '1',
    atLeast(1n),
    'Durability of this topic: 1 acknowledges what is on disk (fsync); anything larger acknowledges what is written and syncs in the background after that many records. The default follows the cluster-wide streamline.durability.',
    { synonyms: synonyms('log.flush.interval.messages'), kafkaDefault: LONG_MAX_TEXT, provedBy: EFFECTS_SPEC },
  ),
  define(
    'flush.ms',
    'LONG',
    LONG_MAX_TEXT,
    atLeast(0n),
    'With flush.messages above 1: the longest wait before a background sync.',
    {
      synonyms: synonyms('log.flush.interval.ms', 'log.flush.scheduler.interval.ms'),
      provedBy: EFFECTS_SPEC,
    },
  ),
  define('follower.replication.throttled.replicas', 'LIST', '', ANY, 'Replicas whose copying is throttled on the follower.', {
    effect: refused(NO_THROTTLES),
  }),
  define('index.interval.bytes', 'INT', '4096', atLeast(0n), 'Bytes of log between two entries of the offset index.', {
    synonyms: synonyms('log.index.interval.bytes'),
    provedBy: EFFECTS_SPEC,
  }),
  define('leader.replication.throttled.replicas', 'LIST', '', ANY, 'Replicas whose copying is throttled on the leader.', {
    effect: refused(NO_THROTTLES),
  }),
  define('local.retention.bytes', 'LONG', '-2', atLeast(-2n), 'Bytes kept locally of a topic with remote storage.', {
    synonyms: synonyms('log.local.retention.bytes'),
    effect: refused(NO_TIERED_STORAGE),
  }),
  define('local.retention.ms', 'LONG', '-2', atLeast(-2n), 'Time kept locally of a topic with remote storage.', {
    synonyms: synonyms('log.local.retention.ms'),
    effect: refused(NO_TIERED_STORAGE),
  }),
  define('max.compaction.lag.ms', 'LONG', LONG_MAX_TEXT, atLeast(1n), 'The longest that a record waits for the compactor.', {
    synonyms: synonyms('log.cleaner.max.compaction.lag.ms'),
    effect: refused(NO_COMPACTION),
  }),
  define(
    'max.decompressed.message.bytes',
    'INT',
    String(DEFAULT_MAX_DECOMPRESSED_MESSAGE_BYTES),
    atLeast(1n, 2_147_483_639n),
    'The largest batch after decompression. Lower than in Apache Kafka by default, so that one small request cannot take gigabytes of memory.',
    { synonyms: synonyms('max.decompressed.message.bytes'), kafkaDefault: '2147483639', provedBy: EFFECTS_SPEC },
  ),
  define(
    'max.message.bytes',
    'INT',
    '1048588',
    atLeast(0n, BigInt(RECORD_BATCH_BYTES_MAX)),
    'The largest batch as sent, header included; never more than one write to the journal holds.',
    { synonyms: synonyms('message.max.bytes'), provedBy: PRODUCE_SPEC },
  ),
  define(
    'message.timestamp.after.max.ms',
    'LONG',
    '3600000',
    atLeast(0n),
    "How far a record's time may lie ahead of the broker's clock.",
    {
      synonyms: synonyms('log.message.timestamp.after.max.ms'),
      provedBy: PRODUCE_SPEC,
    },
  ),
  define(
    'message.timestamp.before.max.ms',
    'LONG',
    LONG_MAX_TEXT,
    atLeast(0n),
    "How far a record's time may lie behind the broker's clock.",
    {
      synonyms: synonyms('log.message.timestamp.before.max.ms'),
      provedBy: PRODUCE_SPEC,
    },
  ),
  define(
    'message.timestamp.type',
    'STRING',
    'CreateTime',
    oneOf('CreateTime', 'LogAppendTime'),
    "Whether records keep the producer's time or get the broker's.",
    {
      synonyms: synonyms('log.message.timestamp.type'),
      provedBy: APPEND_SPEC,
    },
  ),
  define(
    'min.cleanable.dirty.ratio',
    'DOUBLE',
    '0.5',
    { kind: 'fraction' },
    'The part of the log that must be uncompacted before the compactor runs.',
    {
      synonyms: synonyms('log.cleaner.min.cleanable.ratio'),
      effect: refused(NO_COMPACTION),
    },
  ),
  define('min.compaction.lag.ms', 'LONG', '0', atLeast(0n), 'The shortest time that a record stays uncompacted.', {
    synonyms: synonyms('log.cleaner.min.compaction.lag.ms'),
    effect: refused(NO_COMPACTION),
  }),
  define(
    'min.insync.replicas',
    'INT',
    '1',
    atLeast(1n),
    'How many in-sync replicas acks=all needs; never more than the partition has replicas.',
    { synonyms: synonyms('min.insync.replicas'), provedBy: APPEND_SPEC },
  ),
  define('preallocate', 'BOOLEAN', 'false', ANY, 'Whether segment files are made in full size.', {
    synonyms: synonyms('log.preallocate'),
    effect: refused('segment files grow as they are written; the journal is what is preallocated'),
  }),
  define('remote.copy.lag.bytes', 'LONG', '-1', atLeast(-1n), 'Bytes that may wait before they are copied to remote storage.', {
    synonyms: synonyms('log.remote.copy.lag.bytes'),
    effect: refused(NO_TIERED_STORAGE),
  }),
  define(
    'remote.copy.lag.ms',
    'LONG',
    '0',
    atLeast(-1n),
    'How long closed segments may wait before they are copied to remote storage.',
    {
      synonyms: synonyms('log.remote.copy.lag.ms'),
      effect: refused(NO_TIERED_STORAGE),
    },
  ),
  define('remote.log.copy.disable', 'BOOLEAN', 'false', ANY, 'Whether copying to remote storage is off.', {
    effect: refused(NO_TIERED_STORAGE),
  }),
  define(
    'remote.log.delete.on.disable',
    'BOOLEAN',
    'false',
    ANY,
    'Whether remote data goes when remote storage is switched off.',
    {
      effect: refused(NO_TIERED_STORAGE),
    },
  ),
  define('remote.storage.enable', 'BOOLEAN', 'false', ANY, 'Whether the topic has remote storage.', {
    effect: refused(NO_TIERED_STORAGE),
  }),
  define('retention.bytes', 'LONG', '-1', ANY, 'Bytes kept a partition; -1 without limit.', {
    synonyms: synonyms('log.retention.bytes'),
    provedBy: EFFECTS_SPEC,
  }),
  define('retention.ms', 'LONG', '604800000', atLeast(-1n), 'How long records are kept; -1 for ever.', {
    synonyms: synonyms('log.retention.ms', ['log.retention.minutes', MINUTES], ['log.retention.hours', HOURS]),
    provedBy: EFFECTS_SPEC,
  }),
  define('segment.bytes', 'INT', '1073741824', atLeast(1_048_576n), 'Size at which a segment is closed and a new one begun.', {
    synonyms: synonyms('log.segment.bytes'),
    provedBy: EFFECTS_SPEC,
  }),
  define('segment.index.bytes', 'INT', '10485760', atLeast(4n), "The largest size of a segment's offset index.", {
    synonyms: synonyms('log.index.size.max.bytes'),
    provedBy: EFFECTS_SPEC,
  }),
  define('segment.jitter.ms', 'LONG', '0', atLeast(0n), 'The longest random time by which a segment is closed early.', {
    synonyms: synonyms('log.roll.jitter.ms', ['log.roll.jitter.hours', HOURS]),
    provedBy: EFFECTS_SPEC,
  }),
  define('segment.ms', 'LONG', '604800000', atLeast(1n), 'Age at which a segment is closed even if it is small.', {
    synonyms: synonyms('log.roll.ms', ['log.roll.hours', HOURS]),
    provedBy: EFFECTS_SPEC,
  }),
  define(
    'unclean.leader.election.enable',
    'BOOLEAN',
    'false',
    ANY,
    'Whether a replica that may lack acknowledged records may lead when no other can (loses data).',
    { synonyms: synonyms('unclean.leader.election.enable'), provedBy: ALTER_SPEC },
  ),
];

const BY_NAME: ReadonlyMap<string, TopicConfigDefinition> = new Map(TOPIC_CONFIGS.map((each) => [each.name, each]));

export function topicConfigDefinition(name: string): TopicConfigDefinition | undefined {
  return BY_NAME.get(name);
}
