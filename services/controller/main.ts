import 'reflect-metadata';
import { runCommand } from '@streamline/platform/host/run-command';

await runCommand({ roles: ['controller'], load: async () => [(await import('./controller.module')).controllerService] });
