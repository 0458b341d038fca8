import { Module } from '@nestjs/common';
import type { HostedRole, RoleService } from '@streamline/platform/host/hosted-role';
import { serveAppend } from '@streamline/platform/rpc/append-server';
import { serveFetch } from '@streamline/platform/rpc/fetch-server';
import { GroupServiceDefinition } from '@streamline/wire/contracts/generated/streamline/storage/v1/group';
import { PartitionServiceDefinition } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { PartitionPort } from '@streamline/wire/contracts/ports';
import { GroupGrpcController, PartitionGrpcController } from './storage-grpc.controllers';
import { StorageService } from './storage.service';

@Module({
  controllers: [PartitionGrpcController, GroupGrpcController],
  providers: [StorageService],
})
export class StorageModule {}

function partitionsOf(role: HostedRole): PartitionPort {
  if (!(role instanceof StorageService)) throw new Error(`the role ${role.role} has no partitions`);
  return role.port.partitions;
}

/** Partition replicas and the coordinators whose state lives in them. */
export const storageService: RoleService = {
  role: 'storage',
  module: StorageModule,
  token: StorageService,
  served: (role) => [
    {
      definition: PartitionServiceDefinition,
      bulk: {
        append: (call) => serveAppend(partitionsOf(role()), call),
        fetch: (call) => serveFetch(partitionsOf(role()), call),
      },
    },
    { definition: GroupServiceDefinition },
  ],
};
