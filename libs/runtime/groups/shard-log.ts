import type { GroupRecord } from '@streamline/core/groups/group-record';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { LeaderEpoch } from '@streamline/core/types/ids';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import type { PartitionKey } from '../log/log-engine';
import type { LocalPartitions } from '../partitions/local-partitions';
import type { Cancel, Clock } from '../ports/clock';
import type { GroupHostLimits } from './group-host-limits';
import type { EncodedRecord } from './group-record-codec';
import { encodeGroupRecord } from './group-record-codec';

export interface ShardLogDeps {
  readonly partitions: LocalPartitions;
  readonly key: PartitionKey;
  readonly leaderEpoch: LeaderEpoch;
  readonly clock: Clock;
  readonly limits: GroupHostLimits;
  /** Runs a task after what is being done now: what comes meanwhile shares its batch. */
  readonly defer: (task: () => void) => void;
  /** Takes records back that were replayed but that the log refused. */
  readonly undo: (inverse: readonly GroupRecord[]) => void;
  /**
   * What became of records that were appended will not be known here any more: they may be committed or lost, and what was
   * replayed cannot be relied on. Called once at most; `errorCode` is what callers are to be told.
   */
  readonly onLost: (errorCode: number) => void;
  /** Told of failures that are none of the log's own refusals. */
  readonly onError: (error: unknown) => void;
}

/** Called once: 0 when durable (committed), else the error code that its callers are told. */
export type Settled = (errorCode: number) => void;

interface Wait {
  readonly deadlineMs: number;
  settled: Settled | undefined;
}

interface Write {
  readonly encoded: EncodedRecord;
  readonly inverse: readonly GroupRecord[];
}

/** Records that are appended together (in several batches of the log where they are many), and who waits for them. */
class Batch {
  readonly writes: Write[] = [];
  /** Groups whose reads wait for this. */
  readonly groupIds = new Set<string>();
  waits: Wait[] = [];
  bytes = 0;
  /** Batches of the log that are not committed yet. */
  uncommitted = 0;
  /** All that there is to append was appended. */
  isAppended = false;
  /** What its callers are told when it is committed. */
  errorCode: number = ErrorCode.NONE;
  isDone = false;
}

const RECORD_OVERHEAD_BYTES = 16;
const BATCH_HEADER_BYTES = 61;
/** Settled waits that are kept before an array is cut. */
const SLACK = 1_024;

/**
 * The write side of one coordinator's partition: gathers the records of a turn of the event loop into one batch, appends
 * it, and tells when it is committed. Records are replayed before they are appended; where the log refuses them they are
 * taken back in reverse order, with all that came after them.
 */
export class ShardLog {
  #open = new Batch();
  #isFlushPlanned = false;
  #isClosed = false;
  /** Waits by their deadlines, which have the same order; settled ones leave when they reach the head. */
  #waits: Wait[] = [];
  #head = 0;
  #cancelTimer: Cancel | undefined;
  /** What reads of a group wait for: a batch that is not committed yet and none of whose later ones holds records of it. */
  readonly #lastOfGroup = new Map<string, Batch>();
  /** The last batch of which something was appended. All before it are committed when it is. */
  #lastAppended: Batch | undefined;
  #appendedBytes = 0;
  #appendedRecords = 0;

  constructor(private readonly deps: ShardLogDeps) {}

