/** How many replicas a partition may have, as an argument of whatever gives it some. */
export interface ReplicationLimits {
  readonly replicationFactorMax: number;
}

/** Kafka's protocol has 16 bits for it. The commands of the metadata take these limits where their caller gives no others. */
export const REPLICATION_LIMITS: ReplicationLimits = { replicationFactorMax: 32_767 };
