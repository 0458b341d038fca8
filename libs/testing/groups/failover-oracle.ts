import type { NodeId, PartitionIndex } from '@streamline/core/types/ids';
import type { ReplicatedOffsets } from './replicated-offsets';

/** What is known of the committed offset of one group and partition. Values that are committed only grow. */
interface Known {
  lastAsked: number;
  /** Acknowledged to the client, or shown to a reader: never to be gone again. */
  floor: number;
}

/** An answer that was asked for, as the node stood when it was. */
export interface Question {
  readonly node: NodeId;
  readonly partition: PartitionIndex;
  /** In which the node believed to lead; undefined where it did not. */
  readonly epoch: number | undefined;
  /** It leads by the controller's word. */
  readonly isLeader: boolean;
  readonly floor: number;
}

/**
 * Judges what coordinators of a replicated offsets topic answer:
 * - an acknowledged commit is never lost, and nothing that was read goes back, whoever leads;
 * - a coordinator that was deposed without knowing it may answer with what was committed before, no less;
 * - a generation has one assignment, and generations of a group grow.
 */
export class FailoverOracle {
  readonly #known = new Map<string, Known>();
  /** Of each (partition, epoch) that is over, what was known when it ended. */
  readonly #floorsAtEnd = new Map<string, ReadonlyMap<string, number>>();
  /** Of each (group, generation) the leader's assignment that members were given. */
  readonly #assignments = new Map<string, string>();
  readonly #generations = new Map<string, number>();
  /** What must not have been, in words. */
  readonly violations: string[] = [];
  readonly counts = { acknowledged: 0, failed: 0, reads: 0, readsOfDeposed: 0, generations: 0 };

  constructor(
    private readonly cluster: ReplicatedOffsets,
    private readonly where: string,
  ) {}

  get keys(): readonly string[] {
    return [...this.#known.keys()];
  }

  floor(key: string): number {
    return this.#of(key).floor;
  }

  /** The next value to commit. */
  nextValue(key: string): number {
    const known = this.#of(key);
    known.lastAsked += 1;
    return known.lastAsked;
  }

  /** An epoch ends: somebody else is about to lead. */
  epochEnds(partition: PartitionIndex): void {
    const floors = new Map([...this.#known].map(([key, { floor }]) => [key, floor]));
    this.#floorsAtEnd.set(`${partition}/${this.cluster.of(partition).epoch}`, floors);
  }

  ask(key: string, node: NodeId, partition: PartitionIndex): Question {
    const epoch = this.cluster.node(node).replica(partition).leading;
    return { node, partition, epoch, isLeader: this.cluster.leads(node, partition), floor: this.floor(key) };
  }

  committed(key: string, value: number, errorCode: number): void {
    if (errorCode !== 0) {
      this.counts.failed += 1;
      return;
    }
    this.counts.acknowledged += 1;
    this.#raise(key, value);
  }

  read(key: string, value: number, question: Question): void {
    const { node, partition, epoch } = question;
    const known = this.#of(key);
    if (value > known.lastAsked) this.#violated(`${key}: ${value} was read, and never written`);
    const isLeader = question.isLeader && this.cluster.leads(node, partition) && this.cluster.of(partition).epoch === epoch;
    const atEnd = this.#floorsAtEnd.get(`${partition}/${epoch ?? -1}`)?.get(key) ?? -1;
    const least = isLeader ? question.floor : Math.min(atEnd, question.floor);
    if (epoch === undefined) this.#violated(`${key}: node ${node} answered ${value} without leading`);
    else if (value < least) this.#violated(`${key}: node ${node} answered ${value} in epoch ${epoch}, ${least} was committed`);
    this.counts[isLeader ? 'reads' : 'readsOfDeposed'] += 1;
    this.#raise(key, value);
  }

  /** A member was told its assignment, of which `token` tells which SyncGroup of the leader it is from. */
  synced(groupId: string, generation: number, token: string): void {
    const known = this.#assignments.get(`${groupId}/${generation}`);
    if (known !== undefined && known !== token) {
      this.#violated(`${groupId}: generation ${generation} has two assignments, ${known} and ${token}`);
    }
    if (known === undefined) {
      const before = this.#generations.get(groupId) ?? 0;
      if (generation <= before) this.#violated(`${groupId}: generation ${generation} comes after ${before}`);
      this.counts.generations += 1;
      this.#generations.set(groupId, generation);
    }
    this.#assignments.set(`${groupId}/${generation}`, token);
  }

  #of(key: string): Known {
    let known = this.#known.get(key);
    if (known === undefined) this.#known.set(key, (known = { lastAsked: -1, floor: -1 }));
    return known;
  }

  #raise(key: string, value: number): void {
    const known = this.#of(key);
    known.floor = Math.max(known.floor, value);
  }

  #violated(what: string): void {
    this.violations.push(`${this.where}: ${what}`);
  }
}