  /** Bytes and records appended since this began. */
  get appended(): { bytes: number; records: number } {
    return { bytes: this.#appendedBytes, records: this.#appendedRecords };
  }

  /** Calls that wait for their records. */
  get waiting(): number {
    return this.#waits.length - this.#head;
  }

  /**
   * Takes records that were replayed; `inverse[i]` takes `records[i]` back.
   *
   * @throws EncodeError, with nothing taken, for a record that the format cannot express.
   */
  write(records: readonly GroupRecord[], inverse: readonly (readonly GroupRecord[])[], settled: Settled): void {
    const encoded = records.map((record) => encodeGroupRecord(record));
    if (this.#isClosed) {
      settled(ErrorCode.NOT_COORDINATOR);
      return;
    }
    const batch = this.#open;
    records.forEach((record, index) => {
      const bytes = encoded[index];
      if (bytes === undefined) return;
      batch.writes.push({ encoded: bytes, inverse: inverse[index] ?? [] });
      batch.bytes += sizeOf(bytes);
      batch.groupIds.add(record.groupId);
      this.#lastOfGroup.set(record.groupId, batch);
    });
    this.#wait(batch, settled);
    this.#planFlush();
  }

  /** Calls back when all that was written for the group is committed: at once where it is. */
  afterGroup(groupId: string, settled: Settled): void {
    const batch = this.#lastOfGroup.get(groupId);
    if (batch === undefined) settled(ErrorCode.NONE);
    else this.#wait(batch, settled);
  }

  /** Appends what was gathered. */
  flush(): void {
    this.#isFlushPlanned = false;
    const batch = this.#open;
    if (batch.writes.length === 0 || this.#isClosed) return;
    this.#open = new Batch();
    let written = 0;
    let errorCode: number = ErrorCode.NONE;
    for (const chunk of chunksOf(batch.writes, this.deps.limits.maxBatchBytes)) {
      errorCode = this.#append(chunk, batch);
      if (errorCode !== ErrorCode.NONE || this.#isClosed) break;
      written += chunk.length;
    }
    if (this.#isClosed) return;
    batch.isAppended = true;
    if (written > 0) this.#lastAppended = batch;
    if (errorCode !== ErrorCode.NONE) this.#refuse(batch, written, errorOfLog(errorCode));
    batch.writes.length = 0;
    if (batch.uncommitted === 0) this.#finish(batch, batch.errorCode);
  }

  /** Ends: whoever waits is told `errorCode`, and nothing is appended any more. */
  close(errorCode: number): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const waits = this.#waits.slice(this.#head);
    this.#waits = [];
    this.#head = 0;
    this.#cancelTimer?.();
    this.#lastOfGroup.clear();
    for (const wait of waits) settle(wait, errorCode);
  }

  #append(writes: readonly Write[], batch: Batch): number {
    const timestamp = this.deps.clock.wallMs();
    const bytes = buildBatch({ records: writes.map(({ encoded }) => encoded), timestamp });
    batch.uncommitted += 1;
    const errorCode = this.#tryAppend(bytes, (done) => {
      this.#settled(batch, done);
    });
    if (errorCode !== ErrorCode.NONE) {
      batch.uncommitted -= 1;
      return errorCode;
    }
    this.#appendedBytes += bytes.byteLength;
    this.#appendedRecords += writes.length;
    return ErrorCode.NONE;
  }

