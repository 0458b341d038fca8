import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ReplicaCluster } from '@streamline/testing/replication-host/replica-cluster';

describe('a partition that other brokers have replicas of', () => {
  let cluster: ReplicaCluster;

  beforeEach(async () => {
    cluster = await ReplicaCluster.of(3);
    await cluster.answer(cluster.append(['first']));
  });

  afterEach(async () => {
    await cluster.close();
  });

  it('commits nothing by itself between two registrations of its broker: the others may lack it', async () => {
    const { disk, log, host, epoch } = cluster.broker(1);
    cluster.streams.isolate(1);
    const letGo = disk.inject({ fault: 'hold', operations: ['durableWrite'] });
    const answer = cluster.append(['unknown to others']);
    await cluster.pass(5);
    const committed = vi.spyOn(log, 'raiseHighWatermark');
    await cluster.answer(host.endIncarnation());
    letGo();
    await cluster.until('it is on its own disk', () => log.durableEndOffset === 2);
    await cluster.pass(5);
    expect(committed.mock.calls).toEqual([]);
    expect((await cluster.answer(answer)).errorCode).toBe(6);
    host.activate(epoch);
  });
});
