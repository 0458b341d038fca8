import { describe, expect, it } from 'vitest';
import { CLUSTER_SETTINGS } from '@streamline/testing/metadata/cluster-settings';
import type { BrokerEpoch, ClusterId, DirectoryId, MetadataIndex, NodeId } from '../types/ids';
import { BrokerSessions } from './broker-sessions';
import { registerBroker } from './brokers';
import { bootstrapCluster } from './cluster';
import type { Decision } from './decision';
import type { SupportedFeature } from './features';
import { finalizedFeatures, OUR_FEATURES, supportedFeatures, unsupportedFinalized } from './features';
import { MetadataState } from './metadata-state';
import { snapshotRecords } from './snapshot';
import type { NodeSupport } from './update-features';
import { supportOfNodes, updateFeatures } from './update-features';

const CLUSTER = 'clusterclustercluster0' as ClusterId;
const NAME = 'metadata.version';
const UPGRADE = 1;

function run<Answer>(state: MetadataState, { entries, answer }: Decision<Answer>): Answer {
  for (const records of entries) state.apply((state.index + 1) as MetadataIndex, records);
  return answer;
}

/** A cluster whose log is at this level, as a build that knew no newer one began it. */
function clusterAt(level: number): MetadataState {
  const state = new MetadataState();
  run(state, bootstrapCluster(state, { clusterId: CLUSTER, settings: CLUSTER_SETTINGS }));
  state.apply((state.index + 1) as MetadataIndex, [{ kind: 'featureLevel', name: NAME, level }]);
  return state;
}

function levels(minLevel: number, maxLevel: number): readonly SupportedFeature[] {
  return [{ name: NAME, minLevel, maxLevel }];
}

function register(state: MetadataState, id: number, features: readonly SupportedFeature[]) {
  const command = {
    brokerId: id as NodeId,
    incarnationId: `i${state.index}`,
    clusterId: CLUSTER,
    directoryId: `directory${id}`.padEnd(22, '0') as DirectoryId,
    endpoints: [],
    rack: undefined,
    features,
    previousBrokerEpoch: -1,
    sameBoot: true,
    storageIsNew: false,
  };
  return run(state, registerBroker(state, command, (state.index + 1) as MetadataIndex));
}

interface Asked {
  readonly name?: string;
  readonly upgradeType?: number;
  readonly validateOnly?: boolean;
}

function update(state: MetadataState, kafkaLevel: number, nodes: readonly NodeSupport[] = [], asked: Asked = {}) {
  const { upgradeType = UPGRADE, name = NAME, validateOnly = false } = asked;
  return run(state, updateFeatures(state, { updates: [{ name, kafkaLevel, upgradeType }], validateOnly }, nodes));
}

describe('the features of a cluster', () => {
  it("are the newest where it begins, told as Kafka's", () => {
    const state = new MetadataState();
    run(state, bootstrapCluster(state, { clusterId: CLUSTER, settings: CLUSTER_SETTINGS }));
    expect(state.features).toEqual(new Map([[NAME, 2]]));
    expect(finalizedFeatures(state)).toEqual([{ name: NAME, min: 33, max: 33 }]);
    expect(supportedFeatures()).toEqual([{ name: NAME, min: 32, max: 33 }]);
    expect(finalizedFeatures(clusterAt(1))).toEqual([{ name: NAME, min: 32, max: 32 }]);
  });

  it('gate what is written: registrations hold what a broker supports from level 2 on', () => {
    for (const [level, expected] of [
      [1, undefined],
      [2, OUR_FEATURES],
    ] as const) {
      const state = clusterAt(level);
      register(state, 1, OUR_FEATURES);
      expect(state.brokers.get(1 as NodeId)?.features).toEqual(expected);
      const rebuilt = new MetadataState();
      rebuilt.apply(state.index, [...snapshotRecords(state)]);
      expect(rebuilt.brokers).toEqual(state.brokers);
    }
  });

  it('keep a broker out that is too old, or too new, for what is finalized: 35 with the levels', () => {
    const state = clusterAt(2);
    for (const [features, its] of [
      [levels(1, 1), 'supports levels 1 to 1 of it'],
      [levels(3, 4), 'supports levels 3 to 4 of it'],
      [[], 'supports levels 1 to 1 of it'],
      [[{ name: 'share.version', minLevel: 1, maxLevel: 1 }], 'does not have that feature'],
    ] as const) {
      expect(register(state, 1, features).error).toMatchObject({
        errorCode: 35,
        message: expect.stringMatching(`finalized ${NAME} at level 2, but .* ${its}: start a version that supports level 2`),
      });
    }
    expect(register(state, 1, levels(1, 3)).error).toBeUndefined();
    expect(unsupportedFinalized(clusterAt(1), [])).toBeUndefined();
  });

  it.each([
    ['without a name', [{ name: '', minLevel: 1, maxLevel: 1 }, ...OUR_FEATURES]],
    ['with a range that ends before it begins', [{ name: 'x', minLevel: 2, maxLevel: 1 }, ...OUR_FEATURES]],
    [
      'in numbers beyond reason',
      Array.from({ length: 65 }, (_, at) => ({ ...OUR_FEATURES[0], name: at === 0 ? NAME : `f${at}` })),
    ],
  ])('are refused %s', (_, features) => {
    expect(register(clusterAt(2), 1, features as SupportedFeature[]).error?.errorCode).toBe(119);
  });
});

