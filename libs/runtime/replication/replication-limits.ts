import type { ReplicationConfig } from '@streamline/core/replication/config';
import { DEFAULT_REPLICATION_CONFIG } from '@streamline/core/replication/config';
import type { PushLimits } from '@streamline/core/replication/push-scheduler';
import { DEFAULT_PUSH_LIMITS } from '@streamline/core/replication/push-scheduler';

/** Bounds and times of the streams between brokers, in milliseconds. */
export interface PeerLimits {
  /** Until the peer has greeted. */
  readonly greetingTimeoutMs: number;
  /** A side that has said nothing for so long sends an empty frame. */
  readonly heartbeatMs: number;
  /** A stream on which nothing came for so long is given up: a peer that is there says something each `heartbeatMs`. */
  readonly silenceMaxMs: number;
  /** Before a stream is opened again; doubles with each that fails, and half of it is jitter. */
  readonly backOffMs: number;
  readonly backOffMaxMs: number;
  /** A read of segments that failed is tried again after so long, as is a cut that could not be made durable, or an append without room. */
  readonly retryMs: number;
  /** For a call of the controller. */
  readonly controllerTimeoutMs: number;
}

export interface ReplicationLimits {
  readonly replica: ReplicationConfig;
  /** `windowBytes` is what this broker lets others send. */
  readonly push: PushLimits;
  readonly peer: PeerLimits;
}

export const DEFAULT_PEER_LIMITS: PeerLimits = {
  greetingTimeoutMs: 3_000,
  heartbeatMs: 1_000,
  silenceMaxMs: 6_000,
  backOffMs: 50,
  backOffMaxMs: 1_000,
  retryMs: 1_000,
  controllerTimeoutMs: 3_000,
};

export const DEFAULT_REPLICATION_LIMITS: ReplicationLimits = {
  replica: DEFAULT_REPLICATION_CONFIG,
  push: DEFAULT_PUSH_LIMITS,
  peer: DEFAULT_PEER_LIMITS,
};
