import type { BrokerImage } from '@streamline/core/metadata/image';
import type { NodeId } from '@streamline/core/types/ids';
import type { StorageRouter } from '@streamline/runtime/gateway/storage-router';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import type { StoragePort } from '@streamline/wire/contracts/ports';
import { formatAddress } from '../config/address';
import { openChannel } from '../rpc/channel';
import { remoteStorage } from '../rpc/remote-storage';
import type { InterBrokerSecurity } from '../security/inter-broker-security';
import type { LocalPorts } from './local-ports';

type RemoteStorage = ReturnType<typeof remoteStorage>;

function storageAddress(broker: BrokerImage | undefined): string | undefined {
  const endpoint = broker?.endpoints.find(({ name }) => name === 'storage');
  return endpoint && formatAddress(endpoint);
}

/**
 * Finds the storage of a broker: the one of this process by a direct call, any other over one channel per address, which
 * is closed when no registration names the address any more.
 */
export class StorageRoutes implements StorageRouter {
  private readonly remotes = new Map<string, RemoteStorage>();
  private readonly unsubscribe: () => void;

  constructor(
    private readonly nodeId: NodeId,
    private readonly local: LocalPorts,
    private readonly replica: MetadataReplica,
    private readonly security: InterBrokerSecurity,
  ) {
    this.unsubscribe = replica.subscribe(({ brokersChanged }) => {
      if (brokersChanged) this.closeUnused();
    });
  }

  /** All partitions of a broker are in its one storage. */
  replicaAt(broker: NodeId): StoragePort | undefined {
    return this.storageOf(broker);
  }

  ofBroker(broker: NodeId): readonly StoragePort[] {
    const storage = this.storageOf(broker);
    return storage ? [storage] : [];
  }

  close(): void {
    this.unsubscribe();
    for (const remote of this.remotes.values()) remote.close();
    this.remotes.clear();
  }

  private storageOf(broker: NodeId): StoragePort | undefined {
    if (broker === this.nodeId && this.local.storage) return this.local.storage;
    const address = storageAddress(this.replica.image.brokers.get(broker));
    if (address === undefined) return undefined;
    let remote = this.remotes.get(address);
    if (!remote) {
      remote = remoteStorage(openChannel(address, this.security.channelCredentials));
      this.remotes.set(address, remote);
    }
    return remote;
  }

  private closeUnused(): void {
    const named = new Set([...this.replica.image.brokers.values()].map(storageAddress));
    for (const [address, remote] of this.remotes) {
      if (named.has(address)) continue;
      this.remotes.delete(address);
      remote.close();
    }
  }
}
