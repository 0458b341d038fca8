import type { GroupImage } from '@streamline/core/groups/group-image';
import { recordsOfTopic } from '@streamline/core/groups/group-image';
import type { GroupRecord } from '@streamline/core/groups/group-record';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { LeaderEpoch, Offset } from '@streamline/core/types/ids';
import type { PartitionKey } from '../log/log-engine';
import type { LocalPartitions } from '../partitions/local-partitions';
import type { GroupCounters } from './group-counters';
import type { GroupHostLimits } from './group-host-limits';
import type { GroupShard } from './group-shard';
import type { Loaded } from './shard-loader';

/** A rough size of a record's names and numbers in the log. */
const RECORD_BYTES = 128;
/** After a rewrite that failed the next one waits until the log has grown by this much more. */
const RETRY_GROWTH_BYTES = 4_194_304;

export interface ShardRewriterDeps {
  readonly shard: GroupShard;
  readonly partitions: LocalPartitions;
  readonly key: PartitionKey;
  readonly leaderEpoch: LeaderEpoch;
  readonly limits: GroupHostLimits;
  readonly counters: GroupCounters;
  readonly defer: (task: () => void) => void;
  readonly onError: (error: unknown) => void;
}

/** One rewrite: where it began, and how far it is. */
interface Rewrite {
  readonly offset: Offset;
  /** Bytes and records of the log from its start to here. */
  readonly bytes: number;
  readonly records: number;
  readonly appendedBytes: number;
  /** Everything was handed to the log, and the last of it is committed. */
  isWritten: boolean;
  /** Steps that are not committed yet; of a rewrite that was given up they may still be while the next one runs. */
  outstanding: number;
}

/**
 * Keeps a coordinator's log in proportion to what lives in it, in place of compaction: everything alive is appended
 * again, and when that is committed the log start moves to where the rewrite began.
 *
 * No commit is lost, also not by a crash in between: until the log start has moved the old records are there; once it has,
 * every key that was alive when the rewrite began has a later record, with the value that it had when it was written again
 * or a newer one. A key that had none before the rewrite began needs no tombstone, since its older records are gone too.
 */
export class ShardRewriter {
  /** Bytes between the log start and what was appended before this shard began. */
  #loadedBytes: number;
  #loadedRecords: number;
  /** What the last rewrite wrote: a floor for the estimate of what lives. */
  #lastRewriteBytes = 0;
  #notBeforeBytes = 0;
  #running: Rewrite | undefined;

  constructor(
    private readonly deps: ShardRewriterDeps,
    loaded: Loaded,
  ) {
    this.#loadedBytes = loaded.bytes;
    this.#loadedRecords = loaded.records;
  }

  /** Bytes of the log from its start to its end. */
  get logBytes(): number {
    return this.#loadedBytes + this.deps.shard.log.appended.bytes;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Starts a rewrite if the log has become too large for what lives in it. */
  check(): void {
    const { limits } = this.deps;
    const { logBytes } = this;
    if (this.isRunning || logBytes < limits.rewriteMinBytes || logBytes < this.#notBeforeBytes) return;
    if (logBytes < limits.rewriteRatio * this.#livingBytes()) return;
    this.#begin();
  }

  #livingBytes(): number {
    const { image } = this.deps.shard.coordinator;
    const { bytes, records } = this.deps.shard.log.appended;
    const bytesPerRecord = (this.#loadedBytes + bytes) / Math.max(this.#loadedRecords + records, 1);
    return Math.max((image.offsetCount + image.groups.size) * bytesPerRecord, this.#lastRewriteBytes);
  }

  #begin(): void {
    const { shard, partitions, key } = this.deps;
    shard.log.flush();
    const from = partitions.bounds(key)?.logEndOffset;
    if (from === undefined) return;
    const { bytes, records } = shard.log.appended;
    const rewrite = {
      offset: from,
      bytes: this.#loadedBytes + bytes,
      records: this.#loadedRecords + records,
      appendedBytes: bytes,
      isWritten: false,
      outstanding: 0,
    };
    this.#running = rewrite;
    this.#step(livingRecords(shard.coordinator.image), rewrite);
  }

  /** Writes some records again, with the values that they have now, and goes on in another turn of the event loop. */
  #step(living: Iterator<readonly GroupRecord[]>, rewrite: Rewrite): void {
    const { shard, limits } = this.deps;
    if (shard.isStopped || this.#running !== rewrite) return;
    const records: GroupRecord[] = [];
    let isLast = false;
    for (let bytes = 0; bytes < limits.rewriteStepBytes && !isLast;) {
      const next = living.next();
      if (next.done === true) {
        isLast = true;
      } else {
        records.push(...next.value);
        for (const record of next.value) bytes += roughSizeOf(record);
      }
    }
    rewrite.outstanding += 1;
    const settled = (errorCode: number): void => {
      rewrite.outstanding -= 1;
      if (errorCode !== ErrorCode.NONE) this.#giveUp(rewrite);
      else if (isLast) rewrite.isWritten = true;
      if (rewrite.isWritten && rewrite.outstanding === 0) this.#finish(rewrite);
    };
    if (records.length === 0) settled(ErrorCode.NONE);
    else shard.rewrite(records, settled);
    if (!isLast) {
      this.deps.defer(() => {
        this.#step(living, rewrite);
      });
    }
  }

  #finish(rewrite: Rewrite): void {
    const { shard, partitions, key, leaderEpoch, counters } = this.deps;
    if (this.#running !== rewrite || shard.isStopped) return;
    const writtenBytes = shard.log.appended.bytes - rewrite.appendedBytes;
    const bounds = partitions.bounds(key);
    // In another epoch the offset may be that of other records.
    if (bounds?.leaderEpoch !== leaderEpoch || bounds.highWatermark < rewrite.offset) {
      this.#giveUp(rewrite);
      return;
    }
    partitions.deleteBefore(key, rewrite.offset).then(
      () => {
        this.#loadedBytes -= rewrite.bytes;
        this.#loadedRecords -= rewrite.records;
        this.#lastRewriteBytes = writtenBytes;
        this.#running = undefined;
        counters.rewrittenLogs += 1;
      },
      (error: unknown) => {
        this.deps.onError(error);
        this.#giveUp(rewrite);
      },
    );
  }

  #giveUp(rewrite: Rewrite): void {
    if (this.#running !== rewrite) return;
    this.#running = undefined;
    this.#notBeforeBytes = this.logBytes + RETRY_GROWTH_BYTES;
  }
}

/**
 * All that lives, topic by topic. Names are listed when it begins, values are looked up when they are asked for: what
 * changed meanwhile was appended meanwhile, and a name that came later needs no second record.
 */
function* livingRecords(image: GroupImage): Generator<readonly GroupRecord[], void, void> {
  for (const groupId of [...image.groups.keys()]) {
    const stored = image.groups.get(groupId)?.stored;
    if (stored !== undefined) yield [{ kind: 'group-stored', groupId, group: stored }];
    for (const topic of [...(image.groups.get(groupId)?.offsets.keys() ?? [])]) {
      const entry = image.groups.get(groupId);
      if (entry !== undefined) yield recordsOfTopic(groupId, topic, entry);
    }
  }
}

function roughSizeOf(record: GroupRecord): number {
  if (record.kind === 'offset-committed') return RECORD_BYTES + record.committed.metadata.length;
  if (record.kind !== 'group-stored') return RECORD_BYTES;
  let bytes = RECORD_BYTES;
  for (const { subscription, assignment } of record.group.members) {
    bytes += RECORD_BYTES + subscription.byteLength + assignment.byteLength;
  }
  return bytes;
}
