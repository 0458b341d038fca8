import { effectiveMinIsrOf } from './partition-rules';
import type { PartitionImage } from '@streamline/core/metadata/image';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { LeaderEpoch, NodeId, Offset } from '@streamline/core/types/ids';
import type { PartitionKey, PartitionLog } from '../log/log-engine';
import type { ReplicaHost } from '../replication/replica-host';
import { AckQueue } from './ack-queue';
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
  /** Decides who leads and what is committed where other brokers have replicas; undefined: this one is alone. */
  replica: ReplicaHost | undefined;
  /** The last epoch that it began to lead: it may cease to serve for a while, and go on (REPL-20). */
  private begunEpoch: LeaderEpoch | undefined;
  readonly fetchWaits = new Set<FetchWait>();
  private readonly leaderAcks = new AckQueue();
  private readonly committedAcks = new AckQueue();

  constructor(
    readonly nodeId: NodeId,
    readonly topicName: string,
    /** Another one once the log has failed and begun anew. */
    public log: PartitionLog,
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
    if (this.replica !== undefined) return !this.replica.isUnderMinIsr;
    return this.image.isr.length >= effectiveMinIsrOf(this);
  }

  /** Begins to lead in `epoch`, which the log makes durable before the first append of it (S-3). */
  lead(epoch: LeaderEpoch): void {
    if (this.leading === epoch) return;
    if (this.log.leaderEpoch < epoch) this.log.startEpoch(epoch);
    if (this.begunEpoch !== epoch) this.epochStartOffset = this.log.logEndOffset;
    this.begunEpoch = epoch;
    this.leading = epoch;
    if (this.replica === undefined) this.refresh();
    for (const wait of [...this.fetchWaits]) wait.changed();
  }

  /** Stops leading: whoever waits here is answered with `errorCode`. */
  resign(errorCode: number): void {
    this.leading = undefined;
    this.leaderAcks.fail(errorCode);
    this.committedAcks.fail(errorCode);
    for (const wait of [...this.fetchWaits]) wait.changed();
  }

  /** The log told something: it is durable further, or it went offline. Between two registrations nobody decides what is committed. */
  logChanged(): void {
    if (this.log.offlineReason !== undefined) this.failed();
    else if (this.replica === undefined && this.image.replicas.length === 1) this.refresh();
    else this.leaderAcks.release(this.log.stableEndOffset, ErrorCode.NONE);
    this.replica?.logChanged();
  }

  /** A batch was appended here by this leader. */
  appended(): void {
    this.replica?.logChanged();
  }

  /** Without other replicas everything is committed that is as durable as the partition asks. */
  refresh(): void {
    const end = this.log.stableEndOffset;
    this.leaderAcks.release(end, ErrorCode.NONE);
    if (end > this.highWatermark) this.commit(end, ErrorCode.NONE);
  }

  /** Everything before `offset` is committed; acks=all that waited for what it passed is answered with the error. */
  commit(offset: Offset, errorCode: number): void {
    this.highWatermark = offset;
    this.log.raiseHighWatermark(offset);
    this.committedAcks.release(offset, errorCode);
    for (const wait of this.fetchWaits) wait.progress();
  }

  /** A leader that was elected uncleanly had committed less, or the log begins anew. */
  resetHighWatermark(offset: Offset): void {
    this.highWatermark = offset;
    this.log.raiseHighWatermark(offset);
    for (const wait of [...this.fetchWaits]) wait.changed();
  }

  /** The log failed and was dropped: this one is empty. */
  renewLog(log: PartitionLog): void {
    this.log = log;
    log.raiseHighWatermark(this.highWatermark);
  }

  /** The log failed: nobody waits for it any longer. */
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
