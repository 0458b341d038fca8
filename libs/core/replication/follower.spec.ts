import { describe, expect, it } from 'vitest';
import { ReplicaBench, node } from '@streamline/testing/replication/replica-bench';
import type { BrokerEpoch, LeaderEpoch, Offset } from '../types/ids';
import type { ReplicaEffect } from './effects';
import type { ReplicaInput } from './inputs';

describe('a follower', () => {
  it('is told again how far is committed where a push found no room in its log: consumers that read from it would wait for ever', () => {
    const bench = new ReplicaBench({ leader: node(2) });
    const push = (sessionId: number): readonly ReplicaEffect[] =>
      bench.step({
        kind: 'push',
        from: node(2),
        push: {
          leaderEpoch: 5 as LeaderEpoch,
          brokerEpoch: 100 as BrokerEpoch,
          sessionId,
          previousOffset: 0 as Offset,
          previousEpoch: -1,
          baseOffset: 0 as Offset,
          endOffset: 4 as Offset,
          highWatermark: 4 as Offset,
          logStartOffset: 0 as Offset,
        },
      });
    expect(push(1).map(({ kind }) => kind)).toEqual(['append', 'high-watermark']);
    // The host could not append it: it begins a new session.
    bench.step({ kind: 'peer-disconnected', peer: node(2) });
    expect(bench.replica.highWatermark).toBe(0);
    expect(bench.step({ kind: 'peer-connected', peer: node(2) })).toMatchObject([
      { kind: 'send-hello', hello: { endOffset: 0 } },
    ]);
    expect(push(2)).toMatchObject([{ kind: 'append' }, { kind: 'high-watermark', offset: 4 }]);
  });

  it('acknowledges what became durable between its hello and the answer: with nothing new to send it was out of the ISR for ever', () => {
    const bench = new ReplicaBench({ leader: node(2), isr: [2, 3].map(node) });
    bench.log.appendAsLeader({ id: 1, records: 1, producerId: -1, baseSequence: 0 });
    bench.step({ kind: 'peer-disconnected', peer: node(2) });
    expect(bench.step({ kind: 'peer-connected', peer: node(2) })).toMatchObject([
      { kind: 'send-hello', hello: { sessionId: 2, endOffset: 1, durableEndOffset: 0 } },
    ]);
    bench.log.sync();
    expect(bench.step({ kind: 'log-changed' })).toEqual([]);
    expect(bench.step(nothingNew(0))).toEqual([{ kind: 'ack-due', to: 2 }]);
  });

  it('acknowledges what is durable once durability asks for it, though nothing new comes: it left the ISR for good', () => {
    const bench = pageCacheFollower();
    bench.learn({ durability: 'fsync' });
    bench.log.sync();
    expect(bench.step({ kind: 'log-changed' })).toEqual([{ kind: 'ack-due', to: 2 }]);
  });

  it('acknowledges what was durable before durability asked for it', () => {
    const bench = pageCacheFollower();
    bench.log.sync();
    expect(bench.step({ kind: 'log-changed' })).toEqual([]);
    expect(bench.learn({ durability: 'fsync' })).toEqual([{ kind: 'ack-due', to: 2 }]);
  });
});

/** In a session with broker 2, which knows that one record is written here, and nothing of it on the disk. */
function pageCacheFollower(): ReplicaBench {
  const bench = new ReplicaBench({ leader: node(2), isr: [2, 3].map(node), durability: 'page-cache' });
  bench.log.appendAsLeader({ id: 1, records: 1, producerId: -1, baseSequence: 0 });
  bench.log.writtenOperations = bench.log.operationCount;
  bench.step({ kind: 'peer-disconnected', peer: node(2) });
  bench.step({ kind: 'peer-connected', peer: node(2) });
  bench.step(nothingNew(1));
  return bench;
}

/** What broker 2 sends in its second session to who has all of its one record. */
function nothingNew(highWatermark: number): ReplicaInput {
  const push = {
    leaderEpoch: 5 as LeaderEpoch,
    brokerEpoch: 100 as BrokerEpoch,
    sessionId: 2,
    previousOffset: 1 as Offset,
    previousEpoch: -1,
    baseOffset: 1 as Offset,
    endOffset: 1 as Offset,
    highWatermark: highWatermark as Offset,
    logStartOffset: 0 as Offset,
  };
  return { kind: 'push', from: node(2), push };
}
