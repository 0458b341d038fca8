import type { ClusterId, DirectoryId } from '@streamline/core/types/ids';
import { Violation } from '@streamline/testing/raft/violation';
import type { MetadataInvariant } from '../metadata-ghost';

/** A directory belongs to one cluster, for ever (FORM-1, META-42). */
export class OneClusterId implements MetadataInvariant {
  readonly #clusters = new Map<DirectoryId, ClusterId>();

  belongs(directoryId: DirectoryId, clusterId: ClusterId): void {
    const known = this.#clusters.get(directoryId);
    if (known !== undefined && known !== clusterId) {
      throw new Violation('one-cluster-id', `${directoryId} belonged to ${known}, and now to ${clusterId}`);
    }
    this.#clusters.set(directoryId, clusterId);
  }
}
