import { afterEach, describe, expect, it, vi } from 'vitest';
import type { NodeId, Offset } from '@streamline/core/types/ids';
import { ReplicaCluster, TOPIC, type ClusterPlan } from '@streamline/testing/replication-host/replica-cluster';
import { ReplicaCondition } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';

const LAG_MAX_MS = 500;
const QUICK: ClusterPlan = { limits: { replica: { replicaLagTimeMaxMs: LAG_MAX_MS } } };

let cluster: ReplicaCluster;

async function start(plan: ClusterPlan = QUICK, count = 3): Promise<void> {
  cluster = await ReplicaCluster.of(count, plan);
  await cluster.until('the first batch is committed', async () => {
    const answer = await cluster.answer(cluster.append(['first']));
    return answer.errorCode === 0;
  });
}

function isrIs(...ids: readonly number[]): () => boolean {
  return () => String([...cluster.state.isr].toSorted((one, other) => one - other)) === String(ids);
}

afterEach(async () => {
  await cluster.close();
});

for (const [name, flushMessages] of [
  ['fsync', '1'],
  ['page-cache', '1000000'],
] as const) {
  describe(`a replicated partition (${name})`, () => {
    const plan = { ...QUICK, configs: { 'flush.messages': flushMessages, 'min.insync.replicas': '2' } };

    it('acknowledges acks=all once every in-sync replica has the batch, and shows it then', async () => {
      await start(plan);
      const before = cluster.leader.highWatermark;
      cluster.streams.freeze(3);
      const answer = cluster.append(['a', 'b']);
      await cluster.until('broker 2 has it', () => cluster.broker(2).log.logEndOffset === before + 2);
      await cluster.pass(50);
      expect(cluster.leader.highWatermark).toBe(before);
      cluster.streams.thaw(3);
      expect(await cluster.answer(answer)).toMatchObject({ errorCode: 0, baseOffset: before });
      expect(cluster.leader.highWatermark).toBe(before + 2);
      await cluster.until('all have all', () => cluster.allHave(['first', 'a', 'b']));
    });

    it('loses and doubles nothing over streams that break with batches under way', async () => {
      await start(plan);
      const values = ['first'];
      const answers = [];
      for (let batch = 0; batch < 30; batch += 1) {
        values.push(`${batch}`);
        answers.push(cluster.append([`${batch}`]));
        await cluster.pass(batch % 3);
        if (batch % 5 === 4) cluster.streams.breakStreams(1 + (batch % 3));
      }
      for (const answer of answers) expect((await cluster.answer(answer)).errorCode).toBe(0);
      await cluster.until('all have all', () => cluster.allHave(values));
    });

    it('cuts what a leader that was left alone had appended, when another one leads', async () => {
      await start(plan);
      cluster.streams.isolate(1);
      const lost = cluster.append(['lost'], { to: 1 });
      const alsoLost = cluster.append(['also-lost'], { to: 1, acks: 1 });
      await cluster.answer(alsoLost);
      cluster.elect(2, [2, 3], 1);
      const kept = cluster.append(['kept'], { to: 2 });
      expect((await cluster.answer(kept)).errorCode).toBe(0);
      cluster.streams.join(1);
      cluster.publish();
      expect((await cluster.answer(lost)).errorCode).toBe(6);
      await cluster.until('all have all', () => cluster.allHave(['first', 'kept']));
      await cluster.until('it is in sync again', isrIs(1, 2, 3));
    });
  });
}

