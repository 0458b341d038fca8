import { ErrorCode } from '@streamline/core/types/error-code';
import type { LeaderEpoch, NodeId, Offset, PartitionIndex, TopicId } from '@streamline/core/types/ids';
import { OFFSETS_TOPIC } from '@streamline/core/metadata/offsets-topic';
import { readBatchHeader } from '@streamline/wire/records/batch-header';
import { patchBaseOffset } from '@streamline/wire/records/batch-patch';
import type { PartitionKey, ReadResult } from '@streamline/runtime/log/log-engine';
import type {
  LeadershipChange,
  LocalAppendOutcome,
  LocalBounds,
  LocalPartitions,
} from '@streamline/runtime/partitions/local-partitions';

interface StoredBatch {
  readonly bytes: Buffer;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly leaderEpoch: number;
}

interface Wait {
  readonly end: number;
  readonly done: (errorCode: number) => void;
}

/** What one node has of a partition. */
class Replica {
  batches: StoredBatch[] = [];
  logStart = 0;
  highWatermark = 0;
  /** The epoch in which the node believes to lead. */
  leading: number | undefined;
  /** The newest epoch that the node has heard of. */
  heardEpoch = -1;
  waits: Wait[] = [];

  get end(): number {
    return (this.batches.at(-1)?.lastOffset ?? this.logStart - 1) + 1;
  }

  /** Everything up to the high watermark is committed: tells who waits for it. */
  raise(highWatermark: number): void {
    if (highWatermark <= this.highWatermark) return;
    this.highWatermark = highWatermark;
    const due = this.waits.filter(({ end }) => end <= highWatermark);
    this.waits = this.waits.filter(({ end }) => end > highWatermark);
    for (const { done } of due) done(ErrorCode.NONE);
  }

  fail(errorCode: number): void {
    for (const { done } of this.waits.splice(0)) done(errorCode);
  }
}

/** What the controller says of a partition, and how far its leader knows the others to be. */
interface Truth {
  leader: NodeId;
  epoch: number;
  isr: Set<NodeId>;
  /** Where the leader's log ended when it began to lead. */
  epochStart: number;
  readonly acked: Map<NodeId, number>;
}

/** How often something happened, for a spec to ask that it did. */
export interface ReplicationCounts {
  elections: number;
  /** Batches that were cut off, having been appended by a leader that was none any more, or was not in time. */
  cutBatches: number;
  refusedAppends: number;
  /** Appends, and loads, whose fate a leader was not told. */
  appendsLostSightOf: number;
}

/**
 * The offsets topic on several nodes, for specs: each has a log, leaders are elected from the ISR, nodes hear of it late (until
 * then one that was deposed goes on as if it led), followers copy when they are told to. It keeps the rules of
 * docs/spec/replication.md in their simplest form: what is tested here is who uses it.
 */
export class ReplicatedOffsets {
  readonly counts: ReplicationCounts = { elections: 0, cutBatches: 0, refusedAppends: 0, appendsLostSightOf: 0 };
  readonly nodes = new Map<NodeId, OffsetsOfNode>();
  readonly truth: readonly Truth[];
  readonly dead = new Set<NodeId>();
  /** Leaders refuse appends, as they do with too few replicas in sync. */
  refuses = false;
  /** The next reads of anyone that fail. */
  readFailures = 0;

  constructor(
    readonly topicId: TopicId,
    ids: readonly NodeId[],
    readonly partitionCount: number,
    readonly minIsr: number,
  ) {
    for (const id of ids) this.nodes.set(id, new OffsetsOfNode(this, partitionCount));
    this.truth = Array.from({ length: partitionCount }, (_, index): Truth => {
      const leader = ids[index % ids.length] ?? (1 as NodeId);
      return { leader, epoch: 0, isr: new Set(ids), epochStart: 0, acked: new Map() };
    });
  }

  node(id: NodeId): OffsetsOfNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  of(partition: PartitionIndex): Truth {
    const truth = this.truth[partition];
    if (truth === undefined) throw new Error(`no partition ${partition}`);
    return truth;
  }

  /** True where the node leads, and knows it. */
  leads(id: NodeId, partition: PartitionIndex): boolean {
    const { leader, epoch } = this.of(partition);
    return leader === id && !this.dead.has(id) && this.node(id).replica(partition).leading === epoch;
  }

  /** Makes a live member of the ISR the leader, in a new epoch. Nobody hears of it yet. False: it may not lead. */
  elect(partition: PartitionIndex, id: NodeId): boolean {
    const truth = this.of(partition);
    if (this.dead.has(id) || !truth.isr.has(id)) return false;
    truth.leader = id;
    truth.epoch += 1;
    truth.acked.clear();
    this.counts.elections += 1;
    return true;
  }

