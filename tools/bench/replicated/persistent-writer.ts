import { setTimeout as delay } from 'node:timers/promises';
import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import { KafkaControl } from '../load/kafka-control';
import { batchOfOne } from '../load/produce-load';
import { KIB } from '../scenarios/scenario';
import type { ReplicatedTopic } from './replicated-topic';

const WRITE_EVERY_MS = 5;
const RETRY_MS = 5;
const METADATA_WITHIN_MS = 500;
const ACK_TIMEOUT_MS = 30_000;

/**
 * Writes one record of 1 KiB after the other to a partition, one in flight, at most every 5 ms; where one is refused or the connection
 * breaks it asks the brokers in turn for the leader and tries again, as clients do. Keeps the longest time between two acknowledgements.
 */
export class PersistentWriter {
  acknowledged = 0;
  longestGapMs = 0;
  private lastAckMs = performance.now();
  private isStopped = false;
  private nextBroker = 0;
  private client: KafkaClient | undefined;
  private readonly batch = batchOfOne(KIB);
  private readonly done: Promise<void>;

  constructor(
    private readonly topic: ReplicatedTopic,
    private readonly partition: number,
  ) {
    this.done = this.run();
  }

  /** Since the last acknowledgement. */
  get silentMs(): number {
    return performance.now() - this.lastAckMs;
  }

  /** From now on the longest gap is looked for anew. */
  watch(): void {
    this.longestGapMs = 0;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.client?.close();
    await this.done;
  }

  private async run(): Promise<void> {
    while (!this.isStopped) {
      const startedMs = performance.now();
      const written = await this.tryWrite();
      const waitMs = written ? WRITE_EVERY_MS - (performance.now() - startedMs) : RETRY_MS;
      if (waitMs > 0) await delay(waitMs);
    }
    await this.client?.close();
  }

  private async tryWrite(): Promise<boolean> {
    try {
      this.client ??= await this.connect();
      const answer = await this.client.request(produce, this.topic.version, {
        acks: -1,
        timeoutMs: ACK_TIMEOUT_MS,
        topicData: [{ name: this.topic.name, partitionData: [{ index: this.partition, records: this.batch }] }],
      });
      if (answer.responses[0]?.partitionResponses[0]?.errorCode === 0) {
        this.acked();
        return true;
      }
    } catch {
      // The connection broke, or nobody is there.
    }
    await this.client?.close();
    this.client = undefined;
    return false;
  }

  private acked(): void {
    const nowMs = performance.now();
    this.longestGapMs = Math.max(this.longestGapMs, nowMs - this.lastAckMs);
    this.lastAckMs = nowMs;
    this.acknowledged += 1;
  }

  /** To whom the next broker that answers names as leader. @throws where it names nobody, or there is nobody */
  private async connect(): Promise<KafkaClient> {
    const { fleet, name } = this.topic;
    const asked = fleet.nodes[this.nextBroker % fleet.nodes.length];
    this.nextBroker += 1;
    if (asked?.isRunning !== true) throw new Error('it does not run');
    const leader = await Promise.race([this.leaderAs(asked.port, name), delay(METADATA_WITHIN_MS)]);
    if (leader === undefined || leader < 0) throw new Error('no leader is known');
    return KafkaClient.connect({ port: fleet.node(leader).port, clientId: 'bench' });
  }

  private async leaderAs(port: number, name: string): Promise<number | undefined> {
    const control = await KafkaControl.connect(port);
    try {
      const states = await control.partitionsOf(name);
      return states[this.partition]?.leader;
    } finally {
      await control.close();
    }
  }
}
