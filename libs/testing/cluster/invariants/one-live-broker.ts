import type { MetadataState } from '@streamline/core/metadata/metadata-state';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import { Violation } from '@streamline/testing/raft/violation';
import type { MetadataInvariant } from '../metadata-ghost';

/** The registration of a broker that is alive is not taken by another directory, and no directory serves as two brokers (META-14). */
export class OneLiveBroker implements MetadataInvariant {
  constructor(private readonly newDisk: () => void) {}

  before(index: number, records: readonly MetadataRecord[], state: MetadataState): void {
    for (const record of records) {
      if (record.kind !== 'registerBroker') continue;
      const { brokerId, directoryId } = record;
      const known = state.brokers.get(brokerId);
      if (known !== undefined && known.directoryId !== directoryId) {
        if (!known.fenced)
          throw new Violation(
            'one-live-broker',
            `at ${index} another directory takes the place of broker ${brokerId}, which is alive`,
          );
        this.newDisk();
      }
      for (const other of state.brokers.values()) {
        if (other.id === brokerId || other.directoryId !== directoryId) continue;
        throw new Violation('one-live-broker', `at ${index} the directory of broker ${other.id} registers as broker ${brokerId}`);
      }
    }
  }
}
