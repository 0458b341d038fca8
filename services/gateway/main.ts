import 'reflect-metadata';
import { runRoles } from '@streamline/platform/host/run-roles';
import { gatewayService } from './gateway.module';

await runRoles([gatewayService]);
