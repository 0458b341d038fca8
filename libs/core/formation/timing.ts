/** What a node tells others of its clocks in the consensus, in milliseconds; 0 where it does not say. */
export interface RaftTiming {
  readonly heartbeatIntervalMs: number;
  readonly electionTimeoutMinMs: number;
  readonly electionTimeoutMaxMs: number;
}

export const UNTOLD_TIMING: RaftTiming = { heartbeatIntervalMs: 0, electionTimeoutMinMs: 0, electionTimeoutMaxMs: 0 };

/**
 * Of two nodes, the one that cannot stay leader of the other: that one begins elections before the heartbeats come. Undefined:
 * either can. No setting of Raft has to be the same for safety, and other differences only make it uneven who is elected, and when.
 */
export function cannotLead(own: RaftTiming, its: RaftTiming): 'own' | 'its' | undefined {
  if (own.electionTimeoutMinMs === 0 || its.electionTimeoutMinMs === 0) return undefined;
  if (own.heartbeatIntervalMs >= its.electionTimeoutMinMs) return 'own';
  return its.heartbeatIntervalMs >= own.electionTimeoutMinMs ? 'its' : undefined;
}

/**
 * Why a cluster whose leader has these settings does not let a node with those in; undefined: it does. Only of who is no member
 * yet (FORM-10): members are given other settings one after the other, and go on meanwhile.
 */
export function refusedTiming(leader: RaftTiming, joiner: RaftTiming): string | undefined {
  const who = cannotLead(leader, joiner);
  if (who === undefined) return undefined;
  const consequence =
    who === 'own'
      ? 'it would hold elections before the heartbeats of this cluster come'
      : 'this cluster would hold elections before its heartbeats come';
  return `it has ${timingText(joiner)}, the leader of this cluster ${timingText(leader)}: ${consequence}. Give all nodes the same settings`;
}

export function timingText({ heartbeatIntervalMs, electionTimeoutMinMs, electionTimeoutMaxMs }: RaftTiming): string {
  return `heartbeat_interval_ms ${heartbeatIntervalMs}, election_timeout_min_ms ${electionTimeoutMinMs}, election_timeout_max_ms ${electionTimeoutMaxMs}`;
}
