import type { Effect } from './effects';
import type { Input } from './inputs';
import type { RaftStatus, Time } from './types';

/**
 * The Raft core as a host sees it: `Raft` (raft.ts) with `new Raft(init: RaftInit, time: Time)`.
 *
 * A host's turn: take the inputs that wait, `step` them, begin the effects in order, and arm one timer for `nextDeadlineMs`.
 * The first turn is `[{ kind: 'tick' }]` right after construction: a node that is the only voter elects itself in it, a
 * snapshot that the state machine lacks is restored, committed entries are applied.
 * After an exception (RaftInvariantError: state that cannot be) the core is not to be used again and the process is to end.
 */
export interface Consensus {
  /** Carries out one turn. The effects are the host's; the core keeps none of the arrays that it was given or returned. */
  step(inputs: readonly Input[], time: Time): readonly Effect[];
  /** When to step a `tick` at the latest, on the clock of `Time.monotonicMs`. Infinity: nothing is waited for. */
  readonly nextDeadlineMs: number;
  /** As of the last step. */
  readonly status: RaftStatus;
}
