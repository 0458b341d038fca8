import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CLUSTER_SETTINGS } from '@streamline/testing/metadata/cluster-settings';
import { CLUSTER, contents, id22, MetadataHarness as Harness, newTopic } from '@streamline/testing/metadata/metadata-harness';
import { ErrorCode } from '../types/error-code';
import type { BrokerEpoch, ClusterId, DirectoryId, MetadataIndex, NodeId, TopicId } from '../types/ids';
import { createPartitions, deleteTopics } from './alter-topics';
import { brokerGone, registerBroker, unregisterBroker } from './brokers';
import { allocateProducerIds, bootstrapCluster } from './cluster';
import type { NewTopic } from './create-topics';
import { createTopics } from './create-topics';
import { OUR_FEATURES } from './features';
import { MetadataState, nothingTouched } from './metadata-state';
import type { MetadataRecord } from './records';
import { effectiveTopicConfig } from './topic-configs';
import { snapshotRecords } from './snapshot';

function one(): Harness {
  return new Harness().bootstrap().start(1);
}

describe('creating topics', () => {
  const refused: readonly (readonly [string, Partial<NewTopic> & { name: string }, number, RegExp])[] = [
    ['no partitions', { name: 'x', partitions: 0 }, 37, /non-positive value: 0/],
    ['minus two partitions', { name: 'x', partitions: -2 }, 37, /-2/],
    ['replication factor 0', { name: 'x', replicationFactor: 0 }, 38, /non-positive value: 0/],
    ['more replicas than brokers, with the numbers', { name: 'x', replicationFactor: 3 }, 38, /factor of 3 .* only 1 broker/],
    [
      'counts beside an assignment',
      { name: 'x', partitions: 1, assignments: [{ partition: 0, replicas: [1 as NodeId] }] },
      42,
      /numPartitions/,
    ],
    [
      'a replication factor beside an assignment',
      { name: 'x', replicationFactor: 1, assignments: [{ partition: 0, replicas: [1 as NodeId] }] },
      42,
      /replication factor was not set to -1/,
    ],
    [
      'an assignment with a gap',
      { name: 'x', assignments: [{ partition: 1, replicas: [1 as NodeId] }] },
      39,
      /consecutive 0-based/,
    ],
    ['an assignment to nobody', { name: 'x', assignments: [{ partition: 0, replicas: [] }] }, 39, /empty replica list/],
    ['an assignment to a stranger', { name: 'x', assignments: [{ partition: 0, replicas: [9 as NodeId] }] }, 39, /broker 9/],
    [
      'a broker twice',
      { name: 'x', assignments: [{ partition: 0, replicas: [1 as NodeId, 1 as NodeId] }] },
      39,
      /more than once/,
    ],
    [
      'a partition assigned twice',
      {
        name: 'x',
        assignments: [
          { partition: 0, replicas: [1 as NodeId] },
          { partition: 0, replicas: [1 as NodeId] },
        ],
      },
      39,
      /multiple manual/,
    ],
    ['an empty name', { name: '' }, 17, /empty string/],
    ['the name ..', { name: '..' }, 17, /'\.' or '\.\.'/],
    ['a name with a blank', { name: 'a b' }, 17, /ASCII alphanumerics/],
    ['a name that is too long', { name: 'a'.repeat(250) }, 17, /max allowed length 249/],
    ["Kafka's metadata log", { name: '__cluster_metadata' }, 17, /prohibited/],
    ['a name that exists', { name: 'there' }, 36, /already exists/],
    ['a name that collides by . and _', { name: 'a_b' }, 17, /collides with existing topic: a\.b/],
    ['an unknown config', { name: 'x', configs: [{ name: 'no.such', value: '1' }] }, 40, /Unknown topic config name: no\.such/],
    ['a null config', { name: 'x', configs: [{ name: 'retention.ms', value: undefined }] }, 40, /Null value/],
    ['a bad config', { name: 'x', configs: [{ name: 'retention.ms', value: '-5' }] }, 40, /at least -1/],
    ['a compacted topic', { name: 'x', configs: [{ name: 'cleanup.policy', value: 'compact' }] }, 40, /not built yet/],
  ];

  it.each(refused)('refuses %s', (_, topic, code, message) => {
    const harness = one();
    harness.create({ name: 'there' }, { name: 'a.b' });
    const before = harness.state.index;
    const [outcome] = harness.create(topic);
    expect(outcome?.error).toMatchObject({ errorCode: code, message: expect.stringMatching(message) });
    expect(harness.state.index).toBe(before);
  });

  it('tells a command that comes again what it created, and another one that it exists', () => {
    const harness = one();
    const topic = { name: 'mine', topicId: 'AbcdefghijklmnopqrstuA' as TopicId, partitions: 3 };
    const [created] = harness.create(topic);
    const before = harness.state.index;
    expect(created).toMatchObject({ error: undefined, topicId: topic.topicId, partitions: 3, replicationFactor: 1 });
    expect(harness.create(topic)).toEqual([created]);
    expect(harness.state.index).toBe(before);
    expect(harness.create({ ...topic, topicId: 'BbcdefghijklmnopqrstuA' as TopicId })[0]?.error?.errorCode).toBe(36);
  });

  it('refuses more replicas than the limits allow, with the number', () => {
    const harness = new Harness({ replicationFactorMax: 1 }).bootstrap().start(1).start(2);
    expect(harness.create({ name: 'x', replicationFactor: 2 })[0]?.error).toMatchObject({
      errorCode: 38,
      message: expect.stringMatching(/larger than 1/),
    });
    const assignments = [{ partition: 0, replicas: [1 as NodeId, 2 as NodeId] }];
    expect(harness.create({ name: 'x', assignments })[0]?.error?.errorCode).toBe(38);
  });

  it('places several replicas where the limits allow them, by default as many as the cluster says', () => {
    const harness = one().start(2).start(3);
    harness.state.apply(harness.nextIndex, [
      { kind: 'config', resourceType: 4, resourceName: '', name: 'default.replication.factor', value: '3' },
      { kind: 'config', resourceType: 4, resourceName: '', name: 'min.insync.replicas', value: '2' },
    ]);
    const limits = { replicationFactorMax: 3 };
    const create = (...topics: Parameters<typeof newTopic>) =>
      harness.run(createTopics(harness.state, { topics: topics.map(newTopic), validateOnly: false }, limits));
    expect(create({ name: 't', partitions: 2 })).toMatchObject([{ partitions: 2, replicationFactor: 3 }]);
    expect(harness.partition('t')).toMatchObject({ isr: [...(harness.partition('t')?.replicas ?? [])] });
    expect(effectiveTopicConfig(harness.state, 't').minInsyncReplicas).toBe(2);
    expect(create({ name: 'u', replicationFactor: 4 })[0]?.error).toMatchObject({
      errorCode: ErrorCode.INVALID_REPLICATION_FACTOR,
      message: expect.stringMatching(/factor of 4 .* only 3 broker/),
    });
    harness.heartbeat(3, { wantShutdown: true });
    expect(create({ name: 'v' })[0]?.error?.message).toMatch(/factor of 3 .* only 2 broker/);
    const more = { topics: [{ name: 't', count: 4, assignments: undefined }], validateOnly: false };
    expect(harness.run(createPartitions(harness.state, more, limits))[0]?.error?.errorCode).toBe(38);
    harness.start(3, { incarnation: 'second of 3' });
    expect(harness.run(createPartitions(harness.state, more, limits))).toMatchObject([{ error: undefined }]);
    expect(harness.partition('t', 3)?.replicas).toHaveLength(3);
  });

  it('refuses a name that the request holds twice, once, and creates the others', () => {
    const outcomes = one().create({ name: 'twice' }, { name: 'good' }, { name: 'twice' });
    expect(outcomes.map(({ name, error }) => [name, error?.errorCode])).toEqual([
      ['twice', ErrorCode.INVALID_REQUEST],
      ['good', undefined],
    ]);
  });

  it('refuses names that collide with each other within one request', () => {
    expect(
      one()
        .create({ name: 'a.b' }, { name: 'a_b' })
        .map(({ error }) => error?.errorCode),
    ).toEqual([undefined, 17]);
  });

  it('refuses a whole request for more than 10,000 partitions', () => {
    const outcomes = one().create({ name: 'a', partitions: 10_000 }, { name: 'b' });
    expect(outcomes.map(({ error }) => error?.errorCode)).toEqual([44, 44]);
  });

  it('takes num.partitions where the request does not say', () => {
    const harness = one();
    harness.state.apply(harness.nextIndex, [
      { kind: 'config', resourceType: 4, resourceName: '', name: 'num.partitions', value: '3' },
    ]);
    expect(harness.create({ name: 't' })[0]).toMatchObject({ partitions: 3, replicationFactor: 1 });
  });

  it('creates nothing with validateOnly, and says what it would', () => {
    const harness = one();
    const topics = [newTopic({ name: 't', partitions: 2 })];
    expect(harness.run(createTopics(harness.state, { topics, validateOnly: true }))).toMatchObject([
      { partitions: 2, error: undefined },
    ]);
    expect(harness.state.topics.size).toBe(0);
  });

  it('refuses while no broker is alive', () => {
    expect(new Harness().bootstrap().create({ name: 't' })[0]?.error?.errorCode).toBe(38);
  });

  it('spreads the leaders of many topics over the brokers', () => {
    const harness = one().start(2).start(3);
    for (let n = 0; n < 30; n++) harness.create({ name: `t${n}` });
    const leads = (node: number): number =>
      [...harness.state.topics.values()].filter(({ partitions }) => partitions[0]?.leader === node).length;
    expect([leads(1), leads(2), leads(3)]).toEqual([10, 10, 10]);
  });

  it('creates 10,000 partitions, decides and replays, within a second of a CPU', () => {
    const harness = new Harness().bootstrap().start(1);
    const before = process.cpuUsage();
    const { entries } = createTopics(harness.state, {
      topics: [newTopic({ name: 'big', partitions: 10_000 })],
      validateOnly: false,
    });
    harness.state.apply(harness.nextIndex, entries[0] ?? []);
    expect(process.cpuUsage(before).user).toBeLessThan(1_000_000);
    expect(harness.partition('big', 9999)?.leader).toBe(1);
  });
});