describe('the ISR', () => {
  it('stays as it is where the topic is to be durable on disk from now on, though nobody sends anything more', async () => {
    await start({ ...QUICK, configs: { 'flush.messages': '1000000', 'min.insync.replicas': '3' } });
    cluster.configs = { ...cluster.configs, 'flush.messages': '1' };
    cluster.publish();
    await cluster.pass(3 * LAG_MAX_MS);
    expect(cluster.proposals).toEqual([]);
    expect((await cluster.answer(cluster.append(['a']))).errorCode).toBe(0);
  });

  it('loses a follower that stands still after replica.lag.time.max, goes on without it, and takes it back', async () => {
    await start();
    cluster.streams.freeze(2);
    const answer = cluster.append(['a']);
    await cluster.until('it is out', isrIs(1, 3));
    expect((await cluster.answer(answer)).errorCode).toBe(0);
    cluster.streams.thaw(2);
    await cluster.until('it is back', isrIs(1, 2, 3));
    expect(cluster.leader.host.figures().replication).toMatchObject({ isrShrinks: 1, isrExpands: 1, underReplicated: 0 });
  });

  it('keeps acks=all waiting while the controller has not committed that it shrank', async () => {
    await start();
    cluster.controllerAnswers = false;
    cluster.streams.isolate(2);
    const answer = cluster.append(['a']);
    await cluster.until('it was proposed', () => cluster.proposals.length > 0);
    await cluster.pass(LAG_MAX_MS);
    expect(cluster.leader.highWatermark).toBe(1);
    cluster.change({ isr: [1 as NodeId, 3 as NodeId] });
    expect((await cluster.answer(answer)).errorCode).toBe(0);
  });

  it('below min.insync.replicas refuses acks=all before anything is appended, and takes acks=1', async () => {
    await start({ ...QUICK, configs: { 'min.insync.replicas': '2' } });
    cluster.streams.isolate(1);
    await cluster.until('the leader is alone', async () => {
      void cluster.append(['x'], { acks: 1 });
      await cluster.pass(10);
      return isrIs(1)();
    });
    const end = cluster.leader.log.logEndOffset;
    expect((await cluster.answer(cluster.append(['no']))).errorCode).toBe(19);
    expect(cluster.leader.log.logEndOffset).toBe(end);
    expect((await cluster.answer(cluster.append(['yes'], { acks: 1 }))).errorCode).toBe(0);
    expect(cluster.leader.host.figures().replication).toMatchObject({ underReplicated: 1, underMinIsr: 1 });
  });
});

