import type { ForeignStanding, OwnStanding, Testimony } from '@streamline/core/formation/encounter';
import { judgeEncounter, judgeTestimony, memberInQuestion } from '@streamline/core/formation/encounter';
import type { ClusterId } from '@streamline/core/types/ids';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { DescribeNodeResponse } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import type { PeerPorts } from './peer-ports';

/** Whether this node has a place is asked at most so often. */
const ASK_AGAIN_MS = 1_000;
const ASK_MS = 1_000;
/** The node that was met, then whom it takes for its leader. */
const ASKED_MAX = 2;

/** A node of another cluster, or of another epoch of ours, that dialled this one or was dialled by it. */
export interface ForeignMember extends ForeignStanding {
  /** Where it is reached, host:port; empty where it does not say. */
  readonly address: string;
}

export interface EncountersOptions {
  readonly clock: Clock;
  readonly peers: Pick<PeerPorts, 'askMembership'>;
  /** Undefined: not part of a cluster yet. */
  readonly own: () => OwnStanding | undefined;
  /** Its own cluster was recovered without it. */
  readonly onLeftOut: (memberAddresses: readonly string[]) => void;
  /** A majority of that cluster has another directory under this node's id. */
  readonly onReplaced: (foreign: ForeignMember, memberAddresses: readonly string[]) => void;
}

/**
 * Finds out from nodes that belong to something else whether this one still has a place where it is: a greeting is a reason to
 * ask, and the answer of a leader is what counts.
 */
export class Encounters {
  #isAsking = false;
  #askedMs = -Infinity;

  constructor(private readonly options: EncountersOptions) {}

  met(foreign: ForeignMember): void {
    const own = this.options.own();
    if (own !== undefined && judgeEncounter(own, foreign) !== 'stranger') void this.#makeSure(foreign);
  }

  async #makeSure(foreign: ForeignMember): Promise<void> {
    const { clock } = this.options;
    const nowMs = clock.monotonicMs();
    if (this.#isAsking || foreign.address === '' || nowMs - this.#askedMs < ASK_AGAIN_MS) return;
    this.#isAsking = true;
    this.#askedMs = nowMs;
    // Who does not answer says nothing.
    await this.#ask(foreign).catch(() => undefined);
    this.#isAsking = false;
  }

  async #ask(foreign: ForeignMember): Promise<void> {
    const { peers, own, onLeftOut, onReplaced } = this.options;
    let asked = foreign.address;
    for (let n = 0; n < ASKED_MAX; n++) {
      const before = own();
      if (before === undefined) return;
      const { nodeId: fromNodeId, directoryId: fromDirectoryId } = memberInQuestion(before, foreign);
      const request = { fromNodeId, fromDirectoryId, fromClusterId: foreign.clusterId ?? '' };
      const answer = await peers.askMembership(asked, (port) => port.describeNode(request, { deadlineMs: ASK_MS }));
      // Others may have come to count on this node meanwhile.
      const now = own();
      if (now === undefined) return;
      const finding = judgeTestimony(now, foreign, testimonyOf(answer));
      if (finding.kind === 'left-out') onLeftOut(answer.memberAddresses);
      if (finding.kind === 'replaced') onReplaced(foreign, answer.memberAddresses);
      if (finding.kind !== 'ask') return;
      asked = finding.address;
    }
  }
}

function testimonyOf({ clusterId, clusterEpoch, callerIsMember, leaderAddress }: DescribeNodeResponse): Testimony {
  return {
    clusterId: clusterId === '' ? undefined : (clusterId as ClusterId),
    clusterEpoch,
    isMember: callerIsMember,
    leaderAddress: leaderAddress === '' ? undefined : leaderAddress,
  };
}
