import kafkajs, { type Admin, type ITopicConfig, type Kafka, type Producer } from 'kafkajs';
import type { Cluster } from './cluster';

/** Every wait is for something to become true, however busy the machine. */
export const WITHIN_MS = 60_000;

/** The partition as the cluster tells clients. */
export interface ProducedPartition {
  readonly leader: number;
  /** The preferred leader first. */
  readonly replicas: readonly number[];
  /** By id. */
  readonly isr: readonly number[];
}

/**
 * A topic with one partition in a cluster of real nodes, and what kafkajs was told that is in it. The producer is idempotent: what is sent
 * again over a failover stands in the log once (REPL-17).
 */
export class ProducedTopic {
  /** What was acknowledged, in the order in which it was. */
  readonly acknowledged: string[] = [];
  private sent = 0;
  private reads = 0;

  private constructor(
    private readonly cluster: Cluster,
    private readonly topic: string,
    private readonly kafka: Kafka,
    readonly admin: Admin,
    private readonly producer: Producer,
  ) {}

  static async create(cluster: Cluster, config: ITopicConfig): Promise<ProducedTopic> {
    const kafka = new kafkajs.Kafka({
      clientId: `${config.topic}-spec`,
      brokers: cluster.nodes.map((node) => node.kafka),
      logLevel: kafkajs.logLevel.NOTHING,
      retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 60 },
      requestTimeout: 5_000,
    });
    const admin = kafka.admin();
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await Promise.all([admin.connect(), producer.connect()]);
    await admin.createTopics({ waitForLeaders: true, topics: [config] });
    return new ProducedTopic(cluster, config.topic, kafka, admin, producer);
  }

  async close(): Promise<void> {
    await this.producer.disconnect();
    await this.admin.disconnect();
  }

  /** The partition once it is so. */
  becomes(what: string, holds: (now: ProducedPartition) => boolean): Promise<ProducedPartition> {
    return this.cluster.until(
      what,
      async () => {
        const metadata = await this.admin.fetchTopicMetadata({ topics: [this.topic] }).catch(() => undefined);
        const found = metadata?.topics[0]?.partitions[0];
        if (found === undefined) return undefined;
        const { leader, replicas, isr } = found;
        const now = { leader, replicas, isr: [...isr].toSorted((one, other) => one - other) };
        return holds(now) && now;
      },
      WITHIN_MS,
    );
  }

  /** Sends batches of three records with acks=all, one after the other; each is kept at until it is acknowledged. */
  async produce(batches: number): Promise<void> {
    for (let batch = 0; batch < batches; batch += 1) {
      const values = [0, 1, 2].map(() => `value-${this.sent++}`);
      await this.cluster.until(
        `batch ${values.join()} is acknowledged`,
        async () => {
          await this.producer.send({ topic: this.topic, acks: -1, messages: values.map((value) => ({ value })) });
          return true;
        },
        WITHIN_MS,
      );
      this.acknowledged.push(...values);
    }
  }

  /** All values of the partition, from its beginning to its end. */
  async read(): Promise<string[]> {
    const consumer = this.kafka.consumer({ groupId: `${this.topic}-reader-${this.reads++}`, maxWaitTimeInMs: 200 });
    const values: string[] = [];
    await consumer.connect();
    try {
      await consumer.subscribe({ topic: this.topic, fromBeginning: true });
      const ask = () => this.admin.fetchTopicOffsets(this.topic).catch(() => undefined);
      const [end] = await this.cluster.until('the end is known', ask, WITHIN_MS);
      let next = 0;
      await consumer.run({
        autoCommit: false,
        eachMessage: ({ message }) => {
          values.push(message.value?.toString() ?? '');
          next = Number(message.offset) + 1;
          return Promise.resolve();
        },
      });
      await this.cluster.until('everything is read', () => Promise.resolve(next >= Number(end?.high)), WITHIN_MS);
    } finally {
      await consumer.disconnect();
    }
    return values;
  }
}
