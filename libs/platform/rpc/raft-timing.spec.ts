import { UNTOLD_TIMING } from '@streamline/core/formation/timing';
import type { VoterId } from '@streamline/core/raft/types';
import { describe, expect, it } from 'vitest';
import { timingDifference } from './raft-timing';

const PEER = '2@bbbbbbbbbbbbbbbbbbbbbb' as VoterId;
const USUAL = { heartbeatIntervalMs: 500, electionTimeoutMinMs: 1_000, electionTimeoutMaxMs: 2_000 };

describe('timingDifference', () => {
  it('is nothing where the settings are the same, or a peer tells none', () => {
    expect(timingDifference(USUAL, PEER, { ...USUAL })).toBeUndefined();
    expect(timingDifference(USUAL, PEER, UNTOLD_TIMING)).toBeUndefined();
  });

  it('tells a harmless difference with both values', () => {
    const told = timingDifference(USUAL, PEER, { ...USUAL, electionTimeoutMaxMs: 3_000 });
    expect(told).toBe(
      'node 2 has heartbeat_interval_ms 500, election_timeout_min_ms 1000, election_timeout_max_ms 3000, ' +
        'this node heartbeat_interval_ms 500, election_timeout_min_ms 1000, election_timeout_max_ms 2000',
    );
  });

  it('says who cannot stay leader', () => {
    const quick = { heartbeatIntervalMs: 100, electionTimeoutMinMs: 500, electionTimeoutMaxMs: 800 };
    expect(timingDifference(USUAL, PEER, quick)).toContain('this node cannot stay leader, since node 2 holds elections');
    expect(timingDifference(quick, PEER, USUAL)).toContain('node 2 cannot stay leader, since this node holds elections');
  });
});
