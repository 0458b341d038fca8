import type { NodeId, Offset } from '../types/ids';
import type { ReplicaMetadata } from './types';

/** Every offset of a log that is to be dropped: there is nothing of it that a leader could count on. */
export const NO_LOG = -1 as Offset;

/** Why a log that failed may not be dropped (REPL-21). */
export type AnewObstacle =
  /** The controller still counts it among those that have what was acknowledged: it leads, or is in the ISR or the ELR. */
  | 'needed'
  /** The controller has not committed that it failed: until then it may be elected, and taken into the ISR. */
  | 'untold'
  /** Nobody leads, so there is nobody to copy from; it may be the last that has acknowledged records. */
  | 'leaderless';

/**
 * What is in the way of dropping a replica's log, which failed, and of beginning it anew as a copy of the leader's. Asked of the metadata of
 * both: a follower's may be old, and a replica that is marked as failed no longer may be taken in by its leader alone.
 */
export function anewObstacle(
  self: NodeId,
  { leader, isr, elr, failedReplicas }: Pick<ReplicaMetadata, 'leader' | 'isr' | 'elr' | 'failedReplicas'>,
): AnewObstacle | undefined {
  if (leader === self || isr.includes(self) || elr.includes(self)) return 'needed';
  if (!failedReplicas.includes(self)) return 'untold';
  return leader === undefined ? 'leaderless' : undefined;
}

/** A disk may fail for a moment only. */
const BACK_OFF_MS = 1_000;
/** One that goes on failing is copied to every ten minutes at most. */
export const ANEW_BACK_OFF_MS_MAX = 600_000;

/**
 * How long a log that failed is left alone before it begins anew, in milliseconds: doubled by each time that it began anew and failed again.
 *
 * @param attempts how often it began anew lately
 * @param jitter from 0 to 1: half of the time is drawn, so that the logs of one disk do not all come at once
 */
export function anewDelayMs(attempts: number, jitter: number): number {
  const ceilingMs = Math.min(ANEW_BACK_OFF_MS_MAX, BACK_OFF_MS * 2 ** Math.min(attempts, 20));
  return ceilingMs * (0.5 + jitter / 2);
}
