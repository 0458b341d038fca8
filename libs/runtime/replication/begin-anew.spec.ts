import { afterEach, describe, expect, it } from 'vitest';
import type { NodeId } from '@streamline/core/types/ids';
import type { ClusterPlan, ReplicaBroker } from '@streamline/testing/replication-host/replica-cluster';
import { ReplicaCluster } from '@streamline/testing/replication-host/replica-cluster';
import { ReplicaCondition } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';

const ONE_SEGMENT = /partitions\/.*\.log$/;
const PLAN: ClusterPlan = { limits: { replica: { replicaLagTimeMaxMs: 500 } } };
const PAGE_CACHE: ClusterPlan = { ...PLAN, configs: { 'flush.messages': '2' } };

let cluster: ReplicaCluster;

async function start(plan = PLAN): Promise<void> {
  cluster = await ReplicaCluster.of(3, plan);
  await write('first');
}

async function write(value: string): Promise<void> {
  await cluster.until(`${value} is committed`, async () => (await cluster.answer(cluster.append([value]))).errorCode === 0);
}

/** Syncs of its segments fail until it is given up. Returns how the disk heals. */
async function failLog(broker: ReplicaBroker): Promise<() => void> {
  const heal = broker.disk.inject({ operations: ['datasync'], path: ONE_SEGMENT, fault: 'EIO' });
  await cluster.until('its log failed', async () => {
    void cluster.append(['more']);
    await cluster.pass(5);
    await broker.engine.checkpoint().catch(() => undefined);
    return broker.log.offlineReason !== undefined;
  });
  return heal;
}

/** All replicas have the same, this among it. */
async function allAreEqual(value: string): Promise<void> {
  await cluster.until('all are equal', async () => {
    const [first = [], ...others] = await Promise.all(cluster.brokers.map((broker) => broker.values()));
    return first.includes(value) && others.every((other) => String(other) === String(first));
  });
}

function isrIs(...ids: readonly number[]): () => boolean {
  return () => String([...cluster.state.isr].toSorted((one, other) => one - other)) === String(ids);
}

function reports(): string[] {
  return cluster.failedReplicas.map(({ brokerId, condition }) => `${brokerId} ${ReplicaCondition[condition]}`);
}

afterEach(async () => {
  await cluster.close();
});

describe('a log that was given up (LOG-9, REPL-21)', () => {
  it.each([
    ['follower', 3, PLAN],
    ['leader', 1, PLAN],
    ['follower in the page cache', 3, PAGE_CACHE],
  ])(
    'of a %s is dropped, copied anew from the leader, and told to be whole once it has what is committed',
    async (_, id, plan) => {
      await start(plan);
      const broker = cluster.broker(id);
      const others = [1, 2, 3].filter((each) => each !== id);
      const heal = await failLog(broker);
      heal();
      await cluster.until('others go on', isrIs(...others));
      await write('second');
      await cluster.until('it is whole', () => reports().includes(`${id} WHOLE`));
      expect(broker.log.offlineReason).toBeUndefined();
      expect(await broker.values()).toEqual(await cluster.leader.values());
      await cluster.until('it is in sync again', isrIs(1, 2, 3));
      await write('third');
      await allAreEqual('third');
      expect(broker.host.figures().replication).toMatchObject({ logsBegunAnew: 1, logsRecovered: 1, anewWaitMsMax: 0 });
    },
  );

  it('in an earlier run of the process begins anew as well', async () => {
    await start();
    const failed = cluster.broker(3);
    await failLog(failed);
    cluster.change({ leader: undefined });
    await cluster.answer(failed.engine.checkpoint());
    const broker = await cluster.restart(3);
    expect(broker.log.offlineReason).toContain('not durable from offset');
    cluster.elect(1, [1, 2]);
    await write('second');
    await cluster.until('it is in sync again', isrIs(1, 2, 3));
    await allAreEqual('second');
  });

  it('stays as it is where nobody else leads, until somebody does', async () => {
    await start();
    const broker = cluster.broker(1);
    cluster.streams.isolate(1);
    await cluster.until('it is alone', async () => {
      void cluster.append(['more'], { acks: 1 });
      await cluster.pass(10);
      return isrIs(1)();
    });
    (await failLog(broker))();
    await cluster.until('nobody leads', () => cluster.state.leader === undefined);
    cluster.streams.join(1);
    await cluster.pass(3_000);
    expect(broker.log.logEndOffset).toBeGreaterThan(cluster.broker(2).log.logEndOffset);
    expect(broker.log.offlineReason).toContain('not durable');
    cluster.elect(2, [2]);
    await cluster.until('it is in sync again', isrIs(1, 2, 3));
  });

  it('stays as it is while the controller counts it among those that have everything', async () => {
    await start();
    const broker = cluster.broker(3);
    (await failLog(broker))();
    await cluster.until('it is out', isrIs(1, 2));
    cluster.change({ elr: [3 as NodeId] });
    await cluster.pass(3_000);
    expect(broker.log.offlineReason).toBeDefined();
    cluster.change({ elr: [] });
    await cluster.until('it is in sync again', isrIs(1, 2, 3));
  });

  it('is tried again later each time on a disk that goes on failing', async () => {
    await start(PAGE_CACHE);
    const broker = cluster.broker(3);
    const heal = await failLog(broker);
    const begun = () => broker.host.figures().replication.logsBegunAnew;
    await cluster.until('it began anew twice', async () => {
      void cluster.append(['more']);
      await cluster.pass(10);
      return begun() === 2;
    });
    await cluster.until('it failed again', async () => {
      void cluster.append(['more']);
      await cluster.pass(10);
      return broker.host.figures().replication.anewWaitMsMax > 0;
    });
    expect(broker.host.figures().replication.anewWaitMsMax).toBeGreaterThan(1_900);
    heal();
    await cluster.until('it is in sync again', isrIs(1, 2, 3));
    await allAreEqual('first');
  });

  it('of which the directory cannot be moved away is tried again, too', async () => {
    await start();
    const broker = cluster.broker(3);
    (await failLog(broker))();
    const heal = broker.disk.inject({ operations: ['rename'], path: /partitions/, fault: 'EIO' });
    await cluster.until('it was tried twice', () => broker.host.figures().replication.logsBegunAnew === 2);
    heal();
    await cluster.until('it is in sync again', isrIs(1, 2, 3));
    await allAreEqual('first');
  });
});
