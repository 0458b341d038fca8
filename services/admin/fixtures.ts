import type { BrokerImage, BrokerState } from '@streamline/core/metadata/image';
import type { BrokerEpoch, ClusterId, DirectoryId, NodeId, TimestampMs } from '@streamline/core/types/ids';
import { ROLES } from '@streamline/platform/config/roles';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import type { GetQuorumStatusResponse } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { GetStatusResponse, RoleStatus } from '@streamline/wire/contracts/generated/streamline/node/v1/role';
import type { RolePort } from '@streamline/wire/contracts/ports';
import type { AdminServiceOptions } from './admin.service';

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
    ...over,
  };
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

export function options(over: Partial<AdminServiceOptions> = {}): AdminServiceOptions {
  return {
    nodeId: NODE,
    version: '0.1.0',
    startedAtMs: 1_000,
    roles: ROLES,
    logger: { warn: () => undefined },
    clock: { wallMs: () => 5_000 as TimestampMs },
    controller: { getQuorumStatus: async () => quorum() },
    replica: replica(broker(1)),
    processes: () => [{ roles: ROLES, port: rolePort(async () => ROLES.map(ready)) }],
    ...over,
  };
}
