import { MetadataState } from '@streamline/core/metadata/metadata-state';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import { brokerRecords, partitionRecord, producerIdsRecord, snapshotRecords } from '@streamline/core/metadata/snapshot';
import type { MetadataIndex, NodeId, PartitionIndex, TopicId } from '@streamline/core/types/ids';
import type { Cancel, Clock } from '@streamline/runtime/ports/clock';
import type { KeyValueStore } from '@streamline/runtime/rocks/key-value-store';
import { ImagePosition } from '@streamline/wire/contracts/generated/streamline/metadata/v1/log';
import { decodeRecord, encodeRecord } from '../metadata/record-codec';
import { StoreFullError } from './image-store';
import type { LogPlace } from './metadata-log';
import { StateBuilder } from './state-builder';

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

/** The state that the image holds, and where in the log that is (0 where there is no image). */
export async function loadImage(store: KeyValueStore): Promise<{ readonly state: MetadataState; readonly place: LogPlace }> {
  const bytes = await store.get(POSITION_KEY);
  if (bytes === undefined) return { state: new MetadataState(), place: { index: 0 as MetadataIndex, term: 0 } };
  const position = ImagePosition.decode(bytes);
  if (position.formatVersion !== FORMAT_VERSION) {
    throw new ImageFormatError(
      `The metadata image has format version ${position.formatVersion}, this version of Streamline knows ${FORMAT_VERSION}: start the version that wrote it.`,
    );
  }
  const index = position.appliedIndex as MetadataIndex;
  const builder = new StateBuilder(index);
  for await (const page of store.scan(FIRST_KEY, END_KEY)) {
    for (const { value } of page) builder.add(decodeRecord(value));
  }
  return { state: builder.finish(), place: { index, term: position.appliedTerm } };
}

/** Empties the image. */
export async function clearImage(store: KeyValueStore): Promise<void> {
  await store.write({ deletes: [POSITION_KEY], deleteRanges: [[FIRST_KEY, END_KEY]] });
  await store.flush();
}

/** How long changes are gathered before they are written: a burst, such as a start, touches the same partitions again and again. */
const GATHER_MS = 200;
/** How often a full disk is asked whether it has room again. */
const RETRY_MS = 1000;

export interface ImageWriterOptions {
  readonly store: KeyValueStore;
  readonly clock: Clock;
  /** The image cannot be written any more. */
  readonly onFailure: (error: Error) => void;
  /** Told when the disk is full (false), and when what waited for that is written (true). */
  readonly onRoom: (hasRoom: boolean) => void;
}

/**
 * Keeps the image behind the applied metadata, in the background: what changes again before it is written is written once,
 * so that what waits is never more than the metadata itself, also while a full disk takes nothing. Each write holds the
 * index that it is at (S-12).
 */
export class ImageWriter {
  #dirty = new Map<string, Dirty>();
  #place: LogPlace;
  #written: LogPlace;
  #writing: Promise<void> | undefined;
  #cancelGathering: Cancel | undefined;
  #failure: Error | undefined;
  #isFull = false;
  #cancelRetry: Cancel | undefined;
  #mayWaitForRoom = true;
  #waitingForRetry: (() => void)[] = [];

  constructor(
    private readonly options: ImageWriterOptions,
    private state: MetadataState,
    place: LogPlace,
  ) {
    this.#place = place;
    this.#written = place;
  }

  /** Tells what is about to be applied to the state. What is written is read from the state when the write goes out. */
  willChange(records: Iterable<MetadataRecord>): void {
    for (const record of records) this.#mark(record);
  }

  /** Another state has taken the place of the one before: all of the image is written anew, in one write. */
  replace(state: MetadataState, place: LogPlace): void {
    this.state = state;
    this.#dirty = new Map([['all', { kind: 'range', from: FIRST_KEY, to: END_KEY }]]);
    this.willChange(snapshotRecords(state));
    this.applied(place);
  }

  /** Tells where the state is, now that it was applied. */
  applied(place: LogPlace): void {
    this.#place = place;
    if (this.#writing !== undefined || this.#failure !== undefined || this.#cancelRetry !== undefined) return;
    this.#cancelGathering ??= this.options.clock.schedule(GATHER_MS, () => this.#startWriting());
  }

  /** Resolves when everything told so far is durable; tells up to where. Undefined: the disk is full, and nobody may wait. */
  async makeDurable(): Promise<LogPlace | undefined> {
    const wanted = this.#place.index;
    for (;;) {
      this.#startWriting();
      while (this.#writing !== undefined) await this.#writing;
      if (this.#failure !== undefined) throw this.#failure;
      const place = this.#written;
      if (place.index >= wanted && (await this.#taken(() => this.options.store.flush()))) return place;
      if (!this.#mayWaitForRoom) return undefined;
      await new Promise<void>((resolve) => this.#waitingForRetry.push(resolve));
    }
  }

  /** From now on nothing is tried later. */
  stopWaitingForRoom(): void {
    this.#mayWaitForRoom = false;
    this.#retry();
  }

  #startWriting(): void {
    this.#cancelGathering?.();
    this.#cancelGathering = undefined;
    if (this.#cancelRetry !== undefined || this.#written.index === this.#place.index) return;
    this.#writing ??= this.#writeAll();
  }

  /** Not to be called where there is nothing to write: it must end later than it begins. */
  async #writeAll(): Promise<void> {
    try {
      while (this.#written.index !== this.#place.index) {
        const place = this.#place;
        const changes = this.#dirty;
        this.#dirty = new Map();
        if (!(await this.#taken(() => this.#write([...changes.values()], place)))) {
          // Whatever became of them, what is written next is read from the state as it is then.
          this.#dirty = new Map([...changes, ...this.#dirty]);
          break;
        }
        this.#written = place;
      }
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      this.options.onFailure(this.#failure);
    }
    this.#writing = undefined;
  }

  /** False where the disk is full: then it is tried again later. */
  async #taken(write: () => Promise<void>): Promise<boolean> {
    try {
      await write();
    } catch (error) {
      if (!(error instanceof StoreFullError)) throw error;
      if (this.#mayWaitForRoom) this.#cancelRetry ??= this.options.clock.schedule(RETRY_MS, () => this.#retry());
      this.#tellRoom(false);
      return false;
    }
    this.#tellRoom(true);
    return true;
  }

  #retry(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    const waiting = this.#waitingForRetry;
    this.#waitingForRetry = [];
    for (const resolve of waiting) resolve();
    if (this.#mayWaitForRoom) this.#startWriting();
  }

  #tellRoom(hasRoom: boolean): void {
    if (this.#isFull === !hasRoom) return;
    this.#isFull = !hasRoom;
    this.options.onRoom(hasRoom);
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
    await this.options.store.write({ puts, deletes, deleteRanges });
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
