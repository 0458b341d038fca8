import { setTimeout as pause } from 'node:timers/promises';
import type { ClusterNode } from '../../kit/cluster-node';
import type { Stage } from '../stage/stage';

/** The session timeout of the nodes. */
export const SESSION_TIMEOUT_MS = 10_000;
/**
 * A silent leader is replaced within the longest election timeout and a second, its partitions when its session has ended; on a busy machine
 * later. What it took is told.
 */
export const RECOVERS_WITHIN_MS = SESSION_TIMEOUT_MS + 60_000;
/** Clients ask nodes that are cut off as well, which know no better and whose answers they wait for. */
const WRITES_GO_ON_WITHIN_MS = 90_000;
const WRITES = 3;

/** For how long a fault lasts that nobody is told of: longer than a session. */
export function longerThanASession(): Promise<void> {
  return pause(SESSION_TIMEOUT_MS + 2_000);
}

/** A node of those names another leader than the old one. */
export async function newLeader(stage: Stage, nodes: readonly ClusterNode[], old: ClusterNode): Promise<void> {
  const leader = await stage.cluster.until(
    `a leader other than node ${old.id}`,
    async () => {
      const answers = await Promise.all(nodes.map((node) => node.status()));
      return answers.map((answer) => answer?.body.leader_id ?? old.id).find((id) => id !== old.id);
    },
    RECOVERS_WITHIN_MS,
  );
  stage.saw(`node ${leader} leads in place of node ${old.id}`);
}

/** The broker is shown as dead. */
export async function deadBroker(stage: Stage, witness: ClusterNode, id: number): Promise<void> {
  await stage.cluster.until(
    `node ${witness.id} shows broker ${id} as Dead`,
    async () => {
      const { body } = await witness.members();
      return body.members.some((member) => member.node_id === id && member.broker_state === 'Dead');
    },
    RECOVERS_WITHIN_MS,
  );
  stage.saw(`node ${witness.id} shows broker ${id} as Dead`);
}

/**
 * Partitions take writes although these nodes do not serve: those that are stored on more than one, with a majority of their
 * replicas elsewhere.
 */
export async function writesGoOn(stage: Stage, without: readonly ClusterNode[]): Promise<void> {
  const { load } = stage;
  if (!load.isReplicated) return;
  const lost = new Set(without.map(({ id }) => id));
  const partitions = [...(await load.replicas())]
    .filter(([, replicas]) => replicas.filter((id) => !lost.has(id)).length > replicas.length / 2)
    .map(([partition]) => partition);
  await load.progress.more(WRITES, partitions, WRITES_GO_ON_WITHIN_MS);
  stage.saw(`partitions ${partitions.join(', ')} take writes meanwhile`);
}