  /** A node hears who leads a partition. */
  tell(id: NodeId, partition: PartitionIndex): void {
    if (this.dead.has(id)) return;
    const { leader, epoch } = this.of(partition);
    const node = this.node(id);
    const replica = node.replica(partition);
    replica.heardEpoch = epoch;
    if (leader !== id && replica.leading !== undefined) {
      replica.leading = undefined;
      replica.fail(ErrorCode.NOT_LEADER_OR_FOLLOWER);
      node.announce(partition);
    } else if (leader === id && replica.leading !== epoch) {
      replica.leading = epoch;
      this.of(partition).epochStart = replica.end;
      node.announce(partition);
      this.advance(partition);
    }
  }

  /** A follower copies up to `batches` batches from the leader, if both know of each other. */
  copy(partition: PartitionIndex, id: NodeId, batches: number): void {
    const truth = this.of(partition);
    if (id === truth.leader || this.dead.has(id) || !this.leads(truth.leader, partition)) return;
    const from = this.node(truth.leader).replica(partition);
    const to = this.node(id).replica(partition);
    if (to.heardEpoch !== truth.epoch) return;
    this.#cutWhereTheyPart(from, to);
    if (to.end < from.logStart) {
      to.batches = [];
      to.logStart = from.logStart;
    }
    to.batches.push(...from.batches.filter(({ baseOffset }) => baseOffset >= to.end).slice(0, batches));
    to.highWatermark = Math.max(to.highWatermark, Math.min(from.highWatermark, to.end));
    deleteBefore(to, Math.min(from.logStart, to.highWatermark));
    truth.acked.set(id, to.end);
    this.advance(partition);
  }

  /** The controller takes a follower out of the ISR. */
  shrink(partition: PartitionIndex, id: NodeId): void {
    const truth = this.of(partition);
    if (id === truth.leader) return;
    truth.isr.delete(id);
    this.advance(partition);
  }

  /** The controller takes a follower in that has everything that is committed. */
  expand(partition: PartitionIndex, id: NodeId): void {
    const truth = this.of(partition);
    if (this.dead.has(id) || !this.leads(truth.leader, partition)) return;
    const { highWatermark } = this.node(truth.leader).replica(partition);
    const acked = truth.acked.get(id) ?? -1;
    if (acked >= highWatermark && acked >= truth.epochStart) truth.isr.add(id);
  }

  /** A leader cannot tell any more what becomes of what it has appended: its disk failed it for a moment. */
  loseSight(partition: PartitionIndex, id: NodeId): void {
    const replica = this.node(id).replica(partition);
    this.counts.appendsLostSightOf += replica.waits.length;
    replica.fail(ErrorCode.KAFKA_STORAGE_ERROR);
  }

  /** The process of a node ends; its log stays. */
  kill(id: NodeId): void {
    this.dead.add(id);
    this.node(id).forget();
  }

  /** It is back, and leads nothing before it is told to: in a new epoch, as every incarnation does. */
  revive(id: NodeId): void {
    this.dead.delete(id);
  }

  advance(partition: PartitionIndex): void {
    const { leader, isr, acked } = this.of(partition);
    if (!this.leads(leader, partition) || isr.size < this.minIsr) return;
    const replica = this.node(leader).replica(partition);
    const ends = [...isr].map((id) => (id === leader ? replica.end : (acked.get(id) ?? 0)));
    replica.raise(Math.min(...ends));
  }

  #cutWhereTheyPart(from: Replica, to: Replica): void {
    const known = new Map(from.batches.map(({ baseOffset, leaderEpoch }) => [baseOffset, leaderEpoch]));
    const isShared = ({ baseOffset, lastOffset, leaderEpoch }: StoredBatch): boolean => {
      return lastOffset < from.logStart || known.get(baseOffset) === leaderEpoch;
    };
    const parting = to.batches.findIndex((batch) => !isShared(batch));
    if (parting < 0) return;
    this.counts.cutBatches += to.batches.length - parting;
    to.batches = to.batches.slice(0, parting);
    if (to.end < to.highWatermark) throw new Error(`cut at ${to.end}, below the high watermark ${to.highWatermark}`);
  }
}

/** One node's part of it, as its coordinators see it. */
export class OffsetsOfNode implements LocalPartitions {
  readonly #replicas: readonly Replica[];
  readonly #listeners = new Set<(change: LeadershipChange) => void>();

  constructor(
    private readonly cluster: ReplicatedOffsets,
    partitionCount: number,
  ) {
    this.#replicas = Array.from({ length: partitionCount }, () => new Replica());
  }