describe('deleting topics', () => {
  it('takes partitions, name and configs away, by name or by id', () => {
    const harness = one();
    harness.create({ name: 'a', configs: [{ name: 'retention.ms', value: '5' }] }, { name: 'b' });
    const b = harness.state.topicIdsByName.get('b');
    const outcomes = harness.run(
      deleteTopics(harness.state, [
        { name: 'a', topicId: undefined },
        { name: undefined, topicId: b },
      ]),
    );
    expect(outcomes.map(({ name, error }) => [name, error])).toEqual([
      ['a', undefined],
      ['b', undefined],
    ]);
    expect(harness.state.topics.size).toBe(0);
    harness.create({ name: 'a' });
    expect(harness.state.dynamicConfigs(2, 'a').size).toBe(0);
  });

  it('takes internal topics away too, as Kafka does', () => {
    const harness = one();
    harness.create({ name: '__consumer_offsets', partitions: 3 });
    harness.run(deleteTopics(harness.state, [{ name: '__consumer_offsets', topicId: undefined }]));
    expect(harness.state.topics.size).toBe(0);
  });

  it('answers 3 for an unknown name, 100 for an unknown id, 42 for both, none, or the same topic twice', () => {
    const harness = one();
    harness.create({ name: 'a' });
    const id = harness.state.topicIdsByName.get('a');
    const codes = (...references: Parameters<typeof deleteTopics>[1]) =>
      deleteTopics(harness.state, references).answer.map(({ error }) => error?.errorCode);
    expect(codes({ name: 'no', topicId: undefined })).toEqual([3]);
    expect(codes({ name: undefined, topicId: id22('no', 1) as TopicId })).toEqual([100]);
    expect(codes({ name: 'a', topicId: id })).toEqual([42]);
    expect(codes({ name: undefined, topicId: undefined })).toEqual([42]);
    expect(codes({ name: 'a', topicId: undefined }, { name: undefined, topicId: id })).toEqual([42, 42]);
  });
});

