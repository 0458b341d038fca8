import type { MetadataState } from '@streamline/core/metadata/metadata-state';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import { Violation } from '@streamline/testing/raft/violation';
import type { Acknowledged, MetadataInvariant } from '../metadata-ghost';

const PRODUCER_ID_BLOCK = 1_000;

/**
 * A command takes effect once, on the metadata that it was decided for: clients name each topic once, raise its partitions and
 * the number that stands for its config, and ask for nothing anew while something that they asked is still under way.
 */
export class ExactlyOnce implements MetadataInvariant {
  readonly #created = new Map<string, string>();
  readonly #topicIds = new Set<string>();
  readonly #configs = new Map<string, number>();
  readonly #blocks = new Set<number>();

  wasCreated(name: string): boolean {
    return this.#created.has(name);
  }

  before(index: number, records: readonly MetadataRecord[], state: MetadataState): void {
    for (const record of records) this.#check(index, record, state);
  }

  acknowledged(acknowledged: Acknowledged, state: MetadataState): void {
    if (acknowledged.kind !== 'producer-ids') return;
    const { first, count } = acknowledged;
    if (this.#blocks.has(first)) throw new Violation('exactly-once', `the producer ids from ${first} on are given away twice`);
    if (first + count > state.nextProducerId)
      throw new Violation('exactly-once', `producer ids up to ${first + count} are given away, which nobody committed`);
    this.#blocks.add(first);
  }

  #check(index: number, record: MetadataRecord, state: MetadataState): void {
    switch (record.kind) {
      case 'topic':
        if (this.#created.has(record.name))
          throw new Violation('exactly-once', `topic ${record.name} is created a second time at ${index}`);
        if (this.#topicIds.has(record.topicId))
          throw new Violation('exactly-once', `topic id ${record.topicId} is used twice, at ${index}`);
        this.#created.set(record.name, record.topicId);
        this.#topicIds.add(record.topicId);
        break;
      case 'removeTopic':
        if (!state.topics.has(record.topicId))
          throw new Violation('exactly-once', `a topic is deleted at ${index} that is not there`);
        break;
      case 'config':
        if (record.resourceType === 2) this.#config(index, record.resourceName, Number(record.value));
        break;
      case 'producerIds':
        if (record.nextProducerId !== state.nextProducerId + PRODUCER_ID_BLOCK) {
          throw new Violation(
            'exactly-once',
            `producer ids go from ${state.nextProducerId} to ${record.nextProducerId} at ${index}`,
          );
        }
        break;
      default:
        break;
    }
  }

  #config(index: number, name: string, value: number): void {
    const known = this.#configs.get(name) ?? 0;
    if (!(value >= known))
      throw new Violation('exactly-once', `the config of ${name} is set to ${value} after ${known}, at ${index}`);
    this.#configs.set(name, value);
  }
}
