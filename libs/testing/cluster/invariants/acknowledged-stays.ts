import type { MetadataState } from '@streamline/core/metadata/metadata-state';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import { Violation } from '@streamline/testing/raft/violation';
import type { Acknowledged, MetadataInvariant } from '../metadata-ghost';

/** What a caller was told is committed, at the index that it was told, and nothing undoes it but who may (META-3). */
export class AcknowledgedStays implements MetadataInvariant {
  /** Name and id of the topics that are acknowledged, and that nobody has asked to delete. */
  readonly #topics = new Map<string, string>();
  readonly #partitions = new Map<string, number>();
  readonly #configs = new Map<string, number>();
  readonly #mayGo = new Set<string>();
  readonly #names = new Map<string, string>();
  readonly #isrs = new Map<string, string>();

  constructor(private readonly commitIndex: () => number) {}

  /** From now on the topic may go. */
  deleting(name: string): void {
    this.#mayGo.add(name);
    this.#topics.delete(name);
    this.#partitions.delete(name);
    this.#configs.delete(name);
  }

  before(index: number, records: readonly MetadataRecord[], state: MetadataState): void {
    for (const record of records) {
      if (record.kind === 'topic') this.#names.set(record.topicId, record.name);
      if (record.kind !== 'removeTopic') continue;
      const name = state.topics.get(record.topicId)?.name ?? '';
      if (!this.#mayGo.has(name))
        throw new Violation('acknowledged-stays', `topic ${name} goes at ${index}, and nobody asked for it`);
    }
  }

  after(_index: number, records: readonly MetadataRecord[], state: MetadataState): void {
    for (const record of records) {
      if (record.kind !== 'partitionChange') continue;
      const found = state.topics.get(record.topicId)?.partitions[record.partition];
      if (found !== undefined) this.#isrs.set(`${record.topicId}-${record.partition} ${found.partitionEpoch}`, found.isr.join());
    }
  }

  acknowledged(told: Acknowledged, state: MetadataState): void {
    if ('index' in told && told.index > this.commitIndex()) {
      throw new Violation('acknowledged-stays', `${JSON.stringify(told)} is told, and ${this.commitIndex()} is committed`);
    }
    switch (told.kind) {
      case 'created':
        this.#topics.set(told.name, told.topicId);
        break;
      case 'partitions':
        this.#partitions.set(told.name, told.count);
        break;
      case 'config':
        this.#configs.set(told.name, told.value);
        break;
      case 'deleted':
        if (state.topicIdsByName.has(told.name))
          throw new Violation('acknowledged-stays', `topic ${told.name} is there after it was deleted`);
        return;
      case 'registered':
        return this.#checkRegistered(told, state);
      case 'isr':
        return this.#checkIsr(told);
      case 'producer-ids':
        return;
    }
    this.check(state);
  }

  /** All that was told holds. */
  check(state: MetadataState): void {
    const complain = (what: string): never => {
      throw new Violation('acknowledged-stays', what);
    };
    for (const [name, topicId] of this.#topics) {
      if (state.topicIdsByName.get(name) !== topicId)
        complain(`topic ${name} was created as ${topicId} and is ${state.topicIdsByName.get(name) ?? 'gone'}`);
    }
    for (const [name, count] of this.#partitions) {
      const found = partitionsOf(state, name);
      if (found < count) complain(`topic ${name} has ${found} partitions and was told to have ${count}`);
    }
    for (const [name, value] of this.#configs) {
      const found = Number(state.dynamicConfigs(2, name).get('retention.ms') ?? 0);
      if (found < value) complain(`the config of ${name} is ${found} and was told to be ${value}`);
    }
  }

  #checkRegistered({ brokerId, epoch }: Extract<Acknowledged, { kind: 'registered' }>, state: MetadataState): void {
    const known = [...state.brokers.values()].find(({ id }) => id === brokerId);
    if (known === undefined || known.epoch >= epoch) return;
    throw new Violation('acknowledged-stays', `broker ${brokerId} was registered with epoch ${epoch} and has ${known.epoch}`);
  }

  #checkIsr({ topicId, partition, partitionEpoch, isr }: Extract<Acknowledged, { kind: 'isr' }>): void {
    const found = this.#isrs.get(`${topicId}-${partition} ${partitionEpoch}`);
    if (found === isr.join()) return;
    throw new Violation(
      'acknowledged-stays',
      `${this.#names.get(topicId)}-${partition} was told to have the ISR ${isr.join()} in epoch ${partitionEpoch}, it is ${found}`,
    );
  }
}

function partitionsOf(state: MetadataState, name: string): number {
  const id = state.topicIdsByName.get(name);
  return id === undefined ? 0 : (state.topics.get(id)?.partitions.length ?? 0);
}
