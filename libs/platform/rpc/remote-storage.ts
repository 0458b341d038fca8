import type * as grpc from '@grpc/grpc-js';
import { GroupServiceDefinition } from '@streamline/wire/contracts/generated/streamline/storage/v1/group';
import { PartitionServiceDefinition } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { StoragePort } from '@streamline/wire/contracts/ports';
import { AppendClient } from './append-client';
import { FetchClient } from './fetch-client';
import { remotePort } from './remote-port';

/** A storage role on another process: control calls unary, append and fetch over one bulk stream each. */
export function remoteStorage(client: grpc.Client): StoragePort & { close(): void } {
  const appends = new AppendClient(client);
  const fetches = new FetchClient(client);
  return {
    partitions: {
      ...remotePort(PartitionServiceDefinition, client),
      append: (append) => appends.append(append),
      fetch: (request, context) => fetches.fetch(request, context),
    },
    groups: remotePort(GroupServiceDefinition, client),
    close() {
      appends.close();
      fetches.close();
      client.close();
    },
  };
}
