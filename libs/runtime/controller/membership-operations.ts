import { type RaftTiming, refusedTiming, UNTOLD_TIMING } from '@streamline/core/formation/timing';
import type { Failure } from '@streamline/core/metadata/decision';
import type { Drain } from '@streamline/core/metadata/drain-broker';
import type { PartitionNames, Removal } from '@streamline/core/metadata/remove-broker';
import type { MembershipChange } from '@streamline/core/raft/inputs';
import { VOTERS_MAX } from '@streamline/core/raft/limits';
import { voterId } from '@streamline/core/raft/types';
import type { DirectoryId, NodeId } from '@streamline/core/types/ids';
import type { Clock } from '@streamline/runtime/ports/clock';
import type * as wire from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import {
  Formation,
  JoinOutcome,
  MembershipOutcome,
} from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import type { TransferReply } from '../raft/raft-driver';
import type { ConsensusMembership } from './consensus-membership';
import type { LogMember } from './metadata-log';
import type { PeerPorts } from './peer-ports';
import { waitingDirectory } from './waiting-node';

/** How long one change of the membership may take. */
const CHANGE_MS = 5_000;
/** How long the node at an address may take to say what it is, and to accept an invitation. */
const CONTACT_MS = 2_000;
/** Partitions that a reason names. */
const NAMED_PARTITIONS_MAX = 10;
/** How often a member that joins is looked at. */
const LOOK_MS = 20;

export interface MembershipOperationsOptions {
  readonly clock: Clock;
  readonly clusterId: () => string;
  readonly consensus: ConsensusMembership;
  readonly peers: PeerPorts;
  /** A member that was silent for so long is gone: the guide's election_timeout_min_ms. */
  readonly silentMs: number;
  /** The leader's settings of Raft. */
  readonly timing: RaftTiming;
  /** What the metadata says to a node that leaves. */
  readonly brokers: BrokerRemoval;
  /** Why a node that supports these features can't take part; undefined: it can. */
  readonly unsupported: (features: readonly wire.SupportedFeature[]) => string | undefined;
}

export interface DrainProgress extends Drain {
  /** Partitions that it held when this leader was first asked. */
  readonly heldAtFirst: number;
}

/** What a removal comes to on the side of the metadata. */
export interface BrokerRemoval {
  isRegistered(nodeId: NodeId): boolean;
  /** Partitions with a replica on the node. */
  partitionsOf(nodeId: NodeId): PartitionNames;
  /** Moves what is on the node to others, or tells how far that is; a failure is that of the command itself. */
  drain(nodeId: NodeId): Promise<DrainProgress | Failure>;
  /** The node stays: what was on its way to others is called off. */
  keep(nodeId: NodeId): Promise<number | Failure>;
  /** Forgets the broker; a failure is that of the command itself. */
  remove(nodeId: NodeId, force: boolean): Promise<Removal | Failure>;
  /** From here on, until what it returns is called, this leader lets no broker of that id register. */
  keepOut(nodeId: NodeId): () => void;
}

type JoinAnswer = Pick<wire.JoinResponse, 'outcome' | 'reason'>;

/** Changes of who takes part, made at the leader. */
export class MembershipOperations {
  constructor(private readonly options: MembershipOperationsOptions) {}

