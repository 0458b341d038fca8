import type { NodeId, Offset } from '@streamline/core/types/ids';

/** What the high watermark of a partition follows from, as its leader sees it. */
export interface ReplicationState {
  /** The in-sync replicas that the controller has committed, the leader among them. */
  readonly committedIsr: readonly NodeId[];
  /** min(min.insync.replicas, replicas) */
  readonly effectiveMinIsr: number;
  /** How far each replica is durable, by the partition's own durability; one that is absent has acknowledged nothing. */
  readonly durableEnds: ReadonlyMap<NodeId, Offset>;
}

/**
 * The high watermark that follows `current`: the least durable end among the in-sync replicas, the leader's own
 * included. It stands still while the committed ISR is too small, and never moves back.
 */
export function nextHighWatermark(current: Offset, state: ReplicationState): Offset {
  if (state.committedIsr.length === 0 || state.committedIsr.length < state.effectiveMinIsr) return current;
  let least: Offset | undefined;
  for (const replica of state.committedIsr) {
    const end = state.durableEnds.get(replica);
    if (end === undefined) return current;
    if (least === undefined || end < least) least = end;
  }
  return least !== undefined && least > current ? least : current;
}
