import type { MetadataState } from '@streamline/core/metadata/metadata-state';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import type { NodeId } from '@streamline/core/types/ids';
import { Violation } from '@streamline/testing/raft/violation';
import type { MetadataInvariant } from '../metadata-ghost';

/**
 * A broker epoch never goes back, and belongs to one registration: it is above that of every registration before, and not above its
 * own index, which entries that were not decided with it may have put further back (META-10).
 */
export class BrokerEpochs implements MetadataInvariant {
  readonly #epochs = new Map<NodeId, number>();
  #lastEpoch = 0;

  before(index: number, records: readonly MetadataRecord[], state: MetadataState): void {
    for (const record of records) {
      if (record.kind === 'registerBroker') this.#registered(index, record.brokerId, record.brokerEpoch);
      if (record.kind !== 'brokerState' && record.kind !== 'unregisterBroker') continue;
      const known = state.brokers.get(record.brokerId)?.epoch;
      const isNew = records.some((other) => other.kind === 'registerBroker' && other.brokerEpoch === record.brokerEpoch);
      if (known === record.brokerEpoch || isNew) continue;
      throw new Violation(
        'broker-epochs',
        `the entry at ${index} speaks of broker ${record.brokerId} of epoch ${record.brokerEpoch}, which has ${known}`,
      );
    }
  }

  #registered(index: number, brokerId: NodeId, epoch: number): void {
    const known = this.#epochs.get(brokerId) ?? 0;
    if (epoch <= known) throw new Violation('broker-epochs', `broker ${brokerId} registers with epoch ${epoch} after ${known}`);
    if (epoch <= this.#lastEpoch || epoch > index) {
      throw new Violation(
        'broker-epochs',
        `broker ${brokerId} registers at ${index} with epoch ${epoch}, the registration before had ${this.#lastEpoch}`,
      );
    }
    this.#lastEpoch = epoch;
    this.#epochs.set(brokerId, epoch);
  }
}
