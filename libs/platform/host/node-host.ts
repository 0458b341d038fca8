import { randomUUID } from 'node:crypto';
import type { NodeId, TimestampMs } from '@streamline/core/types/ids';
import { FollowingReplica } from '@streamline/runtime/metadata/following-replica';
import { NodeDisk } from '@streamline/runtime/disk/node-disk';
import { NodeClock } from '@streamline/runtime/time/node-clock';
import { NodeRandom } from '@streamline/runtime/time/node-random';
import type { BrokerListener } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { ControllerServiceDefinition } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { ControllerPort, RolePort } from '@streamline/wire/contracts/ports';
import type { Logger } from 'pino';
import { formatAddress } from '../config/address';
import type { RoleName } from '../config/roles';
import type { NodeConfig } from '../config/schema';
import { readBootId } from '../lifecycle/boot-id';
import { DataDirectory } from '../lifecycle/data-directory';
import type { Component } from '../lifecycle/lifecycle';
import { ProcessMetrics } from '../observability/process-metrics';
import { processRolePort } from '../observability/process-role-port';
import { openChannel } from '../rpc/channel';
import { remotePort } from '../rpc/remote-port';
import type { Host } from './host';
import type { HostedRole } from './hosted-role';
import { LocalPorts } from './local-ports';
import { StorageRoutes } from './storage-routes';
import { VERSION } from './version';

function controllerOf(config: NodeConfig, local: LocalPorts): { port: ControllerPort; close(): void } {
  if (config.roles.includes('controller')) return { port: local.lateController(), close: () => undefined };
  const [address] = config.controllerAddrs;
  if (!address)
    throw new Error('a process without the controller role needs controller_addrs; the configuration makes sure of it');
  const channel = openChannel(formatAddress(address));
  return { port: remotePort(ControllerServiceDefinition, channel), close: () => channel.close() };
}

/** What the broker registers: where clients go, and every role of which this process knows the address. */
function listenersOf(config: NodeConfig): BrokerListener[] {
  const own = config.roles.map((name) => ({ name, ...config.advertisedInterBrokerAddr }));
  const [controller] = config.roles.includes('controller') ? [] : config.controllerAddrs;
  return [{ name: 'kafka', ...config.advertisedAddr }, ...own, ...(controller ? [{ name: 'controller', ...controller }] : [])];
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
  readonly replica: FollowingReplica;
  readonly storage: StorageRoutes;
  /** Stopped last: lets go of the directory when nothing writes any more. */
  readonly base: Component;
  /** Follows the metadata; started behind the controller role and before all others. */
  readonly follower: Component;

  static async open(config: NodeConfig, logger: Logger, fatal: (error: unknown) => void): Promise<NodeHost> {
    const nodeId = config.nodeId as NodeId;
    const directory = await DataDirectory.open({ path: config.dataDir, nodeId, roles: config.roles });
    return new NodeHost(config, logger, directory, fatal);
  }

  private constructor(
    readonly config: NodeConfig,
    readonly logger: Logger,
    readonly directory: DataDirectory,
    readonly fatal: (error: unknown) => void,
  ) {
    const { version, startedAtMs, roles, local, clock, random } = this;
    this.nodeId = directory.nodeId;
    this.metrics = new ProcessMetrics({ roles: config.roles, version, nodeId: this.nodeId });
    this.process = processRolePort({ nodeId: this.nodeId, version, startedAtMs, roles, metrics: this.metrics });
    this.listeners = listenersOf(config);
    const controller = controllerOf(config, local);
    this.controller = controller.port;
    this.replica = new FollowingReplica({
      controller: controller.port,
      local: () => local.controllerReplica,
      clock,
      random,
      log: logger,
      follower: `node ${config.nodeId} (${config.roles.join('+')})`,
      onFatal: fatal,
    });
    this.storage = new StorageRoutes(this.nodeId, local, this.replica);
    this.base = { name: 'data directory', start: () => Promise.resolve(), stop: () => directory.close() };
    this.follower = {
      name: 'metadata',
      start: async () => {
        await this.replica.start();
        // Whatever roles it plays, a directory of one cluster is never used in another.
        const { clusterId } = this.replica.image;
        if (clusterId !== undefined) await directory.bindCluster(clusterId);
      },
      stop: async () => {
        this.storage.close();
        await this.replica.stop();
        controller.close();
      },
    };
  }

  logOf(role: RoleName): Logger {
    return this.logger.child({ role });
  }
}
