import { describe, expect, it } from 'vitest';
import type { BrokerEpoch, DirectoryId, MetadataIndex, NodeId } from '../types/ids';
import { BROKER_CONFIGS } from './broker-config-definitions';
import { checkClusterConfig, clusterConfigInteger, describeBrokerConfig, describeClusterConfig } from './broker-configs';
import { BrokerSessions } from './broker-sessions';
import { parseConfig } from './config-definition';
import { MetadataState } from './metadata-state';
import { TOPIC_CONFIGS } from './topic-config-definitions';

function stateWith(configs: Record<string, string>): MetadataState {
  const state = new MetadataState();
  const records = Object.entries(configs).map(
    ([name, value]) => ({ kind: 'config', resourceType: 4, resourceName: '', name, value }) as const,
  );
  state.apply(1 as MetadataIndex, records);
  return state;
}

function described(state: MetadataState, name: string, statics: Record<string, string> = {}) {
  return describeBrokerConfig(state, 3 as NodeId, new Map(Object.entries(statics))).find((each) => each.name === name);
}

describe('broker configs', () => {
  it.each(BROKER_CONFIGS.filter(({ defaultValue }) => defaultValue !== null).map((each) => [each.name, each] as const))(
    '%s has a default that it accepts itself',
    (_, definition) => {
      expect(parseConfig(definition, definition.defaultValue ?? '')).toMatchObject({ ok: true, text: definition.defaultValue });
    },
  );

  it('give topics the same defaults as the topic configs that they stand for', () => {
    for (const { name, factor, topic } of TOPIC_CONFIGS.flatMap((each) =>
      each.synonyms.map((synonym) => ({ ...synonym, topic: each })),
    )) {
      const broker = BROKER_CONFIGS.find((each) => each.name === name);
      if (broker === undefined || broker.defaultValue === null) continue;
      const own = /^-?\d+$/.test(broker.defaultValue) ? String(BigInt(broker.defaultValue) * factor) : broker.defaultValue;
      expect([name, own]).toEqual([name, topic.defaultValue]);
    }
  });

  it('that can be changed cluster-wide and stand for a topic config change what topics get', () => {
    for (const { name } of BROKER_CONFIGS.filter(
      ({ update, defaultValue }) => update === 'cluster-wide' && defaultValue === null,
    )) {
      expect(TOPIC_CONFIGS.some(({ synonyms }) => synonyms.some((synonym) => synonym.name === name))).toBe(true);
    }
  });

  it('are described with their source: cluster-wide 3, the node 4, default 5', () => {
    const state = stateWith({ 'num.partitions': '4' });
    expect(described(state, 'num.partitions')).toMatchObject({
      value: '4',
      source: 3,
      isReadOnly: false,
      synonyms: [
        { value: '4', source: 3 },
        { value: '1', source: 5 },
      ],
    });
    expect(described(state, 'group.initial.rebalance.delay.ms', { 'group.initial.rebalance.delay.ms': '0' })).toMatchObject({
      value: '0',
      source: 4,
      isReadOnly: true,
    });
    expect(described(state, 'node.id')).toMatchObject({ value: '3', source: 4 });
    expect(described(state, 'log.retention.ms')).toMatchObject({ value: null, source: 5, synonyms: [] });
    expect(described(stateWith({ 'streamline.durability': 'page-cache' }), 'log.flush.interval.messages')?.value).toBe(
      '9223372036854775807',
    );
  });

  it('of the whole cluster are only those that are set', () => {
    expect(describeClusterConfig(stateWith({ 'num.partitions': '4' }))).toMatchObject([
      { name: 'num.partitions', value: '4', source: 3 },
    ]);
    expect(clusterConfigInteger(stateWith({}), 'num.partitions')).toBe(1);
  });

  it('are refused beyond what is possible', () => {
    expect(checkClusterConfig('default.replication.factor', '4', { replicationFactorMax: 3 })).toMatchObject({
      ok: false,
      message: expect.stringContaining('largest replication factor is 3'),
    });
    expect(checkClusterConfig('default.replication.factor', '2').ok).toBe(true);
    expect(checkClusterConfig('log.retention.ms', '5').ok).toBe(true);
  });
});

describe('BrokerSessions', () => {
  const EPOCH = 1 as BrokerEpoch;
  const ONE = 1 as NodeId;

  function withBroker(): MetadataState {
    const state = new MetadataState();
    const directoryId = 'directorydirectory0000' as DirectoryId;
    state.apply(1 as MetadataIndex, [
      {
        kind: 'registerBroker',
        brokerId: ONE,
        brokerEpoch: EPOCH,
        incarnationId: 'i',
        directoryId,
        endpoints: [],
        rack: undefined,
        features: undefined,
        fenced: true,
      },
    ]);
    return state;
  }

  it('expire a timeout after the last sign of life, counted from the first look where there was none', () => {
    const sessions = new BrokerSessions(0);
    const state = withBroker();
    expect(sessions.expired(state, 4_000, 10_000)).toEqual([]);
    expect(sessions.expired(state, 8_000, 10_000)).toEqual([]);
    sessions.heard(ONE, EPOCH, 9_000);
    for (const nowMs of [12_000, 16_000, 18_999]) expect(sessions.expired(state, nowMs, 10_000)).toEqual([]);
    expect(sessions.expired(state, 19_000, 10_000)).toEqual([{ brokerId: 1, brokerEpoch: 1 }]);
  });

  it('do not expire because the controller itself stood still', () => {
    const sessions = new BrokerSessions(0);
    const state = withBroker();
    sessions.expired(state, 1_000, 10_000);
    expect(sessions.expired(state, 61_000, 10_000)).toEqual([]);
    for (const nowMs of [65_000, 69_000]) expect(sessions.expired(state, nowMs, 10_000)).toEqual([]);
    expect(sessions.expired(state, 71_000, 10_000)).toHaveLength(1);
  });

  it('of an earlier incarnation say nothing about the present one', () => {
    const sessions = new BrokerSessions(0);
    sessions.heard(ONE, 0 as BrokerEpoch, 0);
    for (const nowMs of [4_000, 8_000, 12_000]) expect(sessions.expired(withBroker(), nowMs, 10_000)).toEqual([]);
  });
});
