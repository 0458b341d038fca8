import { randomUUID } from 'node:crypto';
import type { ClusterId, NodeId, TimestampMs } from '@streamline/core/types/ids';
import { refusalOf } from '@streamline/runtime/controller/retirement';
import { FollowingReplica } from '@streamline/runtime/metadata/following-replica';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import { NodeDisk } from '@streamline/runtime/disk/node-disk';
import { NodeClock } from '@streamline/runtime/time/node-clock';
import { NodeRandom } from '@streamline/runtime/time/node-random';
import type { BrokerListener } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { ControllerServiceDefinition } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { MembershipServiceDefinition } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { ControllerPort, MembershipPort, RolePort } from '@streamline/wire/contracts/ports';
import type { Logger } from 'pino';
import { formatAddress } from '../config/address';
import type { RoleName } from '../config/roles';
import type { ResolvedConfig } from '../config/resolve-config';
import type { NodeConfig } from '../config/schema';
import { readBootId } from '../lifecycle/boot-id';
import { DataDirectory } from '../lifecycle/data-directory';
import type { Component } from '../lifecycle/lifecycle';
import { readRetirement } from '../lifecycle/retirement-file';
import { ProcessMetrics } from '../observability/process-metrics';
import { processRolePort } from '../observability/process-role-port';
import { openChannel } from '../rpc/channel';
import { remotePort } from '../rpc/remote-port';
import type { InterBrokerSecurity } from '../security/inter-broker-security';
import { openSecurity } from '../security/open-security';
import type { Host } from './host';
import type { HostedRole } from './hosted-role';
import { LocalPorts } from './local-ports';
import { PeerChannels } from './peer-channels';
import { StorageRoutes } from './storage-routes';
import { VERSION } from './version';

interface ControllerPorts {
  readonly controller: ControllerPort;
  readonly membership: MembershipPort;
  close(): void;
}

function controllerOf(config: NodeConfig, local: LocalPorts, security: InterBrokerSecurity): ControllerPorts {
  if (config.roles.includes('controller')) {
    return { controller: local.lateController(), membership: local.lateMembership(), close: () => undefined };
  }
  const [address] = config.controllerAddrs;
  if (!address)
    throw new Error('a process without the controller role needs controller_addrs; the configuration makes sure of it');
  const channel = openChannel(formatAddress(address), security.channelCredentials);
  return {
    controller: remotePort(ControllerServiceDefinition, channel),
    membership: remotePort(MembershipServiceDefinition, channel),
    close: () => channel.close(),
  };
}

/** What the broker registers: where clients go, and every role of which this process knows the address. */
function listenersOf(config: NodeConfig): BrokerListener[] {
  const own = config.roles.map((name) => ({ name, ...config.advertisedInterBrokerAddr }));
  const [controller] = config.roles.includes('controller') ? [] : config.controllerAddrs;
  return [{ name: 'kafka', ...config.advertisedAddr }, ...own, ...(controller ? [{ name: 'controller', ...controller }] : [])];
}

/** Of what a replica shows, once it shows anything. */
function clusterOf(replica: MetadataReplica): Promise<ClusterId> {
  return new Promise((resolve) => {
    const { clusterId } = replica.image;
    if (clusterId !== undefined) return resolve(clusterId);
    const unsubscribe = replica.subscribe((_, image) => {
      if (image.clusterId === undefined) return;
      unsubscribe();
      resolve(image.clusterId);
    });
  });
}

/** A process with the admin role alone answers operators, wherever the rest of its node is. */
function isForOperatorsOnly({ roles }: Pick<NodeConfig, 'roles'>): boolean {
  return roles.every((role) => role === 'admin');
}

