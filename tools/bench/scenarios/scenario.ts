import type { LoadTimes } from '../load/run-load';
import type { Server, ServerName } from '../server/server';

/** When a produced batch is acknowledged: when it is on the disk, or when it is written to the page cache. */
export type Durability = 'fsync' | 'page-cache';

/** What each server does when nothing is configured. */
export const DEFAULT_DURABILITY: Readonly<Record<ServerName, Durability>> = { streamline: 'fsync', kafka: 'page-cache' };

/** One measurement of one server. */
export interface Measurement {
  /** What was done, such as `produce 64 KiB, 6 partitions`. */
  readonly line: string;
  readonly server: ServerName;
  readonly durability: Durability;
  /** By name with unit: `mbPerSecond`, `cpuSecondsPerGb`, `p99Ms`, … */
  readonly metrics: Readonly<Record<string, number>>;
  /** Cores that others used meanwhile. */
  readonly foreignCores?: number;
  /** On the monotonic clock, milliseconds. */
  readonly window?: { readonly startedAtMs: number; readonly endedAtMs: number };
}

/** What a scenario works with. */
export interface Bench {
  /** Servers to compare, already answering; for scenarios that do not bring their own. */
  readonly servers: readonly Server[];
  readonly times: LoadTimes;
  /** Numbers of partitions to produce to and fetch from. */
  readonly partitionCounts: readonly number[];
  readonly quick: boolean;
  /** A new server with an empty data directory, formatted but not started, for each side of the comparison. */
  freshServers(): Promise<readonly Server[]>;
  record(measurement: Measurement): void;
}

export interface Scenario {
  readonly name: string;
  readonly summary: string;
  /** It starts servers itself and wants no others beside them. */
  readonly bringsServers?: true;
  run(bench: Bench): Promise<void>;
}

export const MEGABYTE = 1e6;
export const GIGABYTE = 1e9;
export const KIB = 1024;
