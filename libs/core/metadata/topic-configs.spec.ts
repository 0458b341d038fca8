import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { RECORD_BATCH_BYTES_MAX } from '../types/limits';
import type { MetadataImage } from './image';
import { TOPIC_CONFIGS } from './topic-config-definitions';
import {
  checkTopicConfig,
  describeTopicConfig,
  effectiveMinInsyncReplicas,
  effectiveTopicConfig,
  topicConfigValues,
} from './topic-configs';

const ROOT = resolve(import.meta.dirname, '../../..');
const LONG_MAX = '9223372036854775807';
const NONE: ReadonlyMap<string, string> = new Map();

/** Kafka 4.4's topic configs with their types and defaults. */
const KAFKA: readonly (readonly [string, string, string])[] = [
  ['cleanup.policy', 'LIST', 'delete'],
  ['compression.gzip.level', 'INT', '-1'],
  ['compression.lz4.level', 'INT', '9'],
  ['compression.type', 'STRING', 'producer'],
  ['compression.zstd.level', 'INT', '3'],
  ['delete.retention.ms', 'LONG', '86400000'],
  ['errors.deadletterqueue.group.enable', 'BOOLEAN', 'false'],
  ['file.delete.delay.ms', 'LONG', '60000'],
  ['flush.messages', 'LONG', LONG_MAX],
  ['flush.ms', 'LONG', LONG_MAX],
  ['follower.replication.throttled.replicas', 'LIST', ''],
  ['index.interval.bytes', 'INT', '4096'],
  ['leader.replication.throttled.replicas', 'LIST', ''],
  ['local.retention.bytes', 'LONG', '-2'],
  ['local.retention.ms', 'LONG', '-2'],
  ['max.compaction.lag.ms', 'LONG', LONG_MAX],
  ['max.decompressed.message.bytes', 'INT', '2147483639'],
  ['max.message.bytes', 'INT', '1048588'],
  ['message.timestamp.after.max.ms', 'LONG', '3600000'],
  ['message.timestamp.before.max.ms', 'LONG', LONG_MAX],
  ['message.timestamp.type', 'STRING', 'CreateTime'],
  ['min.cleanable.dirty.ratio', 'DOUBLE', '0.5'],
  ['min.compaction.lag.ms', 'LONG', '0'],
  ['min.insync.replicas', 'INT', '1'],
  ['preallocate', 'BOOLEAN', 'false'],
  ['remote.copy.lag.bytes', 'LONG', '-1'],
  ['remote.copy.lag.ms', 'LONG', '0'],
  ['remote.log.copy.disable', 'BOOLEAN', 'false'],
  ['remote.log.delete.on.disable', 'BOOLEAN', 'false'],
  ['remote.storage.enable', 'BOOLEAN', 'false'],
  ['retention.bytes', 'LONG', '-1'],
  ['retention.ms', 'LONG', '604800000'],
  ['segment.bytes', 'INT', '1073741824'],
  ['segment.index.bytes', 'INT', '10485760'],
  ['segment.jitter.ms', 'LONG', '0'],
  ['segment.ms', 'LONG', '604800000'],
  ['unclean.leader.election.enable', 'BOOLEAN', 'false'],
];

/** A legal value that is not the default, for each config. */
const OTHER: Readonly<Record<string, string>> = {
  'cleanup.policy': 'compact',
  'compression.type': 'zstd',
  'message.timestamp.type': 'LogAppendTime',
  'follower.replication.throttled.replicas': '0:1',
  'leader.replication.throttled.replicas': '*',
  'min.cleanable.dirty.ratio': '0.25',
  'segment.bytes': '2097152',
};

function otherValue(name: string, type: string): string {
  return OTHER[name] ?? (type === 'BOOLEAN' ? 'true' : '7');
}

function imageWith(own: Record<string, string>, cluster: Record<string, string> = {}): MetadataImage {
  const maps = { 2: new Map(Object.entries(own)), 4: new Map(Object.entries(cluster)) };
  return {
    index: 1,
    clusterId: undefined,
    brokers: new Map(),
    topics: new Map(),
    topicIdsByName: new Map(),
    features: new Map(),
    nextProducerId: 0,
    dynamicConfigs: (type: 2 | 4) => maps[type],
  } as unknown as MetadataImage;
}

