import { randomBytes, randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { ErrorCode } from '@streamline/core/types/error-code';
import { ConnectionClosedError } from '@streamline/testing/kafka-client/kafka-client';
import { initProducerId } from '@streamline/wire/kafka/apis/22-init-producer-id';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import { Broker } from '../broker';
import type { Oracle, SentBatch } from './oracle';

/** What a broker may say while parts of it are away; anything else is a finding. */
const EXPECTED_ERRORS: ReadonlySet<number> = new Set([
  ErrorCode.LEADER_NOT_AVAILABLE,
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.NETWORK_EXCEPTION,
  ErrorCode.KAFKA_STORAGE_ERROR,
]);
const IN_FLIGHT = 5;
const RETRY_AFTER_MS = 15;
const MAX_RECORDS = 20;
const MAX_VALUE_BYTES = 4_000;
const IDEMPOTENCE_WINDOW = 5;

export interface LoadTarget {
  readonly topic: string;
  readonly partition: number;
}

interface PendingBatch {
  readonly batch: SentBatch;
  readonly target: LoadTarget;
}

/** The idempotent fields of one partition. */
interface Sequence {
  next: number;
  number: number;
}

/**
 * One producer under load: sends up to five pipelined batches a turn, each with bytes that nobody else sends, to targets by
 * turns. An idempotent one sends again what was not acknowledged, in order, until it is; any other lets go of it.
 */
export class LoadProducer {
  /** Errors that no client should ever see here. */
  readonly findings: string[] = [];
  private broker: Broker | undefined;
  private producerId = -1;
  private readonly sequences = new Map<LoadTarget, Sequence>();
  private pending: PendingBatch[] = [];
  private turn = 0;
  private stopping = false;
  private running: Promise<void> | undefined;

  constructor(
    private readonly name: string,
    private readonly address: string,
    private readonly targets: readonly LoadTarget[],
    private readonly oracle: Oracle,
    private readonly idempotent: boolean,
  ) {}

  begin(): void {
    this.stopping = false;
    this.running = this.run();
  }

  /** Resolves when nothing is in flight any more; an idempotent producer has then got everything acknowledged. */
  async settle(): Promise<void> {
    this.stopping = true;
    await this.running;
    await this.broker?.close();
    this.broker = undefined;
  }

  private async run(): Promise<void> {
    while (!this.stopping || this.pending.length > 0) {
      try {
        this.broker ??= await Broker.connect(this.address, this.name);
        if (this.idempotent && this.producerId < 0) await this.initProducer(this.broker);
        if (!(await this.sendTurn(this.broker))) await pause(RETRY_AFTER_MS);
      } catch (error) {
        const gone = error instanceof ConnectionClosedError || (error as NodeJS.ErrnoException).code !== undefined;
        if (!gone) {
          this.findings.push(`${this.name}: ${String(error)}`);
          return;
        }
        this.broker = undefined;
        await pause(RETRY_AFTER_MS);
      }
    }
  }

  private async initProducer(broker: Broker): Promise<void> {
    const answer = await broker.request(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 0 });
    if (answer.errorCode === ErrorCode.NONE) this.producerId = Number(answer.producerId);
    else await pause(RETRY_AFTER_MS);
  }

  /** False where something was not taken, so that the next turn comes a little later. */
  private async sendTurn(broker: Broker): Promise<boolean> {
    if (this.idempotent && this.producerId < 0) return false;
    while (!this.stopping && this.pending.length < IN_FLIGHT) this.pending.push(this.nextBatch());
    const turn = this.pending;
    const outcomes = await Promise.allSettled(turn.map((each) => this.send(broker, each)));
    this.pending = this.idempotent ? turn.filter(({ batch }) => batch.acknowledgedAt === undefined) : [];
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
    return outcomes.every((outcome) => outcome.status === 'fulfilled' && outcome.value);
  }

  private async send(broker: Broker, { batch, target }: PendingBatch): Promise<boolean> {
    const answer = await broker.tryProduce(target.topic, target.partition, batch.bytes);
    if (answer.errorCode === ErrorCode.NONE) {
      this.oracle.recordAcknowledged(batch, Number(answer.baseOffset));
      return true;
    }
    // What follows a batch that was not taken is out of order.
    const isConsequence = this.idempotent && answer.errorCode === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER;
    if (!EXPECTED_ERRORS.has(answer.errorCode) && !isConsequence)
      this.findings.push(`${this.name}: ${target.topic}-${target.partition}: error ${answer.errorCode} ${answer.errorMessage}`);
    return false;
  }

  private nextBatch(): PendingBatch {
    const target = this.targets[this.turn++ % this.targets.length];
    if (!target) throw new Error('a load producer needs a target');
    const sequence = this.sequences.get(target) ?? { next: 0, number: 0 };
    this.sequences.set(target, sequence);
    const records = Array.from({ length: randomInt(1, MAX_RECORDS + 1) }, (_, index) => ({
      key: index === 0 ? Buffer.from(`${this.name}#${sequence.number}`) : null,
      value: randomBytes(randomInt(0, MAX_VALUE_BYTES)),
    }));
    const identity = this.idempotent ? { producerId: this.producerId, producerEpoch: 0, baseSequence: sequence.next } : {};
    const bytes = buildBatch({ records, timestamp: Date.now(), codec: randomInt(4) === 0 ? 'lz4' : 'none', ...identity });
    const batch: SentBatch = { ...target, producer: this.name, number: sequence.number, bytes };
    sequence.number += 1;
    sequence.next += records.length;
    this.oracle.recordSent(batch);
    return { batch, target };
  }
}

/** The window of an idempotent producer has to hold what one turn has in flight. */
if (IN_FLIGHT > IDEMPOTENCE_WINDOW) throw new Error('a turn sends more than a broker remembers');
