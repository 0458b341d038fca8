import 'reflect-metadata';
import { runRoles } from '@streamline/platform/host/run-roles';
import { adminService } from '@streamline/services/admin/admin.module';
import { controllerService } from '@streamline/services/controller/controller.module';
import { gatewayService } from '@streamline/services/gateway/gateway.module';
import { storageService } from '@streamline/services/storage/storage.module';

/** The `streamline` command: a node with any set of roles in one process. */
await runRoles([controllerService, storageService, gatewayService, adminService]);