describe('adding partitions', () => {
  const refused: readonly (readonly [string, { name?: string; count: number; assignments?: NodeId[][] }, number])[] = [
    ['an unknown topic', { name: 'no', count: 2 }, 3],
    ['the same count', { count: 2 }, 37],
    ['a smaller count', { count: 1 }, 37],
    ['too few assignments', { count: 4, assignments: [[1 as NodeId]] }, 39],
    ['another replication factor', { count: 3, assignments: [[1 as NodeId, 2 as NodeId]] }, 39],
    ['an unknown broker', { count: 3, assignments: [[9 as NodeId]] }, 39],
    ['more than 10,000', { count: 10_003 }, 44],
  ];

  it.each(refused)('refuses %s', (_, { name = 't', count, assignments }, code) => {
    const harness = one();
    harness.create({ name: 't', partitions: 2 });
    const command = { topics: [{ name, count, assignments }], validateOnly: false };
    expect(harness.run(createPartitions(harness.state, command))[0]?.error?.errorCode).toBe(code);
  });

  it('refuses internal topics: groups would be looked for where they are not', () => {
    const harness = one();
    harness.create({ name: '__consumer_offsets', partitions: 2 });
    const topics = [{ name: '__consumer_offsets', count: 3, assignments: undefined }];
    const [outcome] = harness.run(createPartitions(harness.state, { topics, validateOnly: false }));
    expect(outcome?.error).toMatchObject({ errorCode: 37, message: expect.stringContaining('would lose their state') });
    expect(harness.partition('__consumer_offsets', 2)).toBeUndefined();
  });

  it('appends them, and answers 42 for a topic named twice', () => {
    const harness = one();
    harness.create({ name: 't', partitions: 2 });
    const more = { name: 't', count: 4, assignments: undefined };
    expect(harness.run(createPartitions(harness.state, { topics: [more, more], validateOnly: false }))).toMatchObject([
      { error: { errorCode: 42 } },
    ]);
    harness.run(createPartitions(harness.state, { topics: [more], validateOnly: false }));
    expect(harness.partition('t', 3)).toMatchObject({ leader: 1, isr: [1], leaderEpoch: 0 });
  });
});