describe('updateFeatures', () => {
  it('raises a feature that every node supports, and asks for it again to no end', () => {
    const state = clusterAt(1);
    const nodes = [{ node: 'Broker 1', features: OUR_FEATURES }];
    expect(update(state, 33, nodes, { validateOnly: true })).toBeUndefined();
    expect(state.features.get(NAME)).toBe(1);
    expect(update(state, 33, nodes)).toBeUndefined();
    expect(state.features.get(NAME)).toBe(2);
    const { index } = state;
    expect(update(state, 33, nodes)).toBeUndefined();
    expect(state.index).toBe(index);
  });

  const BROKER_OF_1 = { node: 'Broker 4', features: levels(1, 1) };
  const refused: readonly (readonly [string, number, Asked, readonly NodeSupport[], RegExp])[] = [
    ['a level that this controller does not know', 34, {}, [], /Local controller only supports versions 32-33/],
    ['level 0, which would take the feature away', 0, {}, [], /Local controller only supports versions 32-33/],
    ['a level below 0', -1, {}, [], /A feature version cannot be less than 0\./],
    ['a feature that does not exist', 1, { name: 'ufo.version' }, [], /Local controller does not support this feature\./],
    ['an upgrade type that does not exist', 33, { upgradeType: 4 }, [], /does not support the given upgrade type/],
    ['a level that a broker does not know', 33, {}, [BROKER_OF_1], /Broker 4 only supports versions 32$/],
    [
      'a level while a broker has told nothing that it knows',
      33,
      {},
      [{ node: 'Broker 4', features: [] }],
      /supports versions 32$/,
    ],
    [
      'a level while nobody knows what a controller supports',
      33,
      {},
      [{ node: 'Controller 3', features: undefined }],
      /Controller 3 has not told which features it supports/,
    ],
  ];

  it.each(refused)('refuses %s', (_, level, rest, nodes, message) => {
    const state = clusterAt(1);
    expect(update(state, level, nodes, rest)).toMatchObject({ errorCode: 95, message: expect.stringMatching(message) });
    expect(state.features.get(NAME)).toBe(1);
  });

  it.each([
    [
      UPGRADE,
      /Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade\./,
    ],
    [2, /Refusing to perform the requested downgrade because it might delete metadata information\./],
    [3, /Unsafe metadata downgrade is not supported in this version\./],
  ])('refuses to go back, with upgrade type %i', (upgradeType, message) => {
    const state = clusterAt(2);
    expect(update(state, 32, [], { upgradeType })).toMatchObject({ errorCode: 95, message: expect.stringMatching(message) });
    expect(state.features.get(NAME)).toBe(2);
  });

  it('refuses a downgrade to a newer version, and a feature that is named twice', () => {
    const state = clusterAt(1);
    expect(update(state, 33, [], { upgradeType: 2 })?.message).toMatch(/Can't downgrade to a newer version\./);
    const twice = [33, 33].map((kafkaLevel) => ({ name: NAME, kafkaLevel, upgradeType: UPGRADE }));
    expect(updateFeatures(state, { updates: twice, validateOnly: false }, []).answer?.errorCode).toBe(42);
  });

  it('updates all features or none, and says which one failed', () => {
    const state = clusterAt(1);
    const updates = [
      { name: NAME, kafkaLevel: 33, upgradeType: UPGRADE },
      { name: 'ufo.version', kafkaLevel: 1, upgradeType: UPGRADE },
    ];
    const { entries, answer } = updateFeatures(state, { updates, validateOnly: false }, []);
    expect(entries).toEqual([]);
    expect(answer?.message).toBe(
      'The update failed for all features since the following feature had an error: ' +
        'Invalid update version 1 for feature ufo.version. Local controller does not support this feature.',
    );
  });
});

describe('supportOfNodes', () => {
  it('knows brokers by their registration or, where that does not tell, by what they last said; controllers as their brokers', () => {
    const state = clusterAt(1);
    for (const id of [1, 2]) register(state, id, levels(1, 2));
    const epoch = (id: number) => state.brokers.get(id as NodeId)?.epoch ?? (0 as BrokerEpoch);
    const sessions = new BrokerSessions(0);
    sessions.heard(1 as NodeId, epoch(1), 5, levels(1, 2));
    sessions.heard(2 as NodeId, (epoch(2) - 1) as BrokerEpoch, 5, levels(1, 2));
    expect(supportOfNodes(state, sessions, [1, 3] as NodeId[])).toEqual([
      { node: 'Broker 1', features: levels(1, 2) },
      { node: 'Broker 2', features: undefined },
      { node: 'Controller 1', features: levels(1, 2) },
      { node: 'Controller 3', features: undefined },
    ]);
    // A controller that stood still forgets when it heard of a broker, not what.
    sessions.expired(state, 60_000, 10_000);
    expect(supportOfNodes(state, sessions, [])[0]?.features).toEqual(levels(1, 2));
    const newer = clusterAt(2);
    register(newer, 1, levels(1, 7));
    expect(supportOfNodes(newer, new BrokerSessions(0), [])).toEqual([{ node: 'Broker 1', features: levels(1, 7) }]);
  });
});
