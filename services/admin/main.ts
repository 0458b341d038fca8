import 'reflect-metadata';
import { runRoles } from '@streamline/platform/host/run-roles';
import { adminService } from './admin.module';

await runRoles([adminService]);
