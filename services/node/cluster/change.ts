import type { Address } from '@streamline/platform/config/address';
import { formatAddress } from '@streamline/platform/config/address';
import { ClusterExit } from '@streamline/platform/config/cluster-exit';
import type { AdminAnswer } from './admin-client';
import { type ClusterContext, printJson } from './context';

const OK = 200;
const CREATED = 201;
const ACCEPTED = 202;
const NOT_FOUND = 404;
const CONFLICT = 409;
const INTERNAL_ERROR = 500;

/** A node takes up to 30 seconds for a command; this much longer is waited for it. */
const ANSWER_TIMEOUT_MS = 35_000;
/** Elections take a second or two: without a leader it is asked again for so long. */
const LEADERLESS_MS_MAX = 10_000;
const PAUSE_MS = 500;

interface Change {
  readonly method: 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: object;
  /** How far it is, of an answer 202. */
  progress(body: AdminAnswer['body']): string;
}

interface Outcome {
  readonly answer: AdminAnswer;
  /** It was under way at an earlier answer. */
  readonly wasUnderWay: boolean;
}

/** The node found no leader to ask: it says who leads, or null, and that it does not. */
function lacksLeader({ status, body }: AdminAnswer): boolean {
  return status === CONFLICT && 'leader_id' in body;
}

/**
 * Asks any node to have the leader do it, and again while it is under way or nobody leads, until the time is up. Repeating is
 * harmless: what is there already is not added again, what is gone is not removed again.
 */
async function carryOut({ client, timeoutMs, nowMs, pause, note }: ClusterContext, change: Change): Promise<Outcome> {
  const beginMs = nowMs();
  const endMs = beginMs + timeoutMs;
  let wasUnderWay = false;
  let told = '';
  for (;;) {
    const answerMs = Math.max(1, Math.min(ANSWER_TIMEOUT_MS, endMs - nowMs()));
    const answer = await client.ask(change.method, change.path, answerMs, change.body);
    const isUnderWay = answer.status === ACCEPTED;
    wasUnderWay ||= isUnderWay;
    const waitsUntilMs = isUnderWay ? endMs : lacksLeader(answer) ? Math.min(endMs, beginMs + LEADERLESS_MS_MAX) : -Infinity;
    if (nowMs() + PAUSE_MS >= waitsUntilMs) return { answer, wasUnderWay };
    const progress = isUnderWay ? change.progress(answer.body) : 'waiting for a leader';
    if (progress !== told) note(`${progress}\n`);
    told = progress;
    await pause(PAUSE_MS);
  }
}

function text(body: AdminAnswer['body'], field: string): string {
  const value = body[field];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

/** What to do about an answer that is none of the expected ones. */
function remedyFor(answer: AdminAnswer): string | undefined {
  const { status, body } = answer;
  if (lacksLeader(answer)) {
    const leaderId = text(body, 'leader_id');
    return leaderId === ''
      ? 'It knows nobody who leads: streamline cluster status says why (no majority, or it was removed); --http-addr asks another node.'
      : `Node ${leaderId} leads and could not be asked from here: give its HTTP address with --http-addr.`;
  }
  if (text(body, 'error').includes('Transfer leadership first')) return 'Run streamline cluster transfer, then repeat.';
  return status === NOT_FOUND ? 'streamline cluster members lists the members.' : undefined;
}

/** An answer that is none of those that mean that it was done. */
function notDone({ json, out, note }: ClusterContext, answer: AdminAnswer): ClusterExit {
  const { status, body } = answer;
  if (json) printJson({ out }, body);
  note(`streamline cluster: ${text(body, 'error') || `status ${status}: ${JSON.stringify(body)}`}\n`);
  const remedy = remedyFor(answer);
  if (remedy !== undefined) note(`  ${remedy}\n`);
  return status >= INTERNAL_ERROR ? ClusterExit.FAILED : ClusterExit.REFUSED;
}

function unfinished({ json, out, note, timeoutMs }: ClusterContext, { body }: AdminAnswer, progress: string): ClusterExit {
  if (json) printJson({ out }, body);
  note(
    `streamline cluster: not finished within ${timeoutMs} ms, it goes on: ${progress}\n  Repeat the command to see how far it is.\n`,
  );
  return ClusterExit.FAILED;
}

function done({ json, out }: ClusterContext, body: AdminAnswer['body'], sentence: string): ClusterExit {
  if (json) printJson({ out }, body);
  else out(`${sentence}\n`);
  return ClusterExit.DONE;
}

/** `streamline cluster add` */
export async function addMember(
  context: ClusterContext,
  nodeId: number,
  address: Address,
  isLearner: boolean,
): Promise<ClusterExit> {
  const raftAddr = formatAddress(address);
  const progress = (body: AdminAnswer['body']): string => `node ${nodeId} is being added: ${text(body, 'reason')}`;
  const body = { node_id: nodeId, raft_addr: raftAddr, promote_to_voter: !isLearner };
  const { answer } = await carryOut(context, { method: 'POST', path: '/members?forward=true', body, progress });
  switch (answer.status) {
    case CREATED:
      return done(context, answer.body, `Node ${nodeId} (${raftAddr}) is a ${text(answer.body, 'status')}.`);
    case OK:
      if (context.json) printJson(context, answer.body);
      context.note(
        `Node ${nodeId} is a learner, but no voter yet: ${text(answer.body, 'warning')}\n  Repeat the command to promote it.\n`,
      );
      return ClusterExit.FAILED;
    case ACCEPTED:
      return unfinished(context, answer, progress(answer.body));
    default:
      return notDone(context, answer);
  }
}

function lostText(body: AdminAnswer['body']): string {
  const lost = body['lost_partitions'];
  if (!Array.isArray(lost) || lost.length === 0) return '';
  return ` Partitions that may have lost records: ${lost.map(String).join(', ')}.`;
}

/** `streamline cluster remove` */
export async function removeMember(context: ClusterContext, nodeId: number, force: boolean): Promise<ClusterExit> {
  const progress = (body: AdminAnswer['body']): string => {
    const [left, total] = [text(body, 'partitions_left'), text(body, 'partitions_total')];
    return `node ${nodeId} is being removed, ${left} of ${total} partitions left: ${text(body, 'reason')}`;
  };
  const path = `/members/${nodeId}?forward=true${force ? '&force=true' : ''}`;
  const { answer, wasUnderWay } = await carryOut(context, { method: 'DELETE', path, progress });
  switch (answer.status) {
    case OK:
      return done(context, answer.body, `Node ${nodeId} is removed.${lostText(answer.body)}`);
    case ACCEPTED:
      return unfinished(context, answer, progress(answer.body));
    case NOT_FOUND:
      // It came to its end between two questions.
      if (wasUnderWay) return done(context, { node_id: nodeId, status: 'removed' }, `Node ${nodeId} is removed.`);
      return notDone(context, answer);
    default:
      return notDone(context, answer);
  }
}

/** `streamline cluster transfer`; without a node id whoever is furthest. */
export async function transferLeadership(context: ClusterContext, nodeId: number | undefined): Promise<ClusterExit> {
  const body = nodeId === undefined ? {} : { node_id: nodeId };
  const progress = (): string => 'leadership is being handed over';
  const { answer } = await carryOut(context, { method: 'POST', path: '/leader?forward=true', body, progress });
  if (answer.status !== OK) return notDone(context, answer);
  return done(context, answer.body, `Node ${text(answer.body, 'node_id')} leads.`);
}