  /** Takes a step towards what the node asks to be; it asks again until it is that. */
  async join(request: wire.JoinRequest): Promise<JoinAnswer> {
    const { consensus, clusterId } = this.options;
    if (request.clusterId !== '' && request.clusterId !== clusterId()) {
      return refused(`it belongs to cluster ${request.clusterId}, this is cluster ${clusterId()}`);
    }
    const unsupported = this.options.unsupported(request.features);
    if (unsupported !== undefined) return refused(unsupported);
    const members = consensus.members();
    const known = members.find((member) => isMember(member, request));
    if (known !== undefined) return this.#joinKnown(known, request);
    if (request.clusterId !== '') {
      return refused('it is not a member of the cluster any more: it was removed. To join again it needs an empty --data-dir');
    }
    const unfit = refusedTiming(this.options.timing, request.timing ?? UNTOLD_TIMING);
    if (unfit !== undefined) return refused(unfit);
    const sameAddress = members.find(({ address, nodeId }) => address === request.address && nodeId !== request.nodeId);
    if (sameAddress !== undefined) {
      return refused(
        `its address ${request.address} is that of node ${sameAddress.nodeId}: give each node an address of its own, or remove node ${sameAddress.nodeId} first`,
      );
    }
    const sameNode = members.find(({ nodeId }) => nodeId === request.nodeId);
    if (sameNode !== undefined && !(await this.#isGone(sameNode))) {
      return refused(
        `node id ${request.nodeId} is in use by a running node at ${sameNode.address} (directory ${sameNode.directoryId}): give each node a --cluster-node-id of its own`,
      );
    }
    return this.#admit(request, sameNode);
  }

  /**
   * Invites the node at the address and waits until it is what it should be, within the deadline. A member that is there already
   * stays one: a removal that was moving its replicas away is called off.
   */
  async add(request: wire.AddMemberRequest, deadlineMs: number): Promise<wire.AddMemberResponse> {
    const { consensus, clock } = this.options;
    const endMs = clock.monotonicMs() + deadlineMs;
    if (!consensus.leads) return { ...NOTHING_ADDED, ...this.#notLeader() };
    const { nodeId, address } = request;
    if (!Number.isInteger(nodeId) || nodeId < 1)
      return invalidAdd('node_id', `node_id must be a whole number above 0, not ${nodeId}`);
    const other = consensus.members().find((member) => member.address === address && member.nodeId !== nodeId);
    if (other !== undefined) return invalidAdd('raft_addr', `${address} is the address of node ${other.nodeId}`);
    const known = consensus.members().find((member) => member.nodeId === nodeId);
    if (known !== undefined && known.address !== address && !(await this.#isGone(known))) {
      return invalidAdd('node_id', `node ${nodeId} is a member already, at ${known.address}`);
    }
    if (known?.address === address) {
      const kept = await this.options.brokers.keep(known.nodeId);
      if (typeof kept !== 'number') return { ...NOTHING_ADDED, outcome: MembershipOutcome.FAILED, reason: kept.message };
      return this.#addKnown(known, request, endMs);
    }
    return (await this.#inviteNode(request)) ?? this.#untilMember(request, endMs);
  }

  /**
   * One that is a member already may not know it: it was let in and its process ended before it had written that down, or its
   * disk was lost. It waits to be added then, as it says itself, under the directory that it has now.
   */
  async #addKnown(member: LogMember, request: wire.AddMemberRequest, endMs: number): Promise<wire.AddMemberResponse> {
    const waiting = await this.#waitingAt(request);
    const isSame = waiting === undefined || waiting === member.directoryId;
    if (member.isVoter && isSame) return { ...NOTHING_ADDED, outcome: MembershipOutcome.DONE, role: 'voter' };
    const problem =
      (isSame ? await this.#promoteKnown(member, request) : undefined) ??
      (waiting === undefined ? undefined : await this.#inviteNode(request));
    return problem ?? this.#untilMember({ ...request, directoryId: waiting ?? member.directoryId }, endMs);
  }

  /** The directory of the node if it is there and part of no cluster. */
  async #waitingAt({ nodeId, address, directoryId }: wire.AddMemberRequest): Promise<string | undefined> {
    const found = await this.#describe(address).catch(() => undefined);
    const waiting = found === undefined ? undefined : waitingDirectory(found, nodeId);
    return directoryId === '' || directoryId === waiting ? waiting : undefined;
  }

  #describe(address: string): Promise<wire.DescribeNodeResponse> {
    const { peers, consensus, clusterId } = this.options;
    const asked = { fromNodeId: consensus.status.nodeId, fromDirectoryId: '', fromClusterId: clusterId() };
    return peers.askMembership(address, (port) => port.describeNode(asked, { deadlineMs: CONTACT_MS }));
  }

  /**
   * Replicas that are on the node move first, and only then it goes: to be repeated until it is gone. Also finishes a removal that
   * ended between the consensus and the metadata.
   */
  async remove(request: wire.RemoveMemberRequest): Promise<wire.RemoveMemberResponse> {
    const { consensus, brokers } = this.options;
    if (!consensus.leads) return { ...NOTHING_REMOVED, ...this.#notLeader() };
    const { force, directoryId, keepAsLearner } = request;
    const nodeId = request.nodeId as NodeId;
    const known = consensus.members().find((member) => member.nodeId === nodeId);
    const member = directoryId === '' || known?.directoryId === directoryId ? known : undefined;
    const isLeftOver = known === undefined && !keepAsLearner && brokers.isRegistered(nodeId);
    if (member === undefined && !isLeftOver) {
      return notRemoved(MembershipOutcome.NOT_A_MEMBER, `Node ${nodeId} is not a member of the cluster`);
    }
    if (nodeId === consensus.status.nodeId) {
      return notRemoved(MembershipOutcome.IS_LEADER, 'Cannot remove the current leader. Transfer leadership first.');
    }
    if (member !== undefined && keepAsLearner) return this.#removeVote(member);
    if (brokers.partitionsOf(nodeId).total > 0 && !force) return this.#drain(nodeId);
    if (member !== undefined && !force) return this.#removeEmpty(member);
    if (member !== undefined) {
      const reply = await this.#change({ kind: 'remove', id: idOf(member) });
      if (reply.kind !== 'done') return notRemoved(MembershipOutcome.FAILED, reasonOf(reply));
    }
    return this.#forgetBroker(nodeId, force);
  }

  async transfer({ nodeId }: wire.TransferLeadershipRequest): Promise<wire.TransferLeadershipResponse> {
    const { consensus } = this.options;
    if (!consensus.leads) return this.#notLeader();
    const { leaderId } = consensus.status;
    const done = { outcome: MembershipOutcome.DONE, reason: '' };
    if (nodeId === leaderId) return { ...done, leaderId };
    const target = consensus.members().find((member) => member.nodeId === nodeId);
    if (nodeId !== 0 && target === undefined) {
      return { outcome: MembershipOutcome.NOT_A_MEMBER, reason: `Node ${nodeId} is not a member of the cluster`, leaderId };
    }
    if (target !== undefined && !target.isVoter) {
      return { outcome: MembershipOutcome.INVALID, reason: `Node ${nodeId} is a learner: only a voter can lead`, leaderId };
    }
    const reply = await consensus.transferLeadership(target && idOf(target), CHANGE_MS);
    if (reply.kind === 'done') return { ...done, leaderId: nodeId === 0 ? consensus.status.leaderId : nodeId };
    return { outcome: MembershipOutcome.FAILED, reason: whyNotHandedOver(reply, nodeId), leaderId };
  }

  async #drain(nodeId: NodeId): Promise<wire.RemoveMemberResponse> {
    const drain = await this.options.brokers.drain(nodeId);
    if ('errorCode' in drain) return notRemoved(MembershipOutcome.FAILED, drain.message);
    const { error, held, waiting, heldAtFirst } = drain;
    const left = { partitionsLeft: held.total, partitionsTotal: heldAtFirst };
    if (error !== undefined) return { ...notRemoved(MembershipOutcome.HOLDS_PARTITIONS, error.message), ...left };
    const stuck =
      waiting.total === 0 ? '' : `; nobody leads ${waiting.total} of them, so they cannot be copied: ${listOf(waiting)}`;
    const reason = `replicas move to other nodes, and it goes when none is left on it: repeat the command${stuck}`;
    return { ...notRemoved(MembershipOutcome.UNDER_WAY, reason), ...left };
  }

  async #removeVote(member: LogMember): Promise<wire.RemoveMemberResponse> {
    const demoted = await this.#change({ kind: 'demote', id: idOf(member) });
    if (demoted.kind !== 'done') return notRemoved(MembershipOutcome.FAILED, reasonOf(demoted));
    return { ...NOTHING_REMOVED, outcome: MembershipOutcome.DONE };
  }

  /**
   * Its broker is forgotten first, where nothing is on it at that moment, and does not come back before the node is no member: whatever
   * was placed on it in between would go with it.
   */
  async #removeEmpty(member: LogMember): Promise<wire.RemoveMemberResponse> {
    const { brokers } = this.options;
    const letIn = brokers.keepOut(member.nodeId);
    try {
      const removal = await brokers.remove(member.nodeId, false);
      if ('errorCode' in removal) return notRemoved(MembershipOutcome.FAILED, removal.message);
      if (removal.error !== undefined) return await this.#drain(member.nodeId);
      const reply = await this.#change({ kind: 'remove', id: idOf(member) });
      if (reply.kind !== 'done') return notRemoved(MembershipOutcome.FAILED, reasonOf(reply));
      return { ...NOTHING_REMOVED, outcome: MembershipOutcome.DONE };
    } finally {
      letIn();
    }
  }

  /** Behind the removal of the member: before, its broker would register again. */
  async #forgetBroker(nodeId: NodeId, force: boolean): Promise<wire.RemoveMemberResponse> {
    const removal = await this.options.brokers.remove(nodeId, force);
    if ('errorCode' in removal) {
      const reason = `it left the consensus, but its broker is still registered: ${removal.message} Repeat the command.`;
      return notRemoved(MembershipOutcome.FAILED, reason);
    }
    const { error, held, lost } = removal;
    // A topic that was created meanwhile.
    if (error !== undefined) return holdsPartitions(nodeId, held);
    const reason = lost.total === 0 ? '' : `${lost.total} partitions may have lost records: ${listOf(lost)}`;
    return {
      ...NOTHING_REMOVED,
      outcome: MembershipOutcome.DONE,
      reason,
      partitionsTotal: held.total,
      lostPartitions: [...lost.names],
    };
  }

