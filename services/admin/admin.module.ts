import { Module } from '@nestjs/common';
import { HOST, type Host } from '@streamline/platform/host/host';
import type { HostedRole, RoleService } from '@streamline/platform/host/hosted-role';
import { openChannel } from '@streamline/platform/rpc/channel';
import { remotePort } from '@streamline/platform/rpc/remote-port';
import { AdminServiceDefinition } from '@streamline/wire/contracts/generated/streamline/admin/v1/admin';
import { MembershipServiceDefinition } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import { ADMIN_PORT, AdminGrpcController } from './admin-grpc.controller';
import { type AdminRole, createAdminRole } from './admin-role';
import type { MembershipConnection } from './membership-commands';
import { NodeProcesses } from './node-processes';

/** Nest's token for the admin role as a HostedRole. */
export const ADMIN = Symbol('Admin');
const ADMIN_ROLE = Symbol('AdminRole');
const NODE_PROCESSES = Symbol('NodeProcesses');

@Module({
  controllers: [AdminGrpcController],
  providers: [
    { provide: NODE_PROCESSES, inject: [HOST], useFactory: (host: Host) => new NodeProcesses(host) },
    { provide: ADMIN_ROLE, inject: [HOST, NODE_PROCESSES], useFactory: adminRole },
    { provide: ADMIN_PORT, inject: [ADMIN_ROLE], useFactory: (role: AdminRole) => role.admin },
    { provide: ADMIN, inject: [ADMIN_ROLE, NODE_PROCESSES], useFactory: hostedAdmin },
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

/** The controller of another node, for one command. */
function connectMembership(address: string, { channelCredentials }: Host['security']): MembershipConnection {
  const channel = openChannel(address, channelCredentials);
  return { port: remotePort(MembershipServiceDefinition, channel), close: () => channel.close() };
}

function hostedAdmin(role: AdminRole, processes: NodeProcesses): HostedRole {
  return {
    role: 'admin',
    start: () => role.start(),
    stop: async ({ signal }) => {
      await role.stop(signal);
      processes.close();
    },
    status: () => Promise.resolve(role.status()),
  };
}

function adminRole(host: Host, processes: NodeProcesses): AdminRole {
  const { config, nodeId, version, startedAtMs, clock, controller, replica } = host;
  return createAdminRole({
    listen: config.httpAddr,
    logger: host.logOf('admin'),
    nodeId,
    version,
    startedAtMs,
    roles: config.roles,
    clock,
    controller,
    membership: host.membership,
    connectMembership: (address) => connectMembership(address, host.security),
    replica,
    processes: () => processes.now(),
  });
}
