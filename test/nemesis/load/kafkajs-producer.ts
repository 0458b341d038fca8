import { setTimeout as pause } from 'node:timers/promises';
import type { Producer } from 'kafkajs';
import { type LoadClient, type LoadTarget, patientKafka, shortly } from './client';

const VALUES_OF_A_SEND = 4;
const PAUSE_MS = 10;
/** What a leader tells that its followers do not acknowledge; until then it answers nothing else on the connection. */
const GIVEN_UP_AFTER_MS = 3_000;

/** One kafkajs producer that writes to one partition, a few values at a time. */
export class KafkajsProducer implements LoadClient {
  private stopping = false;
  private running: Promise<void> | undefined;
  private producer: Producer | undefined;
  private problem = 'no problem';

  constructor(
    readonly name: string,
    private readonly partition: number,
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

  async close(): Promise<void> {
    await this.producer?.disconnect().catch(() => undefined);
  }

  describe(): string {
    return `${this.name}: last ${this.problem}`;
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      try {
        this.producer ??= await this.connect();
        await this.send(this.producer);
        await pause(PAUSE_MS);
      } catch {
        // Whether the values are there is unknown; this client numbers what follows as if they were not, so that it may not go on.
        await this.close();
        this.producer = undefined;
        await shortly();
      }
    }
  }

  private async connect(): Promise<Producer> {
    const { bootstrap, note } = this.target;
    const producer = patientKafka(this.name, bootstrap, (complaint) => {
      this.problem = complaint;
      note(this.name, complaint);
    }).producer({
      idempotent: this.isIdempotent,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      metadataMaxAge: 1_000,
    });
    await producer.connect();
    return producer;
  }

  private async send(producer: Producer): Promise<void> {
    const { topic, history, progress } = this.target;
    const values = Array.from({ length: VALUES_OF_A_SEND }, () => history.send(this.name, this.isIdempotent));
    const { partition } = this;
    const messages = values.map((value) => ({ partition, value }));
    const answers = await producer.send({ topic, acks: -1, timeout: GIVEN_UP_AFTER_MS, messages });
    const base = Number(answers.find((answer) => answer.partition === partition)?.baseOffset ?? Number.NaN);
    if (!(base >= 0)) throw new Error(`kafkajs tells no offset for ${values.join(', ')}`);
    for (const [index, value] of values.entries()) history.acknowledge(value, { partition, offset: base + index });
    progress.acknowledged(partition);
  }
}
