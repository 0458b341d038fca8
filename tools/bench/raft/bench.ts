/** One line of the results; figures carry their unit in their name. */
export interface RaftMeasurement {
  readonly scenario: string;
  readonly line: string;
  readonly figures: Readonly<Record<string, number>>;
  /** Cores that other processes of the machine used meanwhile, on average. */
  readonly foreignCores: number | undefined;
  /** On the monotonic clock, where profiles are to be looked at. */
  readonly window?: { readonly startedAtMs: number; readonly endedAtMs: number };
}

/** What scenarios get. */
export interface RaftBench {
  readonly voters: readonly number[];
  readonly entryBytes: readonly number[];
  readonly outstanding: readonly number[];
  readonly seconds: number;
  readonly kills: number;
  readonly elections: number;
  readonly entries: number;
  readonly snapshotMb: number;
  readonly firstPort: number;
  readonly profileDirectory: string | undefined;
  record(measurement: Omit<RaftMeasurement, 'scenario'>): void;
}

export interface RaftScenario {
  readonly name: string;
  readonly summary: string;
  run(bench: RaftBench): Promise<void>;
}
