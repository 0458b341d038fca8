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

const ascending = (one: number, other: number): number => one - other;

function nodeState(state: string): ClusterStatusBody['node_state'] {
  return clusterStatusBody.shape.node_state.safeParse(state).data ?? null;
}

/** The first thing that keeps a node from being healthy, or undefined. */
function trouble(nodeId: NodeId, quorum: GetQuorumStatusResponse, health: HealthBody): string | undefined {
  if (quorum.nodeState === 'Shutdown') return 'Node is shutting down';
  if (quorum.leaderId === undefined) return NO_LEADER;
  if (quorum.learners.includes(nodeId)) return LEARNER;
  if (!quorum.voters.includes(nodeId)) return 'Node is not a member of the cluster';
  const lag = quorum.committedLogIndex - quorum.appliedLogIndex;
  if (lag > LAG_MAX) return `Node is lagging: ${lag} committed entries of the metadata log are not applied yet`;
  const failed = health.checks.find(({ ok }) => !ok);
  return failed === undefined ? undefined : `Node is not ready: ${failed.role} ${failed.name}: ${failed.reason}`;
}

/** GET /api/v1/cluster/status where the controller answered. */
export function statusBody(nodeId: NodeId, quorum: GetQuorumStatusResponse, health: HealthBody): ClusterStatusBody {
  const reason = trouble(nodeId, quorum, health);
  return {
    node_state: nodeState(quorum.nodeState),
    node_id: nodeId,
    leader_id: quorum.leaderId ?? null,
    committed_log_index: quorum.committedLogIndex,
    applied_log_index: quorum.appliedLogIndex,
    current_term: quorum.currentTerm,
    voters: quorum.voters.toSorted(ascending),
    learners: quorum.learners.toSorted(ascending),
    healthy: reason === undefined,
    health_reason: reason ?? HEALTHY,
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

/** GET /api/v1/cluster/members: who is a member says the quorum, where it is and how it is the metadata. */
export function membersBody(quorum: GetQuorumStatusResponse, image: Pick<MetadataImage, 'brokers'>): MembersBody {
  const member = (role: MemberBody['role']) => (id: number) => {
    const broker = image.brokers.get(id as NodeId);
    return {
      node_id: id,
      raft_addr: endpointText(broker, 'controller'),
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