describe('faults', () => {
  it('a frame that is cut short ends the stream, and nothing of it is taken', async () => {
    await start();
    cluster.streams.tear(1);
    const answers = [cluster.append(['a']), cluster.append(['b'])];
    for (const answer of answers) expect((await cluster.answer(answer)).errorCode).toBe(0);
    await cluster.until('all have all', () => cluster.allHave(['first', 'a', 'b']));
  });

  it('metadata that comes while the log is being cut waits for the cut', async () => {
    await start();
    cluster.streams.isolate(1);
    await cluster.answer(cluster.append(['lost'], { to: 1, acks: 1 }));
    cluster.elect(2, [2, 3], 1);
    await cluster.answer(cluster.append(['kept'], { to: 2 }));
    // The disk of broker 1 holds what it is given until it is let go.
    const letGo = cluster.broker(1).disk.inject({ fault: 'hold', operations: ['durableWrite', 'write'] });
    cluster.streams.join(1);
    cluster.publish();
    await cluster.pass(300);
    cluster.elect(3, [2, 3]);
    await cluster.pass(100);
    letGo();
    await cluster.answer(cluster.append(['more'], { to: 3 }));
    await cluster.until('all have all', () => cluster.allHave(['first', 'kept', 'more']));
    await cluster.until('it is in sync', isrIs(1, 2, 3));
  });

  it('a follower whose log fails is reported, and the others go on without it', async () => {
    await start();
    const follower = cluster.broker(3);
    follower.disk.inject({ operations: ['write', 'datasync'], path: /partitions/, fault: 'EIO' });
    await cluster.until('its log failed', async () => {
      void cluster.append(['x'.repeat(100_000)]);
      await cluster.pass(5);
      await follower.engine.checkpoint().catch(() => undefined);
      return follower.log.offlineReason !== undefined;
    });
    await cluster.until('it is told', () => cluster.failedReplicas.length > 0);
    expect(cluster.failedReplicas[0]).toMatchObject({ brokerId: 3, topics: [{ topicId: TOPIC, partitions: [0] }] });
    await cluster.until('it is out', isrIs(1, 2));
    expect((await cluster.answer(cluster.append(['a']))).errorCode).toBe(0);
  });

  it('a replica that cannot carry out what it decided is given up: it neither leads nor gives consumers anything, and the others go on', async () => {
    await start();
    const broken = cluster.broker(2);
    vi.spyOn(broken.log, 'startEpoch').mockImplementation(() => {
      throw new Error('a defect');
    });
    cluster.elect(2, [2, 3]);
    await cluster.until('it is told', () => cluster.failedReplicas.length > 0);
    expect(cluster.failedReplicas[0]).toMatchObject({ brokerId: 2, topics: [{ topicId: TOPIC, partitions: [0] }] });
    expect(broken.isLeading).toBe(false);
    expect(broken.host.figures().replication.underReplicated).toBe(0);
    cluster.elect(3, [3]);
    await cluster.until('1 is in sync again', isrIs(1, 3));
    expect((await cluster.answer(cluster.append(['a']))).errorCode).toBe(0);
    const partitions = [
      { topicId: TOPIC, partition: 0, currentLeaderEpoch: -1, fetchOffset: 0, lastFetchedEpoch: -1, maxBytes: 1000 },
    ];
    const request = {
      correlationId: 0,
      partitions,
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1000,
      readCommitted: false,
      metadataIndex: 0,
    };
    const { response } = await cluster.answer(broken.host.fetch({ ...request, creditBytes: 0, cancel: false }));
    expect(response.partitions).toMatchObject([{ errorCode: 6 }]);
  });

  it('a registration anew ends all that the earlier one said, and goes on with the same log', async () => {
    await start();
    const broker = cluster.broker(2);
    cluster.register(2);
    const ended = broker.host.endIncarnation();
    // What the metadata says in between is made up for.
    cluster.change({});
    await cluster.answer(ended);
    expect(broker.isLeading).toBe(false);
    broker.host.activate(broker.epoch);
    expect((await cluster.answer(cluster.append(['a']))).errorCode).toBe(0);
    await cluster.until('all have all', () => cluster.allHave(['first', 'a']));
  });

  it('a broker that began anew is heard though the metadata of its leader still says that its log failed', async () => {
    await start({ limits: { replica: { replicaLagTimeMaxMs: 60_000 } } });
    cluster.change({ failedReplicas: [3 as NodeId], isr: [1 as NodeId, 2 as NodeId] });
    const broker = cluster.broker(3);
    cluster.register(3);
    await cluster.answer(broker.host.endIncarnation());
    broker.host.activate(broker.epoch);
    expect((await cluster.answer(cluster.append(['a']))).errorCode).toBe(0);
    await cluster.until('it is sent to', () => broker.log.logEndOffset === 2);
    cluster.change({});
    cluster.change({ failedReplicas: [] });
    expect((await cluster.answer(cluster.append(['b']))).errorCode).toBe(0);
    await cluster.until('all have all', () => cluster.allHave(['first', 'a', 'b']));
    await cluster.until('it is in sync', isrIs(1, 2, 3));
  });

  it('a follower without room takes what it was sent once there is some', async () => {
    await start();
    const { log } = cluster.broker(3);
    const refuse = vi.spyOn(log, 'appendReplicated');
    refuse.mockReturnValueOnce({ kind: 'refused', errorCode: 56, message: 'no space left' });
    const answer = cluster.append(['a']);
    await cluster.until('it was refused', () => refuse.mock.calls.length > 0);
    expect(log.logEndOffset).toBe(1);
    expect((await cluster.answer(answer)).errorCode).toBe(0);
    await cluster.until('all have all', () => cluster.allHave(['first', 'a']));
  });

  it('a follower without room that leads by the time there is some goes on with those who follow it', async () => {
    const retryMs = 2_000;
    await start({ limits: { replica: { replicaLagTimeMaxMs: 60_000 }, peer: { retryMs } } });
    const refuse = vi.spyOn(cluster.broker(2).log, 'appendReplicated');
    refuse.mockReturnValueOnce({ kind: 'refused', errorCode: 56, message: 'no space left' });
    void cluster.append(['lost']);
    await cluster.until('it was refused', () => refuse.mock.calls.length > 0);
    cluster.elect(2);
    await cluster.until('broker 2 leads', () => cluster.broker(2).isLeading);
    expect((await cluster.answer(cluster.append(['a']))).errorCode).toBe(0);
    await cluster.pass(2 * retryMs);
    expect((await cluster.answer(cluster.append(['b']))).errorCode).toBe(0);
    await cluster.until('all have all', () => cluster.allHave(['first', 'a', 'b']));
  });

  it('an idempotent batch that is sent again to the next leader is acknowledged with its old offset', async () => {
    await start();
    const producer = { producerId: 7, producerEpoch: 0, baseSequence: 0 };
    const first = await cluster.answer(cluster.append(['once'], producer));
    cluster.elect(2);
    await cluster.until('broker 2 leads', () => cluster.broker(2).isLeading);
    expect(await cluster.answer(cluster.append(['once'], producer))).toMatchObject({
      errorCode: 0,
      baseOffset: first.baseOffset,
    });
    await cluster.until('all have all', () => cluster.allHave(['first', 'once']));
  });
});

