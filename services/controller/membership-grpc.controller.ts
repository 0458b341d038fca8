import { Controller, Inject } from '@nestjs/common';
import type { Host } from '@streamline/platform/host/host';
import { HOST } from '@streamline/platform/host/host';
import { ServePort } from '@streamline/platform/rpc/serve-port';
import { MembershipServiceDefinition } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import type { MembershipPort } from '@streamline/wire/contracts/ports';

/** `streamline.controller.v1.MembershipService` on the inter-broker listener. */
@Controller()
@ServePort(MembershipServiceDefinition)
export class MembershipGrpcController {
  readonly port: MembershipPort;

  constructor(@Inject(HOST) host: Host) {
    this.port = host.local.lateMembership();
  }
}
