import { Controller, Inject } from '@nestjs/common';
import { ServePort } from '@streamline/platform/rpc/serve-port';
import { AdminServiceDefinition } from '@streamline/wire/contracts/generated/streamline/admin/v1/admin';
import type { AdminPort } from '@streamline/wire/contracts/ports';

/** Nest's token for the AdminPort. */
export const ADMIN_PORT = Symbol('AdminPort');

/** `streamline.admin.v1.AdminService` on the inter-broker listener. */
@Controller()
@ServePort(AdminServiceDefinition)
export class AdminGrpcController {
  constructor(@Inject(ADMIN_PORT) readonly port: AdminPort) {}
}
