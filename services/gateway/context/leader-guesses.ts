import type { PartitionImage } from '@streamline/core/metadata/image';
import type { NodeId } from '@streamline/core/types/ids';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { LeaderHint } from './topics';

/** A client asks for Metadata right after it was refused; what the storage said holds for that, and not much longer. */
const GUESS_MS = 2_000;

/**
 * Who probably leads the partitions that this broker led before it was cut off, as its storage said when it refused a client (REPL-20).
 * Metadata that came before the cut still names this broker, and a client that is told so asks it for ever.
 */
export class LeaderGuesses {
  /** By what the metadata said of the partition then: what it says later counts for more. */
  private readonly guesses = new WeakMap<PartitionImage, { readonly leader: NodeId; readonly untilMs: number }>();

  constructor(
    private readonly nodeId: NodeId,
    private readonly clock: Pick<Clock, 'monotonicMs'>,
  ) {}

  /** This broker's storage refused to serve the partition as its leader (NOT_LEADER_OR_FOLLOWER), and said who may lead. */
  refused(partition: PartitionImage | undefined, told: LeaderHint | undefined): void {
    if (partition?.leader !== this.nodeId || told === undefined) return;
    if (told.leaderEpoch !== partition.leaderEpoch || !partition.replicas.includes(told.leaderId as NodeId)) return;
    if (told.leaderId === this.nodeId) return;
    this.guesses.set(partition, { leader: told.leaderId as NodeId, untilMs: this.clock.monotonicMs() + GUESS_MS });
  }

  /** The leader that clients are told of. */
  leaderOf(partition: PartitionImage): NodeId | undefined {
    const guess = partition.leader === this.nodeId ? this.guesses.get(partition) : undefined;
    return guess !== undefined && this.clock.monotonicMs() < guess.untilMs ? guess.leader : partition.leader;
  }
}
