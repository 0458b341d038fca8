/** What a listener grants its clients. Sizes in bytes, times in ms. */
export interface ConnectionLimits {
  /** `max.connections`: open at once, all clients together. */
  readonly maxConnections: number;
  /** `max.connections.per.ip`. */
  readonly maxConnectionsPerIp: number;
  /** `socket.request.max.bytes`: one frame without its length. */
  readonly maxFrameBytes: number;
  /** Requests of one connection that may be started and unanswered. */
  readonly maxInFlightRequests: number;
  /** Their bytes; one request may exceed it alone. */
  readonly maxInFlightBytes: number;
  /** Request bytes held for all connections together, unfinished frames included. At least two of the largest frames. */
  readonly totalInFlightBytes: number;
  /** Answers that a client has not taken yet: above this none of its requests is started. */
  readonly maxUnsentBytes: number;
  /** The same for all connections together; beyond it fetches are answered in small portions. */
  readonly totalUnsentBytes: number;
  /** `connections.max.idle.ms`: closed when nothing moved for so long. */
  readonly idleMs: number;
  /** A frame may take so long whatever its size ... */
  readonly frameGraceMs: number;
  /** ... and has to arrive at this rate after that. */
  readonly frameMinBytesPerSecond: number;
  /** A client that takes none of a piece of an answer (1 MiB at most) for so long is closed. */
  readonly writeDeadlineMs: number;
  /** A request that got no answer for so long ends its connection: whoever should have answered never will. */
  readonly answerDeadlineMs: number;
  /** The same for requests that may wait for something to happen (long polls, rebalances). */
  readonly parkedDeadlineMs: number;
}

const MIB = 1024 * 1024;

/** Kafka's defaults where Kafka has the setting; where it has no bound, ours. */
export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = {
  maxConnections: 10_000,
  maxConnectionsPerIp: 10_000,
  maxFrameBytes: 104_857_600,
  maxInFlightRequests: 256,
  maxInFlightBytes: 32 * MIB,
  totalInFlightBytes: 256 * MIB,
  maxUnsentBytes: 4 * MIB,
  totalUnsentBytes: 256 * MIB,
  idleMs: 600_000,
  frameGraceMs: 30_000,
  frameMinBytesPerSecond: 16 * 1024,
  writeDeadlineMs: 30_000,
  answerDeadlineMs: 600_000,
  parkedDeadlineMs: 2_400_000,
};
