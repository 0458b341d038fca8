import { describe, expect, it } from 'vitest';
import type { MetadataIndex, PartitionIndex } from '@streamline/core/types/ids';
import type { LeadershipChange } from './local-partitions';
import { HostBench, OTHER, TOPIC, epoch, topicT } from '@streamline/testing/partitions/host-bench';
import { SELF, SELF_EPOCH, topicId } from '@streamline/testing/partitions/test-metadata';
import { topicSettings } from './topic-settings';

const at = (partition: number) => ({ topicId: TOPIC, partition: partition as PartitionIndex });
const keysOf = (bench: HostBench) => [...bench.engine.all()].map((log) => `${log.key.topicId[0] ?? ''}${log.key.partition}`);

describe('following the metadata', () => {
  it('opens the partitions that this node hosts, and leads them in the epoch of the metadata', () => {
    const bench = HostBench.serving([
      topicT({ partitions: [{ leaderEpoch: epoch(7) }, { replicas: [OTHER], leader: OTHER }, {}] }),
    ]);
    expect(keysOf(bench)).toEqual(['T0', 'T2']);
    expect(bench.log(0).epochs).toEqual([{ epoch: 7, startOffset: 0 }]);
  });

  it('opens topics and partitions as they are created', () => {
    const bench = HostBench.serving([]);
    bench.metadata.put(topicT({ partitions: [{}] }));
    bench.metadata.put(topicT({ partitions: [{}, {}] }));
    expect(keysOf(bench)).toEqual(['T0', 'T1']);
  });

  it('does nothing before it is activated: an old image would lead in an epoch that is over (R-5)', () => {
    const bench = new HostBench();
    bench.metadata.put(topicT());
    bench.metadata.snapshot([]);
    expect(keysOf(bench)).toEqual([]);
  });

  it('does not open a log that is there already, but configures it', () => {
    const bench = new HostBench([topicT({ partitions: [{}], configs: { 'segment.bytes': '2097152' } })]);
    const { log } = topicSettings(bench.metadata.image, 'other', 5);
    const replayed = bench.engine.open(at(0), log);
    bench.host.activate(SELF_EPOCH);
    expect(bench.log()).toBe(replayed);
    expect(replayed.config.segmentBytes).toBe(2_097_152);
  });

  it('begins a new epoch with each that the metadata names, and never goes back', async () => {
    const bench = HostBench.serving();
    await bench.write(bench.batch());
    bench.change({ leaderEpoch: epoch(2) });
    bench.change({ leaderEpoch: epoch(2), partitionEpoch: 5 });
    expect(bench.log().epochs).toEqual([
      { epoch: 1, startOffset: 0 },
      { epoch: 2, startOffset: 1 },
    ]);
  });

  it('keeps waiting produces while it goes on leading in a new epoch', async () => {
    const bench = HostBench.serving();
    const response = bench.append(bench.batch());
    bench.change({ leaderEpoch: epoch(2) });
    bench.engine.sync();
    expect((await response).partitions[0]).toMatchObject({ errorCode: 0 });
  });

  it('deletes the logs of a deleted topic by its id', () => {
    const bench = HostBench.serving([topicT(), { id: topicId('U'), name: 'u', partitions: [{}] }]);
    bench.metadata.remove(TOPIC);
    expect(keysOf(bench)).toEqual(['U0']);
    expect(bench.engine.deleted).toEqual([at(0), at(1), at(2)]);
  });

  it('does not mistake a topic of the same name that was created anew', () => {
    const bench = HostBench.serving([topicT({ partitions: [{}] })]);
    bench.metadata.snapshot([topicT({ id: topicId('V'), partitions: [{}] })]);
    expect(keysOf(bench)).toEqual(['V0']);
  });

  it('deletes what vanished while it was down, and what is not its own any more', () => {
    const bench = new HostBench([topicT({ partitions: [{ replicas: [OTHER], leader: OTHER }, {}] })]);
    const { log } = topicSettings(bench.metadata.image, 't', 5);
    for (const partition of [0, 1, 2]) bench.engine.open(at(partition), log);
    bench.engine.open({ topicId: topicId('G'), partition: 0 as PartitionIndex }, log);
    bench.host.activate(SELF_EPOCH);
    expect(keysOf(bench)).toEqual(['T1']);
  });

  it('deletes nothing by a snapshot that is older than what is known', () => {
    const bench = HostBench.serving();
    bench.metadata.put(topicT());
    bench.metadata.image = { ...bench.metadata.image, index: 0 as MetadataIndex };
    bench.metadata.snapshot([]);
    expect(keysOf(bench)).toEqual(['T0', 'T1', 'T2']);
  });

  it('serves the other partitions when one cannot be opened', async () => {
    const bench = new HostBench();
    const open = bench.engine.open.bind(bench.engine);
    bench.engine.open = (key, config) => {
      if (key.partition === 1) throw new Error('too many');
      return open(key, config);
    };
    bench.host.activate(SELF_EPOCH);
    expect((await bench.write(bench.batch(), 2)).partitions[0]).toMatchObject({ errorCode: 0 });
    expect((await bench.append(bench.batch(), { partition: 1 })).partitions[0]).toMatchObject({ errorCode: 6 });
  });

  it('applies changed configs of a topic, and cluster-wide ones to all', () => {
    const bench = HostBench.serving();
    bench.metadata.put(topicT({ configs: { 'retention.ms': '5000', 'flush.messages': '10' } }));
    expect(bench.log().config).toMatchObject({ retentionMs: 5000, flushMessages: 10 });
    bench.metadata.setClusterConfigs({ 'log.segment.bytes': '3000000' });
    expect(bench.log(2).config.segmentBytes).toBe(3_000_000);
  });

  it('tells the log how far it is committed (S-7)', async () => {
    const bench = HostBench.serving();
    await bench.write(bench.batch({ records: [{}, {}] }));
    expect(bench.log().raisedTo).toBe(2);
  });

  it('a replica that others lead keeps its log and serves nothing', async () => {
    const bench = HostBench.serving();
    await bench.write(bench.batch());
    bench.change({ leader: OTHER, leaderEpoch: epoch(2), replicas: [SELF, OTHER], isr: [SELF, OTHER] });
    expect(bench.log().logEndOffset).toBe(1);
    expect(bench.host.figures()).toMatchObject({ partitions: 3, leaders: 2 });
  });

  it('stops leading when it is closed', async () => {
    const bench = HostBench.serving();
    await bench.host.close();
    expect((await bench.append(bench.batch())).partitions[0]).toMatchObject({ errorCode: 6 });
    bench.metadata.put(topicT({ partitions: [{ leaderEpoch: epoch(9) }] }));
    expect(bench.log().leaderEpoch).toBe(1);
  });
});

