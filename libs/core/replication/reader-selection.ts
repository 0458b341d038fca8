import type { NodeId, Offset } from '../types/ids';

/** A follower that consumers may be sent to. */
export interface Reader {
  readonly id: NodeId;
  /** broker.rack; undefined: none. */
  readonly rack: string | undefined;
  /** Registered and not fenced. */
  readonly isAlive: boolean;
  readonly startOffset: Offset;
  /** As far as the leader knows. */
  readonly endOffset: Offset;
  /** When it last had everything (monotonic ms). */
  readonly caughtUpMs: number;
}

/**
 * Where a consumer of a rack is to fetch from (KIP-392, RackAwareReplicaSelector): undefined for the leader, which it stays with where it
 * names no rack, the leader is in it, or no follower there has the offset. Of several the one that is furthest.
 */
export function preferredReader(
  clientRack: string,
  leaderRack: string | undefined,
  followers: readonly Reader[],
  fetchOffset: Offset,
): NodeId | undefined {
  if (clientRack === '' || clientRack === leaderRack) return undefined;
  let best: Reader | undefined;
  for (const follower of followers) {
    const { rack, isAlive, startOffset, endOffset } = follower;
    if (rack !== clientRack || !isAlive || fetchOffset < startOffset || fetchOffset > endOffset) continue;
    if (best === undefined || isFurther(follower, best)) best = follower;
  }
  return best?.id;
}

function isFurther(left: Reader, right: Reader): boolean {
  if (left.endOffset !== right.endOffset) return left.endOffset > right.endOffset;
  return left.caughtUpMs > right.caughtUpMs;
}