describe('a replica that is far behind', () => {
  it('begins where the log of the leader does, also within a batch', async () => {
    await start();
    cluster.streams.isolate(3);
    await cluster.until('it is out', async () => {
      await cluster.answer(cluster.append(['a', 'b', 'c']));
      return isrIs(1, 2)();
    });
    const target = (cluster.leader.highWatermark - 1) as Offset;
    await cluster.answer(cluster.leader.host.deleteBefore({ topicId: TOPIC, partition: 0 as never }, target));
    cluster.streams.join(3);
    await cluster.until('it is back', isrIs(1, 2, 3));
    const { log } = cluster.broker(3);
    expect(log).toMatchObject({ logStartOffset: target, logEndOffset: target + 1 });
  });

  it('is read to from segments, within its rate, while new records go to the others at once', async () => {
    const limits = { ...QUICK.limits, push: { catchUpBytesPerSecond: 2_000_000, frameBytesMax: 100_000 } };
    await start({ limits, log: { tailCacheBytes: 256 << 10 } });
    cluster.streams.isolate(3);
    const values = ['first'];
    for (let batch = 0; batch < 30; batch += 1) {
      const value = `${batch}`.padEnd(50_000, '.');
      values.push(value);
      await cluster.answer(cluster.append([value], { acks: 1 }));
    }
    await cluster.until('it is out', isrIs(1, 2));
    await cluster.answer(cluster.leader.engine.checkpoint());
    cluster.streams.join(3);
    const startedMs = cluster.clock.monotonicMs();
    const { log } = cluster.broker(3);
    await cluster.until('it has begun', () => log.logEndOffset > 1);
    expect((await cluster.answer(cluster.append(['new']))).errorCode).toBe(0);
    expect(log.logEndOffset).toBeLessThan(values.length);
    await cluster.until('all have all', () => cluster.allHave([...values, 'new']));
    // 1.5 MB less what a pause saves up.
    expect(cluster.clock.monotonicMs() - startedMs).toBeGreaterThan(500);
  });
});

describe('a broker whose disk is full (S-10)', () => {
  const NOT_YET = { ...QUICK, limits: { replica: { replicaLagTimeMaxMs: 60_000 } } };

  it.each([
    ['leads', 1, 2],
    ['follows', 3, 1],
  ] as const)('that %s is done without at once, and is in sync again when there is space', async (_, id, next) => {
    await start(NOT_YET);
    const broker = cluster.broker(id);
    const full = { kind: 'refused', errorCode: 56, message: 'no space left' } as const;
    const spies = [
      vi.spyOn(broker.engine, 'hasSpace', 'get').mockReturnValue(false),
      vi.spyOn(broker.log, 'append').mockReturnValue(full),
      vi.spyOn(broker.log, 'appendReplicated').mockReturnValue(full),
    ];
    const others = [1, 2, 3].filter((each) => each !== id);
    await cluster.until('others go on', () => cluster.state.leader === next && isrIs(...others)());
    await cluster.until('one of them leads', () => cluster.broker(next).isLeading);
    expect((await cluster.answer(cluster.append(['a']))).errorCode).toBe(0);
    expect(cluster.failedReplicas[0]).toMatchObject({ brokerId: id, topics: [{ topicId: TOPIC, partitions: [0] }] });
    await cluster.pass(6_000);
    expect((await cluster.answer(cluster.append(['b']))).errorCode).toBe(0);
    expect(cluster.state.failedReplicas).toEqual([id]);
    const proposed = cluster.proposals.length;
    await cluster.pass(1_000);
    expect(cluster.proposals).toHaveLength(proposed);
    for (const spy of spies) spy.mockRestore();
    await cluster.until('it is in sync again', isrIs(1, 2, 3));
    await cluster.until('all have all', () => cluster.allHave(['first', 'a', 'b']));
  });

  it('that found no room for what one leader sent hears that one again when it leads once more', async () => {
    await start(NOT_YET);
    const { engine, log } = cluster.broker(3);
    const full = { kind: 'refused', errorCode: 56, message: 'no space left' } as const;
    const refuse = vi.spyOn(log, 'appendReplicated').mockReturnValue(full);
    const spies = [vi.spyOn(engine, 'hasSpace', 'get').mockReturnValue(false), refuse];
    const answer = cluster.append(['a']);
    await cluster.until('it was refused', () => refuse.mock.calls.length > 0);
    await cluster.until('others go on', isrIs(1, 2));
    expect((await cluster.answer(answer)).errorCode).toBe(0);
    cluster.elect(2);
    await cluster.until('broker 2 leads', () => cluster.broker(2).isLeading);
    for (const spy of spies) spy.mockRestore();
    await cluster.until('it is in sync again', isrIs(1, 2, 3));
    cluster.elect(1);
    await cluster.until('broker 1 leads again', () => cluster.broker(1).isLeading);
    expect((await cluster.answer(cluster.append(['b']))).errorCode).toBe(0);
    await cluster.until('all have all', () => cluster.allHave(['first', 'a', 'b']));
  });
});

