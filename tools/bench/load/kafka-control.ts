import { listOffsets } from '@streamline/wire/kafka/apis/02-list-offsets';
import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { apiVersions } from '@streamline/wire/kafka/apis/18-api-versions';
import { createTopics } from '@streamline/wire/kafka/apis/19-create-topics';
import { deleteTopics } from '@streamline/wire/kafka/apis/20-delete-topics';
import { electLeaders } from '@streamline/wire/kafka/apis/43-elect-leaders';
import type { AnyApi } from '@streamline/wire/kafka/schema/api';
import { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import { setTimeout as delay } from 'node:timers/promises';

/** The highest version of each API that this tool speaks: those that name topics by name. */
const HIGHEST: Readonly<Record<number, number>> = { 0: 11, 1: 12, 2: 7, 3: 12, 19: 7, 20: 5, 43: 2 };
const LEADERS_WITHIN_MS = 60_000;
/** The timestamp that asks for a partition's end. */
const LATEST = -1n;

const CREATE_WITHIN_MS = 60_000;
/** The type of an election that gives leadership back to the first replica. */
const PREFERRED = 0;

/** What a broker tells of a partition. */
export interface PartitionState {
  readonly partition: number;
  /** -1: none. */
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
}

/** Topics are made, removed and waited for through this; the load itself goes over connections of its own. */
export class KafkaControl {
  private constructor(
    private readonly client: KafkaClient,
    private readonly offered: ReadonlyMap<number, { readonly min: number; readonly max: number }>,
  ) {}

  static async connect(port: number): Promise<KafkaControl> {
    const client = await KafkaClient.connect({ port, clientId: 'bench' });
    const body = await client.request(apiVersions, 0, {});
    const offered = new Map(body.apiKeys.map((each) => [each.apiKey, { min: each.minVersion, max: each.maxVersion }]));
    return new KafkaControl(client, offered);
  }

  /** The version in which both sides speak. @throws where there is none */
  versionOf(api: AnyApi): number {
    const offer = this.offered.get(api.key);
    if (offer === undefined) throw new Error(`the server does not offer ${api.name}`);
    const version = Math.min(offer.max, HIGHEST[api.key] ?? offer.max);
    if (version < offer.min)
      throw new Error(`the server offers ${api.name} from version ${offer.min} on, this tool knows ${version}`);
    return version;
  }

  /** Creates a topic and waits until every partition has a leader. */
  async createTopic(name: string, partitions: number, configs: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.requestTopic(name, partitions, 1, configs);
    await this.waitForLeaders(name, partitions);
  }

  /** Creates a topic; that its leaders take anything is not waited for. */
  async requestTopic(
    name: string,
    partitions: number,
    replicationFactor: number,
    configs: Readonly<Record<string, string>>,
  ): Promise<void> {
    const body = await this.client.request(createTopics, this.versionOf(createTopics), {
      topics: [
        {
          name,
          numPartitions: partitions,
          replicationFactor,
          assignments: [],
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
      timeoutMs: CREATE_WITHIN_MS,
    });
    const [topic] = body.topics;
    if (topic === undefined || topic.errorCode !== 0) {
      throw new Error(`CreateTopics ${name}: error ${topic?.errorCode ?? 'none'} ${topic?.errorMessage ?? ''}`);
    }
  }

  /** What the broker knows of a topic's partitions, in their order; none while it knows no such topic. */
  async partitionsOf(name: string): Promise<PartitionState[]> {
    const body = await this.client.request(metadata, this.versionOf(metadata), {
      topics: [{ name }],
      allowAutoTopicCreation: false,
    });
    const partitions = body.topics[0]?.partitions ?? [];
    return partitions
      .map((each) => ({
        partition: each.partitionIndex,
        leader: each.leaderId,
        replicas: each.replicaNodes,
        isr: each.isrNodes,
      }))
      .sort((one, other) => one.partition - other.partition);
  }

  /** Gives leadership of a topic's partitions back to the first of their replicas, where that is in sync. */
  async electPreferred(name: string, partitions: readonly number[]): Promise<void> {
    await this.client.request(electLeaders, this.versionOf(electLeaders), {
      electionType: PREFERRED,
      topicPartitions: [{ topic: name, partitions: [...partitions] }],
      timeoutMs: CREATE_WITHIN_MS,
    });
  }

  async deleteTopic(name: string): Promise<void> {
    const body = await this.client.request(deleteTopics, this.versionOf(deleteTopics), { topicNames: [name], timeoutMs: 30_000 });
    const code = body.responses[0]?.errorCode ?? 0;
    if (code !== 0) throw new Error(`DeleteTopics ${name}: error ${code}`);
  }

  /** Resolves when every partition answers for itself: Metadata names leaders before those know it. */
  async waitForLeaders(name: string, partitions: number): Promise<void> {
    const deadlineMs = performance.now() + LEADERS_WITHIN_MS;
    for (;;) {
      const answers = await this.endsOf(name, range(partitions));
      const led = answers.filter((each) => each.errorCode === 0).length;
      if (led === partitions) return;
      if (performance.now() > deadlineMs) throw new Error(`only ${led} of ${partitions} partitions of ${name} have a leader`);
      await delay(20);
    }
  }

  /** How many records the partitions of a topic, which was never cut, hold together. */
  async recordsIn(name: string, partitions: number): Promise<number> {
    const answers = await this.endsOf(name, range(partitions));
    return answers.reduce((sum, each) => sum + Number(each.offset), 0);
  }

  /** Error code and end of each partition, which only its leader tells. */
  async endsOf(name: string, partitions: readonly number[]) {
    const body = await this.client.request(listOffsets, this.versionOf(listOffsets), {
      replicaId: -1,
      topics: [{ name, partitions: partitions.map((partitionIndex) => ({ partitionIndex, timestamp: LATEST })) }],
    });
    return body.topics[0]?.partitions ?? [];
  }

  async close(): Promise<void> {
    await this.client.close();
  }
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
