import type { NodeId } from '@streamline/core/types/ids';
import { type RoleName, ROLES } from '@streamline/platform/config/roles';
import { formatFamilies, mergeExpositions } from '@streamline/platform/observability/exposition';
import { gauge } from '@streamline/platform/observability/metric-family';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { GetQuorumStatusResponse } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { RoleStatus } from '@streamline/wire/contracts/generated/streamline/node/v1/role';
import type { AdminPort, ControllerPort, RolePort } from '@streamline/wire/contracts/ports';
import type { Logger } from 'pino';
import type { ClusterStatusBody, HealthBody, HealthCheckBody, InfoBody, MembersBody } from './bodies';
import { isMember, membersBody, statusBody, unknownStatusBody } from './cluster-view';
import { type ConnectMembership, MembershipCommands, type MembershipCommander } from './membership-commands';
import { withinDeadline } from './within-deadline';

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
  /** Changes of the membership, at this node's controller. */
  readonly membership: MembershipCommander;
  /** The same at another node's, for what this one forwards to the leader. */
  readonly connectMembership: ConnectMembership;
  readonly replica: Pick<MetadataReplica, 'image'>;
  readonly logger: Pick<Logger, 'warn'>;
  /** The processes of this node as far as they are known now; asked each time, since they come and go. */
  processes(): readonly NodeProcess[];
}

/** Well below a probe's usual timeout of a few seconds, so that a role that hangs is told rather than hung on. */
const ASK_DEADLINE_MS = 1_000;
const WITHIN = { deadlineMs: ASK_DEADLINE_MS };

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What operators ask of a node. The one implementation behind the HTTP API and the gRPC service. */
export class AdminService {
  readonly membership: MembershipCommands;

  constructor(private readonly options: AdminServiceOptions) {
    const { membership, connectMembership: connect, replica } = options;
    this.membership = new MembershipCommands({ membership, connect, replica, quorum: () => this.quorum() });
  }

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

  /** Metrics of all processes of the node in Prometheus' text format, and what only all of them together tell. */
  async metrics(): Promise<string> {
    const [status, answers] = await Promise.all([
      this.clusterStatus(),
      Promise.all(this.options.processes().map((one) => this.metricsOf(one))),
    ]);
    const up = answers.map(({ process, text }) => ({ labels: { process }, value: text === undefined ? 0 : 1 }));
    const own = formatFamilies([
      gauge('streamline_process_up', '1 where a process of this node answered', up),
      gauge(
        'streamline_node_healthy',
        '1 where GET /api/v1/cluster/status says that this node is healthy',
        Number(status.healthy),
      ),
      gauge(
        'streamline_node_member',
        '1 where this node is a voter or learner of a cluster',
        Number(isMember(this.options.nodeId, status)),
      ),
    ]);
    return mergeExpositions([own, ...answers.flatMap(({ text }) => text ?? [])]);
  }

  private async metricsOf({
    roles,
    port,
  }: NodeProcess): Promise<{ readonly process: string; readonly text: string | undefined }> {
    const process = roles.join('+');
    try {
      return { process, text: (await withinDeadline(port.getMetrics({}, WITHIN), ASK_DEADLINE_MS)).text };
    } catch (error) {
      this.options.logger.warn({ process, reason: messageOf(error) }, 'a process of this node does not tell its metrics');
      return { process, text: undefined };
    }
  }

  private quorum(): Promise<GetQuorumStatusResponse> {
    return withinDeadline(this.options.controller.getQuorumStatus({ ofLeader: false }, WITHIN), ASK_DEADLINE_MS);
  }

  private async ask({ roles, port }: NodeProcess): Promise<readonly RoleStatus[]> {
    try {
      return (await withinDeadline(port.getStatus({}, WITHIN), ASK_DEADLINE_MS)).roles;
    } catch (error) {
      const checks = [{ name: 'process', ok: false, reason: `does not answer: ${messageOf(error)}` }];
      return roles.map((role) => ({ role, ready: false, checks }));
    }
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
    addMember: (request, context) => service.membership.addMember(request, context),
    removeMember: (request, context) => service.membership.removeMember(request, context),
    transferLeadership: (request, context) => service.membership.transferLeadership(request, context),
  };
}
