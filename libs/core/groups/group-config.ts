/** What the group coordinator is told by the broker's settings. Times in ms, sizes in bytes unless named otherwise. */
export interface GroupConfig {
  /** group.initial.rebalance.delay.ms: how long the first generation of an empty group waits for more members. */
  readonly initialRebalanceDelayMs: number;
  /** group.min.session.timeout.ms */
  readonly minSessionTimeoutMs: number;
  /** group.max.session.timeout.ms */
  readonly maxSessionTimeoutMs: number;
  /** group.max.size: members of one group; as many more may be pending. */
  readonly maxSize: number;
  /** How long a new member's first join may be parked before it is given up. */
  readonly newMemberJoinTimeoutMs: number;
  /** offset.metadata.max.bytes, counted as Kafka counts: in UTF-16 units. */
  readonly offsetMetadataMaxBytes: number;
  /** offsets.retention.minutes, as ms. */
  readonly offsetsRetentionMs: number;
  /** Groups that one partition of __consumer_offsets may hold; Kafka has no such bound. */
  readonly maxGroups: number;
  /** Bytes of subscription metadata over all protocols of one member; Kafka's bound is the request size. */
  readonly memberMetadataMaxBytes: number;
  /** Bytes that the members of all groups of a node may take, roughly; new ones are refused beyond. */
  readonly membershipMaxBytes: number;
  /** Bytes of the subscriptions and assignments of one generation, which are one record: Kafka's bound is message.max.bytes. */
  readonly generationMaxBytes: number;
}

/** Kafka's defaults (production), with bounds where Kafka has none. */
export const DEFAULT_GROUP_CONFIG: GroupConfig = {
  initialRebalanceDelayMs: 3_000,
  minSessionTimeoutMs: 6_000,
  maxSessionTimeoutMs: 1_800_000,
  maxSize: 10_000,
  newMemberJoinTimeoutMs: 300_000,
  offsetMetadataMaxBytes: 4_096,
  offsetsRetentionMs: 10_080 * 60_000,
  maxGroups: 100_000,
  memberMetadataMaxBytes: 1_048_576,
  membershipMaxBytes: 268_435_456,
  generationMaxBytes: 1_000_000,
};
