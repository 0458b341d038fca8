import { Controller, Inject } from '@nestjs/common';
import type { Host } from '@streamline/platform/host/host';
import { HOST } from '@streamline/platform/host/host';
import { ServePort } from '@streamline/platform/rpc/serve-port';
import { ControllerServiceDefinition } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { ControllerPort } from '@streamline/wire/contracts/ports';

/** `streamline.controller.v1.ControllerService` on the inter-broker listener. */
@Controller()
@ServePort(ControllerServiceDefinition)
export class ControllerGrpcController {
  readonly port: ControllerPort;

  constructor(@Inject(HOST) host: Host) {
    this.port = host.local.lateController();
  }
}