/** The Host of a real process: node's own clock, disk and randomness. */
export class NodeHost implements Host {
  readonly version = VERSION;
  readonly clock = new NodeClock();
  readonly random = new NodeRandom();
  readonly disk = new NodeDisk();
  readonly startedAtMs: TimestampMs = this.clock.wallMs();
  /** Unknown: as good as another one, so that nothing is concluded from it (P-2). */
  readonly bootId = readBootId() ?? randomUUID();
  readonly local = new LocalPorts();
  /** Filled once the Nest modules are made. */
  readonly roles: HostedRole[] = [];
  readonly nodeId: NodeId;
  readonly metrics: ProcessMetrics;
  readonly process: RolePort;
  readonly listeners: readonly BrokerListener[];
  readonly controller: ControllerPort;
  readonly membership: MembershipPort;
  readonly peers: PeerChannels;
  readonly replica: FollowingReplica;
  readonly storage: StorageRoutes;
  /** Stopped last: lets go of the directory when nothing writes any more. */
  readonly base: Component;
  /** Follows the metadata; started behind the controller role and before all others. */
  readonly follower: Component;

  static async open(
    config: NodeConfig,
    logger: Logger,
    fatal: (error: unknown) => void,
    withdraw: (refusal: Error) => void = fatal,
    origins: ResolvedConfig['origins'] = new Map(),
  ): Promise<NodeHost> {
    const nodeId = config.nodeId as NodeId;
    const security = await openSecurity(config, logger);
    const directory = await DataDirectory.open({ path: config.dataDir, nodeId, roles: config.roles });
    const refusal = isForOperatorsOnly(config) ? undefined : await readRetirement(directory.rolePath('controller'));
    if (refusal !== undefined) {
      await directory.close();
      throw refusal;
    }
    return new NodeHost(config, logger, directory, security, fatal, withdraw, origins);
  }

  private constructor(
    readonly config: NodeConfig,
    readonly logger: Logger,
    readonly directory: DataDirectory,
    readonly security: InterBrokerSecurity,
    readonly fatal: (error: unknown) => void,
    readonly withdraw: (refusal: Error) => void,
    readonly origins: ResolvedConfig['origins'],
  ) {
    const { version, startedAtMs, roles, local, clock, random } = this;
    this.nodeId = directory.nodeId;
    this.metrics = new ProcessMetrics({ roles: config.roles, version, nodeId: this.nodeId });
    this.metrics.add(security);
    this.process = processRolePort({ nodeId: this.nodeId, version, startedAtMs, roles, metrics: this.metrics });
    this.listeners = listenersOf(config);
    const { controller, membership, close } = controllerOf(config, local, security);
    this.controller = controller;
    this.membership = membership;
    this.peers = new PeerChannels(security);
    this.replica = new FollowingReplica({
      controller,
      local: () => local.controllerReplica,
      clock,
      random,
      log: logger,
      follower: `node ${config.nodeId} (${config.roles.join('+')})`,
      onFatal: fatal,
      isRetired: (error) => this.isRetired(error),
    });
    this.storage = new StorageRoutes(this.nodeId, local, this.replica, security);
    this.base = {
      name: 'data directory',
      start: () => Promise.resolve(),
      stop: async () => {
        security.close();
        await directory.close();
      },
    };
    this.follower = {
      name: 'metadata',
      start: async () => {
        if (config.roles.includes('controller')) await local.whenReplica;
        await this.replica.start();
        // Whatever roles it plays, a directory of one cluster is never used in another.
        await directory.bindCluster(await clusterOf(this.replica));
      },
      stop: async () => {
        this.storage.close();
        await this.replica.stop();
        this.peers.close();
        close();
      },
    };
  }

  /** The controller, in another process of this node, says that the cluster has no place for it, or has left word of that and ended. */
  private async isRetired(error: unknown): Promise<boolean> {
    const isTold = error instanceof PortError && error.code === 'retired';
    const left = (): ReturnType<typeof readRetirement> => readRetirement(this.directory.rolePath('controller'));
    const refusal = isTold ? refusalOf(error.message) : await left().catch(() => undefined);
    if (refusal === undefined) return false;
    this.logger.error(
      { reason: refusal.message, remedy: refusal.remedy },
      'this node has no place in the cluster any more and serves no clients',
    );
    if (!isForOperatorsOnly(this.config)) this.withdraw(refusal);
    return true;
  }

  logOf(role: RoleName): Logger {
    return this.logger.child({ role });
  }
}
