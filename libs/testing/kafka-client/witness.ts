import { apiVersions } from '@streamline/wire/kafka/apis/18-api-versions';
import { KafkaClient } from './kafka-client';

const PAUSE_MS = 2;

/** A connection that asks the cheapest question every few milliseconds and notes how long it waited: what others notice. */
export class Witness {
  asked = 0;
  longestWaitMs = 0;
  private isOver = false;
  private readonly asking: Promise<void>;

  private constructor(private readonly client: KafkaClient) {
    this.asking = this.ask();
    // `stop` tells of it.
    this.asking.catch(() => undefined);
  }

  static async connect(port: number): Promise<Witness> {
    return new Witness(await KafkaClient.connect({ port, clientId: 'witness' }));
  }

  /** Ends it and tells the longest wait. Fails where a question got no answer. */
  async stop(): Promise<number> {
    this.isOver = true;
    await this.asking;
    await this.client.close();
    return this.longestWaitMs;
  }

  private async ask(): Promise<void> {
    while (!this.isOver) {
      const askedMs = performance.now();
      await this.client.request(apiVersions, 0, {});
      this.longestWaitMs = Math.max(this.longestWaitMs, performance.now() - askedMs);
      this.asked += 1;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
