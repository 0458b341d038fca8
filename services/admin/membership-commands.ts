import type { NodeId } from '@streamline/core/types/ids';
import { isWildcardHost, parseAddress } from '@streamline/platform/config/address';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import type * as admin from '@streamline/wire/contracts/generated/streamline/admin/v1/admin';
import type { GetQuorumStatusResponse } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { MembershipOutcome } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import type { CallContext } from '@streamline/wire/contracts/port';
import type { AdminPort, MembershipPort } from '@streamline/wire/contracts/ports';
import { raftAddressOf } from './cluster-view';
import { withinDeadline } from './within-deadline';

/** What of the membership operators command. */
export type MembershipCommander = Pick<MembershipPort, 'addMember' | 'removeMember' | 'transferLeadership'>;

/** A connection to the controller of another node. */
export interface MembershipConnection {
  readonly port: MembershipCommander;
  close(): void;
}

export type ConnectMembership = (address: string) => MembershipConnection;

export interface MembershipCommandsOptions {
  /** Of this node. */
  readonly membership: MembershipCommander;
  readonly replica: Pick<MetadataReplica, 'image'>;
  readonly connect: ConnectMembership;
  readonly quorum: () => Promise<GetQuorumStatusResponse>;
}

/** How long a command may take; what is not done by then goes on behind its answer. */
export const COMMAND_DEADLINE_MS = 30_000;
/** So much longer is waited for whoever carries the command out, so that he himself can say how far he is. */
const GRACE_MS = 1_000;

const NODE_ID_MAX = 2 ** 31 - 1;
export const NODE_ID_EXPECTED = `a whole number from 1 to ${NODE_ID_MAX}`;
export const RAFT_ADDR_EXPECTED = 'the inter-broker address of the node, such as 192.168.1.4:9093';

export function isNodeId(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= NODE_ID_MAX;
}

interface Answer {
  readonly outcome: MembershipOutcome;
  readonly leaderId?: number | undefined;
}

type Command<A extends Answer> = (port: MembershipCommander, context: CallContext) => Promise<A>;

/** What of a request cannot be right, whoever is to carry it out. */
function faultOf({ nodeId, raftAddr }: admin.AddMemberRequest): { readonly field: string; readonly reason: string } | undefined {
  if (!isNodeId(nodeId)) return { field: 'node_id', reason: `node_id must be ${NODE_ID_EXPECTED}` };
  const parsed = parseAddress(raftAddr, 1);
  if (!parsed.ok) return { field: 'raft_addr', reason: `raft_addr must be ${RAFT_ADDR_EXPECTED}: ${parsed.reason}` };
  if (!isWildcardHost(parsed.address.host)) return undefined;
  const reason = `raft_addr must be ${RAFT_ADDR_EXPECTED}: ${parsed.address.host} is good to listen on, but nobody is reached there`;
  return { field: 'raft_addr', reason };
}

/**
 * Adds and removes members and hands leadership over. Carried out by the leader: a node that does not lead says so, or asks
 * the leader in the caller's stead (`forward`). That is one hop: who is asked so never asks another.
 */
export class MembershipCommands implements Pick<AdminPort, 'addMember' | 'removeMember' | 'transferLeadership'> {
  constructor(private readonly options: MembershipCommandsOptions) {}

  async addMember(request: admin.AddMemberRequest, context?: CallContext): Promise<admin.AddMemberResponse> {
    const { nodeId, raftAddr: address, promoteToVoter = true } = request;
    const fault = faultOf(request);
    if (fault !== undefined) return { outcome: MembershipOutcome.INVALID, ...fault, role: '' };
    const command = { nodeId, address, promoteToVoter, directoryId: '' };
    return this.run(request.forward, context, (port, within) => port.addMember(command, within));
  }

  async removeMember(request: admin.RemoveMemberRequest, context?: CallContext): Promise<admin.RemoveMemberResponse> {
    const { nodeId, force, forward } = request;
    return this.run(forward, context, (port, within) =>
      port.removeMember({ nodeId, force, directoryId: '', keepAsLearner: false }, within),
    );
  }

  async transferLeadership(
    { nodeId, forward }: admin.TransferLeadershipRequest,
    context?: CallContext,
  ): Promise<admin.TransferLeadershipResponse> {
    return this.run(forward, context, (port, within) => port.transferLeadership({ nodeId }, within));
  }

  private async run<A extends Answer>(forward: boolean, context: CallContext | undefined, command: Command<A>): Promise<A> {
    const { membership, connect } = this.options;
    const endMs = performance.now() + Math.min(context?.deadlineMs ?? COMMAND_DEADLINE_MS, COMMAND_DEADLINE_MS);
    const ask = (port: MembershipCommander): Promise<A> => {
      const deadlineMs = Math.max(1, Math.round(endMs - performance.now()));
      return withinDeadline(command(port, { ...context, deadlineMs }), deadlineMs + GRACE_MS);
    };
    const answer = await ask(membership);
    if (!forward || answer.outcome !== MembershipOutcome.NOT_LEADER || answer.leaderId === undefined) return answer;
    const address = await this.addressOf(answer.leaderId as NodeId);
    if (address === undefined) return answer;
    const connection = connect(address);
    try {
      return await ask(connection.port);
    } finally {
      connection.close();
    }
  }

  /** Undefined where this node's controller cannot say: then its first answer stands. */
  private async addressOf(nodeId: NodeId): Promise<string | undefined> {
    const { quorum, replica } = this.options;
    try {
      return raftAddressOf(nodeId, await quorum(), replica.image);
    } catch {
      return undefined;
    }
  }
}
