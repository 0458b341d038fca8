import { setTimeout as pause } from 'node:timers/promises';
import type { Admin, Consumer, EachBatchPayload, Kafka } from 'kafkajs';
import { eventually } from '../../kit/conditions';
import type { Reading } from '@streamline/testing/history/log-history';
import { type LoadClient, type LoadTarget, patientKafka, shortly } from './client';

const NAME = 'kafkajs-member';
const SESSION_TIMEOUT_MS = 10_000;
const ASK_EVERY_MS = 200;
/** Of each partition: so many batches may come between an answer and a late one to the same question. */
const BEGINS_KEPT = 16;

/** The one member of a group, which commits behind each batch, and somebody who asks for the group's offsets all the while. */
export class KafkajsGroup implements LoadClient {
  private readings = new Map<number, Reading>();
  /** Where the last batches began, by partition. */
  private readonly begins = new Map<number, number[]>();
  /** The offset behind the last that it got, by partition. */
  private readonly ends = new Map<number, number>();
  private readonly kafka: Kafka;
  private readonly admin: Admin;
  private consumer: Consumer | undefined;
  readonly name = NAME;
  private stopping = false;
  private problem = 'no problem';
  private last = 'nothing yet';
  private asking: Promise<void> | undefined;

  constructor(
    private readonly group: string,
    private readonly target: LoadTarget,
  ) {
    this.kafka = patientKafka(NAME, target.bootstrap, (complaint) => {
      this.problem = complaint;
      target.note(NAME, complaint);
    });
    this.admin = this.kafka.admin();
  }

  async begin(): Promise<void> {
    await this.join();
    await this.admin.connect();
    this.asking = this.ask();
  }

  /** Resolves when it has got what is there; whether its last commits were taken is another matter. */
  async reach(ends: ReadonlyMap<number, number>, withinMs: number): Promise<void> {
    await eventually(
      `${NAME} has read everything`,
      () => [...ends].every(([partition, end]) => (this.ends.get(partition) ?? 0) >= end),
      withinMs,
    );
  }

  async settle(): Promise<void> {
    this.stopping = true;
    await this.asking;
  }

  async close(): Promise<void> {
    const { consumer } = this;
    this.consumer = undefined;
    await Promise.allSettled([consumer?.disconnect() ?? Promise.resolve(), this.admin.disconnect()]);
  }

  describe(): string {
    return `${NAME}: ${this.last}; last ${this.problem}`;
  }

  private async join(): Promise<void> {
    const consumer = this.kafka.consumer({
      groupId: this.group,
      sessionTimeout: SESSION_TIMEOUT_MS,
      heartbeatInterval: 500,
      maxWaitTimeInMs: 100,
      metadataMaxAge: 1_000,
    });
    this.consumer = consumer;
    consumer.on(consumer.events.GROUP_JOIN, () => this.beginReadings());
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (!payload.restart) void this.joinAgain(consumer);
    });
    await consumer.connect();
    await consumer.subscribe({ topic: this.target.topic, fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatch: (payload) => this.take(consumer, payload) });
  }

  /** As an application does whose client gave up. */
  private async joinAgain(crashed: Consumer): Promise<void> {
    await crashed.disconnect().catch(() => undefined);
    while (this.consumer !== undefined) {
      try {
        await this.join();
        return;
      } catch {
        await shortly();
      }
    }
  }

  private beginReadings(): void {
    this.last = `joined at ${new Date().toISOString()}`;
    const { history, partitions } = this.target;
    const all = Array.from({ length: partitions }, (_, partition) => partition);
    this.readings = new Map(all.map((partition) => [partition, history.beginMember(NAME, partition, this.group)]));
  }

  /**
   * kafkajs asks each broker by itself. When a partition gets another leader it may ask both from the same offset, and hands on the later
   * answer, too, where the earlier one is done with by then, even behind a rebalance: it goes back to where it was, whatever brokers
   * told it. What they tell about committed offsets is asked for by itself.
   */
  private follow(partition: number, offset: number): void {
    const begins = this.begins.get(partition) ?? [];
    this.begins.set(partition, begins);
    if (begins.includes(offset)) this.readings.set(partition, this.target.history.beginAt(NAME, partition, offset));
    begins.push(offset);
    if (begins.length > BEGINS_KEPT) begins.shift();
  }

  private async take(consumer: Consumer, { batch }: EachBatchPayload): Promise<void> {
    const { topic, partition, messages } = batch;
    const [first] = messages;
    if (first !== undefined) this.follow(partition, Number(first.offset));
    for (const { offset, value } of messages) {
      const delivery = { partition, offset: Number(offset), value: value?.toString() ?? '' };
      this.readings.get(partition)?.deliveries.push(delivery);
    }
    const next = Number(batch.lastOffset()) + 1;
    this.ends.set(partition, next);
    const told = this.target.history.commitsOf(this.group, partition).send(next);
    const commit = `commit of ${next} in partition ${partition} at ${new Date().toISOString()}`;
    this.last = `waits for its ${commit}`;
    // Where that fails the client joins anew by itself; what it gave us counts as processed all the same.
    await consumer.commitOffsets([{ topic, partition, offset: String(next) }]).then(
      () => told(true),
      () => told(false),
    );
    this.last = `its last was a ${commit}`;
  }

  private async ask(): Promise<void> {
    const { topic, partitions, history } = this.target;
    while (!this.stopping) {
      const answers = Array.from({ length: partitions }, (_, partition) => history.askCommit(this.group, partition));
      try {
        const [fetched] = await this.admin.fetchOffsets({ groupId: this.group, topics: [topic] });
        for (const { partition, offset } of fetched?.partitions ?? []) answers[partition]?.(Number(offset));
      } catch {
        await shortly();
      }
      await pause(ASK_EVERY_MS);
    }
  }
}
