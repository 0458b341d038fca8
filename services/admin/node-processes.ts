import { formatAddress } from '@streamline/platform/config/address';
import { type RoleName, ROLES } from '@streamline/platform/config/roles';
import type { Host } from '@streamline/platform/host/host';
import { openChannel } from '@streamline/platform/rpc/channel';
import { remotePort } from '@streamline/platform/rpc/remote-port';
import type { InterBrokerSecurity } from '@streamline/platform/security/inter-broker-security';
import { RoleServiceDefinition } from '@streamline/wire/contracts/generated/streamline/node/v1/role';
import type { RolePort } from '@streamline/wire/contracts/ports';
import type { NodeProcess } from './admin.service';

/** A connection to the process of one role. */
export interface RoleConnection {
  readonly port: RolePort;
  close(): void;
}

export type ConnectRole = (address: string) => RoleConnection;

/** Of the host, what tells which processes there are and where. */
export type NodeProcessesHost = Pick<Host, 'process' | 'replica' | 'nodeId' | 'security'> & {
  readonly config: Pick<Host['config'], 'roles' | 'controllerAddrs' | 'gatewayAddr'>;
};

/** The processes of this node: this one, and those that the other roles of a split node run in, each with one connection. */
export class NodeProcesses {
  private readonly connections = new Map<RoleName, RoleConnection & { readonly address: string }>();

  constructor(
    private readonly host: NodeProcessesHost,
    private readonly connect: ConnectRole = (address) => overGrpc(address, host.security),
  ) {}

  now(): readonly NodeProcess[] {
    const { config, process } = this.host;
    const elsewhere = ROLES.filter((role) => !config.roles.includes(role));
    return [{ roles: config.roles, port: process }, ...elsewhere.map((role) => ({ roles: [role], port: this.portOf(role) }))];
  }

  close(): void {
    for (const connection of this.connections.values()) connection.close();
    this.connections.clear();
  }

  /** Connects where the role is now; the connection to where it was before is closed. */
  private portOf(role: RoleName): RolePort {
    const address = this.addressOf(role);
    const known = this.connections.get(role);
    if (known !== undefined && known.address === address) return known.port;
    known?.close();
    this.connections.delete(role);
    if (address === undefined) return unknownProcess(role);
    const connection = this.connect(address);
    this.connections.set(role, { ...connection, address });
    return connection.port;
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

function overGrpc(address: string, security: InterBrokerSecurity): RoleConnection {
  const channel = openChannel(address, security.channelCredentials);
  return { port: remotePort(RoleServiceDefinition, channel), close: () => channel.close() };
}

function unknownProcess(role: RoleName): RolePort {
  const fail = (): Promise<never> => Promise.reject(new Error(`the ${role} of this node has not registered yet`));
  return { getStatus: fail, getMetrics: fail };
}
