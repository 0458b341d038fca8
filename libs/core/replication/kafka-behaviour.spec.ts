import { beforeEach, describe, expect, it } from 'vitest';
import { ReplicaBench, node } from '@streamline/testing/replication/replica-bench';
import { ErrorCode } from '../types/error-code';
import type { BrokerEpoch, LeaderEpoch, Offset } from '../types/ids';
import { whyNotAppend, whyNotRead, whyNotServed } from './client-rules';
import type { ReplicaEffect } from './effects';

/** The lines of Kafka's behaviours that replication decides, against the core; see also the transcripts. */
describe('replication, as Kafka 4.4 behaves', () => {
  let bench: ReplicaBench;

  beforeEach(() => {
    bench = new ReplicaBench();
    bench.hello(2, 0);
    bench.hello(3, 0);
  });

  const of = <Kind extends ReplicaEffect['kind']>(effects: readonly ReplicaEffect[], kind: Kind) =>
    effects.filter((effect): effect is Extract<ReplicaEffect, { kind: Kind }> => effect.kind === kind);
  const proposedBy = (effects: readonly ReplicaEffect[]) =>
    of(effects, 'alter-partition').map(({ newIsr }) => newIsr.map(({ nodeId }) => nodeId as number));

  describe('acks', () => {
    it('0 and 1 append whatever the ISR is; all needs committed ISR >= min(min.insync.replicas, replicas), else 19 before the append', () => {
      expect([0, 1, -1].map((acks) => whyNotAppend(bench.replica, acks))).toEqual([0, 0, 0]);
      bench.commit([1]);
      expect([0, 1, -1].map((acks) => whyNotAppend(bench.replica, acks))).toEqual([0, 0, ErrorCode.NOT_ENOUGH_REPLICAS]);
      bench.learn({ minInsyncReplicas: 1 });
      expect(whyNotAppend(bench.replica, -1)).toBe(ErrorCode.NONE);
    });

    it('caps min.insync.replicas by the number of replicas', () => {
      const single = new ReplicaBench({ replicas: [node(1)], isr: [node(1)], minInsyncReplicas: 3 });
      expect(whyNotAppend(single.replica, -1)).toBe(ErrorCode.NONE);
      expect(of(single.append(1), 'high-watermark')).toMatchObject([{ offset: 1, errorCode: ErrorCode.NONE }]);
    });

    it('all that waits while leadership is lost ends in 6', () => {
      bench.append(1);
      const effects = bench.commit([2, 3], { leader: node(2), leaderEpoch: 6 as LeaderEpoch });
      expect(of(effects, 'resign')).toEqual([{ kind: 'resign', errorCode: ErrorCode.NOT_LEADER_OR_FOLLOWER }]);
      expect(whyNotAppend(bench.replica, 1)).toBe(ErrorCode.NOT_LEADER_OR_FOLLOWER);
    });

    it('20 only if the high watermark passed the batch while the maximal ISR is then too small: a shrink leaves it waiting instead', () => {
      bench.append(1);
      bench.replicate(2);
      bench.eligible.clear();
      expect(of(bench.commit([1]), 'high-watermark')).toEqual([]);
      expect(bench.replica.highWatermark).toBe(0);
      expect(bench.replica.leading?.acknowledgement()).toBe(ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND);
    });

    it('are refused with 56 by a replica whose log failed', () => {
      bench.log.isOffline = true;
      const effects = bench.step({ kind: 'log-changed' });
      expect(effects).toEqual([{ kind: 'resign', errorCode: ErrorCode.KAFKA_STORAGE_ERROR }, { kind: 'offline' }]);
      expect(whyNotAppend(bench.replica, 1)).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
      expect(whyNotRead(bench.replica, -1)).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    });
  });

  describe('requests that name an epoch', () => {
    it('are checked for it first (74, 75), then for leadership (6)', () => {
      expect([4, 5, 6, -1].map((epoch) => whyNotServed(bench.replica, epoch))).toEqual([74, 0, 75, 0]);
      bench.commit([2, 3], { leader: node(2), leaderEpoch: 6 as LeaderEpoch });
      expect([5, 6, 7, -1].map((epoch) => whyNotServed(bench.replica, epoch))).toEqual([74, 6, 75, 6]);
    });

    it('to fetch are served by followers as well, from v11 on', () => {
      bench.commit([2, 3], { leader: node(2), leaderEpoch: 6 as LeaderEpoch });
      expect([5, 6, 7, -1].map((epoch) => whyNotRead(bench.replica, epoch))).toEqual([74, 0, 75, 0]);
    });

    it('for offsets wait for a new leader whose high watermark is below its epoch start: 78', () => {
      bench.append(2);
      expect(bench.replica.isHighWatermarkCertain).toBe(true);
      bench.commit([1, 2], { leaderEpoch: 6 as LeaderEpoch });
      expect(bench.replica.isHighWatermarkCertain).toBe(false);
      bench.hello(2, 2);
      expect(bench.replica.isHighWatermarkCertain).toBe(true);
    });
  });

  describe('the high watermark', () => {
    it('is the minimum over the ISR, the leader among it, by what is durable', () => {
      bench.append(2);
      expect(of(bench.replicate(2), 'high-watermark')).toEqual([]);
      expect(of(bench.replicate(3, { durableEndOffset: 1 as Offset }), 'high-watermark')).toMatchObject([{ offset: 1 }]);
    });

    it('is by what is written where the topic asks for no more', () => {
      bench.learn({ durability: 'page-cache' });
      bench.append(2);
      bench.replicate(2, { durableEndOffset: 0 as Offset });
      expect(of(bench.replicate(3, { durableEndOffset: 0 as Offset }), 'high-watermark')).toMatchObject([{ offset: 2 }]);
    });

    it('stands still while the committed ISR is below the effective min ISR', () => {
      bench.append(1);
      bench.commit([1]);
      expect(bench.replica.highWatermark).toBe(0);
    });

    it('waits for joiners in flight, also where the answer of the controller is not known', () => {
      bench = new ReplicaBench({ isr: [node(1)], minInsyncReplicas: 1 });
      const [proposal] = of(bench.hello(2, 0), 'alter-partition');
      expect(proposal?.newIsr).toEqual([1, 2].map((id) => ({ nodeId: id, brokerEpoch: 100 })));
      bench.step({ kind: 'alter-partition', proposalId: proposal?.proposalId ?? 0, outcome: { kind: 'unknown' } });
      expect(of(bench.append(1), 'high-watermark')).toEqual([]);
      expect(of(bench.replicate(2), 'high-watermark')).toMatchObject([{ offset: 1 }]);
    });

    it('waits for caught-up eligible followers that are not in the ISR yet, but not for fenced ones', () => {
      bench.eligible.delete(node(3));
      bench.commit([1, 2]);
      bench.append(1);
      expect(of(bench.replicate(2), 'high-watermark')).toMatchObject([{ offset: 1 }]);
      bench.replicate(3);
      bench.eligible.set(node(3), 100 as BrokerEpoch);
      bench.append(1);
      expect(of(bench.replicate(2), 'high-watermark')).toEqual([]);
      expect(of(bench.replicate(3), 'high-watermark')).toMatchObject([{ offset: 2 }]);
    });

    it('moves on by a shrink only once the controller committed it', () => {
      bench.append(1);
      bench.replicate(2);
      bench.nowMs = 11_000;
      const effects = bench.step({ kind: 'tick' });
      expect(proposedBy(effects)).toEqual([[1, 2]]);
      expect(bench.replica.highWatermark).toBe(0);
      expect(of(bench.commit([1, 2]), 'high-watermark')).toMatchObject([{ offset: 1 }]);
    });
  });

  describe('the ISR', () => {
    it('is joined at the high watermark and the start of the epoch, not before', () => {
      bench = new ReplicaBench({ isr: [1, 2].map(node) });
      bench.hello(2, 0);
      bench.append(3);
      bench.replicate(2);
      expect(bench.replica.highWatermark).toBe(3);
      expect(proposedBy(bench.hello(3, 2))).toEqual([]);
      expect(proposedBy(bench.replicate(3))).toEqual([[1, 2, 3]]);
    });

    it.each([
      ['is fenced or shutting down', (): unknown => bench.eligible.delete(node(3))],
      ['is of another incarnation than the metadata knows', (): unknown => bench.registered.set(node(3), 99 as BrokerEpoch)],
    ])('is not joined by a broker that %s; it is when that is over', (_, spoil) => {
      spoil();
      bench.commit([1, 2]);
      bench.append(1);
      bench.replicate(2);
      expect(proposedBy(bench.replicate(3))).toEqual([]);
      bench.eligible.set(node(3), 100 as BrokerEpoch);
      bench.registered.set(node(3), 100 as BrokerEpoch);
      expect(proposedBy(bench.step({ kind: 'brokers-changed' }))).toEqual([[1, 2, 3]]);
    });

    it('is left by who has not been caught up for replica.lag.time.max, however much is written meanwhile', () => {
      for (let second = 1; second <= 9; second += 1) {
        bench.nowMs = second * 1000;
        bench.append(1);
        bench.replicate(2);
        expect(proposedBy(bench.step({ kind: 'tick' }))).toEqual([]);
      }
      bench.nowMs = 11_001;
      expect(proposedBy(bench.step({ kind: 'tick' }))).toEqual([[1, 2]]);
    });

    it('is not left by who has everything, however long nothing is written', () => {
      bench.append(1);
      bench.replicate(2);
      bench.replicate(3);
      bench.nowMs = 1_000_000;
      expect(bench.step({ kind: 'tick' })).toEqual([]);
      bench.append(1);
      bench.nowMs += 9_000;
      expect(proposedBy(bench.step({ kind: 'tick' }))).toEqual([]);
    });

    it('has one proposal at a time, sent again while its outcome is unknown, and never after the controller moved on', () => {
      bench.append(1);
      bench.nowMs = 11_000;
      const [first] = of(bench.step({ kind: 'tick' }), 'alter-partition');
      const proposalId = first?.proposalId ?? 0;
      expect(bench.step({ kind: 'tick' })).toEqual([]);
      bench.step({ kind: 'alter-partition', proposalId, outcome: { kind: 'unknown' } });
      bench.nowMs += 500;
      expect(of(bench.step({ kind: 'tick' }), 'alter-partition')).toEqual([first]);
      const outcome = { kind: 'refused', errorCode: ErrorCode.INVALID_UPDATE_VERSION } as const;
      bench.step({ kind: 'alter-partition', proposalId, outcome });
      bench.nowMs += 60_000;
      expect(bench.step({ kind: 'tick' })).toEqual([]);
    });

    it('is proposed anew as it is where one sending of a proposal was refused and another may still be carried out', () => {
      bench = new ReplicaBench({ isr: [node(1)], minInsyncReplicas: 1 });
      const [first] = of(bench.hello(2, 0), 'alter-partition');
      const proposalId = first?.proposalId ?? 0;
      bench.step({ kind: 'alter-partition', proposalId, outcome: { kind: 'unknown' } });
      const outcome = { kind: 'refused', errorCode: ErrorCode.INELIGIBLE_REPLICA } as const;
      const withdrawal = bench.step({ kind: 'alter-partition', proposalId, outcome });
      expect(proposedBy(withdrawal)).toEqual([[1]]);
      expect(bench.replica.leading?.maximalIsr).toEqual([1, 2]);
      bench.commit([1]);
      expect(bench.replica.leading?.maximalIsr).toEqual([1]);
    });
  });

  describe('followers', () => {
    it('of an earlier incarnation, session or epoch promise nothing', () => {
      bench.append(1);
      bench.replicate(2);
      for (const stale of [{ brokerEpoch: 99 as BrokerEpoch }, { sessionId: 0 }, { leaderEpoch: 4 as LeaderEpoch }]) {
        expect(of(bench.replicate(3, stale), 'high-watermark')).toEqual([]);
      }
      expect(of(bench.replicate(3), 'high-watermark')).toMatchObject([{ offset: 1 }]);
    });

    it('that say hello before this broker heard that it leads are answered as soon as it does', () => {
      const effects = bench.hello(3, 0, { leaderEpoch: 6 as LeaderEpoch });
      expect(effects).toEqual([]);
      const led = bench.commit([1, 2, 3], { leaderEpoch: 6 as LeaderEpoch });
      expect(of(led, 'push-due')).toMatchObject([{ to: 3 }]);
    });

    it('that say hello in an epoch that is over are refused with 74', () => {
      const effects = bench.hello(3, 0, { leaderEpoch: 4 as LeaderEpoch });
      expect(of(effects, 'send-refused')).toMatchObject([{ to: 3, refused: { errorCode: ErrorCode.FENCED_LEADER_EPOCH } }]);
    });

    it('take over the high watermark as far as their own log goes', () => {
      bench = new ReplicaBench({ leader: node(2) });
      const key = { leaderEpoch: 5 as LeaderEpoch, brokerEpoch: 100 as BrokerEpoch, sessionId: 1 };
      const place = { previousOffset: 0 as Offset, previousEpoch: -1, baseOffset: 0 as Offset, endOffset: 2 as Offset };
      const push = { ...key, ...place, highWatermark: 9 as Offset, logStartOffset: 0 as Offset };
      const effects = bench.step({ kind: 'push', from: node(2), push });
      expect(effects.map(({ kind }) => kind)).toEqual(['append', 'high-watermark']);
      expect(bench.replica.highWatermark).toBe(2);
    });

    it('cost nothing but numbers: an acknowledgement that moves nothing has no effects', () => {
      bench.append(1);
      const first = bench.replicate(2);
      expect(of(first, 'high-watermark')).toEqual([]);
      expect(bench.replicate(2)).toBe(bench.replicate(2));
    });
  });

  it('leads nothing by metadata from before its own registration (R-5)', () => {
    bench = new ReplicaBench({ leader: node(2) });
    bench.registered.set(node(1), 99 as BrokerEpoch);
    expect(of(bench.commit([1, 2, 3], { leader: node(1), leaderEpoch: 6 as LeaderEpoch }), 'lead')).toEqual([]);
    bench.registered.set(node(1), 100 as BrokerEpoch);
    expect(of(bench.step({ kind: 'brokers-changed' }), 'lead')).toEqual([{ kind: 'lead', leaderEpoch: 6 }]);
  });
});