describe('brokers', () => {
  it('lead only after a heartbeat that has seen the registration', () => {
    const harness = new Harness().bootstrap();
    harness.register(1);
    expect(harness.state.brokers.get(1 as NodeId)).toMatchObject({ state: 'Starting', fenced: true });
    expect(harness.heartbeat(1, { applied: 0 })).toMatchObject({ isFenced: true });
    expect(harness.heartbeat(1)).toMatchObject({ isFenced: false });
    expect(harness.state.brokers.get(1 as NodeId)).toMatchObject({ state: 'Running', fenced: false });
  });

  it('get a larger epoch with every incarnation (KIP-903), the same one for the same registration sent again', () => {
    const harness = one();
    const first = harness.epoch(1);
    harness.register(1);
    expect(harness.epoch(1)).toBe(first);
    harness.register(1, { incarnation: 'second' });
    expect(harness.epoch(1)).toBeGreaterThan(first);
    expect(harness.heartbeat(1, { epoch: first })).toMatchObject({ error: { errorCode: ErrorCode.STALE_BROKER_EPOCH } });
    expect(harness.heartbeat(7, { epoch: 1 })).toMatchObject({ error: { errorCode: ErrorCode.BROKER_ID_NOT_REGISTERED } });
  });

  it('R-5: every incarnation leads its partitions with new leader epochs, after a crash as after a clean stop', () => {
    const harness = one();
    harness.create({ name: 't', partitions: 3 });
    for (const wantShutdown of [false, true]) {
      const before = harness.partition('t')?.leaderEpoch ?? 0;
      if (wantShutdown) harness.heartbeat(1, { wantShutdown });
      harness.start(1, { incarnation: `after ${wantShutdown}` });
      expect(harness.partition('t')).toMatchObject({ leader: 1, isr: [1], elr: [] });
      expect(harness.partition('t', 2)?.leaderEpoch).toBeGreaterThan(before);
    }
  });

  it('stop with leader -1, ISR [] and ELR [it] where they are the sole replica', () => {
    const harness = one();
    harness.create({ name: 't' });
    expect(harness.heartbeat(1, { wantShutdown: true })).toMatchObject({ isFenced: true, shouldShutDown: true });
    expect(harness.partition('t')).toMatchObject({ leader: undefined, isr: [], elr: [1] });
    expect(harness.state.brokers.get(1 as NodeId)?.state).toBe('ShuttingDown');
  });

  it('are Dead after a silent session, and lead again when they are heard of', () => {
    const harness = one();
    harness.create({ name: 't' });
    harness.run(brokerGone(harness.state, 1 as NodeId, harness.epoch(1) as BrokerEpoch));
    expect(harness.state.brokers.get(1 as NodeId)).toMatchObject({ state: 'Dead', fenced: true });
    expect(harness.partition('t')?.leader).toBeUndefined();
    harness.heartbeat(1);
    expect(harness.partition('t')).toMatchObject({ leader: 1, isr: [1], leaderEpoch: 2 });
  });

  it('are forgotten when they are unregistered, also alive, and an unknown one is 102', () => {
    const harness = one();
    harness.create({ name: 't' });
    expect(harness.run(unregisterBroker(harness.state, 2 as NodeId))).toMatchObject({ errorCode: 102 });
    expect(harness.run(unregisterBroker(harness.state, 1 as NodeId))).toBeUndefined();
    expect(harness.state.brokers.size).toBe(0);
    expect(harness.partition('t')).toMatchObject({ leader: undefined, replicas: [1], isr: [], elr: [], lastKnownElr: [1] });
    harness.register(1);
    harness.heartbeat(1);
    expect(harness.partition('t')).toMatchObject({ leader: 1, isr: [1], leaderEpoch: 2 });
  });

  it.each([
    ['another disk under their id', { directory: id22('other', 1) }],
    ['nothing on the disk that they had', { storageIsNew: true }],
  ])('R-6: lose ISR, ELR and leadership with %s, unless unclean election is allowed', (_, wiped) => {
    const harness = one();
    harness.create({ name: 't' }, { name: 'u', configs: [{ name: 'unclean.leader.election.enable', value: 'true' }] });
    harness.heartbeat(1, { wantShutdown: true });
    expect(harness.register(1, { incarnation: 'wiped', ...wiped })).toMatchObject({ possiblyLost: 2 });
    harness.heartbeat(1);
    expect(harness.partition('t')).toMatchObject({ leader: undefined, isr: [], elr: [], lastKnownElr: [] });
    expect(harness.partition('u')).toMatchObject({ leader: 1, isr: [1] });
  });

  it('P-2: page-cache partitions leave ISR and ELR when the page cache is gone, and their last leader leads again; fsync ones stay', () => {
    const harness = one();
    harness.create({ name: 'synced' }, { name: 'cached', configs: [{ name: 'flush.messages', value: '1000' }] });
    expect(harness.register(1, { incarnation: 'after power loss', sameBoot: false })).toMatchObject({ possiblyLost: 1 });
    expect(harness.partition('synced')).toMatchObject({ leader: undefined, elr: [1] });
    expect(harness.partition('cached')).toMatchObject({ leader: undefined, elr: [], lastKnownElr: [1] });
    harness.heartbeat(1);
    expect(harness.partition('cached')).toMatchObject({ leader: 1, isr: [1] });
  });

  it('are refused with the wrong cluster, a live rival on another disk, a copied directory or bad addresses', () => {
    const harness = one();
    expect(harness.register(1, { incarnation: 'rival', directory: id22('rival', 1) }).error?.errorCode).toBe(101);
    expect(harness.register(2, { directory: id22('dir', 1) }).error).toMatchObject({
      errorCode: 119,
      message: expect.stringContaining('copied'),
    });
    const command = {
      brokerId: 3 as NodeId,
      incarnationId: 'i',
      clusterId: CLUSTER,
      directoryId: id22('dir', 3) as DirectoryId,
      endpoints: [{ name: 'kafka', host: 'h', port: 0 }] as const,
      rack: undefined,
      features: OUR_FEATURES,
      previousBrokerEpoch: -1,
      sameBoot: false,
      storageIsNew: false,
    };
    expect(registerBroker(harness.state, command, harness.nextIndex).answer.error?.errorCode).toBe(119);
    const foreign = { ...command, endpoints: [], clusterId: id22('other', 1) as ClusterId };
    expect(registerBroker(harness.state, foreign, harness.nextIndex).answer.error?.errorCode).toBe(104);
  });
});

