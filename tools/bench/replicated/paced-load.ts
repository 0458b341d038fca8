import { LoadConnection } from '../load/load-connection';
import { produceAnswerReader, produceRing } from '../load/produce-load';
import type { ReplicatedTopic } from './replicated-topic';

const TURN_MS = 10;
/** What may be unanswered on a connection; what is due beyond that is left out. */
const OUTSTANDING_MAX = 64;

/** Sends a fixed number of batches a second to a topic's partitions in turn, whatever the server makes of it. */
export class PacedLoad {
  private sent = 0;
  private readonly outstanding: number[];
  private timer: NodeJS.Timeout | undefined;

  private constructor(
    private readonly connections: readonly LoadConnection[],
    outstanding: number[],
    private readonly batchesPerSecond: number,
  ) {
    this.outstanding = outstanding;
  }

  static async start(topic: ReplicatedTopic, batch: Buffer, batchesPerSecond: number): Promise<PacedLoad> {
    const outstanding = Array.from({ length: topic.partitions }, () => 0);
    const read = produceAnswerReader(topic.name, batch.length);
    const connections = await Promise.all(
      outstanding.map((_, partition) => {
        const slots = Array.from({ length: OUTSTANDING_MAX }, () => partition);
        const ring = produceRing({ version: topic.version, topic: topic.name, partitions: slots, batch });
        const onAnswers = (count: number): void => {
          outstanding[partition] = (outstanding[partition] ?? 0) - count;
        };
        return LoadConnection.open({ port: topic.portOf(partition), ring, inFlight: OUTSTANDING_MAX, read, onAnswers });
      }),
    );
    const load = new PacedLoad(connections, outstanding, batchesPerSecond);
    load.begin();
    return load;
  }

  get payloadBytes(): number {
    return this.connections.reduce((sum, each) => sum + each.payloadBytes, 0);
  }

  /** @throws what went wrong since the start */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all(this.connections.map((each) => each.stop()));
  }

  close(): void {
    clearInterval(this.timer);
    for (const each of this.connections) each.close();
  }

  private begin(): void {
    for (const each of this.connections) each.arm();
    const startedMs = performance.now();
    this.timer = setInterval(() => {
      const due = Math.floor(((performance.now() - startedMs) * this.batchesPerSecond) / 1000);
      for (; this.sent < due; this.sent += 1) this.sendTo(this.sent % this.connections.length);
    }, TURN_MS);
  }

  private sendTo(partition: number): void {
    const outstanding = this.outstanding[partition] ?? 0;
    if (outstanding >= OUTSTANDING_MAX) return;
    this.outstanding[partition] = outstanding + 1;
    this.connections[partition]?.sendOne();
  }
}
