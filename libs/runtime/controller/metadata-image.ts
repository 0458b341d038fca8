import type { MetadataState } from '@streamline/core/metadata/metadata-state';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import { brokerRecords, partitionRecord, producerIdsRecord } from '@streamline/core/metadata/snapshot';
import type { MetadataIndex, NodeId, PartitionIndex, TopicId } from '@streamline/core/types/ids';
import type { Cancel, Clock } from '@streamline/runtime/ports/clock';
import type { KeyValueStore } from '@streamline/runtime/rocks/key-value-store';
import { ImagePosition } from '@streamline/wire/contracts/generated/streamline/metadata/v1/log';
import { decodeRecord, encodeRecord } from '../metadata/record-codec';
import type { LogPlace } from './metadata-log';

/** Version of the layout of keys below that this build writes, and the newest that it reads. */
const FORMAT_VERSION = 1;

const POSITION_KEY = Buffer.from('0');
const FIRST_KEY = Buffer.from('1');
const END_KEY = Buffer.from('7');
const CLUSTER_KEY = Buffer.from('1');
const PRODUCER_IDS_KEY = Buffer.from('6');

/** Keys sort as a snapshot's records must come: cluster, features, brokers, topics each before its partitions, configs, ids. */
const featureKey = (name: string): Buffer => Buffer.from(`2${name}`);
const brokerKey = (id: NodeId, part: number): Buffer => Buffer.from(`3${String(id).padStart(10, '0')}${part}`);
const topicKey = (id: TopicId): Buffer => Buffer.from(`4${id}`);
const partitionKey = (id: TopicId, partition: PartitionIndex): Buffer =>
  Buffer.from(`4${id}/${String(partition).padStart(10, '0')}`);
const configPrefix = (type: number, resource: string): string => `5${type}${resource}\0`;
const configKey = (type: number, resource: string, name: string): Buffer => Buffer.from(configPrefix(type, resource) + name);

/** What a key of the image stands for; the value is written from the state as it is when the write goes out. */
type Dirty =
  | { readonly kind: 'put'; readonly key: Buffer; readonly value: (state: MetadataState) => MetadataRecord | undefined }
  | { readonly kind: 'range'; readonly from: Buffer; readonly to: Buffer };

/** The format of an image that a newer version wrote. */
export class ImageFormatError extends Error {
  override readonly name = 'ImageFormatError';
}

/** Fills an empty state from the image; tells where in the log that is (0 where there is no image). */
export async function loadImage(store: KeyValueStore, state: MetadataState): Promise<LogPlace> {
  const bytes = await store.get(POSITION_KEY);
  if (bytes === undefined) return { index: 0 as MetadataIndex, term: 0 };
  const position = ImagePosition.decode(bytes);
  if (position.formatVersion !== FORMAT_VERSION) {
    throw new ImageFormatError(
      `The metadata image has format version ${position.formatVersion}, this version of Streamline knows ${FORMAT_VERSION}: start the version that wrote it.`,
    );
  }
  const index = position.appliedIndex as MetadataIndex;
  const records: MetadataRecord[] = [];
  for await (const page of store.scan(FIRST_KEY, END_KEY)) {
    for (const { value } of page) records.push(decodeRecord(value));
  }
  state.apply(index, records);
  return { index, term: position.appliedTerm };
}

/** Empties the image. */
export async function clearImage(store: KeyValueStore): Promise<void> {
  await store.write({ deletes: [POSITION_KEY], deleteRanges: [[FIRST_KEY, END_KEY]] });
  await store.flush();
}

/** How long changes are gathered before they are written: a burst, such as a start, touches the same partitions again and again. */
const GATHER_MS = 200;

/**
 * Keeps the image behind the applied metadata, in the background: what changes again before it is written is written once,
 * so that what waits is never more than the metadata itself. Each write holds the index that it is at (S-12).
 */
export class ImageWriter {
  readonly #dirty = new Map<string, Dirty>();
  #place: LogPlace;
  #written: LogPlace;
  #writing: Promise<void> | undefined;
  #cancelGathering: Cancel | undefined;
  #failure: Error | undefined;

  constructor(
    private readonly store: KeyValueStore,
    private readonly state: MetadataState,
    place: LogPlace,
    private readonly clock: Clock,
    private readonly onFailure: (error: Error) => void,
  ) {
    this.#place = place;
    this.#written = place;
  }

  /** Tells what is about to be applied to the state. What is written is read from the state when the write goes out. */
  willChange(records: readonly MetadataRecord[]): void {
    for (const record of records) this.#mark(record);
  }

