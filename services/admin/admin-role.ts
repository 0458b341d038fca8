import type { Address } from '@streamline/platform/config/address';
import { addressUnavailable } from '@streamline/platform/lifecycle/failure';
import type { RoleStatus } from '@streamline/wire/contracts/generated/streamline/node/v1/role';
import type { AdminPort } from '@streamline/wire/contracts/ports';
import type { Logger } from 'pino';
import { adminPort, AdminService, type AdminServiceOptions } from './admin.service';
import type { HttpApp } from './http/http-app';

/** Everything that the admin role needs of its process. */
export interface AdminDependencies extends AdminServiceOptions {
  /** Where HTTP is served; port 0 takes any free one. */
  readonly listen: Address;
  readonly logger: Logger;
}

/** A running admin role, as the process that composes it sees it. */
export interface AdminRole {
  /** Loads Nest and Fastify and opens the listener; fails with a StartupError that names the flag. */
  start(): Promise<void>;
  /** Stops accepting and answers what was asked, until `signal` aborts. */
  stop(signal?: AbortSignal): Promise<void>;
  status(): RoleStatus;
  /** The port that was opened; 0 before. */
  readonly port: number;
  /** For gRPC, and for callers in this process; answers also before `start`. */
  readonly admin: AdminPort;
}

/** Puts the admin role together. Nothing happens before `start`. */
export function createAdminRole({ listen, logger, ...options }: AdminDependencies): AdminRole {
  const service = new AdminService({ ...options, logger });
  let app: HttpApp | undefined;
  return {
    async start() {
      const { startHttpApp } = await import('./http/http-app');
      try {
        app = await startHttpApp({ listen, version: options.version, service, logger });
      } catch (error) {
        const isListen = error instanceof Error && 'syscall' in error;
        throw isListen ? addressUnavailable('--http-addr', listen, error) : error;
      }
    },
    async stop(signal) {
      const closing = app?.close();
      app = undefined;
      if (closing === undefined) return;
      const aborted = new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }));
      await Promise.race([closing, aborted]);
    },
    status: () => {
      const ok = app !== undefined;
      return { role: 'admin', ready: ok, checks: [{ name: 'listener', ok, reason: ok ? '' : 'the HTTP listener is not open' }] };
    },
    get port() {
      return app?.port ?? 0;
    },
    admin: adminPort(service),
  };
}
