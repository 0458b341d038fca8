import { beforeEach, describe, expect, it } from 'vitest';
import { ReplicaBench, node } from '@streamline/testing/replication/replica-bench';
import { ErrorCode } from '../types/error-code';
import type { BrokerEpoch, LeaderEpoch, Offset } from '../types/ids';
import { likelyLeader, whyNotAppend, whyNotRead, whyNotServed } from './client-rules';
import type { ReplicaEffect } from './effects';

const { NONE, NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH } = ErrorCode;

describe('a replica of a broker whose session with the controller is over (REPL-20)', () => {
  let bench: ReplicaBench;

  beforeEach(() => {
    bench = new ReplicaBench();
    bench.hello(2, 0);
    bench.hello(3, 0);
  });

  const lapse = (isLapsed: boolean): readonly ReplicaEffect[] => {
    bench.sessions.isLapsed = isLapsed;
    return bench.step({ kind: 'brokers-changed' });
  };
  const lose = (peer: number): readonly ReplicaEffect[] => bench.step({ kind: 'peer-disconnected', peer: node(peer) });
  const answers = () => [whyNotAppend(bench.replica, -1), whyNotServed(bench.replica, -1), whyNotRead(bench.replica, -1)];

  it('serves on while every other replica follows it: nobody who could be elected leads', () => {
    expect(lapse(true)).toEqual([]);
    expect(answers()).toEqual([NONE, NONE, NONE]);
  });

  it('serves on without a session that is over, whoever is gone', () => {
    expect(lose(2).concat(lose(3))).toEqual([]);
    expect(answers()).toEqual([NONE, NONE, NONE]);
    expect(likelyLeader(bench.replica)).toBeUndefined();
  });

  it('ceases to serve once a replica is out of reach, and names it as the likely leader', () => {
    lapse(true);
    expect(lose(3)).toEqual([{ kind: 'suspend', errorCode: NOT_LEADER_OR_FOLLOWER }]);
    expect(answers()).toEqual([NOT_LEADER_OR_FOLLOWER, NOT_LEADER_OR_FOLLOWER, NOT_LEADER_OR_FOLLOWER]);
    expect(likelyLeader(bench.replica)).toBe(3);
    expect(lose(2)).toEqual([]);
    expect(likelyLeader(bench.replica)).toBe(2);
  });

  it('names one that is in sync rather than one that is not', () => {
    lose(2);
    lose(3);
    bench.commit([1, 3]);
    lapse(true);
    expect(likelyLeader(bench.replica)).toBe(3);
  });

  it('serves again when its session is back, or the last of the others is', () => {
    lose(3);
    lapse(true);
    expect(lapse(false)).toEqual([{ kind: 'resume', leaderEpoch: 5 }]);
    expect(answers()).toEqual([NONE, NONE, NONE]);
    lapse(true);
    bench.step({ kind: 'peer-connected', peer: node(3) });
    expect(bench.hello(3, 0)).toContainEqual({ kind: 'resume', leaderEpoch: 5 });
  });

  it('resigns, and does not serve again, where its session is back and another leads', () => {
    lose(3);
    lapse(true);
    const effects = bench.commit([2, 3], { leader: node(2), leaderEpoch: 6 as LeaderEpoch });
    expect(effects).toContainEqual({ kind: 'resign', errorCode: NOT_LEADER_OR_FOLLOWER });
    expect(lapse(false).filter(({ kind }) => kind === 'resume')).toEqual([]);
    expect(answers()).toEqual([NOT_LEADER_OR_FOLLOWER, NOT_LEADER_OR_FOLLOWER, NONE]);
  });

  it('does not serve an epoch that begins meanwhile', () => {
    lose(3);
    lapse(true);
    const effects = bench.commit([1, 2], { leaderEpoch: 6 as LeaderEpoch });
    expect(effects.map(({ kind }) => kind).filter((kind) => kind === 'lead' || kind === 'suspend')).toEqual(['lead', 'suspend']);
    expect(lapse(false)).toContainEqual({ kind: 'resume', leaderEpoch: 6 });
  });

  it('serves on where it is the only replica', () => {
    bench = new ReplicaBench({ replicas: [node(1)], isr: [node(1)] });
    expect(lapse(true)).toEqual([]);
    expect(answers()).toEqual([NONE, NONE, NONE]);
  });

  it('sends consumers away from a follower that hears nothing of its leader', () => {
    bench.commit([2, 3], { leader: node(2), leaderEpoch: 6 as LeaderEpoch });
    expect(whyNotRead(bench.replica, -1)).toBe(NONE);
    lapse(true);
    expect(whyNotRead(bench.replica, -1)).toBe(NOT_LEADER_OR_FOLLOWER);
  });

  it('tells a leader of an epoch that is over, which then does without it', () => {
    const target = bench.replica.pushTo(node(2));
    const refused = {
      leaderEpoch: 5 as LeaderEpoch,
      brokerEpoch: bench.replica.followers[0]?.brokerEpoch ?? (-1 as BrokerEpoch),
      sessionId: target?.sessionId ?? -1,
      errorCode: FENCED_LEADER_EPOCH,
    };
    lapse(true);
    bench.step({ kind: 'refused', from: node(2), refused: { ...refused, sessionId: refused.sessionId + 1 } });
    expect(bench.replica.isServing).toBe(true);
    const effects = bench.step({ kind: 'refused', from: node(2), refused });
    expect(effects).toEqual([{ kind: 'suspend', errorCode: NOT_LEADER_OR_FOLLOWER }]);
    expect(bench.replica.pushTo(node(2))).toBeUndefined();
  });

  it('says FENCED_LEADER_EPOCH to who pushes in an epoch that is over', () => {
    const session = { leaderEpoch: 4 as LeaderEpoch, brokerEpoch: 1 as BrokerEpoch, sessionId: 7 };
    const at = 0 as Offset;
    const nothing = {
      previousOffset: at,
      previousEpoch: -1,
      baseOffset: at,
      endOffset: at,
      highWatermark: at,
      logStartOffset: at,
    };
    const effects = bench.step({ kind: 'push', from: node(3), push: { ...session, ...nothing } });
    expect(effects).toEqual([{ kind: 'send-refused', to: 3, refused: { ...session, errorCode: FENCED_LEADER_EPOCH } }]);
  });
});
