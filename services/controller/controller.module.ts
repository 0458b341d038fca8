import { Module } from '@nestjs/common';
import type { RoleService } from '@streamline/platform/host/hosted-role';
import { ControllerServiceDefinition } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { raftService } from '@streamline/platform/rpc/raft-server';
import { MembershipServiceDefinition } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import { ControllerGrpcController } from './controller-grpc.controller';
import { ControllerService } from './controller.service';
import { MembershipGrpcController } from './membership-grpc.controller';

@Module({
  controllers: [ControllerGrpcController, MembershipGrpcController],
  providers: [ControllerService],
  exports: [ControllerService],
})
export class ControllerModule {}

/** The consensus controller: owner of the cluster's metadata log. */
export const controllerService: RoleService = {
  role: 'controller',
  module: ControllerModule,
  token: ControllerService,
  served: (role) => [
    { definition: ControllerServiceDefinition },
    { definition: MembershipServiceDefinition },
    raftService({
      accept: (call) => {
        const service = role();
        if (service instanceof ControllerService) service.acceptPeer(call);
      },
    }),
  ],
};
