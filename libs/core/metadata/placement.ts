import type { NodeId } from '../types/ids';

/** A broker that may take replicas. */
export interface PlacementBroker {
  readonly id: NodeId;
  readonly rack: string | undefined;
}

export interface PlacementRequest {
  readonly partitions: number;
  readonly replicationFactor: number;
  /** Grows from call to call, so that small topics do not all begin on the same broker. */
  readonly firstShift: number;
}

/**
 * Replicas for new partitions, the preferred leader first: round robin over the brokers in the order of their ids, each
 * partition beginning one further. Deterministic. There must be at least `replicationFactor` brokers.
 */
export function placeReplicas(brokers: readonly PlacementBroker[], request: PlacementRequest): readonly (readonly NodeId[])[] {
  const { partitions, replicationFactor, firstShift } = request;
  if (replicationFactor < 1 || replicationFactor > brokers.length) {
    throw new RangeError(`Cannot place ${replicationFactor} replicas on ${brokers.length} brokers`);
  }
  const ids = brokers.map(({ id }) => id).sort((a, b) => a - b);
  const doubled = [...ids, ...ids];
  return Array.from({ length: partitions }, (_, partition) => {
    const first = (firstShift + partition) % ids.length;
    return doubled.slice(first, first + replicationFactor);
  });
}
