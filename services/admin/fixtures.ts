import type { BrokerImage, BrokerState } from '@streamline/core/metadata/image';
import type { BrokerEpoch, ClusterId, DirectoryId, NodeId, TimestampMs } from '@streamline/core/types/ids';
import { ROLES } from '@streamline/platform/config/roles';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import type {
  GetQuorumStatusResponse,
  MemberProgress,
} from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { MembershipOutcome } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import type { GetStatusResponse, RoleStatus } from '@streamline/wire/contracts/generated/streamline/node/v1/role';
import type { RolePort } from '@streamline/wire/contracts/ports';
import type { AdminServiceOptions } from './admin.service';
import type { MembershipCommander } from './membership-commands';

/** Values for the specs of this folder: one healthy node with all roles in a process. */

export const NODE = 1 as NodeId;
export const CLUSTER = 'q1w2e3r4t5y6u7i8o9p0aa' as ClusterId;

export function quorum(over: Partial<GetQuorumStatusResponse> = {}): GetQuorumStatusResponse {
  return {
    nodeState: 'Leader',
    nodeId: 1,
    leaderId: 1,
    committedLogIndex: 42,
    appliedLogIndex: 42,
    currentTerm: 3,
    voters: [1],
    learners: [],
    clusterId: CLUSTER,
    members: [],
    formationNote: '',
    ...over,
  };
}

/** One member, as a quorum tells of it; without more, what a node knows that does not lead. */
export function progress(nodeId: number, over: Partial<MemberProgress> = {}): MemberProgress {
  return { nodeId, directoryId: '', address: '', isVoter: true, staysLearner: false, logEndIndex: -1, silentMs: -1, ...over };
}

export function broker(id: number, state: BrokerState = 'Running'): BrokerImage {
  const host = `192.168.1.${id}`;
  return {
    id: id as NodeId,
    epoch: 1 as BrokerEpoch,
    incarnationId: '',
    directoryId: '' as DirectoryId,
    endpoints: [
      { name: 'kafka', host, port: 9092 },
      { name: 'controller', host, port: 9093 },
    ],
    rack: undefined,
    features: undefined,
    state,
    fenced: state !== 'Running',
  };
}

export function replica(...brokers: readonly BrokerImage[]): Pick<MetadataReplica, 'image'> {
  const image: Partial<MetadataReplica['image']> = { clusterId: CLUSTER, brokers: new Map(brokers.map((one) => [one.id, one])) };
  return { image: image as MetadataReplica['image'] };
}

export function ready(role: string): RoleStatus {
  return { role, ready: true, checks: [{ name: 'log', ok: true, reason: '' }] };
}

export function rolePort(
  answer: () => Promise<readonly RoleStatus[]>,
  metrics: () => Promise<string> = async () => '',
): RolePort {
  return {
    getStatus: async (): Promise<GetStatusResponse> => ({ nodeId: 1, roles: [...(await answer())], version: '', startedAtMs: 0 }),
    getMetrics: async () => ({ text: await metrics() }),
  };
}

/** A controller that leads and does at once what it is told, but for what a spec replaces. */
export function membership(over: Partial<MembershipCommander> = {}): MembershipCommander {
  const outcome = MembershipOutcome.DONE;
  return {
    addMember: async ({ promoteToVoter }) => ({ outcome, reason: '', field: '', role: promoteToVoter ? 'voter' : 'learner' }),
    removeMember: async () => ({ outcome, reason: '', partitionsLeft: 0, partitionsTotal: 0, lostPartitions: [] }),
    transferLeadership: async ({ nodeId }) => ({ outcome, reason: '', leaderId: nodeId }),
    ...over,
  };
}

export function options(over: Partial<AdminServiceOptions> = {}): AdminServiceOptions {
  return {
    nodeId: NODE,
    version: '0.1.0',
    startedAtMs: 1_000,
    roles: ROLES,
    logger: { warn: () => undefined },
    clock: { wallMs: () => 5_000 as TimestampMs },
    controller: { getQuorumStatus: async () => quorum() },
    membership: membership(),
    connectMembership: (address) => {
      throw new Error(`nobody is to be asked, but ${address} was`);
    },
    replica: replica(broker(1)),
    processes: () => [{ roles: ROLES, port: rolePort(async () => ROLES.map(ready)) }],
    ...over,
  };
}
