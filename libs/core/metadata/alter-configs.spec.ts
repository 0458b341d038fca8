import { describe, expect, it } from 'vitest';
import { CLUSTER_SETTINGS } from '@streamline/testing/metadata/cluster-settings';
import type { BrokerEpoch, ClusterId, DirectoryId, MetadataIndex, NodeId, PartitionIndex, TopicId } from '../types/ids';
import type { ConfigChange, ResourceConfigChange } from './alter-configs';
import { alterConfigs } from './alter-configs';
import { bootstrapCluster, differingSettings } from './cluster';
import { MetadataState } from './metadata-state';

const TOPIC = 'topictopictopictopic00' as TopicId;
const SETTINGS = { ...CLUSTER_SETTINGS, rackAwareAssignment: false };

/** A bootstrapped cluster with broker 1 and topic `t`, whose only partition has lost its replica's data. */
function cluster(): MetadataState {
  const state = new MetadataState();
  const bootstrap = { clusterId: 'clusterclustercluster0' as ClusterId, settings: SETTINGS };
  for (const records of bootstrapCluster(state, bootstrap).entries) state.apply(1 as MetadataIndex, records);
  const broker = { brokerId: 1 as NodeId, brokerEpoch: 2 as BrokerEpoch };
  const directoryId = 'directorydirectory0000' as DirectoryId;
  state.apply(2 as MetadataIndex, [
    {
      kind: 'registerBroker',
      ...broker,
      incarnationId: 'i',
      directoryId,
      endpoints: [],
      rack: undefined,
      features: undefined,
      fenced: true,
    },
    { kind: 'brokerState', ...broker, state: 'Running', fenced: false },
    { kind: 'topic', topicId: TOPIC, name: 't' },
    {
      kind: 'partition',
      topicId: TOPIC,
      partition: 0 as PartitionIndex,
      replicas: [1 as NodeId],
      isr: [],
      elr: [],
      lastKnownElr: [],
      addingReplicas: [],
      removingReplicas: [],
      failedReplicas: [],
      leader: undefined,
      leaderEpoch: 4 as never,
      partitionEpoch: 0,
    },
  ]);
  return state;
}

function alter(state: MetadataState, ...resources: (Partial<ResourceConfigChange> & { changes: ConfigChange[] })[]) {
  const command = {
    resources: resources.map((each) => ({ resourceType: 2, resourceName: 't', replaceAll: false, ...each })),
    validateOnly: false,
  };
  const { entries, answer } = alterConfigs(state, command);
  for (const records of entries) state.apply((state.index + 1) as MetadataIndex, records);
  return answer.map(({ error }) => error?.errorCode ?? 0);
}

const change = (operation: ConfigChange['operation'], name: string, value?: string): ConfigChange => ({ operation, name, value });
const set = (name: string, value?: string) => change('set', name, value);
const clusterWide = { resourceType: 4, resourceName: '' } as const;

