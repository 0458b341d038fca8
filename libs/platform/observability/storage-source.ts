import type { TopicId } from '@streamline/core/types/ids';
import type { LogEngine, PartitionLog } from '@streamline/runtime/log/log-engine';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import type { Journal } from '@streamline/runtime/ports/journal';
import { LatencyHistogram } from './latency-histogram';
import { counter, gauge, histogram, type MetricFamily, type MetricSample, type MetricsSource } from './metric-family';

/** Partitions told one by one; above that only sums, so that a scrape stays bounded. */
const PARTITIONS_TOLD_MAX = 20_000;

/** Log sizes and offsets of all partitions of a storage role. Topics are named by the metadata; deleted ones by their id. */
export function logSource(engine: Pick<LogEngine, 'all'>, replica: Pick<MetadataReplica, 'image'>): MetricsSource {
  return {
    collect: () => {
      const logs = [...engine.all()];
      const topicName = (id: TopicId): string => replica.image.topics.get(id)?.name ?? id;
      const told = logs.slice(0, PARTITIONS_TOLD_MAX).map((log) => ({
        log,
        labels: { topic: topicName(log.key.topicId), partition: log.key.partition },
      }));
      const each = (pick: (log: PartitionLog) => number): MetricSample[] =>
        told.map(({ log, labels }) => ({ labels, value: pick(log) }));
      const sum = logs.reduce((total, log) => total + log.sizeBytes, 0);
      const offline = logs.filter((log) => log.offlineReason !== undefined).length;
      return [
        gauge(
          'streamline_log_size_bytes',
          'Bytes of batches between log start and log end',
          each((log) => log.sizeBytes),
        ),
        gauge(
          'streamline_log_start_offset',
          'First offset that can be read',
          each((log) => log.logStartOffset),
        ),
        gauge(
          'streamline_log_end_offset',
          'Offset that the next record gets',
          each((log) => log.logEndOffset),
        ),
        gauge('streamline_log_size_bytes_sum', 'Bytes of batches of all partitions', sum),
        gauge('streamline_log_partitions', 'Partitions on this node', logs.length),
        gauge('streamline_log_partitions_offline', 'Partitions that cannot be served', offline),
      ];
    },
  };
}

/** What one journal did. `onGroup` goes into its options. */
export class JournalMetrics implements MetricsSource {
  private readonly commits = new LatencyHistogram();
  private bytes = 0;
  private records = 0;
  private journal: Pick<Journal, 'usedBytes' | 'capacityBytes'> | undefined;

  /** `role`: whose journal it is. */
  constructor(private readonly role: string) {}

  readonly onGroup = (write: { readonly bytes: number; readonly records: number; readonly writeMs: number }): void => {
    this.commits.observe(write.writeMs);
    this.bytes += write.bytes;
    this.records += write.records;
  };

  /** Tells the journal itself, once it is open, for how full it is. */
  watch(journal: Pick<Journal, 'usedBytes' | 'capacityBytes'>): void {
    this.journal = journal;
  }

  collect(): readonly MetricFamily[] {
    const labels = { journal: this.role };
    const own = (value: number): MetricSample[] => [{ labels, value }];
    return [
      histogram('streamline_journal_commit_duration_seconds', 'Time to make one group durable', [this.commits.sample(labels)]),
      counter('streamline_journal_written_bytes_total', 'Bytes written to the journal', own(this.bytes)),
      counter('streamline_journal_records_total', 'Records written to the journal', own(this.records)),
      gauge('streamline_journal_used_bytes', 'Bytes that a replay would read', own(this.journal?.usedBytes ?? 0)),
      gauge('streamline_journal_capacity_bytes', 'Bytes that the journal may hold', own(this.journal?.capacityBytes ?? 0)),
    ];
  }
}
