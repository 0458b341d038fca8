import { adminService } from '@streamline/services/admin/admin.module';
import { controllerService } from '@streamline/services/controller/controller.module';
import { gatewayService } from '@streamline/services/gateway/gateway.module';
import { storageService } from '@streamline/services/storage/storage.module';

/** All of them; the lint rule lets only this project compose services. */
export const services = [controllerService, storageService, gatewayService, adminService];
