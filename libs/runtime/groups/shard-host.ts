import type { GroupConfig } from '@streamline/core/groups/group-config';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { MembershipUsage } from '@streamline/core/groups/live-group';
import type { LeaderEpoch, Offset, TopicId } from '@streamline/core/types/ids';
import { WireError } from '@streamline/wire/kafka/codec/wire-error';
import { RecordFormatError } from '@streamline/wire/records/record-format-error';
import type { PartitionKey } from '../log/log-engine';
import type { LocalPartitions } from '../partitions/local-partitions';
import type { LogSink } from '../partitions/log-sink';
import type { Cancel, Clock } from '../ports/clock';
import type { GroupCounters } from './group-counters';
import type { GroupHostLimits } from './group-host-limits';
import { GroupRecordError } from './group-record-codec';
import { GroupShard } from './group-shard';
import { loadShard } from './shard-loader';
import type { Loaded } from './shard-loader';
import { isCommitted } from './shard-log';
import { ShardRewriter } from './shard-rewriter';

/** Lets at most so many tasks run at a time; the others wait in order. */
export type RunLimited = <T>(task: () => Promise<T>) => Promise<T>;

export interface ShardHostDeps {
  readonly partitions: LocalPartitions;
  readonly clock: Clock;
  readonly randomId: () => string;
  readonly config: GroupConfig;
  readonly usage: MembershipUsage;
  readonly limits: GroupHostLimits;
  readonly counters: GroupCounters;
  readonly defer: (task: () => void) => void;
  readonly logSink: LogSink;
  readonly runLoad: RunLimited;
  /** The shard had to stop by itself, though this node may still lead: it is to be loaded anew. */
  readonly onLost: () => void;
}

export type ShardState = 'loading' | 'active' | 'failed' | 'stopped';

/** A node loads 50 partitions at its start: only those that take a moment are told. */
const WORTH_TELLING_RECORDS = 100_000;

/** The life of one shard: loads it, serves it, keeps its log short, until this node leads its partition no more. */
export class ShardHost {
  readonly #shard: GroupShard;
  #state: ShardState = 'loading';
  #reason: string | undefined;
  #rewriter: ShardRewriter | undefined;
  #removedTopics: { readonly name: string; readonly id: TopicId }[] = [];
  #expiring = false;
  #wake: (() => void) | undefined;

  constructor(
    private readonly deps: ShardHostDeps,
    readonly key: PartitionKey,
    readonly leaderEpoch: LeaderEpoch,
  ) {
    const onError = (error: unknown): void => {
      deps.logSink.error({ err: error, partition: key.partition }, 'the log of this group partition failed');
    };
    const onLost = (errorCode: number): void => {
      this.stop(errorCode);
      deps.onLost();
    };
    this.#shard = new GroupShard({ ...deps, key, leaderEpoch, onError, onLost });
  }

  get state(): ShardState {
    return this.#state;
  }

  /** Why the shard cannot be served, where it has failed. */
  get reason(): string | undefined {
    return this.#reason;
  }

  get logBytes(): number {
    return this.#rewriter?.logBytes ?? 0;
  }

  /** The shard, or the error code that says why it cannot be used now. */
  get use(): GroupShard | number {
    switch (this.#state) {
      case 'active':
        return this.#shard;
      case 'loading':
        return ErrorCode.COORDINATOR_LOAD_IN_PROGRESS;
      case 'failed':
        return ErrorCode.COORDINATOR_NOT_AVAILABLE;
      case 'stopped':
        return ErrorCode.NOT_COORDINATOR;
    }
  }

