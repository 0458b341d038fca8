import {
  clusterStatusBody,
  type ClusterStatusBody,
  memberBody,
  membersBody,
  type MembersBody,
} from '@streamline/services/admin/bodies';
import * as z from 'zod/mini';
import { ClusterExit } from '@streamline/platform/config/cluster-exit';
import { ClusterCommandError } from './cluster-command-error';
import type { AdminAnswer } from './admin-client';
import { type ClusterContext, printJson } from './context';
import { known, list, table } from './table';

/** A node of a later version may tell more. */
const statusAnswer = z.looseObject(clusterStatusBody.shape);
const membersAnswer = z.looseObject({
  ...membersBody.shape,
  members: z.array(z.looseObject(memberBody.shape)),
});

const UNAVAILABLE = 503;

/** What a node says that it cannot tell. */
function unanswered({ status, body }: AdminAnswer): ClusterCommandError {
  const reason = typeof body['error'] === 'string' ? body['error'] : `status ${status} with a body that is not understood`;
  return new ClusterCommandError(ClusterExit.FAILED, reason);
}

function statusText(body: ClusterStatusBody): string {
  const header = ['node', 'state', 'leader', 'term', 'committed', 'applied', 'voters', 'learners'];
  const figures = [body.leader_id, body.current_term, body.committed_log_index, body.applied_log_index].map(known);
  const row = [String(body.node_id), known(body.node_state), ...figures, list(body.voters), list(body.learners)];
  const verdict = `Node ${body.node_id} is ${body.healthy ? 'healthy' : 'NOT healthy'}: ${body.health_reason}`;
  return `${verdict}\n\n${table(header, [row])}`;
}

/** `streamline cluster status` */
export async function showStatus(context: ClusterContext): Promise<ClusterExit> {
  const answer = await context.client.ask('GET', '/status', context.timeoutMs);
  const { success, data } = statusAnswer.safeParse(answer.body);
  if (!success || (answer.status !== 200 && answer.status !== UNAVAILABLE)) throw unanswered(answer);
  if (context.json) printJson(context, data);
  else context.out(statusText(data));
  return data.healthy ? ClusterExit.DONE : ClusterExit.NOT_HEALTHY;
}

function membersText({ members, total, leader_id: leaderId }: MembersBody): string {
  const rows = members.map((member) => {
    const addresses = [member.raft_addr, member.advertised_addr].map(known);
    return [String(member.node_id), member.role, member.is_leader ? 'yes' : '', member.broker_state, ...addresses];
  });
  const leads = leaderId === null ? 'nobody leads' : `node ${leaderId} leads`;
  const count = `${total} ${total === 1 ? 'member' : 'members'}, ${leads}\n`;
  return `${table(['node', 'role', 'leader', 'state', 'inter-broker', 'kafka'], rows)}\n${count}`;
}

/** `streamline cluster members` */
export async function showMembers(context: ClusterContext): Promise<ClusterExit> {
  const answer = await context.client.ask('GET', '/members', context.timeoutMs);
  const { success, data } = membersAnswer.safeParse(answer.body);
  if (!success || answer.status !== 200) throw unanswered(answer);
  if (context.json) printJson(context, data);
  else context.out(membersText(data));
  return ClusterExit.DONE;
}
