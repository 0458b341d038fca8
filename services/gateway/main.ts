import 'reflect-metadata';
import { runCommand } from '@streamline/platform/host/run-command';

await runCommand({ roles: ['gateway'], load: async () => [(await import('./gateway.module')).gatewayService] });