describe('the cluster', () => {
  it('is bootstrapped once: again is nothing, as another cluster is 104', () => {
    const harness = new Harness().bootstrap();
    const { index } = harness.state;
    harness.bootstrap();
    expect(harness.state.index).toBe(index);
    expect(harness.state.features.get('metadata.version')).toBe(2);
    const other = bootstrapCluster(harness.state, { clusterId: id22('other', 1) as ClusterId, settings: CLUSTER_SETTINGS });
    expect(other).toMatchObject({ entries: [], answer: { errorCode: 104 } });
  });

  it('hands out producer ids in blocks of 1000, none twice, to brokers that are registered', () => {
    const harness = one();
    const block = () => harness.run(allocateProducerIds(harness.state, 1 as NodeId, harness.epoch(1) as BrokerEpoch));
    expect([block(), block()]).toMatchObject([
      { first: 0, count: 1000 },
      { first: 1000, count: 1000 },
    ]);
    expect(allocateProducerIds(harness.state, 1 as NodeId, 0 as BrokerEpoch).answer.error?.errorCode).toBe(77);
    expect(allocateProducerIds(harness.state, 5 as NodeId, 0 as BrokerEpoch).answer.error?.errorCode).toBe(102);
  });
});

describe('MetadataState', () => {
  type Step = readonly [kind: number, which: number, flag: boolean];

  function play(harness: Harness, [kind, which, flag]: Step): void {
    const broker = (which % 3) + 1;
    switch (kind) {
      case 0:
        harness.create({
          name: `t${which}`,
          partitions: (which % 4) + 1,
          configs: flag ? [{ name: 'flush.messages', value: '50' }] : [],
        });
        return;
      case 1:
        harness.run(deleteTopics(harness.state, [{ name: `t${which}`, topicId: undefined }]));
        return;
      case 2:
        harness.run(
          createPartitions(harness.state, {
            topics: [{ name: `t${which}`, count: 6, assignments: undefined }],
            validateOnly: flag,
          }),
        );
        return;
      case 3:
        harness.register(broker, {
          incarnation: `${harness.state.index}`,
          directory: id22(`dir${broker}x`, which % 2),
          sameBoot: flag,
          storageIsNew: false,
        });
        return;
      case 4:
        harness.run(brokerGone(harness.state, broker as NodeId, harness.epoch(broker) as BrokerEpoch));
        return;
      case 5:
        harness.run(unregisterBroker(harness.state, broker as NodeId));
        return;
      default:
        harness.heartbeat(broker, { wantFence: flag && which === 0, wantShutdown: flag && which === 1 });
    }
  }

  const steps = fc.array(fc.tuple(fc.nat(8), fc.nat(8), fc.boolean()), { maxLength: 60 });

  it('is the same when its log is replayed from scratch and when it is rebuilt from its snapshot, and is sound after every entry', () => {
    fc.assert(
      fc.property(steps, (script) => {
        const harness = new Harness().bootstrap();
        for (const step of script) play(harness, step);
        const replayed = new MetadataState();
        for (const { index, records } of harness.log) replayed.apply(index, records);
        expect(contents(replayed)).toEqual(contents(harness.state));
        const rebuilt = new MetadataState();
        rebuilt.apply(harness.state.index, [...snapshotRecords(harness.state)]);
        expect(contents(rebuilt)).toEqual(contents(harness.state));
      }),
      { numRuns: 150 },
    );
  });

  it('never changes a topic, partition, broker or config map that it handed out', () => {
    const harness = one();
    harness.create({ name: 't', partitions: 2, configs: [{ name: 'retention.ms', value: '1' }] });
    const topic = [...harness.state.topics.values()][0];
    const configs = harness.state.dynamicConfigs(2, 't');
    const broker = harness.state.brokers.get(1 as NodeId);
    const copy = structuredClone({ topic, configs, broker });
    harness.run(
      createPartitions(harness.state, { topics: [{ name: 't', count: 5, assignments: undefined }], validateOnly: false }),
    );
    harness.state.apply(harness.nextIndex, [
      { kind: 'config', resourceType: 2, resourceName: 't', name: 'retention.ms', value: '2' },
    ]);
    harness.heartbeat(1, { wantShutdown: true });
    expect({ topic, configs, broker }).toEqual(copy);
  });

  it('tells what a stretch touched', () => {
    const harness = one();
    harness.create({ name: 'a' }, { name: 'b' });
    const [a, b] = [harness.state.topicIdsByName.get('a'), harness.state.topicIdsByName.get('b')] as [TopicId, TopicId];
    const touched = nothingTouched();
    harness.state.apply(
      harness.nextIndex,
      [
        { kind: 'partitionChange', topicId: a, partition: 0 as never, bumpLeaderEpoch: true },
        { kind: 'removeTopic', topicId: b },
        { kind: 'config', resourceType: 2, resourceName: 'a', name: 'retention.ms', value: '5' },
        { kind: 'config', resourceType: 4, resourceName: '', name: 'log.retention.ms', value: '5' },
      ],
      touched,
    );
    expect(touched).toEqual({
      topics: new Set([a]),
      removedTopics: new Set([b]),
      configs: new Set(['a', '']),
      brokers: false,
      uncleanElections: 0,
    });
  });

  it('remembers topics that are gone: of many the last, and of none those before it was made', () => {
    const REMEMBERED = 10_000;
    const ids = Array.from({ length: REMEMBERED + 1 }, (_, n) => id22('topic', n) as TopicId);
    const [first, second] = ids as [TopicId, TopicId];
    const state = new MetadataState();
    const at = (index: number): MetadataIndex => index as MetadataIndex;
    state.apply(at(5), []);
    expect([state.mayHaveRemoved(first, at(4)), state.mayHaveRemoved(first, at(5))]).toEqual([true, false]);
    for (const [n, topicId] of ids.entries()) {
      state.apply(at(10 + n), [{ kind: 'topic', topicId, name: `t${n}` }]);
      if (n === 0) expect(state.mayHaveRemoved(first, at(4)), 'it is there').toBe(false);
      state.apply(at(10 + n), [{ kind: 'removeTopic', topicId }]);
    }
    const drawn = (topicId: TopicId, index: number): boolean => state.mayHaveRemoved(topicId, at(index));
    expect(drawn(first, 9), 'forgotten, as is all that was removed by then').toBe(true);
    expect([drawn(second, 10), drawn(ids.at(-1) ?? first, 10)]).toEqual([true, true]);
    expect(drawn(id22('never', 0) as TopicId, 10)).toBe(false);
    const later = new MetadataState();
    later.apply(at(20_000), []);
    later.takeRemovals(state);
    expect([later.mayHaveRemoved(second, at(10)), later.mayHaveRemoved(id22('never', 0) as TopicId, at(10))]).toEqual([
      true,
      false,
    ]);
  });

  it('refuses records that cannot come from its own log', () => {
    const { state } = one();
    const apply = (record: MetadataRecord) => () => state.apply((state.index + 1) as MetadataIndex, [record]);
    const topicId = id22('no', 1) as TopicId;
    expect(apply({ kind: 'removeTopic', topicId })).toThrow(/no topic with id/);
    expect(apply({ kind: 'partitionChange', topicId, partition: 0 as never, bumpLeaderEpoch: true })).toThrow(/no topic with id/);
    expect(() => state.apply(0 as MetadataIndex, [])).toThrow(/goes back/);
  });
});
