import type { BrokerEpoch, LeaderEpoch, NodeId, Offset } from '../types/ids';

/** What an acknowledgement promises: `fsync` survives a power loss, `page-cache` the end of the process (flush.messages). */
export type Durability = 'fsync' | 'page-cache';

/** A leader epoch and the offset of the first record that it may have written. */
export interface EpochStart {
  readonly epoch: number;
  readonly startOffset: number;
}

/**
 * What the replica's own log says at the moment of a step. A view of the log will do: it is read during the step only. From `begin-anew`
 * until the fresh start is durable every offset is `NO_LOG`, and there are no epochs.
 */
export interface LogFacts {
  readonly startOffset: Offset;
  /** One past the last batch, whether or not it is on the disk. */
  readonly endOffset: Offset;
  /** Everything before it survives the end of the process. */
  readonly writtenEndOffset: Offset;
  /** Everything before it survives a power loss. */
  readonly durableEndOffset: Offset;
  /** Batches from here on are read from memory. */
  readonly tailStartOffset: Offset;
  /** Oldest first, both fields rising. */
  readonly epochs: readonly EpochStart[];
  /** The log failed (S-9, S-11): it takes and gives nothing any more, unless it begins anew. */
  readonly isOffline: boolean;
}

/** What the metadata image says of brokers at the moment of a step. */
export interface BrokerFacts {
  /** The epoch of the broker's present registration; undefined where it has none. */
  registeredEpochOf(node: NodeId): BrokerEpoch | undefined;
  /** True while the broker may be taken into an ISR: registered, unfenced, not shutting down (KIP-841, KIP-903). */
  mayJoinIsr(node: NodeId): boolean;
  /**
   * The controller has not answered this broker for as long as a session lasts, by this broker's own clock: it may have given away what
   * this broker leads. It never does so for silence before (REPL-20).
   */
  readonly isSessionLapsed: boolean;
}

/** Everything that a step may look at beside its input. */
export interface Facts {
  readonly log: LogFacts;
  readonly brokers: BrokerFacts;
}

/** What the metadata says of one partition, and the topic configs that replication depends on. */
export interface ReplicaMetadata {
  /** Undefined: nobody leads. */
  readonly leader: NodeId | undefined;
  readonly leaderEpoch: LeaderEpoch;
  /** Grows with every change of the partition. */
  readonly partitionEpoch: number;
  /** Those that are being added or removed by a reassignment among them; the first is the preferred leader. */
  readonly replicas: readonly NodeId[];
  /** Those of `replicas` that a reassignment adds: they are copied to within the reassignment's rate. */
  readonly addingReplicas: readonly NodeId[];
  readonly isr: readonly NodeId[];
  /** Out of the ISR, and with everything that is acknowledged (KIP-966). */
  readonly elr: readonly NodeId[];
  /** Of `replicas`: those whose log failed, or whose broker has no space. They cannot join the ISR. */
  readonly failedReplicas: readonly NodeId[];
  /** The topic's min.insync.replicas, not yet capped by the number of replicas. */
  readonly minInsyncReplicas: number;
  readonly durability: Durability;
}

/** A member of a proposed ISR, and the incarnation of it that is meant (KIP-903). */
export interface IsrMember {
  readonly nodeId: NodeId;
  readonly brokerEpoch: BrokerEpoch;
}

/** One follower's turn with the leader of one epoch: (broker epoch, session id) is never used twice for a partition. */
export interface SessionKey {
  readonly leaderEpoch: LeaderEpoch;
  /** Of the follower. */
  readonly brokerEpoch: BrokerEpoch;
  /** The follower's count of its hellos. */
  readonly sessionId: number;
}

export function earlier(a: Offset, b: Offset): Offset {
  return a < b ? a : b;
}

export function later(a: Offset, b: Offset): Offset {
  return a > b ? a : b;
}

/** min(min.insync.replicas, replicas): what the committed ISR must have for acks=all, and for the high watermark to move (KIP-966). */
export function effectiveMinIsr({
  minInsyncReplicas,
  replicas,
}: Pick<ReplicaMetadata, 'minInsyncReplicas' | 'replicas'>): number {
  return Math.min(minInsyncReplicas, replicas.length);
}

/** How far the log is as durable as the partition asks. */
export function stableEnd(
  durability: Durability,
  log: { readonly writtenEndOffset: Offset; readonly durableEndOffset: Offset },
): Offset {
  return durability === 'fsync' ? log.durableEndOffset : log.writtenEndOffset;
}
