import type { RaftContext } from './context';
import type { ReadOutcome } from './messages';
import type { VoterId } from './types';

/** A linearizable read that waits at the leader: of this node, or of one that forwarded it. */
export interface WaitingRead {
  readonly requestId: number;
  readonly from: VoterId;
  readonly incarnation: number;
}

/**
 * Reads without the log (thesis 6.4): a majority that answers a round of heartbeats begun after the read came confirms that
 * no later leader had committed anything by then (RAFT-14). Reads that come during a round share the next.
 */
export class ReadRounds {
  /** The last round that was begun; heartbeats carry it. */
  round = 0;
  #queued: WaitingRead[] = [];
  #inRound: WaitingRead[] = [];
  #index = 0;

  constructor(private readonly context: RaftContext) {}

  add(read: WaitingRead): void {
    if (this.#queued.length + this.#inRound.length < this.context.config.pendingReadsMax) this.#queued.push(read);
    else answerRead(this.context, read, { kind: 'refused', reason: 'busy' });
  }

  /**
   * Begins a round if reads wait and none is under way. Before the leader has committed an entry of its own term it does not
   * know what is committed, and reads wait on. Returns whether heartbeats are to go out.
   */
  begin(): boolean {
    const { term, commitIndex, log } = this.context;
    if (this.#queued.length === 0 || this.#inRound.length > 0 || log.termAt(commitIndex) !== term) return false;
    this.#inRound = this.#queued;
    this.#queued = [];
    this.#index = commitIndex;
    this.round++;
    return true;
  }

  get isUnderWay(): boolean {
    return this.#inRound.length > 0;
  }

  /** A majority has answered `round`. */
  confirm(round: number): void {
    if (round < this.round) return;
    const reads = this.#inRound;
    this.#inRound = [];
    for (const read of reads) answerRead(this.context, read, { kind: 'ready', index: this.#index });
  }

  /** The leader's term is over. */
  refuseAll(): void {
    const reads = [...this.#inRound, ...this.#queued];
    this.#inRound = [];
    this.#queued = [];
    for (const read of reads) answerRead(this.context, read, { kind: 'refused', reason: 'not-leader' });
  }
}

export function answerRead(context: RaftContext, { requestId, from, incarnation }: WaitingRead, outcome: ReadOutcome): void {
  const { self, term, effects } = context;
  if (from === self) effects.push({ kind: 'read-result', requestId, outcome });
  else context.send({ kind: 'read-response', from: self, to: from, term, requestId, incarnation, outcome });
}
