import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { createTopics } from '@streamline/wire/kafka/apis/19-create-topics';
import { Broker } from '../../kit/broker';
import { eventually, within } from '../../kit/conditions';
import { type FinalLog, judge, type Verdict } from '@streamline/testing/history/log-anomalies';
import { type Delivery, History } from '@streamline/testing/history/log-history';
import { type LoadClient, type Note, patientKafka } from './client';
import { KafkajsGroup } from './kafkajs-group';
import { KafkajsProducer } from './kafkajs-producer';
import { LibrdkafkaProducer } from './librdkafka-producer';
import { LibrdkafkaReader } from './librdkafka-reader';
import { Progress } from './progress';

export const TOPIC = 'nemesis';
const GROUP = 'nemesis';
const CREATE_VERSION = 7;
const METADATA_VERSION = 12;
const SETTLES_WITHIN_MS = 90_000;
const READS_WITHIN_MS = 90_000;

export interface LoadOptions {
  readonly bootstrap: readonly string[];
  readonly partitions: number;
  readonly replicas: number;
  readonly configs: Readonly<Record<string, string>>;
  readonly note: Note;
}

/** Real clients that write, read and commit all the while, and what they were told. */
export class Load {
  readonly history = new History();
  readonly progress: Progress;
  private readonly producers: readonly LoadClient[];
  private readonly reader: LibrdkafkaReader;
  private readonly group: KafkajsGroup;

  private constructor(private readonly options: LoadOptions) {
    const { bootstrap, partitions, note } = options;
    this.progress = new Progress(partitions);
    const target = { topic: TOPIC, partitions, bootstrap, history: this.history, progress: this.progress, note };
    const all = Array.from({ length: partitions }, (_, partition) => partition);
    this.producers = [true, false].flatMap((isIdempotent) => {
      const kind = isIdempotent ? 'idempotent' : 'plain';
      return [
        new LibrdkafkaProducer(`librdkafka-${kind}`, isIdempotent, target),
        ...all.map((partition) => new KafkajsProducer(`kafkajs-${kind}-${partition}`, partition, isIdempotent, target)),
      ];
    });
    this.reader = new LibrdkafkaReader(target);
    this.group = new KafkajsGroup(GROUP, target);
  }

  /** Creates the topic and begins; resolves when every partition has acknowledged a write. */
  static async begin(options: LoadOptions): Promise<Load> {
    const load = new Load(options);
    await load.createTopic();
    for (const client of load.clients) await client.begin();
    await load.progress.more(1, load.partitions, SETTLES_WITHIN_MS);
    return load;
  }

  get partitions(): number[] {
    return Array.from({ length: this.options.partitions }, (_, partition) => partition);
  }

  /** Whether a record is stored more than once. */
  get isReplicated(): boolean {
    return this.options.replicas > 1;
  }

  /** Resolves when all replicas of every partition are in sync. */
  async whenInSync(withinMs: number): Promise<void> {
    await eventually(
      'all replicas are in sync',
      async () => {
        const { partitions } = await this.topic();
        return partitions.every(({ replicaNodes, isrNodes }) => isrNodes.length === replicaNodes.length);
      },
      withinMs,
    );
  }

  /** Where each partition is stored. */
  async replicas(): Promise<ReadonlyMap<number, readonly number[]>> {
    const { partitions } = await this.topic();
    return new Map(partitions.map(({ partitionIndex, replicaNodes }) => [partitionIndex, replicaNodes]));
  }

  /** Asks for partitions to be stored elsewhere; does not wait until they are. */
  async reassign(replicas: ReadonlyMap<number, readonly number[]>): Promise<void> {
    const admin = patientKafka('nemesis', this.options.bootstrap, () => undefined).admin();
    await admin.connect();
    try {
      const partitionAssignment = [...replicas].map(([partition, ids]) => ({ partition, replicas: [...ids] }));
      await admin.alterPartitionReassignments({ topics: [{ topic: TOPIC, partitionAssignment }] });
    } finally {
      await admin.disconnect();
    }
  }

