import { Violation } from '@streamline/testing/raft/violation';
import type { AcknowledgedBatch, Cut, DataInvariant, SeenRecord } from '../truth';

/** A partition of the clients' topic, as nobody in the run sees it. */
export interface Standing {
  /** Of each node, where its log ends that is as durable as the topic asks; of one that is down, where it ended. */
  readonly stableEnds: ReadonlyMap<number, number>;
  /** By the committed metadata. */
  readonly isr: readonly number[];
  readonly replicas: readonly number[];
  /** By the committed metadata: who has everything that is committed (ISR and ELR), but for those whose log failed, which it may not tell yet. */
  readonly complete: readonly number[];
  /** How many replicas have to have what is committed, whatever becomes of the settings meanwhile. */
  readonly leastReplicas: number;
}

/**
 * What acks=all acknowledges or a consumer is given is durable by then (written, with page-cache durability) on all disks of the ISR, which are at least min.insync.replicas
 * (R-1, R-2, REPL-2); and nobody is in the ISR, or cuts its log there, who does not keep it (R-4, REPL-6, REPL-9).
 */
export class EnoughReplicas implements DataInvariant {
  /** Of each partition, the end of what somebody was told of. */
  readonly #committedEnds = new Map<number, number>();
  readonly #isrs = new Map<number, readonly number[]>();
  /** Of each partition, who was in the ISR and is no replica any more, since the last change: a leader that has not heard of it counted them. */
  readonly #dropped = new Map<number, readonly number[]>();

  constructor(private readonly standingOf: (place: number) => Standing) {}

  answered({ place, baseOffset, values }: AcknowledgedBatch): void {
    this.#told(place, baseOffset + values.length, `${values.join()} is acknowledged at ${place}@${baseOffset}`);
  }

  delivered(consumer: string, { place, offset, value }: SeenRecord): void {
    this.#told(place, offset + 1, `${consumer} is given ${value} at ${place}@${offset}`);
  }

  lost(place: number): void {
    this.#committedEnds.delete(place);
  }

  /** The committed metadata has changed. */
  isrChanged(place: number): void {
    const { isr, replicas } = this.standingOf(place);
    const before = this.#isrs.get(place) ?? [];
    if (isr.join() !== before.join()) {
      this.#isrs.set(place, isr);
      this.#dropped.set(
        place,
        before.filter((nodeId) => !replicas.includes(nodeId)),
      );
    }
    const end = this.#committedEnds.get(place);
    if (end !== undefined) this.#expectComplete(place, end, `the ISR of ${place} has changed`);
  }

  cut({ place, nodeId, offset, logEndOffset }: Cut): void {
    const end = this.#committedEnds.get(place) ?? 0;
    if (offset >= end || logEndOffset <= offset || !this.standingOf(place).complete.includes(nodeId)) return;
    throw new Violation(
      'enough-replicas',
      `node ${nodeId} is in sync for ${place}, and cuts its log at ${offset}, where ${end} is committed`,
    );
  }

  #told(place: number, end: number, what: string): void {
    if (end <= (this.#committedEnds.get(place) ?? 0)) return;
    this.#committedEnds.set(place, end);
    this.#expectComplete(place, end, what);
    const { stableEnds, leastReplicas } = this.standingOf(place);
    const having = new Set(this.#dropped.get(place));
    for (const [nodeId, durable] of stableEnds) if (durable >= end) having.add(nodeId);
    if (having.size < leastReplicas)
      throw new Violation('enough-replicas', `${what}, durable on ${having.size} of ${leastReplicas}`);
  }

  #expectComplete(place: number, end: number, what: string): void {
    const { stableEnds, complete } = this.standingOf(place);
    const lacking = complete.find((nodeId) => (stableEnds.get(nodeId) ?? 0) < end);
    if (lacking === undefined) return;
    const has = stableEnds.get(lacking) ?? 0;
    throw new Violation('enough-replicas', `${what}; node ${lacking} is in sync and has ${has} of ${end} on its disk`);
  }
}
