import { ErrorCode } from '@streamline/core/types/error-code';
import { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { fetch } from '@streamline/wire/kafka/apis/01-fetch';
import { listOffsets } from '@streamline/wire/kafka/apis/02-list-offsets';
import { offsetFetch } from '@streamline/wire/kafka/apis/09-offset-fetch';
import { findCoordinator } from '@streamline/wire/kafka/apis/10-find-coordinator';
import { createTopics } from '@streamline/wire/kafka/apis/19-create-topics';
import { deleteTopics } from '@streamline/wire/kafka/apis/20-delete-topics';
import { deleteRecords } from '@streamline/wire/kafka/apis/21-delete-records';
import type { Api } from '@streamline/wire/kafka/schema/api';
import type { Fields, ReadOf, WriteOf } from '@streamline/wire/kafka/schema/field';
import { buildBatch, type NewBatch } from '@streamline/wire/records/batch-builder';
import { type BatchHeader, readBatchHeader } from '@streamline/wire/records/batch-header';
import { batchesIn } from '@streamline/wire/records/batch-iterator';
import { recordsOf } from '@streamline/wire/records/record-view';
import { eventually, within } from './conditions';

const MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024;
const LARGEST_FETCH_BYTES = 16 * 1024 * 1024;
const ANSWER_WITHIN_MS = 90_000;

/** Flexible, but of before topic ids: everything goes by name. */
const PRODUCE_VERSION = 9;
const FETCH_VERSION = 12;
const LIST_OFFSETS_VERSION = 11;

export const LATEST = -1;
export const EARLIEST = -2;

export interface ReadRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string | undefined;
  readonly value: string | undefined;
}

export interface ReadBatch {
  readonly header: BatchHeader;
  readonly bytes: Buffer;
}

export interface TopicWish {
  readonly partitions?: number;
  readonly configs?: Readonly<Record<string, string>>;
}

function only<T>(items: readonly T[], what: string): T {
  const [item] = items;
  if (item === undefined || items.length !== 1) throw new Error(`expected one ${what}, got ${items.length}`);
  return item;
}

/** The broker answered with an error. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
}

function expectNone(errorCode: number, what: string): void {
  if (errorCode !== ErrorCode.NONE) throw new RefusedError(`${what} was answered with error ${errorCode}`);
}

/** A batch of records with these values and no keys, stamped now. */
export function batchOf(values: readonly string[], rest: Partial<NewBatch> = {}): Buffer {
  return buildBatch({ records: values.map((value) => ({ value: Buffer.from(value) })), timestamp: Date.now(), ...rest });
}

export function recordsIn(bytes: Buffer): ReadRecord[] {
  return [...batchesIn(bytes)].flatMap((batch) =>
    [...recordsOf(batch, readBatchHeader(batch), MAX_DECOMPRESSED_BYTES)].map(({ offset, timestamp, key, value }) => ({
      offset,
      timestamp,
      key: key?.toString(),
      value: value?.toString(),
    })),
  );
}

/** One raw connection to a real broker, with the few requests that most specs need around what they prove. */
export class Broker {
  private constructor(
    readonly client: KafkaClient,
    readonly address: string,
  ) {}

  /** `address` is host:port. */
  static async connect(address: string, clientId = 'spec'): Promise<Broker> {
    const [host = '', port = ''] = address.split(':');
    return new Broker(await KafkaClient.connect({ host, port: Number(port), clientId }), address);
  }

  close(): Promise<void> {
    return this.client.close();
  }

  /** Fails when no answer comes within a minute and a half, which nothing here may take. */
  request<Request extends Fields, Response extends Fields>(
    api: Api<Request, Response>,
    version: number,
    body: WriteOf<Request>,
  ): Promise<ReadOf<Response>> {
    return within(`an answer to ${api.name} v${version}`, this.client.request(api, version, body), ANSWER_WITHIN_MS);
  }

  /** Creates a topic and returns its id. */
  async createTopic(name: string, { partitions = 1, configs = {} }: TopicWish = {}): Promise<string> {
    const topic = {
      name,
      numPartitions: partitions,
      replicationFactor: 1,
      assignments: [],
      configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
    };
    const answer = only((await this.request(createTopics, 7, { topics: [topic] })).topics, 'topic');
    expectNone(answer.errorCode, `creating ${name} (${answer.errorMessage})`);
    return answer.topicId;
  }

  async deleteTopic(name: string): Promise<void> {
    const { responses } = await this.request(deleteTopics, 5, { topicNames: [name], timeoutMs: 10_000 });
    expectNone(only(responses, 'topic').errorCode, `deleting ${name}`);
  }