describe('altering configs', () => {
  it('sets and deletes, keeps values in one way of writing, and writes nothing where nothing changes', () => {
    const state = cluster();
    expect(alter(state, { changes: [set('retention.ms', ' 5 '), set('segment.bytes', '2000000')] })).toEqual([0]);
    expect([...state.dynamicConfigs(2, 't')]).toEqual([
      ['retention.ms', '5'],
      ['segment.bytes', '2000000'],
    ]);
    const { index } = state;
    alter(state, { changes: [set('retention.ms', '5')] });
    expect(state.index).toBe(index);
    alter(state, { changes: [change('delete', 'retention.ms'), change('delete', 'segment.ms')] });
    expect([...state.dynamicConfigs(2, 't').keys()]).toEqual(['segment.bytes']);
  });

  it('appends to and subtracts from a list, beginning with the value in effect', () => {
    const state = cluster();
    const policy = () => state.dynamicConfigs(2, 't').get('cleanup.policy');
    alter(state, { changes: [change('subtract', 'cleanup.policy', 'delete')] });
    expect(policy()).toBe('');
    alter(state, { changes: [change('append', 'cleanup.policy', 'delete')] });
    alter(state, { changes: [change('append', 'cleanup.policy', 'delete')] });
    expect(policy()).toBe('delete');
    expect(alter(state, { changes: [change('append', 'cleanup.policy', 'compact')] })).toEqual([40]);
  });

  it('puts everything that is not named back to its default with the legacy AlterConfigs', () => {
    const state = cluster();
    alter(state, { changes: [set('retention.ms', '5'), set('segment.ms', '6')] });
    alter(state, { replaceAll: true, changes: [set('segment.ms', '7')] });
    expect([...state.dynamicConfigs(2, 't')]).toEqual([['segment.ms', '7']]);
  });

  const refused: readonly (readonly [string, Partial<ResourceConfigChange> & { changes: ConfigChange[] }, number])[] = [
    ['an unknown topic', { resourceName: 'no', changes: [] }, 3],
    ['an unknown resource type', { resourceType: 8, changes: [] }, 42],
    ['a broker name that is no number', { resourceType: 4, resourceName: 'one', changes: [] }, 42],
    ['an unknown broker', { resourceType: 4, resourceName: '7', changes: [set('log.retention.ms', '5')] }, 102],
    ['an unknown config', { changes: [set('retention', '5')] }, 40],
    ['a bad value', { changes: [set('retention.ms', 'x')] }, 40],
    ['a config that has no effect yet', { changes: [set('remote.storage.enable', 'true')] }, 40],
    ['APPEND on something that is no list', { changes: [change('append', 'retention.ms', '5')] }, 40],
    ['SUBTRACT on an unknown config', { changes: [change('subtract', 'no.such', '5')] }, 40],
    ['a null SET', { changes: [set('retention.ms')] }, 42],
    ['a null value in the legacy AlterConfigs', { replaceAll: true, changes: [set('retention.ms')] }, 42],
    ['a duplicate key', { changes: [set('retention.ms', '5'), change('delete', 'retention.ms')] }, 42],
    [
      'a duplicate key in the legacy AlterConfigs',
      { replaceAll: true, changes: [set('segment.ms', '5'), set('segment.ms', '5')] },
      42,
    ],
    ['an empty key', { changes: [set('', '5')] }, 42],
    ['an unknown operation', { changes: [change(undefined, 'retention.ms', '5')] }, 42],
    [
      'min.insync.replicas on a single broker',
      { resourceType: 4, resourceName: '1', changes: [set('min.insync.replicas', '1')] },
      40,
    ],
    ['removing the cluster-wide min.insync.replicas', { ...clusterWide, changes: [change('delete', 'min.insync.replicas')] }, 40],
    ['a read-only config of a broker', { resourceType: 4, resourceName: '1', changes: [set('node.id', '2')] }, 42],
    ['a read-only config cluster-wide', { ...clusterWide, changes: [set('socket.request.max.bytes', '5')] }, 42],
    ['removing a read-only config', { ...clusterWide, changes: [change('delete', 'streamline.rack.aware.assignment')] }, 42],
    ['an unknown config cluster-wide', { ...clusterWide, changes: [set('no.such', '5')] }, 40],
    ['a larger batch than the journal takes', { changes: [set('max.message.bytes', '8388609')] }, 40],
    [
      'a larger batch than the journal takes as the default',
      { ...clusterWide, changes: [set('message.max.bytes', '8388609')] },
      40,
    ],
    ['compaction as the default', { ...clusterWide, changes: [set('log.cleanup.policy', 'compact')] }, 40],
  ];

  it.each(refused)('refuses %s', (_, resource, code) => {
    const state = cluster();
    const { index } = state;
    expect(alter(state, resource)).toEqual([code]);
    expect(state.index).toBe(index);
  });

  it('refuses a resource that is named twice, and alters the others', () => {
    const state = cluster();
    const mine = { changes: [set('retention.ms', '5')] };
    expect(alter(state, mine, mine, { ...clusterWide, changes: [set('num.partitions', '3')] })).toEqual([42, 42, 0]);
    expect(state.dynamicConfigs(4, '').get('num.partitions')).toBe('3');
  });

  it('keeps what cannot be changed when the legacy AlterConfigs replaces all cluster-wide configs', () => {
    const state = cluster();
    expect(
      alter(state, { ...clusterWide, replaceAll: true, changes: [set('min.insync.replicas', '1'), set('num.partitions', '2')] }),
    ).toEqual([0]);
    expect([...state.dynamicConfigs(4, '').keys()].sort()).toEqual([
      'min.insync.replicas',
      'num.partitions',
      'streamline.rack.aware.assignment',
    ]);
  });

  it.each([
    ['of the topic', { changes: [set('unclean.leader.election.enable', 'true')] }],
    ['of the cluster', { ...clusterWide, changes: [set('unclean.leader.election.enable', 'true')] }],
  ] as const)('elects a leader at once where unclean.leader.election.enable %s allows one', (_, resource) => {
    const state = cluster();
    alter(state, { changes: [set('retention.ms', '5')] });
    expect(state.topics.get(TOPIC)?.partitions[0]?.leader).toBeUndefined();
    expect(alter(state, { ...resource, changes: [...resource.changes] })).toEqual([0]);
    expect(state.topics.get(TOPIC)?.partitions[0]).toMatchObject({ leader: 1, isr: [1], leaderEpoch: 5 });
  });

  it('changes nothing with validateOnly', () => {
    const state = cluster();
    const resources = [{ resourceType: 2, resourceName: 't', replaceAll: false, changes: [set('retention.ms', '5')] }];
    expect(alterConfigs(state, { resources, validateOnly: true })).toMatchObject({ entries: [], answer: [{ error: undefined }] });
  });
});

describe('differingSettings', () => {
  it('names the settings of a node that are not the ones of its cluster', () => {
    const state = cluster();
    expect(differingSettings(state, SETTINGS)).toEqual([]);
    expect(differingSettings(state, { ...SETTINGS, durability: 'page-cache' })).toEqual([
      { name: 'streamline.durability', ours: 'page-cache', cluster: 'fsync', isDefault: false },
    ]);
  });

  it('says which of them are only defaults, and takes the hours of log retention for its milliseconds', () => {
    const state = cluster();
    alter(state, { ...clusterWide, changes: [set('log.retention.ms', '5'), set('num.partitions', '3')] });
    expect(differingSettings(state, { ...SETTINGS, numPartitions: 4 })).toEqual([
      { name: 'num.partitions', ours: '4', cluster: '3', isDefault: false },
      { name: 'log.retention.ms', ours: '604800000', cluster: '5', isDefault: true },
    ]);
  });
});
