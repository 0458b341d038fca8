import { Controller, Inject } from '@nestjs/common';
import type { Host } from '@streamline/platform/host/host';
import { HOST } from '@streamline/platform/host/host';
import { ServePort } from '@streamline/platform/rpc/serve-port';
import { GroupServiceDefinition } from '@streamline/wire/contracts/generated/streamline/storage/v1/group';
import { PartitionServiceDefinition } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { GroupPort, PartitionPort } from '@streamline/wire/contracts/ports';

/** The control methods of `streamline.storage.v1.PartitionService`; append and fetch are bulk streams. */
@Controller()
@ServePort(PartitionServiceDefinition)
export class PartitionGrpcController {
  constructor(@Inject(HOST) private readonly host: Host) {}

  get port(): PartitionPort {
    return this.host.local.startedStorage.partitions;
  }
}

/** `streamline.storage.v1.GroupService`. */
@Controller()
@ServePort(GroupServiceDefinition)
export class GroupGrpcController {
  constructor(@Inject(HOST) private readonly host: Host) {}

  get port(): GroupPort {
    return this.host.local.startedStorage.groups;
  }
}