  /** Tells where the state is, now that it was applied. */
  applied(place: LogPlace): void {
    this.#place = place;
    if (this.#writing !== undefined || this.#failure !== undefined) return;
    this.#cancelGathering ??= this.clock.schedule(GATHER_MS, () => this.#startWriting());
  }

  /** Resolves when everything told so far is durable; tells up to where. */
  async makeDurable(): Promise<LogPlace> {
    this.#startWriting();
    while (this.#writing !== undefined) await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
    const place = this.#written;
    await this.store.flush();
    return place;
  }

  #startWriting(): void {
    this.#cancelGathering?.();
    this.#cancelGathering = undefined;
    if (this.#written.index !== this.#place.index) this.#writing ??= this.#writeAll();
  }

  /** Not to be called where there is nothing to write: it must end later than it begins. */
  async #writeAll(): Promise<void> {
    try {
      while (this.#written.index !== this.#place.index) {
        const place = this.#place;
        const changes = [...this.#dirty.values()];
        this.#dirty.clear();
        await this.#write(changes, place);
        this.#written = place;
      }
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      this.onFailure(this.#failure);
    }
    this.#writing = undefined;
  }

  async #write(changes: readonly Dirty[], place: LogPlace): Promise<void> {
    const position = ImagePosition.encode({ formatVersion: FORMAT_VERSION, appliedIndex: place.index, appliedTerm: place.term });
    const puts: [Buffer, Uint8Array][] = [[POSITION_KEY, position.finish()]];
    const deletes: Buffer[] = [];
    const deleteRanges: [Buffer, Buffer][] = [];
    for (const change of changes) {
      if (change.kind === 'range') {
        deleteRanges.push([change.from, change.to]);
        continue;
      }
      const record = change.value(this.state);
      if (record === undefined) deletes.push(change.key);
      else puts.push([change.key, encodeRecord(record)]);
    }
    await this.store.write({ puts, deletes, deleteRanges });
  }

  #put(key: Buffer, value: (state: MetadataState) => MetadataRecord | undefined): void {
    this.#dirty.set(key.toString('latin1'), { kind: 'put', key, value });
  }

  #range(prefix: string): void {
    const from = Buffer.from(prefix);
    const to = Buffer.from(from);
    to[to.length - 1] = (to[to.length - 1] ?? 0) + 1;
    this.#dirty.set(`range ${from.toString('latin1')}`, { kind: 'range', from, to });
  }

  #mark(record: MetadataRecord): void {
    switch (record.kind) {
      case 'cluster':
        return this.#put(CLUSTER_KEY, ({ clusterId }) => (clusterId === undefined ? undefined : { kind: 'cluster', clusterId }));
      case 'featureLevel': {
        const { name } = record;
        return this.#put(featureKey(name), ({ features }) => {
          const level = features.get(name);
          return level === undefined ? undefined : { kind: 'featureLevel', name, level };
        });
      }
      case 'registerBroker':
      case 'brokerState':
      case 'unregisterBroker':
        return this.#markBroker(record.brokerId);
      case 'topic': {
        const { topicId } = record;
        return this.#put(topicKey(topicId), ({ topics }) => {
          const topic = topics.get(topicId);
          return topic === undefined ? undefined : { kind: 'topic', topicId, name: topic.name };
        });
      }
      case 'partition':
      case 'partitionChange': {
        const { topicId, partition } = record;
        return this.#put(partitionKey(topicId, partition), ({ topics }) => {
          const found = topics.get(topicId)?.partitions[partition];
          return found === undefined ? undefined : partitionRecord(found);
        });
      }
      case 'removeTopic':
        return this.#markRemoved(record.topicId);
      case 'config': {
        const { resourceType, resourceName, name } = record;
        return this.#put(configKey(resourceType, resourceName, name), (state) => {
          const value = state.dynamicConfigs(resourceType, resourceName).get(name);
          return value === undefined ? undefined : { kind: 'config', resourceType, resourceName, name, value };
        });
      }
      case 'producerIds':
        return this.#put(PRODUCER_IDS_KEY, ({ nextProducerId }) => producerIdsRecord(nextProducerId));
    }
  }

  /** The topic is still there: its configs are kept under its name. */
  #markRemoved(id: TopicId): void {
    this.#range(`4${id}`);
    const topic = this.state.topics.get(id);
    if (topic !== undefined) this.#range(configPrefix(2, topic.name));
  }

  #markBroker(id: NodeId): void {
    for (const part of [0, 1]) {
      this.#put(brokerKey(id, part), ({ brokers }) => {
        const broker = brokers.get(id);
        return broker === undefined ? undefined : brokerRecords(broker)[part];
      });
    }
  }
}
