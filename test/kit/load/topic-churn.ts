import { setTimeout as pause } from 'node:timers/promises';
import { ErrorCode } from '@streamline/core/types/error-code';
import { ConnectionClosedError } from '@streamline/testing/kafka-client/kafka-client';
import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { batchOf, Broker, RefusedError } from '../broker';
import { unique } from '../names';

const RETRY_AFTER_MS = 15;

/** What is known of a topic that was made under load. */
type Fate = 'unknown' | 'created' | 'written' | 'deleted';

/** Creates topics, writes a record to each and deletes every other one, and knows what was acknowledged. */
export class TopicChurn {
  private readonly fates = new Map<string, Fate>();
  private stopping = false;
  private running: Promise<void> | undefined;

  constructor(private readonly address: string) {}

  begin(): void {
    this.stopping = false;
    this.running = this.run();
  }

  async settle(): Promise<void> {
    this.stopping = true;
    await this.running;
  }

  /** What is wrong with the topics that the node has now. */
  async check(broker: Broker): Promise<string[]> {
    const { topics } = await broker.request(metadata, 9, { topics: null, allowAutoTopicCreation: false });
    const there = new Set(topics.filter(({ errorCode }) => errorCode === ErrorCode.NONE).map(({ name }) => name));
    const wrong: string[] = [];
    for (const [name, fate] of this.fates) {
      if (fate === 'deleted' && there.has(name)) wrong.push(`${name} was deleted and is back`);
      if ((fate === 'created' || fate === 'written') && !there.has(name)) wrong.push(`${name} was created and is gone`);
      if (fate !== 'written' || !there.has(name)) continue;
      const values = (await broker.readAll(name)).map(({ value }) => value);
      if (values.join() !== name) wrong.push(`${name} holds '${values.join()}'`);
    }
    return wrong;
  }

  private async run(): Promise<void> {
    let broker: Broker | undefined;
    for (let number = 0; !this.stopping; number += 1) {
      try {
        broker ??= await Broker.connect(this.address, 'churn');
        await this.live(broker, unique('churn'), number % 2 === 0);
      } catch (error) {
        const isExpected = error instanceof ConnectionClosedError || error instanceof RefusedError;
        if (!isExpected && (error as NodeJS.ErrnoException).code === undefined) throw error;
        if (!(error instanceof RefusedError)) broker = undefined;
        await pause(RETRY_AFTER_MS);
      }
    }
    await broker?.close();
  }

  /** One topic from its creation to its end; where a request fails its fate is what was acknowledged before, or unknown. */
  private async live(broker: Broker, name: string, isShort: boolean): Promise<void> {
    await broker.createTopic(name);
    this.fates.set(name, 'created');
    await broker.produce(name, 0, batchOf([name]));
    this.fates.set(name, 'written');
    if (!isShort) return;
    this.fates.set(name, 'unknown');
    await broker.deleteTopic(name);
    this.fates.set(name, 'deleted');
  }
}
