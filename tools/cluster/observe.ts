import { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { clusterStatusBody, membersBody, type ClusterStatusBody, type MembersBody } from '@streamline/services/admin/bodies';
import type { NodeEnd } from './local-node';
import type { NodePlan } from './node-plan';

const ANSWER_WITHIN_MS = 800;
const METADATA_VERSION = 12;
const NO_LEADER = -1;

/** Of all topics, as one node knows them. */
export interface PartitionCounts {
  readonly topics: number;
  readonly partitions: number;
  readonly withoutLeader: number;
  readonly underReplicated: number;
  /** By node id. */
  readonly leads: ReadonlyMap<number, number>;
  readonly replicas: ReadonlyMap<number, number>;
}

/** What there is to see of one node. */
export interface NodeView {
  readonly plan: NodePlan;
  readonly pid: number | undefined;
  /** How its process ended; undefined as long as it runs. */
  readonly end: NodeEnd | undefined;
  /** As it sees the cluster; undefined when it does not answer. */
  readonly status: ClusterStatusBody | undefined;
}

export interface ClusterView {
  readonly nodes: readonly NodeView[];
  /** As the leader has it, or else any node that answers. */
  readonly members: MembersBody | undefined;
  readonly partitions: PartitionCounts | undefined;
}

/** Something that is watched: what a LocalNode is. */
export type Watched = Pick<NodeView, 'plan' | 'pid' | 'end'>;

/** Asks all nodes; takes as long as the slowest may. */
export async function observe(nodes: readonly Watched[]): Promise<ClusterView> {
  const views = await Promise.all(
    nodes.map(async ({ plan, pid, end }): Promise<NodeView> => {
      const status = end ? undefined : await ask(plan, 'status', (body) => clusterStatusBody.parse(body));
      return { plan, pid, end, status };
    }),
  );
  const answering = views.filter(({ status }) => status !== undefined);
  const leader = answering.find(({ status, plan }) => status?.leader_id === plan.id);
  const best = leader ?? answering.find(({ status }) => status?.healthy === true) ?? answering[0];
  if (!best) return { nodes: views, members: undefined, partitions: undefined };
  const [members, partitions] = await Promise.all([
    ask(best.plan, 'members', (body) => membersBody.parse(body)),
    countPartitions(best.plan.kafka).catch(() => undefined),
  ]);
  return { nodes: views, members, partitions };
}

async function ask<T>({ http }: NodePlan, what: string, parse: (body: unknown) => T): Promise<T | undefined> {
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    // The body is the same whether or not it is healthy.
    return parse(await (await fetch(`http://${http}/api/v1/cluster/${what}`, { signal })).json());
  } catch {
    return undefined;
  }
}

async function countPartitions(kafka: string): Promise<PartitionCounts> {
  const client = await KafkaClient.connect({ port: Number(kafka.split(':')[1]), clientId: 'npm-run-cluster' });
  const late = setTimeout(() => client.socket.destroy(), ANSWER_WITHIN_MS);
  try {
    const request = { topics: null, allowAutoTopicCreation: false, includeTopicAuthorizedOperations: false };
    const { topics } = await client.request(metadata, METADATA_VERSION, request);
    return countsOf(topics);
  } finally {
    clearTimeout(late);
    await client.close();
  }
}

export interface PartitionState {
  readonly leaderId: number;
  readonly replicaNodes: readonly number[];
  readonly isrNodes: readonly number[];
}

export function countsOf(topics: readonly { readonly partitions: readonly PartitionState[] }[]): PartitionCounts {
  const all = topics.flatMap(({ partitions }) => partitions);
  const [leads, replicas] = [new Map<number, number>(), new Map<number, number>()];
  for (const { leaderId, replicaNodes } of all) {
    if (leaderId !== NO_LEADER) leads.set(leaderId, (leads.get(leaderId) ?? 0) + 1);
    for (const id of replicaNodes) replicas.set(id, (replicas.get(id) ?? 0) + 1);
  }
  return {
    topics: topics.length,
    partitions: all.length,
    withoutLeader: all.filter(({ leaderId }) => leaderId === NO_LEADER).length,
    underReplicated: all.filter(({ replicaNodes, isrNodes }) => isrNodes.length < replicaNodes.length).length,
    leads,
    replicas,
  };
}
