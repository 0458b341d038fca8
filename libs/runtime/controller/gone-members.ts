import type { NodeId } from '@streamline/core/types/ids';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { LogMember } from './metadata-log';

/** A refusal counts for so long: a member that stays away is dialled, and refuses, more often. */
const COUNTS_FOR_MS = 5_000;

/**
 * Which members' processes are gone, as far as connections tell: their addresses have refused one, and nothing was heard of
 * them since. For what need not be waited for; the consensus goes by its own rules.
 */
export class GoneMembers {
  readonly #refusedMs = new Map<string, number>();

  constructor(private readonly clock: Clock) {}

  /** A connection to this inter-broker address (host:port) was refused. */
  refused(address: string): void {
    const nowMs = this.clock.monotonicMs();
    for (const [other, atMs] of this.#refusedMs) if (nowMs - atMs > COUNTS_FOR_MS) this.#refusedMs.delete(other);
    this.#refusedMs.set(address, nowMs);
  }

  /** The member at this inter-broker address (host:port) answered, or dialled this node. */
  heard(address: string): void {
    this.#refusedMs.delete(address);
  }

  /** So many voters are gone that the others are no majority: nothing can be committed, and nobody can be elected. */
  isMajorityGone(members: readonly LogMember[], self: NodeId): boolean {
    const voters = members.filter(({ isVoter }) => isVoter);
    const gone = voters.filter((member) => member.nodeId !== self && this.#isGone(member));
    return voters.length > 0 && 2 * (voters.length - gone.length) <= voters.length;
  }

  #isGone({ address, progress }: LogMember): boolean {
    const refusedMs = this.#refusedMs.get(address);
    const nowMs = this.clock.monotonicMs();
    if (refusedMs === undefined || nowMs - refusedMs > COUNTS_FOR_MS) return false;
    return progress === undefined || nowMs - progress.silentMs <= refusedMs;
  }
}
