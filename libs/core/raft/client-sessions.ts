import type { Entry, LogIndex } from './types';

/** One client's place in its sequence of proposals; part of the replicated state. */
export interface ClientSession {
  /** Index of the entry that opened it. */
  readonly sessionIndex: LogIndex;
  readonly clientId: string;
  /** The last proposal that took effect; 0 after opening. */
  readonly lastSequence: number;
  /** Log time when it was last used, ms since 1970. */
  readonly usedAtMs: number;
}

export interface ClientSessionsState {
  /** The largest timestamp of an entry so far, ms since 1970. */
  readonly logTimeMs: number;
  /** In the order of their last use, longest unused first. */
  readonly sessions: readonly ClientSession[];
}

export interface ClientSessionsLimits {
  /** A session that was not used for so long in log time is forgotten; far above the longest deadline of a proposal. */
  readonly expiryMs: number;
  /** Above it the session longest unused is forgotten. */
  readonly sessionsMax: number;
}

/** An hour, and some thousand processes: every node that forwards has one session a start. */
export const DEFAULT_SESSION_LIMITS: ClientSessionsLimits = { expiryMs: 3_600_000, sessionsMax: 4096 };

/**
 * `apply`: let the records take effect. `opened`: a session begins, its id is the entry's index. Anything else has no effect:
 * `duplicate` did so before; `out-of-order` came before a proposal that precedes it (propose again from there);
 * `unknown-session` belongs to a session that was forgotten, so whether it took effect is no longer known here.
 */
export type ProposalVerdict = 'apply' | 'opened' | 'duplicate' | 'out-of-order' | 'unknown-session';

/**
 * Lets each proposal take effect once (RAFT-16; thesis 6.3). A deterministic part of every state machine: all replicas ask it
 * for each applied entry in order, and its state is part of their snapshots. Expiry goes by the timestamps in the log, so that
 * every replica forgets the same session at the same entry.
 */
export class ClientSessions {
  #logTimeMs: number;
  /** By session index; iteration order is the order of last use. */
  readonly #sessions = new Map<LogIndex, ClientSession>();

  constructor(
    private readonly limits: ClientSessionsLimits = DEFAULT_SESSION_LIMITS,
    state: ClientSessionsState = { logTimeMs: 0, sessions: [] },
  ) {
    this.#logTimeMs = state.logTimeMs;
    for (const session of state.sessions) this.#sessions.set(session.sessionIndex, session);
  }

  get state(): ClientSessionsState {
    return { logTimeMs: this.#logTimeMs, sessions: [...this.#sessions.values()] };
  }

  /** To be asked for every applied entry, once, in order of the log. */
  admit(entry: Entry): ProposalVerdict {
    if (entry.timestampMs > this.#logTimeMs) this.#logTimeMs = entry.timestampMs;
    this.#expire();
    const { id } = entry;
    if (id === undefined) return 'apply';
    if (id.sequence === 0) {
      this.#use({ sessionIndex: entry.index, clientId: id.clientId, lastSequence: 0, usedAtMs: this.#logTimeMs });
      return 'opened';
    }
    const session = this.#sessions.get(id.sessionIndex);
    if (session === undefined || session.clientId !== id.clientId) return 'unknown-session';
    if (id.sequence > session.lastSequence + 1) return 'out-of-order';
    if (id.sequence <= session.lastSequence) return 'duplicate';
    this.#use({ ...session, lastSequence: id.sequence, usedAtMs: this.#logTimeMs });
    return 'apply';
  }

  #use(session: ClientSession): void {
    this.#sessions.delete(session.sessionIndex);
    this.#sessions.set(session.sessionIndex, session);
    if (this.#sessions.size > this.limits.sessionsMax) this.#forgetOldest();
  }

  #expire(): void {
    for (const { usedAtMs } of this.#sessions.values()) {
      if (this.#logTimeMs - usedAtMs <= this.limits.expiryMs) return;
      this.#forgetOldest();
    }
  }

  #forgetOldest(): void {
    for (const oldest of this.#sessions.keys()) {
      this.#sessions.delete(oldest);
      return;
    }
  }
}
