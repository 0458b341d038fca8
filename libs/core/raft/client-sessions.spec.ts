import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { textEntry } from '@streamline/testing/raft-stories/story-node';
import { ClientSessions } from './client-sessions';
import type { Entry, ProposalId } from './types';

function entry(index: number, id: ProposalId | undefined, timestampMs = 0): Entry {
  return { ...textEntry(index, 1, 'x'), id, timestampMs };
}

function open(index: number, clientId: string, timestampMs = 0): Entry {
  return entry(index, { clientId, sessionIndex: 0, sequence: 0 }, timestampMs);
}

describe('ClientSessions', () => {
  it('lets a proposal take effect once, and in order (RAFT-16)', () => {
    const sessions = new ClientSessions();
    const proposal = (index: number, sequence: number) =>
      sessions.admit(entry(index, { clientId: 'a', sessionIndex: 1, sequence }));
    expect(sessions.admit(open(1, 'a'))).toBe('opened');
    expect([proposal(2, 1), proposal(3, 1), proposal(4, 3), proposal(5, 2), proposal(6, 3), proposal(7, 1)]).toEqual([
      'apply',
      'duplicate',
      'out-of-order',
      'apply',
      'apply',
      'duplicate',
    ]);
  });

  it('lets a proposal without an id take effect whenever it is appended', () => {
    const sessions = new ClientSessions();
    expect([sessions.admit(entry(1, undefined)), sessions.admit(entry(2, undefined))]).toEqual(['apply', 'apply']);
  });

  it('does not take a first proposal that comes late for a new one: a session opened again is another', () => {
    const sessions = new ClientSessions({ expiryMs: 100, sessionsMax: 10 });
    sessions.admit(open(1, 'a', 0));
    const first = { clientId: 'a', sessionIndex: 1, sequence: 1 };
    expect(sessions.admit(entry(2, first, 0))).toBe('apply');
    sessions.admit(open(3, 'a', 500));
    expect(sessions.admit(entry(4, first, 500))).toBe('unknown-session');
  });

  it('forgets a session that was not used for so long in log time, which never goes back', () => {
    const sessions = new ClientSessions({ expiryMs: 100, sessionsMax: 10 });
    sessions.admit(open(1, 'a', 1000));
    sessions.admit(open(2, 'b', 1050));
    expect(sessions.admit(entry(3, { clientId: 'a', sessionIndex: 1, sequence: 1 }, 400))).toBe('apply');
    expect(sessions.admit(entry(4, { clientId: 'a', sessionIndex: 1, sequence: 2 }, 1150))).toBe('apply');
    sessions.admit(entry(5, undefined, 1151));
    expect(sessions.state.sessions.map(({ clientId }) => clientId)).toEqual(['a']);
  });

  it('holds no more sessions than it may, and forgets the one longest unused', () => {
    const sessions = new ClientSessions({ expiryMs: 1e9, sessionsMax: 2 });
    for (const [at, clientId] of ['a', 'b'].entries()) sessions.admit(open(at + 1, clientId));
    sessions.admit(entry(3, { clientId: 'a', sessionIndex: 1, sequence: 1 }));
    sessions.admit(open(4, 'c'));
    expect(sessions.state.sessions.map(({ clientId }) => clientId)).toEqual(['a', 'c']);
  });

  it('decides the same from a snapshot as from the whole log', () => {
    const step = fc.record({ client: fc.nat(3), sequence: fc.nat(4), passesMs: fc.nat(60) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.nat(60), (steps, cut) => {
        const limits = { expiryMs: 100, sessionsMax: 3 };
        let timeMs = 0;
        const log = steps.map(({ client, sequence, passesMs }, at) => {
          timeMs += passesMs;
          return entry(at + 1, { clientId: 'c', sessionIndex: sequence === 0 ? 0 : client + 1, sequence }, timeMs);
        });
        const whole = new ClientSessions(limits);
        const verdicts = log.map((each) => whole.admit(each));
        const before = new ClientSessions(limits);
        for (const each of log.slice(0, cut)) before.admit(each);
        const after = new ClientSessions(limits, before.state);
        expect(log.slice(cut).map((each) => after.admit(each))).toEqual(verdicts.slice(cut));
      }),
    );
  });
});
