import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cannotLead, refusedTiming, UNTOLD_TIMING } from './timing';

const USUAL = { heartbeatIntervalMs: 500, electionTimeoutMinMs: 1_000, electionTimeoutMaxMs: 2_000 };
const QUICK = { heartbeatIntervalMs: 100, electionTimeoutMinMs: 500, electionTimeoutMaxMs: 800 };

describe('the settings of Raft of two nodes', () => {
  it('lets in who can lead and be led, though its settings differ, and who does not tell them', () => {
    for (const joiner of [
      USUAL,
      { ...USUAL, electionTimeoutMaxMs: 9_000 },
      { ...QUICK, electionTimeoutMinMs: 501 },
      UNTOLD_TIMING,
    ]) {
      expect(refusedTiming(USUAL, joiner)).toBeUndefined();
    }
  });

  it('refuses who begins elections before the heartbeats come, and of whom the heartbeats come too late', () => {
    expect(refusedTiming(USUAL, QUICK)).toBe(
      'it has heartbeat_interval_ms 100, election_timeout_min_ms 500, election_timeout_max_ms 800, the leader of this cluster ' +
        'heartbeat_interval_ms 500, election_timeout_min_ms 1000, election_timeout_max_ms 2000: ' +
        'it would hold elections before the heartbeats of this cluster come. Give all nodes the same settings',
    );
    expect(refusedTiming(QUICK, USUAL)).toContain('this cluster would hold elections before its heartbeats come');
  });

  it('is the same seen from either side, and nothing between nodes with the same settings, where those are valid', () => {
    const valid = fc
      .tuple(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 10_000 }), fc.nat(10_000))
      .map(([heartbeatIntervalMs, more, further]) => ({
        heartbeatIntervalMs,
        electionTimeoutMinMs: heartbeatIntervalMs + more,
        electionTimeoutMaxMs: heartbeatIntervalMs + more + further,
      }));
    const swapped = { own: 'its', its: 'own' } as const;
    fc.assert(
      fc.property(valid, valid, (own, its) => {
        expect(cannotLead(own, { ...own })).toBeUndefined();
        const who = cannotLead(own, its);
        expect(cannotLead(its, own)).toBe(who === undefined ? undefined : swapped[who]);
      }),
    );
  });
});
