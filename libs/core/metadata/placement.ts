import type { NodeId } from '../types/ids';
import { balancedLeaders } from './leader-balance';

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
  /** Whether racks count: `streamline.rack.aware.assignment`. */
  readonly rackAware: boolean;
  /** Replicas of partitions that the topic has already: the new ones are placed so that all together are balanced. */
  readonly existing?: readonly (readonly NodeId[])[];
}

/** A broker while it is dealt replicas. */
interface Seat {
  readonly id: NodeId;
  replicas: number;
}

/** The brokers of one rack. Those without a rack share one, since nobody knows what they share. */
interface Rack {
  readonly seats: readonly Seat[];
  /** Of all its brokers together. */
  replicas: number;
}

/**
 * Replicas for new partitions, the preferred leader first. Deterministic; the order of `brokers` does not matter. There must
 * be at least `replicationFactor` of them. The rules, the first one first (META-36):
 *
 * 1. The replicas of a partition are on different brokers, over as many racks as there are, and as evenly as these allow: a
 *    rack has two more than another only where the other has no broker left.
 * 2. Within what that leaves open each broker gets as many replicas as the others; the brokers of a rack differ by one at most.
 * 3. Each broker is the preferred leader of as many partitions as the others, as far as the replicas lie so.
 */
export function placeReplicas(brokers: readonly PlacementBroker[], request: PlacementRequest): readonly (readonly NodeId[])[] {
  const { partitions, replicationFactor, firstShift, rackAware, existing = [] } = request;
  if (replicationFactor < 1 || replicationFactor > brokers.length) {
    throw new RangeError(`Cannot place ${replicationFactor} replicas on ${brokers.length} brokers`);
  }
  const order = rotated(interleaved(brokers, rackAware), firstShift);
  // One replica is on one rack, whatever racks there are.
  const racks = racksOf(order, rackAware && replicationFactor > 1);
  countExisting(racks, existing);
  const { everywhere, extra } = levels(racks, replicationFactor);
  const placed = Array.from({ length: partitions }, () => {
    const withOneMore = racksForExtra(racks, everywhere, extra);
    return racks.flatMap((rack, at) => {
      const count = Math.min(rack.seats.length, everywhere) + (withOneMore.has(rack) ? 1 : 0);
      return deal(rack, at, count);
    });
  });
  const ids = order.map(({ id }) => id);
  return balancedLeaders(placed, { order: ids, existing: existing.map(([leader]) => leader) });
}

/** One broker of each rack in turn, so that neighbours are on different racks; racks and brokers by name and id. */
function interleaved(brokers: readonly PlacementBroker[], rackAware: boolean): readonly PlacementBroker[] {
  const sorted = brokers.toSorted((one, other) => one.id - other.id);
  if (!rackAware) return sorted;
  const columns = [...groupedByRack(sorted).entries()]
    .toSorted(([one], [other]) => ((one ?? '') < (other ?? '') ? -1 : 1))
    .map(([, members]) => members);
  const longest = Math.max(...columns.map((members) => members.length));
  return Array.from({ length: longest }, (_, row) => columns.flatMap((members) => members[row] ?? [])).flat();
}

function groupedByRack(brokers: readonly PlacementBroker[]): Map<string | undefined, PlacementBroker[]> {
  const groups = new Map<string | undefined, PlacementBroker[]>();
  for (const broker of brokers) {
    const members = groups.get(broker.rack);
    if (members === undefined) groups.set(broker.rack, [broker]);
    else members.push(broker);
  }
  return groups;
}

function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const first = by % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

function racksOf(order: readonly PlacementBroker[], rackAware: boolean): readonly Rack[] {
  const groups = rackAware ? [...groupedByRack(order).values()] : [order];
  return groups.map((members) => ({ seats: members.map(({ id }) => ({ id, replicas: 0 })), replicas: 0 }));
}

function countExisting(racks: readonly Rack[], existing: readonly (readonly NodeId[])[]): void {
  const places = new Map(racks.flatMap((rack) => rack.seats.map((seat) => [seat.id, { rack, seat }] as const)));
  for (const id of existing.flat()) {
    const place = places.get(id);
    if (place === undefined) continue;
    place.seat.replicas++;
    place.rack.replicas++;
  }
}

/** How many replicas of a partition each rack takes as far as it has brokers, and how many racks take one more. */
function levels(racks: readonly Rack[], replicationFactor: number): { readonly everywhere: number; readonly extra: number } {
  let everywhere = 0;
  let left = replicationFactor;
  for (;;) {
    const open = racks.filter(({ seats }) => seats.length > everywhere).length;
    if (open > left) return { everywhere, extra: left };
    left -= open;
    everywhere++;
    if (left === 0) return { everywhere, extra: 0 };
  }
}

/** The racks that take one more of the next partition: those with room whose brokers would have the fewest. */
function racksForExtra(racks: readonly Rack[], everywhere: number, extra: number): ReadonlySet<Rack> {
  if (extra === 0) return new Set();
  const open = racks.filter(({ seats }) => seats.length > everywhere);
  const load = ({ replicas, seats }: Rack): number => (replicas + everywhere + 1) / seats.length;
  return new Set(open.toSorted((one, other) => load(one) - load(other)).slice(0, extra));
}

/**
 * The `count` brokers of a rack that have the fewest. With each round the search begins elsewhere, and in every rack at
 * another pace, so that the same brokers do not meet in partition after partition.
 */
function deal(rack: Rack, rackNumber: number, count: number): readonly NodeId[] {
  const { seats } = rack;
  const round = Math.floor(rack.replicas / seats.length);
  const shift = Math.floor(round / (rackNumber + 1)) % seats.length;
  const taken = new Set<Seat>();
  while (taken.size < count) {
    let best: Seat | undefined;
    for (let at = 0; at < seats.length; at++) {
      const seat = seats[(at + shift) % seats.length];
      if (seat === undefined || taken.has(seat)) continue;
      if (best === undefined || seat.replicas < best.replicas) best = seat;
    }
    if (best === undefined) throw new RangeError(`A rack of ${seats.length} brokers has no room for ${count} replicas`);
    taken.add(best);
  }
  for (const seat of taken) seat.replicas++;
  rack.replicas += count;
  return [...taken].map(({ id }) => id);
}
