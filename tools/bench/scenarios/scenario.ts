import type { LoadTimes } from '../load/run-load';
import type { Section } from '../report/section';
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
  /** What the machine could do right before, by name with unit: to be held against other lines. */
  readonly machine?: Readonly<Record<string, number>>;
  /** On the monotonic clock, milliseconds. */
  readonly window?: { readonly startedAtMs: number; readonly endedAtMs: number };
}

/** One of those that are compared: a server, or a cluster of them. */
export interface Subject {
  readonly name: ServerName;
  /** Of all its processes. */
  readonly pids: readonly number[];
  readonly residentBytes: number;
  /** Brings its data directories into the state that the first start needs. */
  format(): Promise<void>;
  /** Resolves when it answers. */
  start(): Promise<unknown>;
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<unknown>;
  /** Ends it and deletes its data. */
  remove(): Promise<void>;
}

/** What a scenario works with. */
export interface Bench<S extends Subject = Server> {
  /** Servers to compare, already answering; for scenarios that do not bring their own. */
  readonly servers: readonly S[];
  readonly times: LoadTimes;
  /** Numbers of partitions to produce to and fetch from. */
  readonly partitionCounts: readonly number[];
  readonly quick: boolean;
  /** Writes take free memory as it is found, see `warmFreeMemory`. */
  readonly coldMemory: boolean;
  /** A new server with an empty data directory, formatted but not started, for each side of the comparison. */
  freshServers(): Promise<readonly S[]>;
  record(measurement: Measurement): void;
}

export interface Scenario<S extends Subject = Server> {
  readonly name: string;
  readonly summary: string;
  /** It starts servers itself and wants no others beside them. */
  readonly bringsServers?: true;
  run(bench: Bench<S>): Promise<void>;
}

/** Scenarios that work with subjects of one kind, and how those are made. */
export interface Suite<S extends Subject> {
  readonly scenarios: readonly Scenario<S>[];
  /** Those of a quick run. */
  readonly quick: readonly string[];
  readonly sections: readonly Section[];
  /** With empty data directories, not formatted yet. */
  create(sides: Sides): Promise<readonly S[]>;
  /** Lets compilers see what comes before anything is measured. */
  warmUp(subject: S, seconds: number): Promise<void>;
}

/** Who takes part, and how. */
export interface Sides {
  /** The clone's top folder. */
  readonly root: string;
  /** False to measure Kafka alone. */
  readonly streamline: boolean;
  /** Another build's main file. */
  readonly main?: string;
  /** Where nodes of ours write CPU profiles. */
  readonly profileDir?: string;
  /** Where Kafka's jars are; absent: it does not take part. */
  readonly kafkaJars?: string;
}

export const MEGABYTE = 1e6;
export const GIGABYTE = 1e9;
export const KIB = 1024;