describe('telling of leaderships', () => {
  it('tells of all that are led, and of each change', () => {
    const bench = HostBench.serving([topicT({ partitions: [{}, { leader: undefined }] })]);
    const told: Partial<LeadershipChange>[] = [];
    const stop = bench.host.onLeadership(({ partition, leaderEpoch, deleted }) => told.push({ partition, leaderEpoch, deleted }));
    bench.metadata.put(topicT({ partitions: [{}, { leaderEpoch: epoch(2) }] }));
    bench.metadata.put(topicT({ partitions: [{ leader: undefined, leaderEpoch: epoch(3) }, { leaderEpoch: epoch(2) }] }));
    bench.metadata.remove(TOPIC);
    expect(told).toEqual([
      { partition: 0, leaderEpoch: 1, deleted: false },
      { partition: 1, leaderEpoch: 2, deleted: false },
      { partition: 0, leaderEpoch: undefined, deleted: false },
      { partition: 0, leaderEpoch: undefined, deleted: true },
      { partition: 1, leaderEpoch: undefined, deleted: true },
    ]);
    stop();
    bench.metadata.put(topicT());
    expect(told).toHaveLength(5);
  });
});

describe('the configs of a topic', () => {
  it('give the settings of its logs', () => {
    const bench = new HostBench([topicT({ configs: { 'message.timestamp.type': 'LogAppendTime', 'cleanup.policy': 'delete' } })]);
    const settings = topicSettings(bench.metadata.image, 't', 77);
    expect(settings.log).toEqual({
      segmentBytes: 1_073_741_824,
      segmentMs: 604_800_000,
      segmentIndexBytes: 10_485_760,
      segmentJitterMs: 0,
      indexIntervalBytes: 4096,
      retentionMs: 604_800_000,
      retentionBytes: -1,
      fileDeleteDelayMs: 60_000,
      flushMessages: 1,
      flushMs: Number.MAX_SAFE_INTEGER,
      logAppendTime: true,
      producerIdExpirationMs: 77,
      internal: false,
    });
    expect(settings).toMatchObject({ deletable: true, internal: false, minInsyncReplicas: 1 });
    expect(settings.produce).toMatchObject({ maxMessageBytes: 1_048_588, timestampAfterMaxMs: 3_600_000, compactedTopic: false });
  });

  it('of an internal topic say so', () => {
    const bench = new HostBench([topicT({ name: '__consumer_offsets', configs: { 'cleanup.policy': 'compact' } })]);
    const settings = topicSettings(bench.metadata.image, '__consumer_offsets', 77);
    expect(settings).toMatchObject({
      internal: true,
      deletable: false,
      log: { internal: true },
      produce: { compactedTopic: true },
    });
  });
});
