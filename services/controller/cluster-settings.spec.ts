import { describe, expect, it } from 'vitest';
import { checkClusterConfig, clusterConfigText, describeBrokerConfig } from '@streamline/core/metadata/broker-configs';
import { brokerHeartbeat, registerBroker } from '@streamline/core/metadata/brokers';
import { bootstrapCluster, clusterSettingsAsConfigs, differingSettings } from '@streamline/core/metadata/cluster';
import { ConfigSource } from '@streamline/core/metadata/config-definition';
import { createTopics } from '@streamline/core/metadata/create-topics';
import { OUR_FEATURES } from '@streamline/core/metadata/features';
import { MetadataState } from '@streamline/core/metadata/metadata-state';
import { effectiveTopicConfig } from '@streamline/core/metadata/topic-configs';
import type { BrokerEpoch, ClusterId, DirectoryId, MetadataIndex, NodeId, TopicId } from '@streamline/core/types/ids';
import { RECORD_BATCH_BYTES_MAX } from '@streamline/core/types/limits';
import { resolveConfig } from '@streamline/platform/config/resolve-config';
import { ALL_SETTINGS, type NodeConfig, type SettingName } from '@streamline/platform/config/schema';
import { CLUSTER_SETTINGS } from '@streamline/testing/metadata/cluster-settings';
import { clusterSettings } from './cluster-settings';

function configOf(given: readonly (readonly [SettingName, unknown])[]): NodeConfig {
  const layer = new Map(given.map(([name, raw]) => [name, { raw, origin: { kind: 'flag' as const, flag: `--${name}` } }]));
  const { config, problems } = resolveConfig([layer]);
  expect(problems).toEqual([]);
  return config;
}

/** The metadata of a cluster that a node with these settings began. */
function begun(...given: readonly (readonly [SettingName, unknown])[]): MetadataState {
  const state = new MetadataState();
  const settings = clusterSettings(configOf(given));
  const { entries } = bootstrapCluster(state, { clusterId: 'clusterclustercluster0' as ClusterId, settings });
  for (const [at, records] of entries.entries()) state.apply((at + 1) as MetadataIndex, records);
  return state;
}

function running(state: MetadataState, id: number, rack: string): void {
  const brokerId = id as NodeId;
  const clusterId = state.clusterId ?? ('' as ClusterId);
  const directoryId = `directory${id}`.padEnd(22, '0') as DirectoryId;
  const registration = { brokerId, incarnationId: 'i', clusterId, directoryId, endpoints: [], rack, features: OUR_FEATURES };
  const nextIndex = (state.index + 1) as MetadataIndex;
  const { entries } = registerBroker(
    state,
    { ...registration, previousBrokerEpoch: -1, sameBoot: true, storageIsNew: false },
    nextIndex,
  );
  for (const records of entries) state.apply((state.index + 1) as MetadataIndex, records);
  const brokerEpoch = state.brokers.get(brokerId)?.epoch ?? (0 as BrokerEpoch);
  const heartbeat = { brokerId, brokerEpoch, appliedMetadataIndex: state.index, wantFence: false, wantShutdown: false };
  for (const records of brokerHeartbeat(state, heartbeat).entries) state.apply((state.index + 1) as MetadataIndex, records);
}

const NEW_TOPIC = { topicId: 'topic'.padEnd(22, '0') as TopicId, assignments: [], configs: [] };

/** Setting, value, Kafka's name of it. */
const SEEDED: readonly (readonly [SettingName, number | string, string])[] = [
  ['num_partitions', 3, 'num.partitions'],
  ['message_max_bytes', 2_000_000, 'message.max.bytes'],
  ['log_segment_bytes', 10_000_000, 'log.segment.bytes'],
  ['log_retention_ms', 3_600_000, 'log.retention.ms'],
  ['log_retention_bytes', 1_000_000, 'log.retention.bytes'],
  ['max_decompressed_message_bytes', 1_000_000, 'max.decompressed.message.bytes'],
  ['session_timeout_ms', 20_000, 'broker.session.timeout.ms'],
  ['offsets_topic_replication_factor', 2, 'offsets.topic.replication.factor'],
  ['durability', 'page-cache', 'streamline.durability'],
];