  /** The partition's answer to one batch, errors included. */
  async tryProduce(topic: string, partition: number, records: Buffer, acks = -1) {
    const topicData = [{ name: topic, partitionData: [{ index: partition, records }] }];
    const { responses } = await this.request(produce, PRODUCE_VERSION, { acks, timeoutMs: 10_000, topicData });
    return only(only(responses, 'topic').partitionResponses, 'partition');
  }

  /** Appends a batch and returns its base offset. */
  async produce(topic: string, partition: number, records: Buffer, acks = -1): Promise<number> {
    const answer = await this.tryProduce(topic, partition, records, acks);
    expectNone(answer.errorCode, `producing to ${topic}-${partition} (${answer.errorMessage})`);
    return Number(answer.baseOffset);
  }

  /** The partition's answer to a fetch that waits for nothing, errors included. */
  async tryFetch(topic: string, partition: number, fetchOffset: number, maxBytes = LARGEST_FETCH_BYTES) {
    const answer = await this.request(fetch, FETCH_VERSION, {
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes,
      topics: [{ topic, partitions: [{ partition, fetchOffset: BigInt(fetchOffset), partitionMaxBytes: maxBytes }] }],
      forgottenTopicsData: [],
    });
    return only(only(answer.responses, 'topic').partitions, 'partition');
  }

  /** All batches of a partition from an offset (by default its start) up to the high watermark, as they stand in the log. */
  async readBatches(topic: string, partition: number, from?: number): Promise<ReadBatch[]> {
    const read: ReadBatch[] = [];
    let offset = from ?? (await this.offset(topic, partition, EARLIEST));
    for (;;) {
      const answer = await this.tryFetch(topic, partition, offset);
      expectNone(answer.errorCode, `fetching ${topic}-${partition} from ${offset}`);
      for (const batch of batchesIn(answer.records ?? Buffer.alloc(0))) {
        const header = readBatchHeader(batch);
        read.push({ header, bytes: Buffer.from(batch) });
        offset = header.baseOffset + header.lastOffsetDelta + 1;
      }
      if (offset >= Number(answer.highWatermark)) return read;
    }
  }

  /** All records from an offset (by default the partition's start), as a consumer sees them. */
  async readAll(topic: string, partition = 0, from?: number): Promise<ReadRecord[]> {
    const start = from ?? (await this.offset(topic, partition, EARLIEST));
    const batches = await this.readBatches(topic, partition, start);
    return batches.flatMap(({ bytes }) => recordsIn(bytes)).filter(({ offset }) => offset >= start);
  }

  /** Resolves when a group has a coordinator that answers; the first group of a cluster creates the offsets topic. */
  async whenCoordinated(groupId: string): Promise<void> {
    await eventually(`a coordinator of ${groupId}`, async () => {
      const { coordinators } = await this.request(findCoordinator, 6, { keyType: 0, coordinatorKeys: [groupId] });
      if (only(coordinators, 'coordinator').errorCode !== ErrorCode.NONE) return false;
      const groups = [{ groupId, topics: null }];
      const answer = await this.request(offsetFetch, 8, { groups });
      return only(answer.groups, 'group').errorCode === ErrorCode.NONE;
    });
  }

  /** Moves the start of a partition; -1 is its high watermark. Returns the new start. */
  async deleteRecords(topic: string, partition: number, offset: number): Promise<number> {
    const topics = [{ name: topic, partitions: [{ partitionIndex: partition, offset: BigInt(offset) }] }];
    const answer = await this.request(deleteRecords, 2, { topics, timeoutMs: 10_000 });
    const answered = only(only(answer.topics, 'topic').partitions, 'partition');
    expectNone(answered.errorCode, `deleting records of ${topic}-${partition} below ${offset}`);
    return Number(answered.lowWatermark);
  }

  /** The partition's answer for a timestamp or one of the special ones, errors included. */
  async tryOffset(topic: string, partition: number, timestamp: number, version = LIST_OFFSETS_VERSION) {
    const partitions = [{ partitionIndex: partition, timestamp: BigInt(timestamp) }];
    const { topics } = await this.request(listOffsets, version, { replicaId: -1, topics: [{ name: topic, partitions }] });
    return only(only(topics, 'topic').partitions, 'partition');
  }

  async offset(topic: string, partition: number, timestamp: number): Promise<number> {
    const answer = await this.tryOffset(topic, partition, timestamp);
    expectNone(answer.errorCode, `the offset of ${topic}-${partition} at ${timestamp}`);
    return Number(answer.offset);
  }
}
