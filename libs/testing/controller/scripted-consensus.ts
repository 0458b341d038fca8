import type { MembershipChange } from '@streamline/core/raft/inputs';
import type { VoterId } from '@streamline/core/raft/types';
import { directoryIdOf, nodeIdOf, voterId } from '@streamline/core/raft/types';
import type { DirectoryId, MetadataIndex, NodeId } from '@streamline/core/types/ids';
import type { ConsensusMembership } from '@streamline/runtime/controller/consensus-membership';
import type { LogMember, LogStatus } from '@streamline/runtime/controller/metadata-log';
import type { MembershipReply, TransferReply } from '@streamline/runtime/raft/raft-driver';

/** The directory that a node of a test has unless it says otherwise: 22 characters. */
export function directoryOf(nodeId: number): DirectoryId {
  return `directory-of-node-${String(nodeId).padStart(4, '0')}` as DirectoryId;
}

export function addressOf(nodeId: number): string {
  return `host${nodeId}:9093`;
}

/** A voter that was heard of just now. */
export function memberOf(nodeId: number, differing: Partial<LogMember> = {}): LogMember {
  return {
    nodeId: nodeId as NodeId,
    directoryId: directoryOf(nodeId),
    address: addressOf(nodeId),
    isVoter: true,
    staysLearner: false,
    progress: { matchIndex: 1, silentMs: 0 },
    ...differing,
  };
}

/** A consensus of which a test says who takes part and leads, and that makes each change at once unless told otherwise. */
export class ScriptedConsensus implements ConsensusMembership {
  readonly isChanging = false;
  /** In the order in which they were asked for. */
  readonly changes: MembershipChange[] = [];
  readonly transfers: (VoterId | undefined)[] = [];
  /** What the next changes are answered instead of being made. */
  readonly changeReplies: MembershipReply[] = [];
  transferReply: TransferReply = { kind: 'done' };
  confirms = true;

  constructor(
    readonly nodeId: NodeId,
    public leaderId: NodeId | undefined,
    public list: readonly LogMember[],
  ) {}

  get leads(): boolean {
    return this.leaderId === this.nodeId;
  }

  get status(): LogStatus {
    const { nodeId, leaderId, list, leads } = this;
    return {
      nodeState: leads ? 'Leader' : 'Follower',
      nodeId,
      leaderId,
      leaderAddress: list.find((member) => member.nodeId === leaderId)?.address,
      term: 1,
      committedIndex: 1 as MetadataIndex,
      voters: list.filter(({ isVoter }) => isVoter).map((member) => member.nodeId),
      learners: list.filter(({ isVoter }) => !isVoter).map((member) => member.nodeId),
    };
  }

  members(): readonly LogMember[] {
    return this.list;
  }

  changeMembership(changes: readonly MembershipChange[]): Promise<MembershipReply> {
    this.changes.push(...changes);
    const reply = this.changeReplies.shift();
    if (reply !== undefined) return Promise.resolve(reply);
    for (const change of changes) this.#make(change);
    return Promise.resolve({ kind: 'done', index: 1 });
  }

  transferLeadership(to: VoterId | undefined): Promise<TransferReply> {
    this.transfers.push(to);
    return Promise.resolve(this.transferReply);
  }

  confirmLeadership(): Promise<boolean> {
    return Promise.resolve(this.confirms && this.leads);
  }

  /** Makes of one member what the test says. */
  set(nodeId: number, differing: Partial<LogMember>): void {
    this.list = this.list.map((member) => (member.nodeId === nodeId ? { ...member, ...differing } : member));
  }

  #make(change: MembershipChange): void {
    switch (change.kind) {
      case 'add-learner': {
        const { id, address, staysLearner = false } = change.member;
        const others = this.list.filter((member) => idOf(member) !== id);
        const own = { directoryId: directoryIdOf(id), address, isVoter: false, staysLearner };
        this.list = [...others, memberOf(nodeIdOf(id), own)];
        return;
      }
      case 'remove':
        this.list = this.list.filter((member) => idOf(member) !== change.id);
        return;
      case 'set-address':
        return this.set(nodeIdOf(change.id), { address: change.address });
      case 'promote':
        return this.set(nodeIdOf(change.id), { isVoter: true, staysLearner: false });
      case 'demote':
        return this.set(nodeIdOf(change.id), { isVoter: false, staysLearner: true });
    }
  }
}

function idOf({ nodeId, directoryId }: LogMember): VoterId {
  return voterId(nodeId, directoryId);
}
