import type { RoleStatus } from '@streamline/wire/contracts/generated/streamline/node/v1/role';
import type { RolePort } from '@streamline/wire/contracts/ports';

/** A role of this process, as far as its health is concerned. */
export interface HealthSource {
  /** Looks now; cheap. */
  status(): RoleStatus | Promise<RoleStatus>;
}

export interface ProcessRoleOptions {
  readonly nodeId: number;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly roles: readonly (HealthSource & { readonly role: string })[];
  readonly metrics: { text(): Promise<string> };
}

async function look(source: HealthSource & { readonly role: string }): Promise<RoleStatus> {
  try {
    return await source.status();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { role: source.role, ready: false, checks: [{ name: 'status', ok: false, reason }] };
  }
}

/** What this process answers about itself, in process and over gRPC. */
export function processRolePort({ nodeId, version, startedAtMs, roles, metrics }: ProcessRoleOptions): RolePort {
  return {
    getStatus: async () => ({ nodeId, version, startedAtMs, roles: await Promise.all(roles.map(look)) }),
    getMetrics: async () => ({ text: await metrics.text() }),
  };
}
