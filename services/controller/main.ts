import 'reflect-metadata';
import { runRoles } from '@streamline/platform/host/run-roles';
import { controllerService } from './controller.module';

await runRoles([controllerService]);
