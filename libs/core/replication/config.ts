/** How a replica behaves in time; all in milliseconds. */
export interface ReplicationConfig {
  /** A follower that has not been caught up for so long leaves the ISR (replica.lag.time.max.ms). */
  readonly replicaLagTimeMaxMs: number;
  /** A follower whose hello was neither answered nor refused for so long says it again. */
  readonly helloTimeoutMs: number;
  /** How long a follower waits after a refused hello. */
  readonly helloBackoffMs: number;
  /** An ISR proposal whose outcome is not known is sent again after so long. */
  readonly alterPartitionRetryMs: number;
}

/** The guide's session_timeout_ms is the lag's default; the rest is ours. */
export const DEFAULT_REPLICATION_CONFIG: ReplicationConfig = {
  replicaLagTimeMaxMs: 10_000,
  helloTimeoutMs: 1_000,
  helloBackoffMs: 100,
  alterPartitionRetryMs: 500,
};

/** The newest epochs that a hello names. Where more are needed the follower truncates and says hello again. */
export const HELLO_EPOCHS_MAX = 64;
