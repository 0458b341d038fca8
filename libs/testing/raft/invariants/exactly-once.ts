import type { ClusterGhost, CommittedEntry, Invariant } from '../cluster-ghost';
import { KeyMachine, operationsOf } from '../key-machine';
import type { SessionLimits } from '../key-machine';
import { Violation } from '../violation';

/**
 * Exactly once (RAFT-16, thesis 6.3): whatever was sent, forwarded and appended how often, an operation takes effect at one
 * index at most, and before a client is told that it did.
 */
export class ExactlyOnce implements Invariant {
  readonly #reference: KeyMachine;
  readonly #effectiveAt = new Map<string, number>();

  constructor(
    private readonly cluster: ClusterGhost,
    limits: SessionLimits,
    /** Told of each committed entry that repeats a proposal and has no effect. */
    private readonly onDuplicate: () => void,
  ) {
    this.#reference = new KeyMachine(limits);
  }

  committed({ entry }: CommittedEntry): void {
    const { verdict } = this.#reference.apply(entry);
    if (entry.kind !== 'records') return;
    if (verdict === 'duplicate') this.onDuplicate();
    if (verdict !== 'apply') return;
    for (const { operationId } of operationsOf(entry)) {
      const known = this.#effectiveAt.get(operationId);
      if (known !== undefined) {
        throw new Violation('exactly-once', `operation ${operationId} takes effect at ${known} and again at ${entry.index}`);
      }
      this.#effectiveAt.set(operationId, entry.index);
    }
  }

  /** A client is told that its operation took effect. */
  acknowledged(operationId: string): void {
    if (this.#effectiveAt.has(operationId)) return;
    throw new Violation(
      'exactly-once',
      `operation ${operationId} is acknowledged though nothing up to ${this.cluster.commitIndex} lets it take effect`,
    );
  }
}
