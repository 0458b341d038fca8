import { setTimeout as pause } from 'node:timers/promises';
import { KafkaClient, type KafkaProducer } from 'kafka-crab-js';
import { type LoadClient, type LoadTarget, shortly } from './client';

const VALUES_OF_A_SEND = 10;
const PAUSE_MS = 10;
const GIVES_UP_AFTER_MS = 600_000;

/** One producer of librdkafka that writes to all partitions, several requests in flight. */
export class LibrdkafkaProducer implements LoadClient {
  private stopping = false;
  private running: Promise<void> | undefined;
  private underWay = 'nothing';

  constructor(
    readonly name: string,
    private readonly isIdempotent: boolean,
    private readonly target: LoadTarget,
  ) {}

  begin(): Promise<void> {
    this.running = this.run();
    return Promise.resolve();
  }

  async settle(): Promise<void> {
    this.stopping = true;
    await this.running;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  describe(): string {
    return `${this.name}: waits for ${this.underWay}`;
  }

  private async run(): Promise<void> {
    let producer: KafkaProducer | undefined;
    while (!this.stopping) {
      try {
        producer ??= this.create();
        await this.send(producer);
        await pause(PAUSE_MS);
      } catch {
        producer = undefined;
        await shortly();
      }
    }
  }

  private create(): KafkaProducer {
    const client = new KafkaClient({ brokers: this.target.bootstrap.join(','), clientId: this.name, logLevel: 'off' });
    return client.createProducer({
      queueTimeout: GIVES_UP_AFTER_MS,
      configuration: {
        acks: 'all',
        'enable.idempotence': String(this.isIdempotent),
        'message.timeout.ms': String(GIVES_UP_AFTER_MS),
        'message.send.max.retries': '100000',
        'socket.timeout.ms': '5000',
        'topic.metadata.refresh.interval.ms': '1000',
        'retry.backoff.ms': '50',
        'reconnect.backoff.ms': '50',
        'reconnect.backoff.max.ms': '500',
        'linger.ms': '1',
        'batch.num.messages': '4',
      },
    });
  }

  private async send(producer: KafkaProducer): Promise<void> {
    const { topic, history, progress } = this.target;
    const values = Array.from({ length: VALUES_OF_A_SEND }, () => history.send(this.name, this.isIdempotent));
    // Keys spread them over the partitions.
    const messages = values.map((value) => ({ key: Buffer.from(value), payload: Buffer.from(value) }));
    this.underWay = `${values[0]} and ${values.length - 1} more since ${new Date().toISOString()}`;
    const answers = await producer.send({ topic, messages });
    this.underWay = 'nothing';
    let failed = answers.length !== values.length;
    for (const [index, { partition, offset, error }] of answers.entries()) {
      const value = values[index];
      if (value === undefined || (error !== undefined && error.code !== 0)) {
        failed = true;
        continue;
      }
      history.acknowledge(value, { partition, offset });
      progress.acknowledged(partition);
    }
    if (failed) throw new Error('librdkafka gave up a message');
  }
}
