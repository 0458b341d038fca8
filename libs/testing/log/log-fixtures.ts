import type { LogConfig } from '@streamline/core/log/log-config';
import type { PartitionIndex, TopicId } from '@streamline/core/types/ids';
import { openLogEngine } from '@streamline/runtime/log/open-log-engine';
import type { LogJournalOptions, OpenedLogEngine } from '@streamline/runtime/log/open-log-engine';
import type { CheckedBatch, PartitionKey } from '@streamline/runtime/log/log-engine';
import type { LogLimits } from '@streamline/runtime/log/log-limits';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { Disk } from '@streamline/runtime/ports/disk';
import type { Random } from '@streamline/runtime/ports/random';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import type { NewBatch } from '@streamline/wire/records/batch-builder';
import { readBatchHeader } from '@streamline/wire/records/batch-header';
import { poisonFreedMemory } from './poison';

/** Kafka's defaults, with durability fsync. */
export const TEST_LOG_CONFIG: LogConfig = {
  segmentBytes: 1 << 30,
  segmentMs: 7 * 86_400_000,
  segmentIndexBytes: 10 << 20,
  segmentJitterMs: 0,
  indexIntervalBytes: 4096,
  retentionMs: -1,
  retentionBytes: -1,
  fileDeleteDelayMs: 0,
  flushMessages: 1,
  flushMs: Number.MAX_SAFE_INTEGER,
  logAppendTime: false,
  producerIdExpirationMs: 86_400_000,
  internal: false,
};

/** A ring of 64 KiB, so that a short test goes around it. */
export const SMALL_JOURNAL: LogJournalOptions = {
  fileBytes: 64 << 10,
  fileCount: 4,
  groupBytesMax: 12 << 10,
  pendingBytesMax: 32 << 10,
  sealDelayMs: 20,
};

// Whoever still uses memory that the engine took back is found out.
poisonFreedMemory();

export const TEST_DIRECTORY = '/storage';

export interface EnginePorts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly bootId?: string;
  readonly limits?: Partial<LogLimits>;
  /** SMALL_JOURNAL by default. */
  readonly journal?: LogJournalOptions;
}

/** Opens an engine over a test's ports. */
export function openTestEngine(ports: EnginePorts): Promise<OpenedLogEngine> {
  return openLogEngine({
    ...ports,
    directory: TEST_DIRECTORY,
    bootId: ports.bootId ?? 'boot-1',
    journal: ports.journal ?? SMALL_JOURNAL,
    limits: { spaceMarginBytes: 0, ...ports.limits },
  });
}

export function testKey(topic: number, partition = 0): PartitionKey {
  const id = Buffer.alloc(16);
  id.writeUInt32BE(topic, 12);
  return { topicId: id.toString('base64url') as TopicId, partition: partition as PartitionIndex };
}

/** A checked batch, as a host hands it over. */
export function checkedBatch(batch: NewBatch): CheckedBatch {
  const bytes = buildBatch(batch);
  return { bytes, header: readBatchHeader(bytes) };
}

/** A checked batch of records with these values, made at `timestamp`. */
export function batchOf(values: readonly string[], timestamp = 1_700_000_000_000): CheckedBatch {
  return checkedBatch({ records: values.map((value) => ({ value: Buffer.from(value) })), timestamp });
}
