import { Module } from '@nestjs/common';
import { formatAddress } from '@streamline/platform/config/address';
import { type RoleName, ROLES } from '@streamline/platform/config/roles';
import { HOST, type Host } from '@streamline/platform/host/host';
import type { HostedRole, RoleService } from '@streamline/platform/host/hosted-role';
import { openChannel } from '@streamline/platform/rpc/channel';
import { remotePort } from '@streamline/platform/rpc/remote-port';
import { AdminServiceDefinition } from '@streamline/wire/contracts/generated/streamline/admin/v1/admin';
import { RoleServiceDefinition } from '@streamline/wire/contracts/generated/streamline/node/v1/role';
import type { RolePort } from '@streamline/wire/contracts/ports';
import { ADMIN_PORT, AdminGrpcController } from './admin-grpc.controller';
import { type AdminRole, createAdminRole } from './admin-role';
import type { NodeProcess } from './admin.service';

/** Nest's token for the admin role as a HostedRole. */
export const ADMIN = Symbol('Admin');
const ADMIN_ROLE = Symbol('AdminRole');

@Module({
  controllers: [AdminGrpcController],
  providers: [
    { provide: ADMIN_ROLE, inject: [HOST], useFactory: adminRole },
    { provide: ADMIN_PORT, inject: [ADMIN_ROLE], useFactory: (role: AdminRole) => role.admin },
    { provide: ADMIN, inject: [ADMIN_ROLE], useFactory: hostedAdmin },
  ],
})
export class AdminModule {}

/** Operators' side of a node: HTTP and gRPC. */
export const adminService: RoleService = {
  role: 'admin',
  module: AdminModule,
  token: ADMIN,
  served: () => [{ definition: AdminServiceDefinition }],
};

function hostedAdmin(role: AdminRole): HostedRole {
  return {
    role: 'admin',
    start: () => role.start(),
    stop: (signal) => role.stop(signal),
    status: () => Promise.resolve(role.status()),
  };
}

function adminRole(host: Host): AdminRole {
  const { config, nodeId, version, startedAtMs, clock, controller, replica } = host;
  const processes = new NodeProcesses(host);
  return createAdminRole({
    listen: config.httpAddr,
    logger: host.logOf('admin'),
    nodeId,
    version,
    startedAtMs,
    roles: config.roles,
    clock,
    controller,
    replica,
    processes: () => processes.now(),
  });
}

/** The processes of this node: this one, and those that the other roles of a split node run in. */
class NodeProcesses {
  private readonly remotes = new Map<string, RolePort>();

  constructor(private readonly host: Host) {}

  now(): readonly NodeProcess[] {
    const { config, process } = this.host;
    const elsewhere = ROLES.filter((role) => !config.roles.includes(role));
    const found = elsewhere.map((role): NodeProcess => ({ roles: [role], port: this.remote(role) }));
    return [{ roles: config.roles, port: process }, ...found];
  }

  private remote(role: RoleName): RolePort {
    const address = this.addressOf(role);
    if (address === undefined) return unknownProcess(role);
    let port = this.remotes.get(address);
    if (!port) {
      port = remotePort(RoleServiceDefinition, openChannel(address));
      this.remotes.set(address, port);
    }
    return port;
  }

  /** The controller's and the gateway's addresses are settings; the storage registers its own. */
  private addressOf(role: RoleName): string | undefined {
    const { config, replica, nodeId } = this.host;
    const [controller] = config.controllerAddrs;
    if (role === 'controller') return controller && formatAddress(controller);
    if (role === 'gateway') return formatAddress(config.gatewayAddr);
    const endpoint = replica.image.brokers.get(nodeId)?.endpoints.find(({ name }) => name === role);
    return endpoint && formatAddress(endpoint);
  }
}

function unknownProcess(role: RoleName): RolePort {
  const fail = (): Promise<never> => Promise.reject(new Error(`the ${role} of this node has not registered yet`));
  return { getStatus: fail, getMetrics: fail };
}
