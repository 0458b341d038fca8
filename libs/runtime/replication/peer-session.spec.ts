import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ReplicaCluster } from '@streamline/testing/replication-host/replica-cluster';

/** So long that nobody leaves the ISR within the patience of a test. */
const PATIENT = { limits: { replica: { replicaLagTimeMaxMs: 60_000 } } };

describe('a session between two brokers', () => {
  let cluster: ReplicaCluster;

  beforeEach(async () => {
    cluster = await ReplicaCluster.of(3, PATIENT);
    await cluster.answer(cluster.append(['first']));
  });

  afterEach(async () => {
    await cluster.close();
  });

  it('tells a leader that was replaced, and does not hear of it otherwise, that its pushes are refused', async () => {
    cluster.controllerAnswers = false;
    cluster.broker(1).host.sessionEnds(cluster.clock.monotonicMs());
    cluster.elect(2, [1, 2, 3], 1);
    await cluster.until('broker 2 leads', () => cluster.broker(2).isLeading);
    expect(await cluster.answer(cluster.append(['lost'], { to: 1 }))).toMatchObject({ errorCode: 6 });
    expect(cluster.broker(1).isLeading).toBe(false);
  });
});