describe('clusterSettings', () => {
  it('begins a cluster with every setting of the node that is not the default, by its config name', () => {
    const state = begun(...SEEDED.map(([name, value]) => [name, value] as const));
    for (const [, value, config] of SEEDED) expect(clusterConfigText(state, config), config).toBe(String(value));
    expect(effectiveTopicConfig(state, 'any')).toMatchObject({
      maxMessageBytes: 2_000_000,
      segmentBytes: 10_000_000,
      retentionMs: 3_600_000,
      retentionBytes: 1_000_000,
      maxDecompressedMessageBytes: 1_000_000,
      flushMessages: Number.MAX_SAFE_INTEGER,
    });
  });

  it('are all settings that are told to be of the whole cluster, and no other', () => {
    const told = ALL_SETTINGS.flatMap(({ scope, key }) => (scope === 'cluster' ? [key] : []));
    expect(told.toSorted()).toEqual(Object.keys(clusterSettings(configOf([]))).toSorted());
  });

  it('of an untouched node are what the specs of the metadata begin a cluster with', () => {
    expect(clusterSettings(configOf([]))).toEqual(CLUSTER_SETTINGS);
  });

  it('leaves the log of an untouched node without configs, but for the min ISR that Kafka writes too', () => {
    const state = begun();
    expect([...state.dynamicConfigs(4, '')]).toEqual([['min.insync.replicas', '1']]);
    const told = describeBrokerConfig(state, 1 as NodeId).filter(({ source }) => source !== ConfigSource.DEFAULT);
    expect(told.map(({ name }) => name)).toEqual(['broker.id', 'min.insync.replicas', 'node.id']);
  });

  it('places replicas over racks unless rack_aware_assignment is false', () => {
    /** Partitions that the broker alone in its rack has a replica of. */
    const onBroker1 = (rackAware: boolean): number => {
      const state = begun(['rack_aware_assignment', rackAware]);
      for (const [at, rack] of ['a', 'b', 'b', 'b'].entries()) running(state, at + 1, rack);
      const topics = [{ ...NEW_TOPIC, name: 't', partitions: 12, replicationFactor: 2 }];
      const { entries } = createTopics(state, { topics, validateOnly: false }, { replicationFactorMax: 2 });
      const replicas = entries.flat().flatMap((record) => (record.kind === 'partition' ? [record.replicas] : []));
      expect(replicas).toHaveLength(12);
      return replicas.filter((nodes) => nodes.includes(1 as NodeId)).length;
    };
    expect([onBroker1(true), onBroker1(false)]).toEqual([12, 6]);
  });

  it('lets the log win over the settings of a later start, and tells what differs', () => {
    const state = begun(['num_partitions', 3]);
    const later = clusterSettings(configOf([['num_partitions', 5]]));
    expect(bootstrapCluster(state, { clusterId: 'clusterclustercluster0' as ClusterId, settings: later }).entries).toEqual([]);
    expect(clusterConfigText(state, 'num.partitions')).toBe('3');
    expect(differingSettings(state, later)).toEqual([{ name: 'num.partitions', ours: '5', cluster: '3', isDefault: false }]);
  });

  it('seeds nothing that could not be read back: the ends of every range are values of the config', () => {
    const ends: readonly (readonly [SettingName, readonly number[]])[] = [
      ['num_partitions', [1, 10_000]],
      ['message_max_bytes', [0, RECORD_BATCH_BYTES_MAX]],
      ['log_segment_bytes', [1_048_576, 2_147_483_647]],
      ['log_retention_ms', [-1, Number.MAX_SAFE_INTEGER]],
      ['log_retention_bytes', [-1, Number.MAX_SAFE_INTEGER]],
      ['max_decompressed_message_bytes', [1_024, 2_147_483_639]],
      ['session_timeout_ms', [501, 600_000]],
      ['offsets_topic_replication_factor', [1, 32_767]],
    ];
    for (const [name, values] of ends) {
      for (const value of values) {
        const config = configOf([[name, value]]);
        for (const [configName, text] of clusterSettingsAsConfigs(clusterSettings(config))) {
          if (configName === 'streamline.rack.aware.assignment') continue;
          expect(checkClusterConfig(configName, text), `${name} ${value}`).toMatchObject({ ok: true });
        }
      }
    }
  });
});
