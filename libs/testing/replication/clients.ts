import { ErrorCode } from '@streamline/core/types/error-code';
import type { EventQueue } from '@streamline/testing/raft/event-queue';
import { Violation } from '@streamline/testing/raft/violation';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { ControllerModel } from './controller-model';
import type { ReplicationCounters } from './counters';
import type { Machine } from './machine';
import type { ClientBatch } from './model-log';
import type { Observers } from './observer';
import type { AppendAnswer } from './replica-host';
import type { Truth } from './truth';

export interface ClientSurroundings {
  readonly events: EventQueue;
  readonly random: SeededRandom;
  readonly machines: readonly Machine[];
  readonly controller: ControllerModel;
  readonly counters: ReplicationCounters;
  readonly observers: Observers;
  readonly truth: Truth;
  readonly thinkMs: number;
}

export interface ProducerKind {
  readonly requiredAcks: 0 | 1 | -1;
  readonly isIdempotent: boolean;
}

const TIMEOUT_MS = 400;
const BATCH_IDS_PER_PRODUCER = 1_000_000;

/** Sends one batch after the other to one partition, each again until it is acknowledged (acks=0: once). */
export class Producer {
  acknowledged = 0;
  #isStopped = false;
  #batches = 0;
  #sequence = 0;
  #producerId: number;
  #leader: number | undefined;

  constructor(
    readonly number: number,
    readonly partition: number,
    readonly kind: ProducerKind,
    private readonly all: ClientSurroundings,
  ) {
    this.#producerId = kind.isIdempotent ? number * 1000 : -1;
  }

  start(): void {
    this.#after(this.all.random.next() * this.all.thinkMs, () => this.#sendNew());
  }

  stop(): void {
    this.#isStopped = true;
  }

  #sendNew(): void {
    if (this.#isStopped) return;
    this.#batches += 1;
    const records = this.all.random.integer(1, 3);
    const id = this.number * BATCH_IDS_PER_PRODUCER + this.#batches;
    const batch = { id, records, producerId: this.#producerId, baseSequence: this.#sequence };
    this.#sequence += records;
    this.#send(batch);
  }

  #send(batch: ClientBatch): void {
    const { random, machines, controller, counters } = this.all;
    // Metadata that a client has may be old.
    if (this.#leader === undefined || random.chance(0.2)) this.#leader = controller.image.partitions[this.partition]?.leader;
    const machine = machines.find(({ id }) => id === this.#leader);
    let isOver = false;
    const done = (answer: AppendAnswer | undefined): void => {
      if (isOver) return;
      isOver = true;
      this.#answered(batch, answer);
    };
    this.#after(TIMEOUT_MS, () => {
      if (!isOver) counters.clientTimeouts += 1;
      done(undefined);
    });
    // Now and then a request is under way for so long that it arrives after its repetition.
    const travelMs = random.chance(0.03) ? random.next() * 1_500 : random.next() * 3;
    this.#after(travelMs, () => {
      const process = machine?.process;
      if (machine === undefined || process === undefined) return;
      machine.run(process, () =>
        process.append(this.partition, batch, this.kind.requiredAcks, (answer) => {
          if (!random.chance(0.02)) this.#after(random.next() * 3, () => done(answer));
        }),
      );
    });
    if (this.kind.requiredAcks === 0) done({ errorCode: ErrorCode.NONE, baseOffset: -1 });
  }

  #answered(batch: ClientBatch, answer: AppendAnswer | undefined): void {
    const { random, counters, thinkMs } = this.all;
    const errorCode = answer?.errorCode;
    if (errorCode === ErrorCode.NONE) {
      this.acknowledged += 1;
      this.#after(random.next() * thinkMs, () => this.#sendNew());
      return;
    }
    if (errorCode === ErrorCode.NOT_ENOUGH_REPLICAS) counters.notEnoughReplicas += 1;
    if (errorCode === ErrorCode.NOT_LEADER_OR_FOLLOWER) counters.notLeader += 1;
    this.#leader = undefined;
    if (errorCode === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER) {
      this.#begunAnew();
      return;
    }
    this.#after(10 + random.next() * 40, () => {
      if (!this.#isStopped) this.#send(batch);
    });
  }

  /** acks=1 may lose what it acknowledged; with acks=all a gap is one that the brokers made. */
  #begunAnew(): void {
    if (this.kind.requiredAcks === -1 && !this.all.truth.of(this.partition).isTainted) {
      throw new Violation('exactly-once', `producer ${this.#producerId} is told of a gap that it did not make`);
    }
    this.#producerId += 1;
    this.#sequence = 0;
    this.#after(10, () => this.#sendNew());
  }

  #after(delayMs: number, task: () => void): void {
    this.all.events.after(delayMs, task);
  }
}

/** Reads a partition from any replica that serves it, and tells what it saw. */
export class Consumer {
  position = 0;
  #isStopped = false;

  constructor(
    readonly partition: number,
    private readonly all: ClientSurroundings,
    private readonly batchesPerPoll: number,
  ) {}

  start(): void {
    this.all.events.after(5 + this.all.random.next() * 80, () => {
      if (this.#isStopped) return;
      this.#poll();
      this.start();
    });
  }

  stop(): void {
    this.#isStopped = true;
  }

  #poll(): void {
    const { random, machines, observers, counters } = this.all;
    const machine = random.pick(machines);
    const replica = machine.isPaused ? undefined : machine.process?.replica(this.partition);
    if (replica === undefined) return;
    const { core, log } = replica;
    const isFollower = core.leading === undefined && core.following !== undefined;
    if (core.isCutOff || (core.leading === undefined && !isFollower)) return;
    this.position = Math.max(this.position, log.startOffset);
    for (const batch of log.read(this.position, this.batchesPerPoll)) {
      if (batch.lastOffset >= core.highWatermark) return;
      counters.batchesConsumed += 1;
      if (isFollower) counters.batchesConsumedFromFollowers += 1;
      observers.tell('consumed', replica, batch);
      this.position = batch.lastOffset + 1;
    }
  }
}
