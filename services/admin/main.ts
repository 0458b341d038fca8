import 'reflect-metadata';
import { runCommand } from '@streamline/platform/host/run-command';

await runCommand({ roles: ['admin'], load: async () => [(await import('./admin.module')).adminService] });