describe('a broker that is whole and taken for full', () => {
  it('says that it is: what it said before may come to the controller behind what it said later', async () => {
    await start(QUICK);
    cluster.change({ isr: [1, 2] as NodeId[], failedReplicas: [3 as NodeId] });
    await cluster.until('it is in sync again', isrIs(1, 2, 3));
    expect(cluster.failedReplicas.map(({ brokerId, condition }) => [brokerId, condition])).toEqual([[3, ReplicaCondition.WHOLE]]);
  });
});

describe('a broker whose session with the controller is over (REPL-20)', () => {
  const PLAN = { ...QUICK, configs: { 'min.insync.replicas': '2' } };
  const offsetsOf = (id: number) => {
    const partitions = [{ topicId: TOPIC, partition: 0, currentLeaderEpoch: -1, timestamp: -1 }];
    return cluster.broker(id).host.listOffsets({ partitions, metadataIndex: 0, timeoutMs: 1_000, readCommitted: false });
  };
  const endSession = (id: number, afterMs = 0) => cluster.broker(id).host.sessionEnds(cluster.clock.monotonicMs() + afterMs);

  it('answers who waits and who comes with NOT_LEADER_OR_FOLLOWER and the likely leader, once followers are out of reach', async () => {
    await start(PLAN);
    cluster.streams.isolate(1);
    const waits = cluster.append(['waits'], { to: 1 });
    await cluster.pass(10);
    expect(cluster.broker(1).isLeading).toBe(true);
    endSession(1, 50);
    expect(await cluster.answer(waits)).toMatchObject({ errorCode: 6 });
    const refused = await cluster.answer(cluster.append(['comes'], { to: 1, acks: 1 }));
    expect(refused).toMatchObject({ errorCode: 6, currentLeader: { leaderId: 2, leaderEpoch: 1 } });
    expect((await offsetsOf(1)).partitions[0]).toMatchObject({ errorCode: 6 });
    expect(cluster.broker(1).isLeading).toBe(false);
  });

  it('goes on in its epoch when the session is back and nobody else was elected', async () => {
    await start(PLAN);
    cluster.streams.isolate(1);
    endSession(1);
    await cluster.until('it does not serve', () => !cluster.broker(1).isLeading);
    endSession(1, 60_000);
    expect(cluster.broker(1).isLeading).toBe(true);
    cluster.streams.join(1);
    expect(await cluster.answer(cluster.append(['again']))).toMatchObject({ errorCode: 0 });
    expect((await offsetsOf(1)).partitions[0]).toMatchObject({ errorCode: 0, offset: 2 });
  });

  it('serves on while all followers are there, and hears from them when another leads', async () => {
    await start(PLAN);
    endSession(1);
    expect(await cluster.answer(cluster.append(['on']))).toMatchObject({ errorCode: 0 });
    cluster.elect(2, [1, 2, 3], 1);
    await cluster.until('broker 2 leads', () => cluster.broker(2).isLeading);
    expect(await cluster.answer(cluster.append(['lost'], { to: 1 }))).toMatchObject({ errorCode: 6 });
  });

  it('leaves partitions alone of which it has the only replica', async () => {
    await start(QUICK, 1);
    endSession(1);
    await cluster.pass(300);
    expect(await cluster.answer(cluster.append(['on']))).toMatchObject({ errorCode: 0 });
  });
});