  #tryAppend(batch: Buffer, done: (errorCode: number) => void): number {
    const { partitions, key, leaderEpoch, onError } = this.deps;
    try {
      const outcome = partitions.appendLocal(key, leaderEpoch, batch, done);
      return outcome.ok ? ErrorCode.NONE : outcome.errorCode;
    } catch (error) {
      onError(error);
      return ErrorCode.KAFKA_STORAGE_ERROR;
    }
  }

  /** The word of the log on one of a batch's appends. */
  #settled(batch: Batch, errorCode: number): void {
    if (this.#isClosed) return;
    if (!isCommitted(errorCode)) {
      this.deps.onLost(errorOfLog(errorCode));
      return;
    }
    batch.uncommitted -= 1;
    if (errorCode !== ErrorCode.NONE) batch.errorCode = errorOfLog(errorCode);
    if (batch.isAppended && batch.uncommitted === 0) this.#finish(batch, batch.errorCode);
  }

  /**
   * The log took the first `written` records of the batch and no more: the rest is taken back, and what was gathered since.
   * Callers hear of it at once; reads go on waiting for what was appended before.
   */
  #refuse(batch: Batch, written: number, errorCode: number): void {
    const later = this.#open;
    this.#open = new Batch();
    for (const { inverse } of later.writes.reverse()) this.deps.undo(inverse);
    for (const { inverse } of batch.writes.slice(written).reverse()) this.deps.undo(inverse);
    const pending = this.#lastAppended;
    for (const refused of [batch, later]) {
      for (const groupId of refused.groupIds) {
        if (this.#lastOfGroup.get(groupId) !== refused) continue;
        if (pending === undefined || pending.isDone) {
          this.#lastOfGroup.delete(groupId);
        } else {
          this.#lastOfGroup.set(groupId, pending);
          pending.groupIds.add(groupId);
        }
      }
    }
    this.#settle(batch, errorCode);
    later.isDone = true;
    this.#settle(later, errorCode);
  }

  /** Everything of the batch that was appended is committed. */
  #finish(batch: Batch, errorCode: number): void {
    if (batch.isDone) return;
    batch.isDone = true;
    if (this.#lastAppended === batch) this.#lastAppended = undefined;
    for (const groupId of batch.groupIds) if (this.#lastOfGroup.get(groupId) === batch) this.#lastOfGroup.delete(groupId);
    this.#settle(batch, errorCode);
  }

  #settle(batch: Batch, errorCode: number): void {
    const { waits } = batch;
    batch.waits = [];
    for (const wait of waits) settle(wait, errorCode);
    this.#dropSettled();
  }

  #wait(batch: Batch, settled: Settled): void {
    const wait: Wait = { deadlineMs: this.deps.clock.monotonicMs() + this.deps.limits.commitTimeoutMs, settled };
    if (batch.waits.length > SLACK && batch.waits.length > 2 * this.waiting) batch.waits = batch.waits.filter(isWaiting);
    batch.waits.push(wait);
    this.#waits.push(wait);
    if (this.#cancelTimer === undefined) this.#armTimer();
  }

  #planFlush(): void {
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    this.deps.defer(() => {
      this.flush();
    });
  }

  #armTimer(): void {
    const head = this.#waits[this.#head];
    if (head === undefined) return;
    this.#cancelTimer = this.deps.clock.schedule(head.deadlineMs - this.deps.clock.monotonicMs(), () => {
      this.#cancelTimer = undefined;
      this.#expire();
    });
  }

  #expire(): void {
    const nowMs = this.deps.clock.monotonicMs();
    for (let wait = this.#waits[this.#head]; wait !== undefined && wait.deadlineMs <= nowMs; wait = this.#waits[this.#head]) {
      this.#head += 1;
      settle(wait, ErrorCode.COORDINATOR_NOT_AVAILABLE);
    }
    this.#dropSettled();
    if (this.#cancelTimer === undefined) this.#armTimer();
  }

  #dropSettled(): void {
    while (this.#head < this.#waits.length && this.#waits[this.#head]?.settled === undefined) this.#head += 1;
    if (this.#head === this.#waits.length) {
      this.#waits = [];
      this.#head = 0;
      this.#cancelTimer?.();
      this.#cancelTimer = undefined;
    } else if (this.#head > SLACK && this.#head * 2 > this.#waits.length) {
      this.#waits = this.#waits.slice(this.#head);
      this.#head = 0;
    }
  }
}

function isWaiting(wait: Wait): boolean {
  return wait.settled !== undefined;
}

function settle(wait: Wait, errorCode: number): void {
  const { settled } = wait;
  wait.settled = undefined;
  settled?.(errorCode);
}

/** True where the high watermark has passed what was appended, even if the caller is told that it was not safe enough. */
export function isCommitted(errorCode: number): boolean {
  return errorCode === ErrorCode.NONE || errorCode === ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND;
}

/** What a coordinator's caller is told of an append that failed, as Kafka translates it. */
export function errorOfLog(errorCode: number): number {
  switch (errorCode) {
    case ErrorCode.NONE:
      return ErrorCode.NONE;
    case ErrorCode.NOT_LEADER_OR_FOLLOWER:
    case ErrorCode.KAFKA_STORAGE_ERROR:
    case ErrorCode.FENCED_LEADER_EPOCH:
      return ErrorCode.NOT_COORDINATOR;
    case ErrorCode.MESSAGE_TOO_LARGE:
    case ErrorCode.RECORD_LIST_TOO_LARGE:
    case ErrorCode.INVALID_FETCH_SIZE:
      return ErrorCode.UNKNOWN_SERVER_ERROR;
    default:
      return ErrorCode.COORDINATOR_NOT_AVAILABLE;
  }
}

function sizeOf({ key, value }: EncodedRecord): number {
  return key.byteLength + (value?.byteLength ?? 0) + RECORD_OVERHEAD_BYTES;
}

function chunksOf(writes: readonly Write[], maxBytes: number): Write[][] {
  const chunks: Write[][] = [];
  let chunk: Write[] = [];
  let bytes = BATCH_HEADER_BYTES;
  for (const write of writes) {
    const size = sizeOf(write.encoded);
    if (chunk.length > 0 && bytes + size > maxBytes) {
      chunks.push(chunk);
      chunk = [];
      bytes = BATCH_HEADER_BYTES;
    }
    chunk.push(write);
    bytes += size;
  }
  chunks.push(chunk);
  return chunks;
}
