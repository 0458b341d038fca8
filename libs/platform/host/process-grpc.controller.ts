import { Controller, Inject } from '@nestjs/common';
import { RoleServiceDefinition } from '@streamline/wire/contracts/generated/streamline/node/v1/role';
import type { RolePort } from '@streamline/wire/contracts/ports';
import { ServePort } from '../rpc/serve-port';
import { HOST, type Host } from './host';

/** What this process answers about itself, over gRPC. */
@Controller()
@ServePort(RoleServiceDefinition)
export class ProcessGrpcController {
  readonly port: RolePort;

  constructor(@Inject(HOST) host: Host) {
    this.port = host.process;
  }
}
