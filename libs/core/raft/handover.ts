import type { RaftContext } from './context';
import type { TransferOutcome } from './effects';
import { invariant } from './invariant';
import type { Progress } from './progress';
import type { VoterId } from './types';

/**
 * Hands leadership over (thesis 3.10): no new proposals, the target is brought up to date, then told to campaign. If it has not
 * won within an election timeout, or cannot be reached, the leader goes on.
 */
export class Handover {
  #open: { readonly requestId: number; readonly target: VoterId; readonly deadlineMs: number; told: boolean } | undefined;

  constructor(private readonly context: RaftContext) {}

  get target(): VoterId | undefined {
    return this.#open?.target;
  }

  get deadlineMs(): number {
    return this.#open?.deadlineMs ?? Infinity;
  }

  begin(requestId: number, to: VoterId | undefined, peers: readonly Progress[]): void {
    if (this.#open !== undefined) {
      this.#answer(requestId, { kind: 'refused', reason: 'transferring' });
      return;
    }
    const target = to ?? furthest(this.context, peers)?.id;
    const { self, configuration, nowMs, config } = this.context;
    if (target === undefined || target === self || !configuration.voters.includes(target)) {
      this.#answer(requestId, { kind: 'refused', reason: 'not-a-voter' });
      return;
    }
    const heardMs = peers.find(({ id }) => id === target)?.heardMs ?? -Infinity;
    if (nowMs - heardMs >= config.electionTimeoutMinMs) {
      this.#answer(requestId, { kind: 'refused', reason: 'unreachable' });
      return;
    }
    this.#open = { requestId, target, deadlineMs: nowMs + config.electionTimeoutMaxMs, told: false };
  }

  /** Tells the target as soon as it has everything. */
  pump(peers: readonly Progress[]): void {
    const open = this.#open;
    if (open === undefined || open.told) return;
    const target = peers.find(({ id }) => id === open.target);
    if (target?.matchIndex !== this.context.log.lastIndex) return;
    open.told = true;
    tellToCampaign(this.context, target);
  }

  /** The target lives and has not campaigned: what it was told may have been lost. */
  heartbeatAnswered(peer: Progress): void {
    if (this.#open?.target === peer.id) this.#open.told = false;
  }

  /** What the target is sent is lost: proposals do not wait for that. */
  unreachable(id: VoterId): void {
    if (this.#open?.target === id) this.#end({ kind: 'refused', reason: 'unreachable' });
  }

  tick(): void {
    if (this.context.nowMs >= this.deadlineMs) this.#end({ kind: 'timed-out' });
  }

  /** Leadership is over, whoever leads next. */
  resigned(): void {
    this.#end({ kind: 'done' });
  }

  #end(outcome: TransferOutcome): void {
    if (this.#open !== undefined) this.#answer(this.#open.requestId, outcome);
    this.#open = undefined;
  }

  #answer(requestId: number, outcome: TransferOutcome): void {
    this.context.effects.push({ kind: 'transfer-result', requestId, outcome });
  }
}

/** The voter with the longest log among those that were heard lately. */
export function furthest({ configuration, nowMs, config }: RaftContext, peers: readonly Progress[]): Progress | undefined {
  let found: Progress | undefined;
  for (const peer of peers) {
    const eligible = configuration.voters.includes(peer.id) && nowMs - peer.heardMs < config.electionTimeoutMaxMs;
    if (eligible && peer.matchIndex > (found?.matchIndex ?? -1)) found = peer;
  }
  return found;
}

/** Its votes pass stickiness, so only a voter that cannot lose for a shorter log is told (RAFT-18). */
export function tellToCampaign(context: RaftContext, { id, matchIndex }: Progress): void {
  const { self, term, log, configuration } = context;
  invariant(matchIndex === log.lastIndex, 'RAFT-18', 'leadership is handed to a node that lags', matchIndex, log.lastIndex);
  invariant(configuration.voters.includes(id), 'RAFT-18', 'leadership is handed to a node that is no voter');
  context.send({ kind: 'timeout-now', from: self, to: id, term });
}
