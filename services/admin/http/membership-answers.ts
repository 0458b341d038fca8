import type * as admin from '@streamline/wire/contracts/generated/streamline/admin/v1/admin';
import { MembershipOutcome } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import type { ErrorBody } from '../bodies';
import type {
  LeadershipBody,
  MemberAddedBody,
  MemberAddingBody,
  MemberNotPromotedBody,
  MemberRemovedBody,
  MemberRemovingBody,
  NotLeaderBody,
} from '../membership-bodies';

/** Status and JSON of a membership command's answer. */
export interface HttpAnswer<Body> {
  readonly status: number;
  readonly body: Body | ErrorBody | NotLeaderBody;
}

const OK = 200;
const CREATED = 201;
const ACCEPTED = 202;
const BAD_REQUEST = 400;
const NOT_FOUND = 404;
const CONFLICT = 409;
const UNPROCESSABLE = 422;
const INTERNAL_ERROR = 500;

export const NOT_LEADER = 'This node is not the leader';
export const IS_LEADER = 'Cannot remove the current leader. Transfer leadership first.';

/** What every command may be answered, besides what only it may. */
interface CommonAnswer {
  readonly outcome: MembershipOutcome;
  readonly reason: string;
  readonly leaderId?: number | undefined;
  readonly field?: string;
}

type Refusal = HttpAnswer<never>;

/** `failed` begins the sentence of what failed: `Failed to add learner`. */
function refusal(answer: CommonAnswer, nodeId: number | undefined, failed: string): Refusal {
  const { outcome, reason, leaderId, field } = answer;
  switch (outcome) {
    case MembershipOutcome.NOT_LEADER:
      return { status: CONFLICT, body: { error: NOT_LEADER, leader_id: leaderId ?? null } };
    case MembershipOutcome.NOT_A_MEMBER:
      return { status: NOT_FOUND, body: { error: `Node ${nodeId} is not a member of the cluster` } };
    case MembershipOutcome.INVALID:
      return { status: UNPROCESSABLE, body: field === undefined || field === '' ? { error: reason } : { error: reason, field } };
    default:
      return failure(failed, reason === '' ? MembershipOutcome[outcome] : reason);
  }
}

function failure(failed: string, reason: string): Refusal {
  return { status: INTERNAL_ERROR, body: { error: `${failed}: ${reason}` } };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const ADDING_FAILED = 'Failed to add learner';
const REMOVING_FAILED = 'Failed to remove member';
const TRANSFER_FAILED = 'Failed to transfer leadership';

/** Where nobody answered at all; what was asked for may still happen. */
export const addingFailed = (error: unknown): Refusal => failure(ADDING_FAILED, reasonOf(error));
export const removingFailed = (error: unknown): Refusal => failure(REMOVING_FAILED, reasonOf(error));
export const transferFailed = (error: unknown): Refusal => failure(TRANSFER_FAILED, reasonOf(error));

export function addAnswer(
  { nodeId: node_id, raftAddr: raft_addr }: admin.AddMemberRequest,
  answer: admin.AddMemberResponse,
): HttpAnswer<MemberAddedBody | MemberAddingBody | MemberNotPromotedBody> {
  const { outcome, reason, role } = answer;
  switch (outcome) {
    case MembershipOutcome.DONE:
      return { status: CREATED, body: { node_id, raft_addr, status: role === 'learner' ? 'learner' : 'voter' } };
    case MembershipOutcome.UNDER_WAY:
      return { status: ACCEPTED, body: { node_id, raft_addr, status: 'adding', reason } };
    case MembershipOutcome.NOT_PROMOTED:
      return { status: OK, body: { node_id, status: 'learner', warning: reason } };
    case MembershipOutcome.OTHER_CLUSTER: {
      const told = reason === '' ? `Node ${node_id} at ${raft_addr} belongs to a cluster of its own` : reason;
      const remedy = 'Start the node on an empty data directory with --bootstrap never, so that it waits to be added';
      return { status: CONFLICT, body: { error: told.includes('--bootstrap never') ? told : `${told}. ${remedy}` } };
    }
    default:
      return refusal({ ...answer, field: answer.field === 'address' ? 'raft_addr' : answer.field }, node_id, ADDING_FAILED);
  }
}

export function removeAnswer(
  { nodeId: node_id, force }: admin.RemoveMemberRequest,
  answer: admin.RemoveMemberResponse,
): HttpAnswer<MemberRemovedBody | MemberRemovingBody> {
  const { outcome, reason, lostPartitions, partitionsLeft, partitionsTotal } = answer;
  switch (outcome) {
    case MembershipOutcome.DONE: {
      const removed = { node_id, status: 'removed' } as const;
      return { status: OK, body: force ? { ...removed, lost_partitions: lostPartitions } : removed };
    }
    case MembershipOutcome.UNDER_WAY: {
      const progress = { partitions_left: partitionsLeft, partitions_total: partitionsTotal, reason };
      return { status: ACCEPTED, body: { node_id, status: 'removing', ...progress } };
    }
    case MembershipOutcome.HOLDS_PARTITIONS:
      return { status: CONFLICT, body: { error: reason } };
    case MembershipOutcome.IS_LEADER:
      return { status: BAD_REQUEST, body: { error: IS_LEADER } };
    default:
      return refusal(answer, node_id, REMOVING_FAILED);
  }
}

export function transferAnswer(
  { nodeId }: admin.TransferLeadershipRequest,
  answer: admin.TransferLeadershipResponse,
): HttpAnswer<LeadershipBody> {
  const { outcome, leaderId = nodeId } = answer;
  switch (outcome) {
    case MembershipOutcome.DONE:
    case MembershipOutcome.IS_LEADER:
      return { status: OK, body: { node_id: leaderId, status: 'leader' } };
    default:
      return refusal(answer, nodeId, TRANSFER_FAILED);
  }
}
