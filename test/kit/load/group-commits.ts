import { setTimeout as pause } from 'node:timers/promises';
import { ErrorCode } from '@streamline/core/types/error-code';
import { ConnectionClosedError } from '@streamline/testing/kafka-client/kafka-client';
import { offsetCommit } from '@streamline/wire/kafka/apis/08-offset-commit';
import { offsetFetch } from '@streamline/wire/kafka/apis/09-offset-fetch';
import { Broker } from '../broker';
import { eventually } from '../conditions';

const RETRY_AFTER_MS = 15;

/** Commits ever larger offsets of a group without members, and knows which were acknowledged. */
export class GroupCommits {
  acknowledged = -1;
  private sent = -1;
  private stopping = false;
  private running: Promise<void> | undefined;

  constructor(
    readonly groupId: string,
    private readonly address: string,
    private readonly topic: string,
  ) {}

  begin(): void {
    this.stopping = false;
    this.running = this.run();
  }

  async settle(): Promise<void> {
    this.stopping = true;
    await this.running;
  }

  /** Undefined, or what is wrong with the offset that the group has now. */
  async check(): Promise<string | undefined> {
    const offset = await eventually(`the offset of ${this.groupId}`, async () => this.fetch());
    if (offset >= this.acknowledged && offset <= this.sent) return undefined;
    return `${this.groupId}: offset ${offset} is outside of ${this.acknowledged} (acknowledged) to ${this.sent} (sent)`;
  }

  private async fetch(): Promise<number | undefined> {
    const broker = await Broker.connect(this.address);
    try {
      const answer = await broker.request(offsetFetch, 7, {
        groupId: this.groupId,
        topics: [{ name: this.topic, partitionIndexes: [0] }],
      });
      const partition = answer.topics[0]?.partitions[0];
      if (answer.errorCode !== ErrorCode.NONE || !partition || partition.errorCode !== ErrorCode.NONE) return undefined;
      return Number(partition.committedOffset);
    } finally {
      await broker.close();
    }
  }

  private async run(): Promise<void> {
    let broker: Broker | undefined;
    while (!this.stopping) {
      try {
        broker ??= await Broker.connect(this.address);
        if (!(await this.commit(broker))) await pause(RETRY_AFTER_MS);
      } catch (error) {
        if (!(error instanceof ConnectionClosedError) && (error as NodeJS.ErrnoException).code === undefined) throw error;
        broker = undefined;
        await pause(RETRY_AFTER_MS);
      }
    }
    await broker?.close();
  }

  private async commit(broker: Broker): Promise<boolean> {
    const offset = (this.sent += 1);
    const partition = { partitionIndex: 0, committedOffset: BigInt(offset), committedMetadata: String(offset) };
    const answer = await broker.request(offsetCommit, 8, {
      groupId: this.groupId,
      memberId: '',
      topics: [{ name: this.topic, partitions: [partition] }],
    });
    const taken = answer.topics[0]?.partitions[0]?.errorCode === ErrorCode.NONE;
    if (taken) this.acknowledged = offset;
    return taken;
  }
}