  replica(partition: PartitionIndex): Replica {
    const replica = this.#replicas[partition];
    if (replica === undefined) throw new Error(`no partition ${partition}`);
    return replica;
  }

  announce(partition: PartitionIndex): void {
    for (const listener of this.#listeners) listener(this.#change(partition));
  }

  /** The process is gone: nobody is told anything any more. */
  forget(): void {
    this.#listeners.clear();
    for (const replica of this.#replicas) {
      replica.leading = undefined;
      replica.waits = [];
    }
  }

  bounds({ partition }: PartitionKey): LocalBounds | undefined {
    const { leading, logStart, highWatermark, end } = this.replica(partition);
    if (leading === undefined) return undefined;
    return {
      leaderEpoch: leading as LeaderEpoch,
      logStartOffset: logStart as Offset,
      highWatermark: highWatermark as Offset,
      logEndOffset: end as Offset,
    };
  }

  appendLocal(
    { partition }: PartitionKey,
    leaderEpoch: LeaderEpoch,
    batch: Buffer,
    done: (errorCode: number) => void,
  ): LocalAppendOutcome {
    const replica = this.replica(partition);
    const { minIsr, counts, refuses } = this.cluster;
    const hasTooFew = refuses || this.cluster.of(partition).isr.size < minIsr;
    const refusal = refusalOf(replica, leaderEpoch) ?? (hasTooFew ? ErrorCode.NOT_ENOUGH_REPLICAS : undefined);
    if (refusal !== undefined) {
      counts.refusedAppends += 1;
      return { ok: false, errorCode: refusal, message: 'refused' };
    }
    const baseOffset = replica.end;
    const lastOffset = baseOffset + readBatchHeader(batch).lastOffsetDelta;
    patchBaseOffset(batch, baseOffset);
    replica.batches.push({ bytes: batch, baseOffset, lastOffset, leaderEpoch });
    replica.waits.push({ end: lastOffset + 1, done });
    // Alone in the ISR a leader commits by its own disk, a turn later.
    setImmediate(() => {
      this.cluster.advance(partition);
    });
    return { ok: true, baseOffset: baseOffset as Offset, lastOffset: lastOffset as Offset };
  }

  whenCommitted({ partition }: PartitionKey, leaderEpoch: LeaderEpoch, end: Offset, done: (errorCode: number) => void): void {
    const replica = this.replica(partition);
    const refusal = refusalOf(replica, leaderEpoch);
    if (refusal !== undefined) done(refusal);
    else if (end <= replica.highWatermark) done(ErrorCode.NONE);
    else replica.waits.push({ end, done });
  }

  readLocal({ partition }: PartitionKey, from: Offset, maxBytes: number): Promise<ReadResult> {
    const replica = this.replica(partition);
    if (replica.leading === undefined) return Promise.reject(new Error('does not lead'));
    if (this.cluster.readFailures > 0) {
      this.cluster.readFailures -= 1;
      return Promise.reject(new Error('EIO'));
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    for (const batch of replica.batches) {
      if (batch.lastOffset < from) continue;
      if (chunks.length > 0 && bytes + batch.bytes.length > maxBytes) break;
      chunks.push(batch.bytes);
      bytes += batch.bytes.length;
    }
    return Promise.resolve({ chunks, bytes });
  }

  deleteBefore({ partition }: PartitionKey, offset: Offset): Promise<void> {
    const replica = this.replica(partition);
    if (replica.leading === undefined) return Promise.reject(new Error('does not lead'));
    if (offset > replica.highWatermark) return Promise.reject(new Error('beyond the high watermark'));
    deleteBefore(replica, offset);
    return Promise.resolve();
  }

  onLeadership(listener: (change: LeadershipChange) => void): () => void {
    this.#listeners.add(listener);
    for (const [index, { leading }] of this.#replicas.entries()) {
      if (leading !== undefined) listener(this.#change(index as PartitionIndex));
    }
    return () => void this.#listeners.delete(listener);
  }

  #change(partition: PartitionIndex): LeadershipChange {
    const leaderEpoch = this.replica(partition).leading as LeaderEpoch | undefined;
    return { topicId: this.cluster.topicId, topicName: OFFSETS_TOPIC, partition, leaderEpoch, deleted: false };
  }
}

function refusalOf({ leading }: Replica, leaderEpoch: LeaderEpoch): number | undefined {
  if (leading === undefined) return ErrorCode.NOT_LEADER_OR_FOLLOWER;
  return leading === leaderEpoch ? undefined : ErrorCode.FENCED_LEADER_EPOCH;
}

function deleteBefore(replica: Replica, offset: number): void {
  replica.logStart = Math.max(replica.logStart, offset);
  replica.batches = replica.batches.filter(({ lastOffset }) => lastOffset >= replica.logStart);
}
