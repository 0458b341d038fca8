import type { Stage } from '../stage/stage';

export interface Scenario {
  readonly name: string;
  readonly summary: string;
  /** By default 3. */
  readonly nodesMin?: number;
  /** Nodes beside the voters; by default none. */
  readonly spares?: number;
  /** Whether nodes need disks that can fail. */
  readonly needsDisks?: boolean;
  /** Whether it loses records where each is stored once. */
  readonly needsReplicas?: boolean;
  /**
   * One fault from its beginning to its end: all voters run, and are one cluster, before and after. It tells the stage what it
   * saw of the fault; a cycle that saw nothing is a failure.
   */
  cycle(stage: Stage, turn: number): Promise<void>;
}
