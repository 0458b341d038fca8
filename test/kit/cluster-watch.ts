import { setTimeout as pause } from 'node:timers/promises';
import type { ClusterStatusBody } from '@streamline/services/admin/bodies';
import type { ClusterNode } from './cluster-node';

export const POLL_EVERY_MS = 20;
const ANSWER_WITHIN_MS = 1_000;

/** What one node answered; no body: nobody did. */
export interface Sample {
  /** When it was asked and when it had answered, in the milliseconds of `performance.now()`. */
  readonly askedMs: number;
  readonly answeredMs: number;
  readonly node: number;
  /** Counts the starts of the node's process. */
  readonly pid: number;
  readonly code?: number;
  readonly body?: ClusterStatusBody;
}

/** Asks nodes for their status every 20 ms or as told, from when it is made until it is stopped. */
export class StatusWatch {
  readonly samples: Sample[] = [];
  private stopped = false;
  private readonly loops: Promise<void>[];

  constructor(
    nodes: readonly ClusterNode[],
    private readonly everyMs = POLL_EVERY_MS,
  ) {
    this.loops = nodes.map((node) => this.follow(node));
  }

  async stop(): Promise<readonly Sample[]> {
    this.stopped = true;
    await Promise.all(this.loops);
    return this.samples;
  }

  private async follow(node: ClusterNode): Promise<void> {
    while (!this.stopped) {
      const askedMs = performance.now();
      const pid = node.isRunning ? node.command.pid : 0;
      const answer = pid === 0 ? undefined : await node.status(ANSWER_WITHIN_MS);
      this.samples.push({ askedMs, answeredMs: performance.now(), node: node.id, pid, ...answer });
      await pause(Math.max(0, this.everyMs - (performance.now() - askedMs)));
    }
  }
}

/**
 * How long the nodes did not know who leads, in milliseconds: the longest time between two answers of one node that name a
 * leader, with others in between that name none or one that `isStale`, or that never came.
 */
export function longestWithoutLeaderMs(samples: readonly Sample[], isStale: (sample: Sample) => boolean): number {
  const nodes = new Set(samples.map(({ node }) => node));
  const gaps = [...nodes].map((node) => {
    const own = samples.filter((sample) => sample.node === node);
    let lastGoodMs = own[0]?.askedMs ?? 0;
    let isWithout = false;
    let longestMs = 0;
    for (const sample of own) {
      const leader = sample.body?.leader_id ?? undefined;
      const isGood = leader !== undefined && !isStale(sample);
      if (isGood && isWithout) longestMs = Math.max(longestMs, sample.answeredMs - lastGoodMs);
      if (isGood) lastGoodMs = sample.askedMs;
      isWithout = !isGood;
    }
    return longestMs;
  });
  return Math.max(...gaps);
}

/** The value below which a share (0.99 for p99) of the values lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/**
 * What contradicts itself in the answers of a cluster: two leaders of one term, a node that is healthy without a leader or
 * without a vote, a code that does not fit, indices or terms that run backwards. Empty: every answer was true.
 */
export function untruths(samples: readonly Sample[]): string[] {
  const found: string[] = [];
  const leaderOfTerm = new Map<number, number>();
  const lastOf = new Map<string, ClusterStatusBody>();
  for (const { node, pid, code, body } of samples) {
    if (!body) continue;
    const tell = (what: string): number => found.push(`node ${node} ${what}: ${code} ${JSON.stringify(body)}`);
    if (body.healthy !== (code === 200)) tell('answers with a code that contradicts its health');
    if (body.healthy && body.leader_id === null) tell('is healthy without a leader');
    if (body.healthy && !body.voters.includes(node) && !body.learners.includes(node)) tell('is healthy and no member');
    if (body.node_state === 'Leader' && body.leader_id !== null && body.leader_id !== node)
      tell('leads and names another leader');
    // A node that was removed knows no term and nothing committed any more.
    if (body.node_state === 'Shutdown') continue;
    if ((body.applied_log_index ?? 0) > (body.committed_log_index ?? 0)) tell('has applied what is not committed');
    const last = lastOf.get(`${node}/${pid}`);
    if (last && (body.current_term ?? 0) < (last.current_term ?? 0)) tell('went back to an older term');
    if (last && (body.committed_log_index ?? 0) < (last.committed_log_index ?? 0)) tell('took back what was committed');
    lastOf.set(`${node}/${pid}`, body);
    const { current_term: term, leader_id: leader } = body;
    if (term === null || leader === null) continue;
    const known = leaderOfTerm.get(term);
    if (known !== undefined && known !== leader) tell(`names a second leader of term ${term}, which was node ${known}`);
    leaderOfTerm.set(term, leader);
  }
  return found;
}
