import { MetadataState } from '@streamline/core/metadata/metadata-state';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import type { MetadataIndex } from '@streamline/core/types/ids';

/** Records that are gathered before they are replayed together: a topic's partitions are copied once for so many. */
export const GATHERED_RECORDS_MAX = 4096;

/** Builds the metadata at one index from the records of a snapshot as they come, so that these are never all in memory. */
export class StateBuilder {
  readonly #state = new MetadataState();
  #gathered: MetadataRecord[] = [];

  constructor(private readonly index: MetadataIndex) {}

  /** In the order in which `snapshotRecords` gives them. Throws as `MetadataState.apply` does. */
  add(record: MetadataRecord): void {
    this.#gathered.push(record);
    if (this.#gathered.length >= GATHERED_RECORDS_MAX) this.#replay();
  }

  finish(): MetadataState {
    this.#replay();
    return this.#state;
  }

  #replay(): void {
    this.#state.apply(this.index, this.#gathered);
    this.#gathered = [];
  }
}
