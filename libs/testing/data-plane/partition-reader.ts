import { ErrorCode, errorName } from '@streamline/core/types/error-code';
import type { NodeId } from '@streamline/core/types/ids';
import type { Reading } from '@streamline/testing/history/log-history';
import { Violation } from '@streamline/testing/raft/violation';
import type { ListedOffset } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { ClientWorld, KnownCluster } from './client-world';
import { DATA_TOPIC } from './client-world';
import type { Outcome } from './connection';
import type { FetchedRecords } from './partition-requests';
import { fetchFrom, valuesIn } from './partition-requests';
import type { StorageSide } from './storage-side';

const WAIT_MS = 250;
const FOLLOWER_CHANCE = 0.3;

/** Kafka's timestamp for the first offset that there is. */
const EARLIEST = -2;

interface FlooredRecords extends FetchedRecords {
  /** Everything before it was deleted when the broker was asked, for good as far as it is concerned. */
  readonly floor: number;
}

/** What a reader needs of the client that it is part of. */
export interface ReadingClient {
  readonly name: string;
  readonly world: ClientWorld;
  readonly known: KnownCluster;
  ask<T>(
    nodeId: NodeId,
    timeoutMs: number,
    ask: (storage: StorageSide) => Promise<T>,
    settled: (outcome: Outcome<T>) => void,
  ): void;
  refresh(then: () => void): void;
  /** It reads on elsewhere, and what it gets from now on belongs to this. */
  readonly readsAnew?: (reading: Reading) => void;
}

/** Polls one partition from an offset on, now its leader, now a replica that the metadata names, until it is closed. */
export class PartitionReader {
  #isClosed = false;
  /** As the last answer of a leader said; undefined before. */
  highWatermark: number | undefined;

  constructor(
    private readonly client: ReadingClient,
    readonly place: number,
    public position: number,
    private reading: Reading,
  ) {}

  close(): void {
    this.#isClosed = true;
  }

  poll(): void {
    if (this.#isClosed) return;
    const { client, place } = this;
    const { world, known } = client;
    const partition = known.partition(DATA_TOPIC, place);
    const topicId = known.topicId(DATA_TOPIC);
    if (partition?.leader === undefined || topicId === undefined) return client.refresh(() => this.poll());
    const { leader, isr } = partition;
    const from = world.random.chance(FOLLOWER_CHANCE) && isr.length > 0 ? world.random.pick(isr) : leader;
    const position = this.position;
    world.counters.fetches += 1;
    if (from !== leader) world.counters.fetchesOfFollowers += 1;
    const ask = async (storage: StorageSide): Promise<FlooredRecords | undefined> => {
      const floor = world.truth.deletions.floor(place, storage.process.nodeId);
      const fetched = await fetchFrom(storage, { topicId, partition: place, offset: position, maxWaitMs: WAIT_MS });
      return fetched && { ...fetched, floor };
    };
    client.ask(from, WAIT_MS + world.plan.requestTimeoutMs, ask, (outcome) => this.#settled(from === leader, outcome));
  }

  #settled(isOfLeader: boolean, outcome: Outcome<FlooredRecords | undefined>): void {
    if (this.#isClosed) return;
    const { client } = this;
    const fetched = outcome.kind === 'answered' ? outcome.answer : undefined;
    if (fetched === undefined) return client.refresh(() => this.poll());
    const { errorCode, highWatermark } = fetched.answer;
    if (errorCode !== ErrorCode.NONE) {
      client.world.counters.fetchesRefused += 1;
      client.world.tell(() => `${client.name} is refused ${this.place}@${this.position}: ${errorName(errorCode)}`);
      const isGone = isOfLeader && errorCode === ErrorCode.OFFSET_OUT_OF_RANGE;
      return client.refresh(() => (isGone ? this.#setBack() : this.poll()));
    }
    if (isOfLeader) this.highWatermark = highWatermark;
    this.#take(fetched);
    this.poll();
  }

  /** Where it is there is nothing: it was deleted, or lost. As `auto.offset.reset=earliest`. */
  #setBack(): void {
    const { client, place } = this;
    const { world, known } = client;
    const topicId = known.topicId(DATA_TOPIC);
    const leader = known.leaderOf(DATA_TOPIC, place);
    if (this.#isClosed || topicId === undefined || leader === undefined) return this.poll();
    const partitions = [{ topicId, partition: place, currentLeaderEpoch: -1, timestamp: EARLIEST }];
    const ask = async ({ port, replica }: StorageSide): Promise<ListedOffset | undefined> => {
      const metadataIndex = replica.image.index;
      const timeoutMs = world.plan.requestTimeoutMs;
      return (await port?.partitions.listOffsets({ partitions, readCommitted: false, metadataIndex, timeoutMs }))?.partitions[0];
    };
    client.ask(leader, world.plan.requestTimeoutMs, ask, (outcome) => {
      const listed = outcome.kind === 'answered' ? outcome.answer : undefined;
      if (this.#isClosed || listed?.errorCode !== ErrorCode.NONE) return this.poll();
      world.counters.readersSetBack += 1;
      world.truth.deletions.told(place, listed.offset);
      world.tell(() => `${client.name} goes on at ${place}@${listed.offset} in place of ${this.position}`);
      this.position = listed.offset;
      this.reading = { ...this.reading, beginsFrom: listed.offset, beginsTo: listed.offset, deliveries: [] };
      this.client.readsAnew?.(this.reading);
      this.poll();
    });
  }

  #take({ answer, records, floor }: FlooredRecords): void {
    const { client, place } = this;
    const { world } = client;
    for (const { offset, value } of valuesIn(records)) {
      if (offset < this.position) continue;
      if (offset < floor) {
        const what = `${client.name} is given ${place}@${offset}, where all before ${floor} was deleted`;
        throw new Violation('deleted-stays-out', what);
      }
      if (offset >= answer.highWatermark) {
        const what = `${client.name} is given ${place}@${offset}, where ${answer.highWatermark} is committed`;
        throw new Violation('committed-is-stable', what);
      }
      world.counters.recordsDelivered += 1;
      world.note(`${client.name} reads ${value} at ${place}@${offset}`);
      this.reading.deliveries.push({ partition: place, offset, value });
      world.truth.delivered(client.name, { place, offset, value });
      this.position = offset + 1;
    }
  }
}
