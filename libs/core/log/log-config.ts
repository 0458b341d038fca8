/**
 * What a partition's log needs to know of its topic's configs, parsed. Sizes in bytes, times in ms; -1 means "no limit"
 * where Kafka says so.
 */
export interface LogConfig {
  /** segment.bytes */
  readonly segmentBytes: number;
  /** segment.ms */
  readonly segmentMs: number;
  /** segment.index.bytes */
  readonly segmentIndexBytes: number;
  /** segment.jitter.ms */
  readonly segmentJitterMs: number;
  /** index.interval.bytes */
  readonly indexIntervalBytes: number;
  /** retention.ms, -1 for ever */
  readonly retentionMs: number;
  /** retention.bytes, -1 without limit */
  readonly retentionBytes: number;
  /** file.delete.delay.ms */
  readonly fileDeleteDelayMs: number;
  /** flush.messages: 1 is durability `fsync`, anything larger `page-cache` with a background sync after that many records. */
  readonly flushMessages: number;
  /** flush.ms: the background sync's longest delay with `page-cache`. */
  readonly flushMs: number;
  /** message.timestamp.type is LogAppendTime: batches are stamped by the leader. */
  readonly logAppendTime: boolean;
  /** producer.id.expiration.ms of the broker */
  readonly producerIdExpirationMs: number;
  /** True for internal topics (`__consumer_offsets`): may use the disk's safety margin (S-10). */
  readonly internal: boolean;
}