  /**
   * Lets everything that is under way come to its end, and consumers read it; then nothing is written any more. Consumers that
   * do not get there are told of, and judged by what they got.
   */
  async settle(tell: (problem: string) => void): Promise<FinalLog> {
    await Promise.all(this.producers.map(settled));
    const logs = await this.readLogs();
    const ends = new Map([...logs].map(([partition, log]) => [partition, (log.at(-1)?.offset ?? -1) + 1]));
    await Promise.all(
      [this.reader, this.group].map(async (consumer) => {
        await consumer.reach(ends, READS_WITHIN_MS).catch((error: unknown) => tell(`${String(error)}; ${consumer.describe()}`));
        await consumer.settle();
      }),
    );
    return logs;
  }

  /** What is wrong, once everything is settled. */
  judge(logs: FinalLog): Verdict {
    return judge(this.history, logs);
  }

  /** What clients are at, and where each node says that partitions are, to read after a failure. */
  async describe(): Promise<string> {
    const views = this.options.bootstrap.map(async (address) => {
      const { partitions } = await this.topic([address]);
      const texts = partitions
        .toSorted((one, other) => one.partitionIndex - other.partitionIndex)
        .map(
          (each) =>
            `${each.partitionIndex}: leader ${each.leaderId} of ${each.replicaNodes.join()}, in sync ${each.isrNodes.join()}`,
        );
      return `${address}: ${texts.join('; ')}`;
    });
    const told = await Promise.all(views.map((view) => view.catch((error: unknown) => String(error))));
    return [...told, ...this.clients.map((client) => client.describe())].join('\n');
  }

  async close(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()));
  }

  private get clients(): readonly LoadClient[] {
    return [this.reader, this.group, ...this.producers];
  }

  private async createTopic(): Promise<void> {
    const { bootstrap, partitions, replicas, configs } = this.options;
    const topic = {
      name: TOPIC,
      numPartitions: partitions,
      replicationFactor: replicas,
      assignments: [],
      configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
    };
    const broker = await Broker.connect(bootstrap[0] ?? '', 'nemesis');
    try {
      const [answer] = (await broker.request(createTopics, CREATE_VERSION, { topics: [topic] })).topics;
      if (answer?.errorCode !== 0) throw new Error(`creating ${TOPIC}: error ${answer?.errorCode} ${answer?.errorMessage}`);
    } finally {
      await broker.close();
    }
  }

  private async readLogs(): Promise<FinalLog> {
    const logs = new Map<number, readonly Delivery[]>();
    for (const partition of this.partitions) {
      const log = await eventually(`the log of partition ${partition}`, () => this.readLog(partition), READS_WITHIN_MS);
      logs.set(partition, log);
    }
    return logs;
  }

  /** From the partition's leader, past every high watermark of the past. */
  private async readLog(partition: number): Promise<Delivery[]> {
    const leader = await this.leaderOf(partition);
    const broker = await Broker.connect(leader, 'nemesis');
    try {
      const records = await broker.readAll(TOPIC, partition);
      return records.map(({ offset, value = '' }) => ({ partition, offset, value }));
    } finally {
      await broker.close();
    }
  }

  /** `host:port` of the broker that leads a partition. */
  private async leaderOf(partition: number): Promise<string> {
    const { brokers, partitions } = await this.topic();
    const { leaderId } = partitions.find(({ partitionIndex }) => partitionIndex === partition) ?? {};
    const leader = brokers.find(({ nodeId }) => nodeId === leaderId);
    if (leader === undefined) throw new Error(`partition ${partition} has no leader`);
    return `${leader.host}:${leader.port}`;
  }

  /** The topic as the first node that answers knows it: one that is frozen takes connections, and answers nothing. */
  private topic(addresses = this.options.bootstrap) {
    return Promise.any(addresses.map((address) => this.topicAt(address)));
  }

  private async topicAt(address: string) {
    const broker = await Broker.connect(address, 'nemesis');
    try {
      const { brokers, topics } = await broker.request(metadata, METADATA_VERSION, { topics: [{ name: TOPIC }] });
      return { brokers, partitions: topics[0]?.partitions ?? [] };
    } finally {
      await broker.close();
    }
  }
}

async function settled(client: LoadClient): Promise<void> {
  try {
    await within(`${client.name} has nothing under way`, client.settle(), SETTLES_WITHIN_MS);
  } catch (error) {
    throw new Error(`${(error as Error).message}; ${client.describe()}`, { cause: error });
  }
}
