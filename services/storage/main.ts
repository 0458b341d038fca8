import 'reflect-metadata';
import { runRoles } from '@streamline/platform/host/run-roles';
import { storageService } from './storage.module';

await runRoles([storageService]);