  async #joinKnown(member: LogMember, request: wire.JoinRequest): Promise<JoinAnswer> {
    const { consensus } = this.options;
    if (member.address !== request.address) {
      if (await this.#isElsewhere(member, request)) {
        return refused(
          `another process runs as node ${member.nodeId} on a copy of its data directory, at ${member.address}: stop one of the two`,
        );
      }
      const reply = await consensus.changeMembership(
        [{ kind: 'set-address', id: idOf(member), address: request.address }],
        CHANGE_MS,
      );
      if (reply.kind !== 'done') return busy(reasonOf(reply));
    }
    if (member.isVoter) return { outcome: JoinOutcome.VOTER, reason: '' };
    if (member.staysLearner || !request.promoteToVoter) return learner('it is to stay a learner');
    return this.#promote(member);
  }

  /** The member answers where it was known to be, as another process than the one that asks. */
  async #isElsewhere({ nodeId, directoryId, address }: LogMember, { incarnationId }: wire.JoinRequest): Promise<boolean> {
    const found = await this.#describe(address).catch(() => undefined);
    return found?.nodeId === nodeId && found.directoryId === directoryId && found.incarnationId !== incarnationId;
  }

  async #promote(member: LogMember): Promise<JoinAnswer> {
    const { consensus } = this.options;
    if (voterCount(consensus) >= VOTERS_MAX) {
      await this.#change({ kind: 'add-learner', member: { id: idOf(member), address: member.address, staysLearner: true } });
      return learner(`the cluster has ${VOTERS_MAX} voters, which is the most: it stays a learner`);
    }
    const reply = await consensus.changeMembership([{ kind: 'promote', id: idOf(member) }], CHANGE_MS);
    if (reply.kind === 'done') return { outcome: JoinOutcome.VOTER, reason: '' };
    if (reply.kind === 'refused' && reply.reason === 'not-caught-up') return learner('it has not caught up with the log yet');
    return learner(reasonOf(reply));
  }

  /** A node id that comes with another directory is another member: the one of the lost disk goes in the same step (R-6). */
  async #admit(request: wire.JoinRequest, replaced: LogMember | undefined): Promise<JoinAnswer> {
    const isFull = voterCount(this.options.consensus) - (replaced?.isVoter === true ? 1 : 0) >= VOTERS_MAX;
    const staysLearner = !request.promoteToVoter || isFull;
    const id = voterId(request.nodeId as NodeId, request.directoryId as DirectoryId);
    const member = { id, address: request.address, ...(staysLearner && { staysLearner }) };
    const reply = await this.#change(...(replaced === undefined ? [] : [{ kind: 'remove', id: idOf(replaced) } as const]), {
      kind: 'add-learner',
      member,
    });
    return reply.kind === 'done' ? learner(staysLearner ? 'it is to stay a learner' : '') : busy(reasonOf(reply));
  }

  #change(...changes: readonly MembershipChange[]): ReturnType<ConsensusMembership['changeMembership']> {
    return this.options.consensus.changeMembership(changes, CHANGE_MS);
  }

  /** True where the member stays silent; it is listened for until that is clear. */
  async #isGone(member: LogMember): Promise<boolean> {
    const { consensus, clock, silentMs } = this.options;
    let before = member.progress?.silentMs;
    const endMs = clock.monotonicMs() + 3 * silentMs;
    while (before !== undefined && before < silentMs && clock.monotonicMs() < endMs) {
      await this.#pause();
      const now = consensus.members().find((one) => idOf(one) === idOf(member))?.progress?.silentMs;
      // Heard of again.
      if (now === undefined || now < before) return false;
      before = now;
    }
    return before !== undefined && before >= silentMs;
  }

  async #promoteKnown(member: LogMember, { promoteToVoter }: wire.AddMemberRequest): Promise<wire.AddMemberResponse | undefined> {
    if (member.staysLearner === !promoteToVoter) return undefined;
    // Another directory may have taken its place while the node was asked what it is: there are never two members of one node.
    if (!this.options.consensus.members().some((one) => idOf(one) === idOf(member))) {
      return failedAdd(`node ${member.nodeId} is no member with that data directory any more`);
    }
    const staysLearner = promoteToVoter ? {} : ({ staysLearner: true } as const);
    const reply = await this.#change({
      kind: 'add-learner',
      member: { id: idOf(member), address: member.address, ...staysLearner },
    });
    return reply.kind === 'done' ? undefined : failedAdd(reasonOf(reply));
  }

  async #inviteNode(request: wire.AddMemberRequest): Promise<wire.AddMemberResponse | undefined> {
    const { peers, consensus, clusterId } = this.options;
    const { nodeId, address, promoteToVoter, directoryId } = request;
    try {
      const found = await this.#describe(address);
      if (found.nodeId !== nodeId) return invalidAdd('node_id', `node ${found.nodeId} listens at ${address}, not node ${nodeId}`);
      if (directoryId !== '' && found.directoryId !== directoryId) {
        return invalidAdd('directory_id', `node ${nodeId} at ${address} has directory ${found.directoryId}, not ${directoryId}`);
      }
      if (found.formation === Formation.REMOVED) {
        return failedAdd(`node ${nodeId} was a member and was removed: it can join again with an empty --data-dir`);
      }
      if (found.clusterId !== '' && found.clusterId !== clusterId()) return otherCluster(nodeId, found.clusterId);
      const memberAddresses = consensus.members().map((member) => member.address);
      const invitation = { clusterId: clusterId(), memberAddresses, nodeId, promoteToVoter };
      const answer = await peers.askMembership(address, (port) => port.invite(invitation, { deadlineMs: CONTACT_MS }));
      if (answer.otherCluster) return otherCluster(nodeId, answer.reason);
      return answer.accepted ? undefined : failedAdd(answer.reason);
    } catch (error) {
      return failedAdd(`node ${nodeId} does not answer at ${address}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async #untilMember(
    { nodeId, promoteToVoter, directoryId }: wire.AddMemberRequest,
    endMs: number,
  ): Promise<wire.AddMemberResponse> {
    const { consensus, clock } = this.options;
    for (;;) {
      const member = consensus
        .members()
        .find((one) => one.nodeId === nodeId && (directoryId === '' || one.directoryId === directoryId));
      const wanted = promoteToVoter && voterCount(consensus) < VOTERS_MAX ? 'voter' : 'learner';
      if (member?.isVoter === true) return { ...NOTHING_ADDED, outcome: MembershipOutcome.DONE, role: 'voter' };
      if (member !== undefined && !promoteToVoter) return { ...NOTHING_ADDED, outcome: MembershipOutcome.DONE, role: 'learner' };
      if (member !== undefined && wanted === 'learner')
        return notPromoted(`the cluster has ${VOTERS_MAX} voters, which is the most`);
      if (!consensus.leads) return { ...NOTHING_ADDED, ...this.#notLeader() };
      if (clock.monotonicMs() >= endMs) {
        return member === undefined
          ? failedAdd(`node ${nodeId} accepted the invitation, but did not join in time`)
          : notPromoted('it has not caught up with the log in time; it is promoted as soon as it has');
      }
      await this.#pause();
    }
  }

  #notLeader(): Pick<wire.AddMemberResponse, 'outcome' | 'reason' | 'leaderId'> {
    const { leaderId } = this.options.consensus.status;
    return { outcome: MembershipOutcome.NOT_LEADER, reason: 'This node is not the leader', leaderId };
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.options.clock.schedule(LOOK_MS, resolve));
  }
}

const NOTHING_REMOVED = {
  outcome: MembershipOutcome.UNSPECIFIED,
  reason: '',
  leaderId: undefined,
  partitionsLeft: 0,
  partitionsTotal: 0,
  lostPartitions: [],
};

const NOTHING_ADDED = { outcome: MembershipOutcome.UNSPECIFIED, reason: '', field: '', leaderId: undefined, role: '' };

function isMember(
  member: LogMember,
  { nodeId, directoryId }: { readonly nodeId: number; readonly directoryId: string },
): boolean {
  return member.nodeId === nodeId && member.directoryId === directoryId;
}

function idOf({ nodeId, directoryId }: LogMember): ReturnType<typeof voterId> {
  return voterId(nodeId, directoryId);
}

function voterCount(consensus: ConsensusMembership): number {
  return consensus.members().filter(({ isVoter }) => isVoter).length;
}

function reasonOf(reply: Awaited<ReturnType<ConsensusMembership['changeMembership']>>): string {
  return reply.kind === 'refused' ? reply.message : 'leadership was lost meanwhile: the change may or may not come to pass';
}

/** `nodeId` 0: whoever was furthest. */
function whyNotHandedOver(reply: Exclude<TransferReply, { kind: 'done' }>, nodeId: number): string {
  const who = nodeId === 0 ? 'the voter whose log is furthest' : `node ${nodeId}`;
  if (reply.kind === 'timed-out') return `${who} did not take over in time`;
  switch (reply.reason) {
    case 'not-a-voter':
      return nodeId === 0 ? 'there is no other voter to take it: add one first' : `${who} is no voter any more`;
    case 'unreachable':
      return `${who} is not reached: start it, or look at the network between the nodes`;
    case 'transferring':
      return 'leadership is being handed over already: see who leads, then repeat it if need be';
    default:
      return `this node cannot hand it over now (${reply.reason}): repeat it`;
  }
}

function listOf({ total, names }: PartitionNames): string {
  const some = names.slice(0, NAMED_PARTITIONS_MAX);
  return `${some.join(', ')}${total > some.length ? ` and ${total - some.length} more` : ''}`;
}

function notRemoved(outcome: MembershipOutcome, reason: string): wire.RemoveMemberResponse {
  return { ...NOTHING_REMOVED, outcome, reason };
}

function holdsPartitions(nodeId: NodeId, held: PartitionNames): wire.RemoveMemberResponse {
  const reason = `Node ${nodeId} holds replicas of ${held.total} partitions: ${listOf(held)}`;
  const left = { partitionsLeft: held.total, partitionsTotal: held.total };
  return { ...notRemoved(MembershipOutcome.HOLDS_PARTITIONS, reason), ...left };
}

function refused(reason: string): JoinAnswer {
  return { outcome: JoinOutcome.REFUSED, reason };
}

function busy(reason: string): JoinAnswer {
  return { outcome: JoinOutcome.BUSY, reason };
}

function learner(reason: string): JoinAnswer {
  return { outcome: JoinOutcome.LEARNER, reason };
}

function failedAdd(reason: string): wire.AddMemberResponse {
  return { ...NOTHING_ADDED, outcome: MembershipOutcome.FAILED, reason };
}

function invalidAdd(field: string, reason: string): wire.AddMemberResponse {
  return { ...NOTHING_ADDED, outcome: MembershipOutcome.INVALID, reason, field };
}

function notPromoted(reason: string): wire.AddMemberResponse {
  return { ...NOTHING_ADDED, outcome: MembershipOutcome.NOT_PROMOTED, reason, role: 'learner' };
}

function otherCluster(nodeId: number, clusterId: string): wire.AddMemberResponse {
  const reason = `Node ${nodeId} has bootstrapped a cluster of its own (${clusterId}). Start it on an empty --data-dir with --bootstrap never, then add it.`;
  return { ...NOTHING_ADDED, outcome: MembershipOutcome.OTHER_CLUSTER, reason };
}
