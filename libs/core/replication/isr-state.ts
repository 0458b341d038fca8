import type { NodeId } from '../types/ids';
import type { AlterPartitionEffect } from './effects';

/** An ISR that was proposed to the controller and has no verdict yet. */
export interface IsrProposal {
  readonly effect: AlterPartitionEffect;
  /** When it is sent again; Infinity: only news of the metadata ends it. */
  retryAtMs: number;
  /** It was sent more than once, or answered in a way that says nothing. */
  isUncertain: boolean;
}

/**
 * The in-sync replicas as the leader has to see them (REPL-5): what the controller committed, and what it may have committed by
 * now. Until its verdict a member of either counts.
 */
export class IsrState {
  proposal: IsrProposal | undefined;
  /** Committed ones, and those that the proposal adds. */
  maximal: readonly NodeId[];

  constructor(
    public committed: readonly NodeId[],
    public partitionEpoch: number,
  ) {
    this.maximal = committed;
  }

  propose(effect: AlterPartitionEffect, retryAtMs: number): void {
    this.proposal = { effect, retryAtMs, isUncertain: false };
    const added = effect.newIsr.map(({ nodeId }) => nodeId).filter((id) => !this.committed.includes(id));
    this.maximal = added.length === 0 ? this.committed : [...this.committed, ...added];
  }

  /** Another proposal in place of one that may still be carried out: both count. */
  replace(effect: AlterPartitionEffect, retryAtMs: number): void {
    this.proposal = { effect, retryAtMs, isUncertain: true };
  }

  /** A state of the partition that the controller committed. False where it is no news. Whatever was proposed before it is void. */
  adopt(isr: readonly NodeId[], partitionEpoch: number): boolean {
    if (partitionEpoch <= this.partitionEpoch) return false;
    this.committed = isr;
    this.partitionEpoch = partitionEpoch;
    this.#end();
    return true;
  }

  /** The controller says that the proposal did not and will not take effect. */
  rollBack(): void {
    this.#end();
  }

  #end(): void {
    this.proposal = undefined;
    this.maximal = this.committed;
  }
}
