import { Module } from '@nestjs/common';
import type { RoleService } from '@streamline/platform/host/hosted-role';
import { ControllerServiceDefinition } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { ControllerGrpcController } from './controller-grpc.controller';
import { ControllerService } from './controller.service';

@Module({ controllers: [ControllerGrpcController], providers: [ControllerService], exports: [ControllerService] })
export class ControllerModule {}

/** The consensus controller: owner of the cluster's metadata log. */
export const controllerService: RoleService = {
  role: 'controller',
  module: ControllerModule,
  token: ControllerService,
  served: () => [{ definition: ControllerServiceDefinition }],
};
