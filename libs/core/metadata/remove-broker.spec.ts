import { describe, expect, it } from 'vitest';
import { MetadataHarness } from '@streamline/testing/metadata/metadata-harness';
import type { NodeId } from '../types/ids';
import { partitionsOf, removeBroker } from './remove-broker';

const ONE = 1 as NodeId;

/** Brokers 1 and 2; `alone` has its two replicas on 1, `both` on 1 and 2. */
function cluster(): MetadataHarness {
  const harness = new MetadataHarness({ replicationFactorMax: 2 }).bootstrap().start(1).start(2);
  const on = (...ids: number[]) => ids.map((id) => id as NodeId);
  harness.create(
    {
      name: 'alone',
      assignments: [
        { partition: 0, replicas: on(1) },
        { partition: 1, replicas: on(1) },
      ],
    },
    { name: 'both', assignments: [{ partition: 0, replicas: on(1, 2) }] },
    { name: 'other', assignments: [{ partition: 0, replicas: on(2) }] },
  );
  return harness;
}

describe('removeBroker', () => {
  it('refuses while partitions have replicas on it, naming them', () => {
    const harness = cluster();
    const { index } = harness.state;
    expect(harness.run(removeBroker(harness.state, { brokerId: ONE, force: false }))).toMatchObject({
      error: {
        errorCode: 42,
        message: expect.stringMatching(/Broker 1 holds replicas of 3 partition\(s\): alone-0, alone-1, both-0\./),
      },
      held: { total: 3, names: ['alone-0', 'alone-1', 'both-0'] },
      lost: { total: 0 },
    });
    expect(harness.state.index).toBe(index);
  });

  it('with force says which partitions have nobody else with all records, and has others lead the rest', () => {
    const harness = cluster();
    expect(harness.run(removeBroker(harness.state, { brokerId: ONE, force: true }))).toEqual({
      error: undefined,
      held: { total: 3, names: ['alone-0', 'alone-1', 'both-0'] },
      lost: { total: 2, names: ['alone-0', 'alone-1'] },
    });
    expect(harness.state.brokers.has(ONE)).toBe(false);
    expect(harness.partition('both')).toMatchObject({ leader: 2, isr: [2], replicas: [1, 2] });
    expect(harness.partition('alone')).toMatchObject({ leader: undefined, isr: [] });
  });

  it('counts as lost what a broker that is Dead was the last to lead', () => {
    const harness = cluster();
    harness.heartbeat(1, { wantShutdown: true });
    expect(removeBroker(harness.state, { brokerId: ONE, force: true }).answer.lost.names).toEqual(['alone-0', 'alone-1']);
  });

  it('takes a broker without replicas out, and one that is out already for done', () => {
    const harness = cluster().start(3);
    const three = { brokerId: 3 as NodeId, force: false };
    for (const _ of [1, 2]) {
      expect(harness.run(removeBroker(harness.state, three))).toMatchObject({ error: undefined, held: { total: 0 } });
      expect(harness.state.brokers.has(3 as NodeId)).toBe(false);
    }
    expect(partitionsOf(harness.state, 2 as NodeId).names).toEqual(['both-0', 'other-0']);
  });

  it('names a bounded number of partitions', () => {
    const harness = new MetadataHarness().bootstrap().start(1);
    harness.create({ name: 't', partitions: 1500 });
    const { error, held } = removeBroker(harness.state, { brokerId: ONE, force: false }).answer;
    expect([held.total, held.names.length]).toEqual([1500, 1000]);
    expect(error?.message).toMatch(/t-9 and 1490 more\./);
  });
});
