import { describe, expect, it } from 'vitest';
import { node, ReplicaBench } from '@streamline/testing/replication/replica-bench';
import type { BrokerEpoch, LeaderEpoch } from '../types/ids';

describe('a leader', () => {
  it.each([
    ['leader epoch', { leaderEpoch: 4 as LeaderEpoch }],
    ['incarnation of the follower', { brokerEpoch: 99 as BrokerEpoch }],
    ['session', { sessionId: 0 }],
  ])('counts no acknowledgement of another %s (REPL-12)', (_, change) => {
    const bench = new ReplicaBench();
    bench.hello(2, 0);
    bench.hello(3, 0);
    bench.append(1);
    bench.replicate(2);
    bench.replicate(3, change);
    expect(bench.replica.highWatermark).toBe(0);
    bench.replicate(3);
    expect(bench.replica.highWatermark).toBe(1);
  });

  it('waits for no follower that came back with much to get, however short it was away', () => {
    const bench = new ReplicaBench({ isr: [1, 2, 3].map(node) });
    bench.nowMs = 60_000;
    bench.hello(2, 0);
    bench.hello(3, 0);
    bench.append(1);
    bench.replicate(2);
    bench.replicate(3);
    bench.step({ kind: 'peer-disconnected', peer: node(3) });
    bench.commit([1, 2]);
    bench.append(5);
    bench.replicate(2);
    bench.nowMs += 2_000;
    bench.hello(3, 1);
    bench.append(1);
    bench.replicate(2);
    expect(bench.replica.highWatermark).toBe(7);
  });

  it('waits for a follower outside of the ISR that got what was there when it came', () => {
    const bench = new ReplicaBench({ isr: [1, 2].map(node) });
    bench.nowMs = 60_000;
    bench.eligible.delete(node(3));
    bench.hello(2, 0);
    bench.append(3);
    bench.replicate(2);
    bench.hello(3, 0);
    bench.replicate(3);
    bench.eligible.set(node(3), bench.registered.get(node(3)) ?? (0 as BrokerEpoch));
    bench.append(1);
    bench.replicate(2);
    expect(bench.replica.highWatermark).toBe(3);
    bench.replicate(3);
    expect(bench.replica.highWatermark).toBe(4);
  });

  it.each([
    ['that came early once it leads', false, [{ kind: 'push-due', to: 2 }]],
    ['no more whose stream ended meanwhile: another incarnation took what it was sent for its own session', true, []],
  ])('answers a hello %s', (_, isOver, due) => {
    const bench = new ReplicaBench({ leader: node(2) });
    bench.hello(2, 0, { leaderEpoch: 6 as LeaderEpoch });
    if (isOver) for (const kind of ['peer-disconnected', 'peer-connected'] as const) bench.step({ kind, peer: node(2) });
    const effects = bench.learn({ leader: node(1), leaderEpoch: 6 as LeaderEpoch, partitionEpoch: 2 });
    expect(effects.filter(({ kind }) => kind === 'push-due')).toMatchObject(due);
    expect(bench.replica.pushTo(node(2)) !== undefined).toBe(!isOver);
  });
});
