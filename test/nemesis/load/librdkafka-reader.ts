import { KafkaClient, type KafkaConsumer } from 'kafka-crab-js';
import { eventually } from '../../kit/conditions';
import type { Reading } from '@streamline/testing/history/log-history';
import type { LoadClient, LoadTarget } from './client';

const BATCH = 500;
const BATCH_WITHIN_MS = 100;
const NAME = 'librdkafka-reader';
/** Its offset is beyond the log: what it has read is gone. */
const BEHIND_THE_LOG = 'AutoOffsetReset';

/** A consumer of librdkafka that is assigned every partition from its start, and never told to go elsewhere. */
export class LibrdkafkaReader implements LoadClient {
  readonly name = NAME;
  private readonly readings = new Map<number, Reading>();
  private stopping = false;
  private running: Promise<void> | undefined;
  private consumer: KafkaConsumer | undefined;
  /** Why it will never read everything. */
  private problem: string | undefined;

  constructor(private readonly target: LoadTarget) {}

  async begin(): Promise<void> {
    const { bootstrap, topic, partitions, history } = this.target;
    const client = new KafkaClient({ brokers: bootstrap.join(','), clientId: NAME, logLevel: 'off' });
    const configuration = {
      'auto.offset.reset': 'error',
      'fetch.wait.max.ms': '100',
      'socket.timeout.ms': '5000',
      'topic.metadata.refresh.interval.ms': '1000',
      'reconnect.backoff.max.ms': '500',
    };
    this.consumer = client.createConsumer({ groupId: NAME, enableAutoCommit: false, configuration });
    const all = Array.from({ length: partitions }, (_, partition) => partition);
    for (const partition of all) this.readings.set(partition, history.beginReading(NAME, partition));
    const partitionOffset = all.map((partition) => ({ partition, offset: { offset: 0 } }));
    await this.consumer.subscribe([{ topic, partitionOffset }]);
    this.running = this.run(this.consumer);
  }

  /** Resolves when it has what is there. */
  async reach(ends: ReadonlyMap<number, number>, withinMs: number): Promise<void> {
    await eventually(
      `${NAME} has read everything`,
      () => this.problem !== undefined || [...ends].every(([partition, end]) => this.endOf(partition) >= end),
      withinMs,
    );
    if (this.problem !== undefined) throw new Error(this.problem);
  }

  async settle(): Promise<void> {
    this.stopping = true;
    await this.running;
  }

  async close(): Promise<void> {
    await this.consumer?.disconnect();
  }

  describe(): string {
    return `${NAME}: ends at ${[...this.readings.keys()].map((partition) => this.endOf(partition)).join(', ')}`;
  }

  /** The offset behind the last that it got. */
  private endOf(partition: number): number {
    return (this.readings.get(partition)?.deliveries.at(-1)?.offset ?? -1) + 1;
  }

  private async run(consumer: KafkaConsumer): Promise<void> {
    while (!this.stopping) {
      // Errors of one connection are told as an error of the call; the assignment stays.
      const messages = await consumer.recvBatch(BATCH, BATCH_WITHIN_MS).catch((error: unknown) => {
        if (String(error).includes(BEHIND_THE_LOG)) this.problem = `${NAME} is behind the end of a log: ${error}`;
        return [];
      });
      for (const { partition, offset, payload } of messages) {
        this.readings.get(partition)?.deliveries.push({ partition, offset, value: payload.toString() });
      }
    }
  }
}
