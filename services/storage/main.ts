import 'reflect-metadata';
import { runCommand } from '@streamline/platform/host/run-command';

await runCommand({ roles: ['storage'], load: async () => [(await import('./storage.module')).storageService] });
