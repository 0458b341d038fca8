import { effectiveMinIsrOf } from './partition-rules';
import type { PartitionImage } from '@streamline/core/metadata/image';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { LeaderEpoch, NodeId, Offset } from '@streamline/core/types/ids';
import type { PartitionKey, PartitionLog } from '../log/log-engine';
import { AckQueue } from './ack-queue';
import { nextHighWatermark } from './high-watermark';
import type { TopicSettings } from './topic-settings';

/** A fetch that waits for something to happen to a partition. */
export interface FetchWait {
  /** The high watermark moved: there may be enough now. */
  progress(): void;
  /** The answer changed in kind (leadership, deletion, failure): look again at once. */
  changed(): void;
}

/** A replica on this node: its log, what the metadata says of it, and who waits for it. */
export class HostedPartition {
  /** Everything before it is committed; consumers see nothing beyond. */
  highWatermark: Offset;
  /** The epoch in which this node leads and serves it; `undefined` while it does not. */
  leading: LeaderEpoch | undefined;
  /** Where the log ended when this node began to lead: offsets are certain once the high watermark is there (KIP-207). */
  epochStartOffset: Offset;
  readonly fetchWaits = new Set<FetchWait>();
  private readonly leaderAcks = new AckQueue();
  private readonly committedAcks = new AckQueue();
  private readonly durableEnds = new Map<NodeId, Offset>();

  constructor(
    readonly nodeId: NodeId,
    readonly topicName: string,
    readonly log: PartitionLog,
    public image: PartitionImage,
    public settings: TopicSettings,
  ) {
    this.highWatermark = log.logStartOffset;
    this.epochStartOffset = log.logEndOffset;
  }

  get key(): PartitionKey {
    return this.log.key;
  }

  /** Acknowledgements that are waited for. */
  get waitingAcks(): number {
    return this.leaderAcks.size + this.committedAcks.size;
  }

  /** False: acks=all is refused with 19 before anything is appended. */
  get hasEnoughReplicas(): boolean {
    return this.image.isr.length >= effectiveMinIsrOf(this);
  }

  /** Begins to lead in `epoch`, which the log makes durable before the first append of it (S-3). */
  lead(epoch: LeaderEpoch): void {
    if (this.leading === epoch) return;
    if (this.log.leaderEpoch < epoch) this.log.startEpoch(epoch);
    if (this.leading === undefined) this.epochStartOffset = this.log.logEndOffset;
    this.leading = epoch;
    this.refresh();
    for (const wait of [...this.fetchWaits]) wait.changed();
  }

  /** Stops leading: whoever waits here is answered with `errorCode`. */
  resign(errorCode: number): void {
    this.leading = undefined;
    this.leaderAcks.fail(errorCode);
    this.committedAcks.fail(errorCode);
    for (const wait of [...this.fetchWaits]) wait.changed();
  }

  /** The log told something: it is durable further, or it went offline. */
  logChanged(): void {
    if (this.log.offlineReason === undefined) this.refresh();
    else this.failed();
  }

  /** Takes over what the log says of its durability, or the metadata of its ISR: the high watermark may move. */
  refresh(): void {
    this.durableEnds.set(this.nodeId, this.log.stableEndOffset);
    const next = nextHighWatermark(this.highWatermark, {
      committedIsr: this.image.isr,
      effectiveMinIsr: effectiveMinIsrOf(this),
      durableEnds: this.durableEnds,
    });
    const moved = next > this.highWatermark;
    this.highWatermark = next;
    this.leaderAcks.release(this.log.stableEndOffset, ErrorCode.NONE);
    if (!moved) return;
    this.log.raiseHighWatermark(next);
    this.committedAcks.release(next, this.hasEnoughReplicas ? ErrorCode.NONE : ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND);
    for (const wait of this.fetchWaits) wait.progress();
  }

  /** The log failed for good: nobody waits for it any longer. */
  failed(): void {
    this.leaderAcks.fail(ErrorCode.KAFKA_STORAGE_ERROR);
    this.committedAcks.fail(ErrorCode.KAFKA_STORAGE_ERROR);
    for (const wait of [...this.fetchWaits]) wait.changed();
  }

  /** Calls back when this replica has `lastOffset` as durable as the partition asks for (acks=1). */
  whenDurable(lastOffset: Offset, ack: { settle(errorCode: number): void }): void {
    if (lastOffset < this.log.stableEndOffset) ack.settle(ErrorCode.NONE);
    else this.leaderAcks.push(lastOffset, ack);
  }

  /** Calls back when `lastOffset` is committed (acks=all). */
  whenCommitted(lastOffset: Offset, ack: { settle(errorCode: number): void }): void {
    if (lastOffset < this.highWatermark) ack.settle(ErrorCode.NONE);
    else this.committedAcks.push(lastOffset, ack);
  }
}
