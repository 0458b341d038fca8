import type { BootstrapMode } from '@streamline/core/formation/formation';
import type { RaftTiming } from '@streamline/core/formation/timing';
import { unsupportedFinalized } from '@streamline/core/metadata/features';
import { partitionsOf } from '@streamline/core/metadata/remove-broker';
import type { ClusterId, DirectoryId, NodeId } from '@streamline/core/types/ids';
import type { Clock } from '@streamline/runtime/ports/clock';
import type * as wire from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import {
  Formation as FormationState,
  JoinOutcome,
  MembershipOutcome,
} from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import type { CallContext } from '@streamline/wire/contracts/port';
import type { MembershipPort } from '@streamline/wire/contracts/ports';
import type { ConsensusMembership } from './consensus-membership';
import type { ControllerRole } from './controller-role';
import type { Formation } from './formation';
import { HOPS_MAX } from './forwarding-controller';
import { type BrokerRemoval, MembershipOperations } from './membership-operations';
import type { PeerPorts } from './peer-ports';

/** How long an answer may take where the caller does not say. */
const ADD_MS = 10_000;
const CONFIRM_MS = 500;
/** Left to the caller to hear the answer. */
const ANSWER_MS = 200;

export interface MembershipServiceOptions {
  readonly nodeId: NodeId;
  readonly directoryId: DirectoryId;
  readonly incarnationId: string;
  readonly softwareVersion: string;
  readonly mode: BootstrapMode;
  readonly clock: Clock;
  readonly peers: PeerPorts;
  readonly formation: Pick<Formation, 'invite' | 'mayBootstrap' | 'note'>;
  /** A member that was silent for so long is gone. */
  readonly silentMs: number;
  /** This node's settings of Raft. */
  readonly timing: RaftTiming;
  readonly state: () => MemberState;
  readonly role: () => ControllerRole | undefined;
}

/** What this node is now. */
export interface MemberState {
  /** Undefined until it is part of a cluster. */
  readonly consensus: ConsensusMembership | undefined;
  /** Empty: unknown. */
  readonly clusterId: string;
  readonly clusterEpoch: number;
  readonly isRemoved: boolean;
}

/** What other nodes and operators ask about membership, answered by every node from its start on. */
export class MembershipService implements MembershipPort {
  constructor(private readonly options: MembershipServiceOptions) {}

  async describeNode(request: wire.DescribeNodeRequest): Promise<wire.DescribeNodeResponse> {
    const { nodeId, directoryId, incarnationId, softwareVersion, formation } = this.options;
    const { consensus, clusterId, clusterEpoch } = this.options.state();
    const status = consensus?.status;
    return {
      nodeId,
      directoryId,
      incarnationId,
      softwareVersion,
      clusterId,
      clusterEpoch,
      formation: this.#formationState(),
      leaderId: status?.leaderId,
      leaderAddress: status?.leaderAddress ?? '',
      memberAddresses: consensus?.members().map(({ address }) => address) ?? [],
      mayBootstrap: consensus === undefined && formation.mayBootstrap,
      callerIsMember: await this.#isMember(request),
    };
  }

  async join(request: wire.JoinRequest, context: CallContext = {}): Promise<wire.JoinResponse> {
    const { consensus, clusterId, clusterEpoch, isRemoved } = this.options.state();
    const nobody = { outcome: JoinOutcome.NO_LEADER, clusterId, clusterEpoch, memberAddresses: [] };
    if (consensus === undefined || clusterId === '' || isRemoved) {
      return { ...nobody, reason: 'it belongs to no cluster yet' };
    }
    const memberAddresses = consensus.members().map(({ address }) => address);
    const operations = this.#operations(consensus);
    if (consensus.leads && operations !== undefined) {
      return { ...(await operations.join(request)), clusterId, clusterEpoch, memberAddresses };
    }
    const { leaderAddress, leaderId, nodeId } = consensus.status;
    const hops = context.hops ?? 0;
    if (leaderAddress === undefined || leaderId === nodeId || hops >= HOPS_MAX) {
      return { ...nobody, memberAddresses, reason: 'no leader is elected' };
    }
    return this.options.peers.askMembership(leaderAddress, (port) => port.join(request, { ...context, hops: hops + 1 }));
  }

