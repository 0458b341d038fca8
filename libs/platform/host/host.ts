import type { NodeId, TimestampMs } from '@streamline/core/types/ids';
import type { PeerPorts } from '@streamline/runtime/controller/peer-ports';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { Disk } from '@streamline/runtime/ports/disk';
import type { Random } from '@streamline/runtime/ports/random';
import type { ControllerPort, MembershipPort, RolePort } from '@streamline/wire/contracts/ports';
import type { BrokerListener } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { Logger } from 'pino';
import type { RoleName } from '../config/roles';
import type { ResolvedConfig } from '../config/resolve-config';
import type { NodeConfig } from '../config/schema';
import type { DataDirectory } from '../lifecycle/data-directory';
import type { ProcessMetrics } from '../observability/process-metrics';
import type { InterBrokerSecurity } from '../security/inter-broker-security';
import type { LocalPorts } from './local-ports';
import type { StorageRoutes } from './storage-routes';

/** Nest's token for the Host. */
export const HOST = Symbol('Host');

/** What a process offers to the roles in it. */
export interface Host {
  readonly config: NodeConfig;
  /** Where the values in it come from. */
  readonly origins: ResolvedConfig['origins'];
  readonly version: string;
  readonly startedAtMs: TimestampMs;
  readonly nodeId: NodeId;
  readonly directory: DataDirectory;
  /** Changes with each start of the machine. */
  readonly bootId: string;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  /** What connections to and from other processes of the cluster are made with. */
  readonly security: InterBrokerSecurity;
  /** Ports of the roles in this process; a role offers its own when it has started. */
  readonly local: LocalPorts;
  /** The controller, wherever it runs. */
  readonly controller: ControllerPort;
  /** Who takes part in the cluster, by the same controller. */
  readonly membership: MembershipPort;
  /** The controllers of other nodes. */
  readonly peers: PeerPorts;
  /** This process's copy of the metadata, one for all its roles. */
  readonly replica: MetadataReplica;
  readonly storage: StorageRoutes;
  readonly metrics: ProcessMetrics;
  /** What this process answers about itself. */
  readonly process: RolePort;
  /** Where the roles of this process are reached, for the broker's registration. */
  readonly listeners: readonly BrokerListener[];
  logOf(role: RoleName): Logger;
  /** Nothing may be acknowledged any more: logs why and ends the process at once. */
  fatal(error: unknown): void;
  /** The cluster has no place for this node any more: it serves no clients from now on, and tells operators why. */
  withdraw(refusal: Error): void;
}
