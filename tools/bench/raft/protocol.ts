import type { RaftConfig, RaftStatus } from '@streamline/core/raft/types';

/** What a voter's process is told, as JSON in its first argument. */
export interface VoterSettings {
  readonly node: number;
  readonly directory: string;
  /** Ports on 127.0.0.1 by node id: these are the voters. */
  readonly raftPorts: Readonly<Record<number, number>>;
  readonly config: Partial<RaftConfig>;
  /** Of the state machine, and so of each snapshot. */
  readonly stateBytes: number;
}

/** Each proposal waits for the end of one before it: `outstanding` are always under way. */
export interface ClosedLoad {
  readonly kind: 'closed';
  readonly entryBytes: number;
  readonly outstanding: number;
  readonly warmUpMs: number;
  readonly runMs: number;
}

/** Proposals at even distances, whether those before them have ended or not; goes on until the process ends. */
export interface PacedLoad {
  readonly kind: 'paced';
  readonly entryBytes: number;
  readonly perSecond: number;
}

export interface LoadResult {
  /** Applied at the leader within the window. */
  readonly proposals: number;
  /** Not applied: refused, lost, timed out. */
  readonly failures: number;
  readonly windowMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Writes of the leader's journal within the window: each is one fsync. */
  readonly groups: number;
  /** When the window was, on the machine's monotonic clock (milliseconds). */
  readonly window: { readonly startedAtMs: number; readonly endedAtMs: number };
}

export interface VoterStatus extends RaftStatus {
  readonly leads: boolean;
  /** The longest that the event loop was late since the last status, milliseconds. */
  readonly loopDelayMaxMs: number;
}

export type VoterQuestion =
  | { readonly id: number; readonly kind: 'status' }
  | { readonly id: number; readonly kind: 'load'; readonly load: ClosedLoad }
  | { readonly id: number; readonly kind: 'begin'; readonly load: PacedLoad }
  /** What the paced load brought since the last time this was asked. */
  | { readonly id: number; readonly kind: 'window' };

/** An answer carries the question's id. */
export type VoterMessage =
  | { readonly kind: 'ready' }
  /** It leads, and a proposal of its own was committed and applied. */
  | { readonly kind: 'leads'; readonly term: number }
  /** The state machine holds a snapshot that came from the leader. */
  | { readonly kind: 'restored'; readonly index: number }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: VoterStatus | LoadResult | undefined };
