import { ErrorCode, errorName } from '@streamline/core/types/error-code';
import type { NodeId } from '@streamline/core/types/ids';
import type { PartitionKey } from '@streamline/runtime/log/log-engine';
import { Violation } from '@streamline/testing/raft/violation';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import { Client, SEND_AGAIN } from './client';
import { BRIEF_TOPIC } from './client-world';
import type { FetchedRecords } from './partition-requests';
import { appendTo, fetchFrom, valuesIn } from './partition-requests';

const THINK_MS = 40;
const WAIT_MS = 100;
const FOLLOWER_CHANCE = 0.3;
const REFRESH_CHANCE = 0.1;

interface Target extends PartitionKey {
  readonly leader: NodeId;
  readonly isr: readonly NodeId[];
}

/**
 * Writes to the topic that comes and goes, and reads all of it: whichever topic has the name, as far as it knows. A value is sent once, and
 * given up where there is no answer, since the topic may be gone by then.
 */
export class BriefClient extends Client {
  /** How far it has read, by topic id and partition. */
  readonly #positions = new Map<string, number>();
  #values = 0;

  start(): void {
    this.refresh(() => {
      this.#write();
      this.#read();
    });
  }

  lacks(): string | undefined {
    for (const { topicId, partition, end } of this.world.partitions.briefEnds()) {
      const position = this.#positionIn({ topicId, partition });
      if (position < (end ?? Infinity))
        return `${this.name} is at ${topicId}/${partition}@${position} of ${end ?? 'an unknown end'}`;
    }
    return undefined;
  }

  #target(): Target | undefined {
    const topicId = this.known.topicId(BRIEF_TOPIC);
    const partitions = (topicId && this.known.image?.topics.get(topicId)?.partitions) ?? [];
    if (topicId === undefined || partitions.length === 0) return undefined;
    const { partition, leader, isr } = this.world.random.pick(partitions);
    return leader === undefined ? undefined : { topicId, partition, leader, isr };
  }

  #write(): void {
    this.later(this.world.random.next() * 2 * THINK_MS, () => {
      if (this.isStopped) return;
      const target = this.#target();
      if (target === undefined) return this.refresh(() => this.#write());
      this.#send(target);
    });
  }

  #send({ topicId, partition, leader }: Target): void {
    const { world } = this;
    const value = `${this.name}/${(this.#values += 1)}`;
    world.ownTopic.sent(value, { topicId, partition });
    const timestamp = 1_700_000_000_000 + Math.floor(world.events.nowMs);
    const bytes = buildBatch({ records: [{ value: Buffer.from(value) }], timestamp });
    const timeoutMs = world.plan.requestTimeoutMs;
    const connectionId = this.connect(leader).id;
    const batch = { topicId, partition, bytes, requiredAcks: -1, timeoutMs, connectionId } as const;
    this.ask(
      leader,
      timeoutMs,
      (storage) => appendTo(storage, batch),
      (outcome) => {
        const answer = outcome.kind === 'answered' ? outcome.answer : undefined;
        if (answer === undefined) return this.refresh(() => this.#write());
        const { errorCode, baseOffset } = answer;
        if (errorCode === ErrorCode.NONE) {
          world.counters.briefWrites += 1;
          this.note(`is told that ${value} is at ${topicId}/${partition}@${baseOffset}`);
          world.ownTopic.told(this.name, { topicId, partition, offset: baseOffset, value });
          return this.#write();
        }
        this.#mayBeRefused(value, errorCode, answer.errorMessage);
        this.refresh(() => this.#write());
      },
    );
  }

  #read(): void {
    const target = this.#target();
    if (target === undefined) return this.refresh(() => this.#read());
    const { topicId, partition, leader, isr } = target;
    const { world } = this;
    const offset = this.#positionIn(target);
    const from = world.random.chance(FOLLOWER_CHANCE) && isr.length > 0 ? world.random.pick(isr) : leader;
    this.ask(
      from,
      WAIT_MS + world.plan.requestTimeoutMs,
      (storage) => fetchFrom(storage, { topicId, partition, offset, maxWaitMs: WAIT_MS }),
      (outcome) => {
        const fetched = outcome.kind === 'answered' ? outcome.answer : undefined;
        if (fetched?.answer.errorCode !== ErrorCode.NONE) return this.refresh(() => this.#read());
        this.#take(target, fetched);
        // Nothing but newer metadata tells of partitions that were added.
        if (world.random.chance(REFRESH_CHANCE)) this.refresh(() => this.#read());
        else this.#read();
      },
    );
  }

  #take({ topicId, partition }: PartitionKey, { answer, records }: FetchedRecords): void {
    const { world } = this;
    for (const { offset, value } of valuesIn(records)) {
      const position = this.#positionIn({ topicId, partition });
      if (offset < position) continue;
      const what = `${this.name} is given ${topicId}/${partition}@${offset}`;
      if (offset > position) throw new Violation('own-topic', `${what}, where ${position} is next`);
      if (offset >= answer.highWatermark) throw new Violation('own-topic', `${what}, where ${answer.highWatermark} is committed`);
      world.counters.briefReads += 1;
      this.note(`reads ${value} at ${topicId}/${partition}@${offset}`);
      world.ownTopic.told(this.name, { topicId, partition, offset, value });
      this.#positions.set(`${topicId}/${partition}`, offset + 1);
    }
  }

  #positionIn({ topicId, partition }: PartitionKey): number {
    return this.#positions.get(`${topicId}/${partition}`) ?? 0;
  }

  #mayBeRefused(value: string, errorCode: number, message: string): void {
    if (SEND_AGAIN.has(errorCode)) return;
    throw new Violation('own-topic', `${this.name}: ${value} is refused: ${errorName(errorCode)} ${message}`);
  }
}
