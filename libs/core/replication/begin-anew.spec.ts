import { describe, expect, it } from 'vitest';
import { ReplicaBench, node } from '@streamline/testing/replication/replica-bench';
import { ErrorCode } from '../types/error-code';
import type { Offset } from '../types/ids';
import { ANEW_BACK_OFF_MS_MAX, NO_LOG, anewDelayMs, anewObstacle } from './begin-anew';
import type { ReplicaEffect } from './effects';
import type { LogFacts } from './types';

const NOTHING = { startOffset: NO_LOG, writtenEndOffset: NO_LOG, durableEndOffset: NO_LOG, epochs: [] };
const NOTHING_THERE: LogFacts = { ...NOTHING, endOffset: NO_LOG, tailStartOffset: NO_LOG, isOffline: false };
const kindsOf = (effects: readonly ReplicaEffect[]) => effects.map(({ kind }) => kind);

describe('a log that failed begins anew', () => {
  const out = { leader: node(2), isr: [node(2)], elr: [node(3)], failedReplicas: [node(1)] };

  it.each([
    ['where the controller has it out, and another replica leads', {}, undefined],
    ['not while it leads', { leader: node(1) }, 'needed'],
    ['not while it is in the ISR', { isr: [node(2), node(1)] }, 'needed'],
    ['not while it is in the ELR, as one that was full may be', { elr: [node(1)] }, 'needed'],
    ['not before the controller has heard of it', { failedReplicas: [] }, 'untold'],
    ['not where nobody leads: it may be the last', { leader: undefined, isr: [], elr: [] }, 'leaderless'],
  ])('%s', (_, change, obstacle) => {
    expect(anewObstacle(node(1), { ...out, ...change })).toBe(obstacle);
  });

  it('after a second at first, and later with each time that it failed again, up to ten minutes, half of it jitter', () => {
    expect([0, 1, 2, 3].map((attempts) => anewDelayMs(attempts, 1))).toEqual([1_000, 2_000, 4_000, 8_000]);
    expect(anewDelayMs(3, 0)).toBe(4_000);
    expect([10, 50, 5_000].map((attempts) => anewDelayMs(attempts, 1))).toEqual(Array(3).fill(ANEW_BACK_OFF_MS_MAX));
  });
});

describe('the leader of a replica that begins anew (REPL-21)', () => {
  function leaderOf(isr: readonly number[], failed: readonly number[]): ReplicaBench {
    const bench = new ReplicaBench({ minInsyncReplicas: 1 });
    bench.append(3);
    for (const follower of [2, 3]) bench.hello(follower, 3);
    bench.commit(isr, { failedReplicas: failed.map(node) });
    return bench;
  }

  it('tells it where to begin, and counts on nothing that it had: with the mark gone it would join the ISR with an empty log', () => {
    const bench = leaderOf([1, 3], [2]);
    expect(bench.hello(2, NO_LOG, NOTHING)).toMatchObject([
      { kind: 'send-diverging', diverging: { kind: 'start-at', offset: 0 } },
    ]);
    bench.hello(2, 0);
    expect(kindsOf(bench.commit([1, 3], { failedReplicas: [] }))).not.toContain('alter-partition');
    expect(bench.replicate(2)).toMatchObject([
      { kind: 'alter-partition', newIsr: [{ nodeId: 1 }, { nodeId: 3 }, { nodeId: 2 }] },
    ]);
  });

  it.each([
    ['in the ISR', [1, 2, 3], [2]],
    ['not marked as failed', [1, 3], []],
  ])('refuses one that is %s: it would drop what counts', (_, isr, failed) => {
    const bench = leaderOf(isr, failed);
    const refused = { errorCode: ErrorCode.KAFKA_STORAGE_ERROR };
    expect(bench.hello(2, NO_LOG, NOTHING)).toMatchObject([{ kind: 'send-refused', to: 2, refused }]);
  });

  it('refuses one that it is about to take into the ISR', () => {
    const bench = leaderOf([1, 3], []);
    // It was proposed when the mark was not there yet.
    bench.hello(2, 3);
    bench.learn({ failedReplicas: [node(2)] });
    expect(kindsOf(bench.hello(2, NO_LOG, NOTHING))).toEqual(['send-refused']);
  });
});

describe('a replica of which the log failed (REPL-21)', () => {
  function failed(): ReplicaBench {
    const bench = new ReplicaBench({ leader: node(2) });
    bench.log.isOffline = true;
    expect(kindsOf(bench.step({ kind: 'log-changed' }))).toEqual(['offline']);
    return bench;
  }

  it('drops nothing before the controller has it out', () => {
    const bench = failed();
    expect(bench.replica.anewObstacle).toBe('needed');
    expect(bench.step({ kind: 'begin-anew' })).toEqual([]);
    expect(bench.replica.role).toBe('offline');
  });

  it('greets as one that has nothing, drops the log behind the answer, and compares what is there then', () => {
    const bench = failed();
    bench.commit([2, 3], { failedReplicas: [node(1)] });
    bench.view = NOTHING_THERE;
    const [hello] = bench.step({ kind: 'begin-anew' });
    expect(hello).toMatchObject({
      kind: 'send-hello',
      to: 2,
      hello: { endOffset: NO_LOG, durableEndOffset: NO_LOG, epochs: [] },
    });
    if (hello?.kind !== 'send-hello') throw new Error('no hello');
    const { leaderEpoch, brokerEpoch, sessionId } = hello.hello;
    const diverging = { kind: 'start-at', offset: 7 as Offset, leaderEpoch, brokerEpoch, sessionId } as const;
    expect(bench.step({ kind: 'diverging', from: node(2), diverging })).toMatchObject([
      { kind: 'start-at', offset: 7 },
      { kind: 'high-watermark', offset: 7 },
    ]);
    bench.view = bench.log;
    bench.log.isOffline = false;
    bench.log.startAt(7);
    expect(bench.step({ kind: 'truncated' })).toMatchObject([{ kind: 'send-hello', hello: { startOffset: 7, endOffset: 7 } }]);
  });

  it('gives it up where the metadata says, before the leader has answered, that its log counts', () => {
    const bench = failed();
    bench.commit([2, 3], { failedReplicas: [node(1)] });
    bench.view = NOTHING_THERE;
    bench.step({ kind: 'begin-anew' });
    expect(kindsOf(bench.commit([2, 3, 1], { failedReplicas: [] }))).toEqual(['offline']);
    expect(bench.replica.role).toBe('offline');
  });
});
