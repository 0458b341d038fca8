import type { NodeId } from '@streamline/core/types/ids';
import { type RoleName, ROLES } from '@streamline/platform/config/roles';
import { mergeExpositions } from '@streamline/platform/observability/exposition';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { GetQuorumStatusResponse } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { RoleStatus } from '@streamline/wire/contracts/generated/streamline/node/v1/role';
import type { AdminPort, ControllerPort, RolePort } from '@streamline/wire/contracts/ports';
import type { Logger } from 'pino';
import type { ClusterStatusBody, HealthBody, HealthCheckBody, InfoBody, MembersBody } from './bodies';
import { membersBody, statusBody, unknownStatusBody } from './cluster-view';

/** A process of this node: with all roles in one there is one, this one. */
export interface NodeProcess {
  /** The roles that it plays. */
  readonly roles: readonly RoleName[];
  readonly port: RolePort;
}

export interface AdminServiceOptions {
  readonly nodeId: NodeId;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  /** Roles of this process. */
  readonly roles: readonly RoleName[];
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly controller: Pick<ControllerPort, 'getQuorumStatus'>;
  readonly replica: Pick<MetadataReplica, 'image'>;
  readonly logger: Pick<Logger, 'warn'>;
  /** The processes of this node as far as they are known now; asked each time, since they come and go. */
  processes(): readonly NodeProcess[];
}

/** Well below a probe's usual timeout of a few seconds, so that a role that hangs is told rather than hung on. */
const ASK_DEADLINE_MS = 1_000;

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What operators ask of a node. The one implementation behind the HTTP API and the gRPC service. */
export class AdminService {
  constructor(private readonly options: AdminServiceOptions) {}

  /** Never fails: where the controller does not answer, the status says so. */
  async clusterStatus(): Promise<ClusterStatusBody> {
    const { nodeId } = this.options;
    const health = this.health();
    try {
      return statusBody(nodeId, await this.quorum(), await health);
    } catch (error) {
      await health;
      return unknownStatusBody(nodeId, messageOf(error));
    }
  }

  /** Fails with a PortError where the controller does not answer. */
  async members(): Promise<MembersBody> {
    return membersBody(await this.quorum(), this.options.replica.image);
  }

  /** Looks at every role of the node now. */
  async health(): Promise<HealthBody> {
    const statuses = (await Promise.all(this.options.processes().map((one) => this.ask(one)))).flat();
    const checks = ROLES.flatMap((role) => checksOf(role, statuses));
    return { live: true, ready: checks.every(({ ok }) => ok), checks };
  }

  info(): InfoBody {
    const { version, nodeId, roles, startedAtMs, clock, replica } = this.options;
    return {
      name: 'streamline',
      version,
      cluster_id: replica.image.clusterId ?? null,
      node_id: nodeId,
      roles: [...roles],
      node_version: process.version,
      started_at_ms: startedAtMs,
      uptime_ms: Math.max(0, clock.wallMs() - startedAtMs),
    };
  }

  /** Metrics of all processes of the node in Prometheus' text format; `streamline_process_up` tells which answered. */
  async metrics(): Promise<string> {
    const answers = await Promise.all(this.options.processes().map((one) => this.metricsOf(one)));
    const up = answers.map(({ process, text }) => `streamline_process_up{process="${process}"} ${text === undefined ? 0 : 1}`);
    const head = '# HELP streamline_process_up 1 where a process of this node answered\n# TYPE streamline_process_up gauge';
    return mergeExpositions([[head, ...up, ''].join('\n'), ...answers.flatMap(({ text }) => text ?? [])]);
  }

  private async metricsOf({
    roles,
    port,
  }: NodeProcess): Promise<{ readonly process: string; readonly text: string | undefined }> {
    const process = roles.join('+');
    try {
      return { process, text: (await port.getMetrics({}, { deadlineMs: ASK_DEADLINE_MS })).text };
    } catch (error) {
      this.options.logger.warn({ process, reason: messageOf(error) }, 'a process of this node does not tell its metrics');
      return { process, text: undefined };
    }
  }

  private quorum(): Promise<GetQuorumStatusResponse> {
    return withinDeadline(this.options.controller.getQuorumStatus({}, { deadlineMs: ASK_DEADLINE_MS }));
  }

  private async ask({ roles, port }: NodeProcess): Promise<readonly RoleStatus[]> {
    try {
      return (await withinDeadline(port.getStatus({}, { deadlineMs: ASK_DEADLINE_MS }))).roles;
    } catch (error) {
      const checks = [{ name: 'process', ok: false, reason: `does not answer: ${messageOf(error)}` }];
      return roles.map((role) => ({ role, ready: false, checks }));
    }
  }
}

/** A call within the process knows no deadline of its own. */
async function withinDeadline<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ASK_DEADLINE_MS} ms`)), ASK_DEADLINE_MS);
  });
  try {
    return await Promise.race([answer, overdue]);
  } finally {
    clearTimeout(timer);
  }
}

function checksOf(role: RoleName, statuses: readonly RoleStatus[]): HealthCheckBody[] {
  const found = statuses.filter((status) => status.role === role);
  if (found.length === 0) return [{ role, name: 'process', ok: false, reason: `no process of this node plays the role ${role}` }];
  return found.flatMap(({ ready, checks }) => {
    const told = checks.map(({ name, ok, reason }) => ({ role, name, ok, reason }));
    const isTold = ready || told.some(({ ok }) => !ok);
    return isTold ? told : [...told, { role, name: 'ready', ok: false, reason: 'is not ready' }];
  });
}

/** The same for gRPC: what is null in JSON is absent, empty or 0 there. */
export function adminPort(service: AdminService): AdminPort {
  return {
    getClusterStatus: async () => {
      const body = await service.clusterStatus();
      return {
        nodeState: body.node_state ?? '',
        nodeId: body.node_id,
        leaderId: body.leader_id ?? undefined,
        committedLogIndex: body.committed_log_index ?? 0,
        appliedLogIndex: body.applied_log_index ?? 0,
        currentTerm: body.current_term ?? 0,
        voters: body.voters,
        learners: body.learners,
        healthy: body.healthy,
        healthReason: body.health_reason,
      };
    },
    listMembers: async () => {
      const body = await service.members();
      const members = body.members.map((member) => ({
        nodeId: member.node_id,
        raftAddr: member.raft_addr ?? '',
        role: member.role,
        isLeader: member.is_leader,
        brokerState: member.broker_state,
        advertisedAddr: member.advertised_addr ?? '',
      }));
      return { members, total: body.total, leaderId: body.leader_id ?? undefined };
    },
    getHealth: () => service.health(),
    getInfo: async () => {
      const body = service.info();
      return {
        name: body.name,
        version: body.version,
        clusterId: body.cluster_id ?? '',
        nodeId: body.node_id,
        roles: body.roles,
        nodeVersion: body.node_version,
        startedAtMs: body.started_at_ms,
        uptimeMs: body.uptime_ms,
      };
    },
  };
}
