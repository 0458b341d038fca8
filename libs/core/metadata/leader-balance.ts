import type { NodeId } from '../types/ids';

/** Replicas of one partition; the first leads. */
type Replicas = readonly NodeId[];

export interface LeaderBalance {
  /** Decides between equals: the brokers, the first one first. */
  readonly order: readonly NodeId[];
  /** Who leads the partitions that there are already. */
  readonly existing: readonly (NodeId | undefined)[];
}

/**
 * The same replicas, each list with another leader in front, so that the brokers lead as evenly as the replicas allow: first
 * whoever leads the fewest leads, then leaderships are handed on along chains of partitions for as long as that evens them out,
 * which finds the best there is (a matching; no partition moves).
 */
export function balancedLeaders(placed: readonly Replicas[], { order, existing }: LeaderBalance): readonly Replicas[] {
  const rank = new Map(order.map((id, at) => [id, at]));
  const leads = new Map(order.map((id) => [id, 0]));
  const count = (id: NodeId): number => leads.get(id) ?? 0;
  const add = (id: NodeId, by: number): void => void leads.set(id, count(id) + by);
  for (const id of existing) {
    if (id !== undefined && rank.has(id)) add(id, 1);
  }
  const leaders = placed.map((replicas) => {
    const leader = replicas.reduce((best, id) => {
      const fewer = count(id) - count(best) || (rank.get(id) ?? 0) - (rank.get(best) ?? 0);
      return fewer < 0 ? id : best;
    });
    add(leader, 1);
    return leader;
  });
  for (;;) {
    const chain = evening(placed, leaders, order, count);
    if (chain === undefined) break;
    for (const { partition, to } of chain) {
      add(leaders[partition] ?? to, -1);
      add(to, 1);
      leaders[partition] = to;
    }
  }
  return placed.map((replicas, partition) => withFirst(replicas, leaders[partition], partition));
}

interface Step {
  readonly partition: number;
  readonly to: NodeId;
}

/** A chain of hand-overs from a broker that leads most to one that leads at least two fewer; undefined where there is none. */
function evening(
  placed: readonly Replicas[],
  leaders: readonly NodeId[],
  order: readonly NodeId[],
  count: (id: NodeId) => number,
): readonly Step[] | undefined {
  const least = Math.min(...order.map(count));
  if (Math.max(...order.map(count)) - least < 2) return undefined;
  const ledBy = new Map<NodeId, number[]>(order.map((id) => [id, []]));
  for (const [partition, leader] of leaders.entries()) ledBy.get(leader)?.push(partition);
  for (const start of order.toSorted((one, other) => count(other) - count(one))) {
    if (count(start) - least < 2) return undefined;
    const chain = chainFrom(start, placed, ledBy, (id) => count(start) - count(id) >= 2);
    if (chain !== undefined) return chain;
  }
  return undefined;
}

/** Breadth first: the shortest chain from `start` to a broker that `isGoal`. */
function chainFrom(
  start: NodeId,
  placed: readonly Replicas[],
  ledBy: ReadonlyMap<NodeId, readonly number[]>,
  isGoal: (id: NodeId) => boolean,
): readonly Step[] | undefined {
  const chains = new Map<NodeId, readonly Step[]>([[start, []]]);
  const queue = [start];
  for (let from = queue.shift(); from !== undefined; from = queue.shift()) {
    const chain = chains.get(from) ?? [];
    for (const partition of ledBy.get(from) ?? []) {
      for (const to of placed[partition] ?? []) {
        if (chains.has(to)) continue;
        const longer = [...chain, { partition, to }];
        if (isGoal(to)) return longer;
        chains.set(to, longer);
        queue.push(to);
      }
    }
  }
  return undefined;
}

/** The leader in front; the others follow in an order that turns with the partitions, since the next one takes over. */
function withFirst(replicas: Replicas, leader: NodeId | undefined, partition: number): Replicas {
  const others = replicas.filter((id) => id !== leader);
  if (leader === undefined || others.length === 0) return replicas;
  const turn = partition % others.length;
  return [leader, ...others.slice(turn), ...others.slice(0, turn)];
}
