import type { DynamicModule, InjectionToken, Type } from '@nestjs/common';
import type { RoleStatus } from '@streamline/wire/contracts/generated/streamline/node/v1/role';
import type { RoleName } from '../config/roles';
import type { StopDeadline } from '../lifecycle/stop-deadline';
import type { TakeLink } from '../security/connection-sorter';
import type { ServedService } from '../rpc/inter-broker-server';

/** One role as its process runs it. */
export interface HostedRole {
  readonly role: RoleName;
  /** Resolves when the role does its work; the roles it needs in this process were started before. */
  start(): Promise<void>;
  /** Stops accepting, finishes what is in flight, flushes, within the deadline. */
  stop(deadline: StopDeadline): Promise<void>;
  /** Readiness checks, each looked at now. */
  status(): Promise<RoleStatus>;
}

/** A service that a process can run: its Nest module, and where in it the role and the gRPC services are found. */
export interface RoleService {
  readonly role: RoleName;
  readonly module: Type<unknown> | DynamicModule;
  /** The module's provider of the HostedRole. */
  readonly token: InjectionToken<HostedRole>;
  /** What the role adds to the process's inter-broker listener; `role()` gives the HostedRole once it is made. */
  served(role: () => HostedRole): readonly ServedService[];
  /** Takes the links that other nodes open to it; only one role of a process does. */
  takeLink?(role: () => HostedRole): TakeLink;
}

/**
 * Roles start in this order and stop in the opposite one: each needs those before it. Operators are answered from before there
 * is a cluster to be part of until after the storage has left it.
 */
export const START_ORDER: readonly RoleName[] = ['controller', 'admin', 'storage', 'gateway'];
