import type * as grpc from '@grpc/grpc-js';
import { GroupServiceDefinition } from '@streamline/wire/contracts/generated/streamline/storage/v1/group';
import { PartitionServiceDefinition } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { StoragePort } from '@streamline/wire/contracts/ports';
import { AppendClient } from './append-client';
import { FetchClient } from './fetch-client';
import { PipelineClient } from './pipeline-client';
import { remotePort } from './remote-port';

/** A storage role on another process: append, fetch and all that coordinators are asked over one stream each, the rest unary. */
export function remoteStorage(client: grpc.Client): StoragePort & { close(): void } {
  const appends = new AppendClient(client);
  const fetches = new FetchClient(client);
  const groups = new PipelineClient(client, GroupServiceDefinition, 'pipeline');
  return {
    partitions: {
      ...remotePort(PartitionServiceDefinition, client),
      append: (append) => appends.append(append),
      fetch: (request, context) => fetches.fetch(request, context),
    },
    groups: groups.port,
    close() {
      appends.close();
      fetches.close();
      groups.close();
      client.close();
    },
  };
}
