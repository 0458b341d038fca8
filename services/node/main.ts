import 'reflect-metadata';
import { ROLES } from '@streamline/platform/config/roles';
import { runCommand } from '@streamline/platform/host/run-command';

/** The `streamline` command: a node with any set of roles in one process. */
await runCommand({ roles: ROLES, load: async () => (await import('./services')).services });