  invite({ clusterId, memberAddresses, nodeId, promoteToVoter }: wire.InviteRequest): Promise<wire.InviteResponse> {
    const answer = (accepted: boolean, reason: string, otherCluster = false): Promise<wire.InviteResponse> =>
      Promise.resolve({ accepted, reason, otherCluster });
    if (nodeId !== this.options.nodeId) return answer(false, `this is node ${this.options.nodeId}, not ${nodeId}`);
    const { consensus, clusterId: own, isRemoved } = this.options.state();
    if (isRemoved) return answer(false, 'it was removed from its cluster: it can join again with an empty --data-dir');
    if (consensus !== undefined) {
      return own === clusterId ? answer(true, '') : answer(false, own, true);
    }
    const refusal = this.options.formation.invite({ clusterId: clusterId as ClusterId, memberAddresses, promoteToVoter });
    return answer(refusal === undefined, refusal ?? '');
  }

  async addMember(request: wire.AddMemberRequest, context: CallContext = {}): Promise<wire.AddMemberResponse> {
    const operations = this.#operations(this.options.state().consensus);
    if (operations === undefined) return { ...outside(), field: '', role: '' };
    return operations.add(request, Math.max(0, (context.deadlineMs ?? ADD_MS) - ANSWER_MS));
  }

  async removeMember(request: wire.RemoveMemberRequest): Promise<wire.RemoveMemberResponse> {
    const operations = this.#operations(this.options.state().consensus);
    if (operations === undefined) return { ...outside(), partitionsLeft: 0, partitionsTotal: 0, lostPartitions: [] };
    return operations.remove(request);
  }

  async transferLeadership(request: wire.TransferLeadershipRequest): Promise<wire.TransferLeadershipResponse> {
    const operations = this.#operations(this.options.state().consensus);
    return operations?.transfer(request) ?? outside();
  }

  #formationState(): FormationState {
    const { consensus, isRemoved } = this.options.state();
    if (isRemoved) return FormationState.REMOVED;
    if (consensus !== undefined) return FormationState.MEMBER;
    return this.options.mode === 'never' ? FormationState.WAITING : FormationState.SEEKING;
  }

  /** Known for sure by a leader that a majority confirms; undefined by anybody else. */
  async #isMember({ fromNodeId, fromDirectoryId, fromClusterId }: wire.DescribeNodeRequest): Promise<boolean | undefined> {
    const { consensus, clusterId } = this.options.state();
    if (consensus === undefined || fromDirectoryId === '' || fromClusterId !== clusterId) return undefined;
    if (!(await consensus.confirmLeadership(CONFIRM_MS)) || consensus.isChanging) return undefined;
    return consensus.members().some(({ nodeId, directoryId }) => nodeId === fromNodeId && directoryId === fromDirectoryId);
  }

  #operations(consensus: ConsensusMembership | undefined): MembershipOperations | undefined {
    const role = this.options.role();
    if (consensus === undefined || role === undefined) return undefined;
    const { clock, peers, silentMs, timing } = this.options;
    return new MembershipOperations({
      clock,
      clusterId: () => this.options.state().clusterId,
      consensus,
      peers,
      silentMs,
      timing,
      brokers: brokersOf(role),
      unsupported: (features) => unsupportedFinalized(role.replica.image, features),
    });
  }
}

function brokersOf(role: ControllerRole): BrokerRemoval {
  return {
    isRegistered: (nodeId) => role.replica.image.brokers.has(nodeId),
    partitionsOf: (nodeId) => partitionsOf(role.replica.image, nodeId),
    drain: (nodeId) => role.drainBroker(nodeId),
    keep: (nodeId) => role.cancelDrain(nodeId),
    remove: (nodeId, force) => role.removeBroker(nodeId, force),
    keepOut: (nodeId) => role.keepOut(nodeId),
  };
}

function outside(): Pick<wire.AddMemberResponse, 'outcome' | 'reason' | 'leaderId'> {
  return { outcome: MembershipOutcome.NOT_LEADER, reason: 'This node is not the leader', leaderId: undefined };
}
