import { Module } from '@nestjs/common';
import type { HostedRole, RoleService } from '@streamline/platform/host/hosted-role';
import type { ServedService } from '@streamline/platform/rpc/inter-broker-server';
import { serveAppend } from '@streamline/platform/rpc/append-server';
import { serveFetch } from '@streamline/platform/rpc/fetch-server';
import { servePipeline } from '@streamline/platform/rpc/pipeline-server';
import { GroupServiceDefinition } from '@streamline/wire/contracts/generated/streamline/storage/v1/group';
import { PartitionServiceDefinition } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { StoragePort } from '@streamline/wire/contracts/ports';
import { GroupGrpcController, PartitionGrpcController } from './storage-grpc.controllers';
import { StorageService } from './storage.service';

@Module({
  controllers: [PartitionGrpcController, GroupGrpcController],
  providers: [StorageService],
})
export class StorageModule {}

function serviceOf(role: HostedRole): StorageService {
  if (!(role instanceof StorageService)) throw new Error(`the role ${role.role} has no partitions`);
  return role;
}

function portOf(role: HostedRole): StoragePort {
  return serviceOf(role).port;
}

/** Partition replicas and the coordinators whose state lives in them. */
export const storageService: RoleService = {
  role: 'storage',
  module: StorageModule,
  token: StorageService,
  served: (role): readonly ServedService[] => [
    {
      definition: PartitionServiceDefinition,
      bulk: {
        append: (call) => serveAppend(portOf(role()).partitions, call),
        fetch: (call) => serveFetch(portOf(role()).partitions, call),
      },
    },
    {
      definition: GroupServiceDefinition,
      bulk: { pipeline: (call) => servePipeline(GroupServiceDefinition, () => portOf(role()).groups, call) },
    },
  ],
  takeLink: (role) => (socket, first) => serviceOf(role()).takeLink(socket, first),
};
