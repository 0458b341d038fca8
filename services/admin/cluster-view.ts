import type { BrokerImage, MetadataImage } from '@streamline/core/metadata/image';
import type { NodeId } from '@streamline/core/types/ids';
import { formatAddress } from '@streamline/platform/config/address';
import type { GetQuorumStatusResponse } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { clusterStatusBody, type ClusterStatusBody, type HealthBody, type MemberBody, type MembersBody } from './bodies';

/** Entries that may be committed but not applied before a node counts as lagging (guide: "Alert if difference > 100"). */
const LAG_MAX = 100;

export const HEALTHY = 'Node is a healthy voting member with an elected leader';
export const NO_LEADER = 'No leader elected — cluster may be starting or partitioned';
export const LEARNER = 'Node is a learner, not yet a voting member';
export const STAYS_LEARNER = 'Node is a learner that is to stay one, caught up with an elected leader';

const ascending = (one: number, other: number): number => one - other;

function nodeState(state: string): ClusterStatusBody['node_state'] {
  return clusterStatusBody.shape.node_state.safeParse(state).data ?? null;
}

export function isMember(nodeId: NodeId, { voters, learners }: Pick<GetQuorumStatusResponse, 'voters' | 'learners'>): boolean {
  return voters.includes(nodeId) || learners.includes(nodeId);
}

function staysLearner(nodeId: NodeId, { members }: GetQuorumStatusResponse): boolean {
  return members.some((member) => member.nodeId === nodeId && member.staysLearner);
}

function outsideReason(note: string): string {
  return note.startsWith('Node ') ? note : `Node is not part of a cluster: ${note}`;
}

/** The first thing that keeps a node from being healthy, or undefined. */
function trouble(nodeId: NodeId, quorum: GetQuorumStatusResponse, health: HealthBody): string | undefined {
  if (quorum.formationNote !== '') return outsideReason(quorum.formationNote);
  if (quorum.nodeState === 'Shutdown') return 'Node is shutting down';
  if (quorum.leaderId === undefined) return NO_LEADER;
  if (!isMember(nodeId, quorum)) return 'Node is not a member of the cluster';
  if (quorum.learners.includes(nodeId) && !staysLearner(nodeId, quorum)) return LEARNER;
  const lag = quorum.committedLogIndex - quorum.appliedLogIndex;
  if (lag > LAG_MAX) return `Node is lagging: ${lag} committed entries of the metadata log are not applied yet`;
  const failed = health.checks.find(({ ok }) => !ok);
  return failed === undefined ? undefined : `Node is not ready: ${failed.role} ${failed.name}: ${failed.reason}`;
}

/** GET /api/v1/cluster/status where the controller answered. */
export function statusBody(nodeId: NodeId, quorum: GetQuorumStatusResponse, health: HealthBody): ClusterStatusBody {
  const reason = trouble(nodeId, quorum, health);
  // Outside of a cluster there is no log of which this could be told.
  const ofLog = (value: number): number | null => (quorum.formationNote === '' ? value : null);
  return {
    node_state: nodeState(quorum.nodeState),
    node_id: nodeId,
    leader_id: quorum.leaderId ?? null,
    committed_log_index: ofLog(quorum.committedLogIndex),
    applied_log_index: quorum.nodeState === '' ? null : quorum.appliedLogIndex,
    current_term: ofLog(quorum.currentTerm),
    voters: quorum.voters.toSorted(ascending),
    learners: quorum.learners.toSorted(ascending),
    healthy: reason === undefined,
    health_reason: reason ?? (quorum.voters.includes(nodeId) ? HEALTHY : STAYS_LEARNER),
  };
}

/** The same where it did not: nothing is known, and nothing is made up. */
export function unknownStatusBody(nodeId: NodeId, why: string): ClusterStatusBody {
  return {
    node_state: null,
    node_id: nodeId,
    leader_id: null,
    committed_log_index: null,
    applied_log_index: null,
    current_term: null,
    voters: [],
    learners: [],
    healthy: false,
    health_reason: `The controller of this node does not answer: ${why}`,
  };
}

function endpointText(broker: BrokerImage | undefined, name: 'kafka' | 'controller'): string | null {
  const endpoint = broker?.endpoints.find((one) => one.name === name);
  return endpoint === undefined ? null : formatAddress(endpoint);
}

/** Inter-broker address of a member: as the consensus knows it, else as its broker registered. */
export function raftAddressOf(
  nodeId: NodeId,
  { members }: Pick<GetQuorumStatusResponse, 'members'>,
  { brokers }: Pick<MetadataImage, 'brokers'>,
): string | undefined {
  const address = members.find((member) => member.nodeId === nodeId)?.address ?? '';
  return address === '' ? (endpointText(brokers.get(nodeId), 'controller') ?? undefined) : address;
}

/** GET /api/v1/cluster/members: who is a member says the quorum, where it is and how it is the metadata. */
export function membersBody(quorum: GetQuorumStatusResponse, image: Pick<MetadataImage, 'brokers'>): MembersBody {
  const member = (role: MemberBody['role']) => (id: number) => {
    const broker = image.brokers.get(id as NodeId);
    return {
      node_id: id,
      raft_addr: raftAddressOf(id as NodeId, quorum, image) ?? null,
      role,
      is_leader: quorum.leaderId === id,
      broker_state: broker?.state ?? ('Unknown' as const),
      advertised_addr: endpointText(broker, 'kafka'),
    };
  };
  const members = [
    ...quorum.voters.toSorted(ascending).map(member('voter')),
    ...quorum.learners.toSorted(ascending).map(member('learner')),
  ];
  return { members, total: members.length, leader_id: quorum.leaderId ?? null };
}