describe('topic configs', () => {
  it("are Kafka 4.4's 37, with its types, and its defaults but where we say so", () => {
    expect(TOPIC_CONFIGS.map(({ name, type, kafkaDefault, defaultValue }) => [name, type, kafkaDefault ?? defaultValue])).toEqual(
      KAFKA,
    );
    expect(TOPIC_CONFIGS.filter(({ kafkaDefault }) => kafkaDefault !== undefined).map(({ name }) => name)).toEqual([
      'flush.messages',
      'max.decompressed.message.bytes',
    ]);
  });

  it.each(TOPIC_CONFIGS.map((each) => [each.name, each] as const))(
    '%s has defaults that it accepts itself',
    (name, definition) => {
      expect(checkTopicConfig('t', name, definition.defaultValue ?? '')).toMatchObject({
        ok: true,
        text: definition.defaultValue,
      });
    },
  );

  it.each(TOPIC_CONFIGS.filter(({ effect }) => effect.kind === 'refused').map(({ name, type }) => [name, type] as const))(
    '%s is refused, with the reason, when set to anything but its default',
    (name, type) => {
      const outcome = checkTopicConfig('t', name, otherValue(name, type));
      expect(outcome).toMatchObject({
        ok: false,
        message: expect.stringMatching(`for configuration ${name}: refused, because .{10}`),
      });
    },
  );

  it.each(TOPIC_CONFIGS.filter(({ effect }) => effect.kind === 'supported').map(({ name, type }) => [name, type] as const))(
    '%s changes the values in effect when set',
    (name, type) => {
      const value = name === 'cleanup.policy' ? '' : otherValue(name, type);
      expect(checkTopicConfig('t', name, value).ok).toBe(true);
      expect(topicConfigValues(new Map([[name, value]]), NONE)).not.toEqual(topicConfigValues(NONE, NONE));
    },
  );

  it.each(TOPIC_CONFIGS.map((each) => [each.name, each.provedBy] as const))(
    '%s names a spec that speaks of it',
    (name, provedBy) => {
      const file = resolve(ROOT, provedBy);
      expect(existsSync(file)).toBe(true);
      expect(readFileSync(file, 'utf8')).toContain(name);
    },
  );

  it('refuses cleanup.policy=compact on topics of users, alone or beside delete, and takes it on internal ones', () => {
    expect(checkTopicConfig('t', 'cleanup.policy', 'compact')).toMatchObject({
      ok: false,
      message: expect.stringContaining('compaction'),
    });
    expect(checkTopicConfig('t', 'cleanup.policy', 'compact,delete').ok).toBe(false);
    expect(checkTopicConfig('__consumer_offsets', 'cleanup.policy', 'compact').ok).toBe(true);
  });

  it('names the config, the value and what would be right', () => {
    const message = (name: string, text: string): string => {
      const outcome = checkTopicConfig('t', name, text);
      return outcome.ok ? 'taken' : outcome.message;
    };
    expect(message('retention.mss', '1')).toBe('Unknown topic config name: retention.mss');
    expect(message('retention.ms', 'abc')).toBe('Invalid value abc for configuration retention.ms: Not a number of type LONG');
    expect(message('retention.ms', '-2')).toBe('Invalid value -2 for configuration retention.ms: Value must be at least -1');
    expect(message('retention.ms', '9223372036854775808')).toContain('Not a number of type LONG');
    expect(message('segment.bytes', '2147483648')).toContain('Not a number of type INT');
    expect(message('segment.bytes', '1024')).toContain('Value must be at least 1048576');
    expect(message('unclean.leader.election.enable', 'yes')).toContain('true or false');
    expect(message('cleanup.policy', 'delete,shred')).toContain('String must be one of: compact, delete');
    expect(message('cleanup.policy', 'delete,,delete')).toContain('empty entries');
    expect(message('compression.type', 'lzma')).toContain(
      'String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer',
    );
    expect(message('min.cleanable.dirty.ratio', '1.5')).toContain('between 0 and 1');
    expect(message('retention.ms', '9'.repeat(40_000))).toContain('longer than 32767');
  });

  it('keeps 2^63-1 exact in text and saturates it in numbers', () => {
    const image = imageWith({ 'retention.ms': LONG_MAX });
    expect(effectiveTopicConfig(image, 't').retentionMs).toBe(Number.MAX_SAFE_INTEGER);
    expect(describeTopicConfig(image, 't').find(({ name }) => name === 'retention.ms')?.value).toBe(LONG_MAX);
  });

  it('prefers the topic to the cluster and the cluster to the default, and names the sources in that order', () => {
    const image = imageWith({ 'retention.ms': '1000' }, { 'log.retention.ms': '2000' });
    expect(effectiveTopicConfig(image, 't').retentionMs).toBe(1000);
    expect(effectiveTopicConfig(imageWith({}, { 'log.retention.ms': '2000' }), 't').retentionMs).toBe(2000);
    expect(describeTopicConfig(image, 't').find(({ name }) => name === 'retention.ms')).toMatchObject({
      value: '1000',
      source: 1,
      type: 5,
      isReadOnly: false,
      synonyms: [
        { name: 'retention.ms', value: '1000', source: 1 },
        { name: 'log.retention.ms', value: '2000', source: 3 },
        { name: 'log.retention.hours', value: '168', source: 5 },
      ],
    });
  });

  it('reports flush.messages as its default 1 under fsync and 2^63-1 under page-cache durability', () => {
    const flush = (image: MetadataImage) => describeTopicConfig(image, 't').find(({ name }) => name === 'flush.messages');
    expect(flush(imageWith({}))).toMatchObject({ value: '1', source: 5 });
    const relaxed = imageWith({}, { 'streamline.durability': 'page-cache' });
    expect(flush(relaxed)).toMatchObject({ value: LONG_MAX, source: 5 });
    expect(effectiveTopicConfig(relaxed, 't').flushMessages).toBe(Number.MAX_SAFE_INTEGER);
    expect(
      effectiveTopicConfig(imageWith({ 'flush.messages': '1' }, { 'streamline.durability': 'page-cache' }), 't').flushMessages,
    ).toBe(1);
  });

  it('keeps everything where cleanup.policy does not name delete', () => {
    expect(effectiveTopicConfig(imageWith({ 'cleanup.policy': '', 'retention.bytes': '5' }), 't')).toMatchObject({
      retentionMs: -1,
      retentionBytes: -1,
    });
  });

  it('never asks for more in-sync replicas than there are (min.insync.replicas)', () => {
    const config = effectiveTopicConfig(imageWith({ 'min.insync.replicas': '2' }), 't');
    expect(effectiveMinInsyncReplicas(config, 1)).toBe(1);
    expect(effectiveMinInsyncReplicas(config, 3)).toBe(2);
  });

  it('takes no max.message.bytes above what the journal takes, and says how much that is', () => {
    const most = String(RECORD_BATCH_BYTES_MAX);
    expect(checkTopicConfig('t', 'max.message.bytes', most)).toMatchObject({ ok: true });
    expect(checkTopicConfig('t', 'max.message.bytes', String(RECORD_BATCH_BYTES_MAX + 1))).toMatchObject({
      ok: false,
      message: expect.stringContaining(`Value must be no more than ${most}`),
    });
  });

  it('reads a log in which a larger max.message.bytes was set before that, on the topic or for the cluster', () => {
    const large = String(100 << 20);
    for (const image of [imageWith({ 'max.message.bytes': large }), imageWith({}, { 'message.max.bytes': large })]) {
      expect(effectiveTopicConfig(image, 't').maxMessageBytes).toBe(RECORD_BATCH_BYTES_MAX);
      expect(describeTopicConfig(image, 't').find(({ name }) => name === 'max.message.bytes')?.value).toBe(large);
    }
  });

  it('hands out the same values while nothing changed', () => {
    const image = imageWith({ 'retention.ms': '1000' });
    expect(effectiveTopicConfig(image, 't')).toBe(effectiveTopicConfig(image, 't'));
  });
});