  /** Loads until it succeeds, until the log turns out to be unreadable for good, or until the shard is stopped. */
  async load(): Promise<void> {
    const { limits, logSink, counters } = this.deps;
    let delayMs = limits.loadRetryMs;
    while (!this.#isStopped) {
      try {
        const loaded = await this.deps.runLoad(() => this.#replay());
        // What was read may still be lost with another leader's log until it is committed.
        const isCertain = loaded !== undefined && (await this.#whenCommitted(loaded.endOffset));
        if (this.#isStopped) return;
        if (isCertain) {
          counters.loadedRecords += loaded.records;
          this.#activate(loaded);
          return;
        }
        await this.#sleep(delayMs);
      } catch (error) {
        if (this.#isStopped) return;
        if (isUnreadable(error)) {
          this.#fail(error);
          return;
        }
        logSink.error({ err: error, partition: this.key.partition }, 'cannot load the groups of this partition, trying again');
        await this.#sleep(delayMs);
      }
      delayMs = Math.min(delayMs * 2, limits.loadRetryMaxMs);
    }
  }

  /** `errorCode` is what those are told who wait for the log. */
  stop(errorCode: number = ErrorCode.NOT_COORDINATOR): void {
    if (this.#isStopped) return;
    this.#state = 'stopped';
    this.#shard.stop(errorCode);
    this.#wake?.();
  }

  /** A topic was deleted; where the shard is loading its offsets go when it is loaded. */
  removeTopicOffsets(name: string, id: TopicId): void {
    if (this.#state === 'active') this.#shard.removeTopicOffsets(name, id);
    else if (this.#state === 'loading') this.#removedTopics.push({ name, id });
  }

  checkLogSize(): void {
    if (this.#state === 'active') this.#rewriter?.check();
  }

  /** Goes through all groups, some in each turn of the event loop. */
  expire(): void {
    if (this.#state !== 'active' || this.#expiring) return;
    this.#expiring = true;
    this.#expireSome([...this.#shard.coordinator.image.groups.keys()], 0);
  }

  #expireSome(groupIds: readonly string[], from: number): void {
    if (this.#state !== 'active' || from >= groupIds.length) {
      this.#expiring = false;
      return;
    }
    const until = from + this.deps.limits.expirationStepGroups;
    this.#shard.expire(groupIds.slice(from, until));
    this.deps.defer(() => {
      this.#expireSome(groupIds, until);
    });
  }

  get #isStopped(): boolean {
    return this.#state === 'stopped';
  }

  #replay(): Promise<Loaded | undefined> {
    const { partitions, limits, defer } = this.deps;
    return loadShard({
      partitions,
      key: this.key,
      leaderEpoch: this.leaderEpoch,
      chunkBytes: limits.loadChunkBytes,
      pause: () => new Promise((resolve) => defer(resolve)),
      isStopped: () => this.#isStopped,
      replay: (record) => {
        this.#shard.coordinator.replay(record);
      },
    });
  }

  /** False where that will not be known here any more, or the shard was stopped. */
  #whenCommitted(end: Offset): Promise<boolean> {
    if (this.#isStopped) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#wake = () => {
        resolve(false);
      };
      this.deps.partitions.whenCommitted(this.key, this.leaderEpoch, end, (errorCode) => {
        this.#wake = undefined;
        resolve(isCommitted(errorCode));
      });
    });
  }

  #activate(loaded: Loaded): void {
    const { partitions, limits, counters, defer, logSink } = this.deps;
    this.#rewriter = new ShardRewriter(
      {
        shard: this.#shard,
        partitions,
        key: this.key,
        leaderEpoch: this.leaderEpoch,
        limits,
        counters,
        defer,
        onError: (error) => {
          logSink.warn({ err: error, partition: this.key.partition }, 'could not shorten the log of this group partition');
        },
      },
      loaded,
    );
    this.#state = 'active';
    this.#shard.start();
    for (const { name, id } of this.#removedTopics.splice(0)) this.#shard.removeTopicOffsets(name, id);
    const { groups, offsetCount } = this.#shard.coordinator.image;
    if (loaded.records < WORTH_TELLING_RECORDS) return;
    const fields = { partition: this.key.partition, records: loaded.records, groups: groups.size, offsets: offsetCount };
    logSink.info(fields, 'loaded the groups of this partition');
  }

  #fail(error: unknown): void {
    if (this.#isStopped) return;
    this.#state = 'failed';
    this.#reason = error instanceof Error ? error.message : String(error);
    this.deps.logSink.error(
      { err: error, partition: this.key.partition },
      'cannot read the groups of this partition: its groups are not served until this version can read them',
    );
  }

  #sleep(ms: number): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel: Cancel = this.deps.clock.schedule(ms, () => {
        this.#wake = undefined;
        resolve();
      });
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

/** Bytes that mean nothing to this version will not mean more to it when they are read again. */
function isUnreadable(error: unknown): boolean {
  return error instanceof GroupRecordError || error instanceof WireError || error instanceof RecordFormatError;
}
