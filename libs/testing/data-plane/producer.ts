import { ErrorCode, errorName } from '@streamline/core/types/error-code';
import type { NodeId, PartitionIndex } from '@streamline/core/types/ids';
import { Violation } from '@streamline/testing/raft/violation';
import type { AppendedPartition } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import { Client, SEND_AGAIN } from './client';
import type { ClientWorld } from './client-world';
import { DATA_TOPIC } from './client-world';
import type { Outcome } from './connection';
import { appendTo } from './partition-requests';
import type { ProducerPlan } from './plan';
import type { StorageSide } from './storage-side';

const VALUES_MAX = 3;
const PRODUCER_ID_TIMEOUT_MS = 600;

interface Batch {
  readonly values: readonly string[];
  bytes: Buffer;
  isInFlight: boolean;
  sendings: number;
}

/** Writes values to one partition, each once as far as it can tell: what has no answer is sent again with the same sequence. */
export class Producer extends Client {
  protected override readonly lingers = true;
  /** Not acknowledged, the oldest first. */
  readonly #batches: Batch[] = [];
  #producerId = -1;
  #sequence = 0;
  #acknowledged = 0;
  #isRecovering = false;
  #isWaiting = false;
  /** What the leader knows of it has gone with what was lost: it goes on as another producer. */
  #isForgotten = false;
  #leader: NodeId | undefined;

  constructor(
    world: ClientWorld,
    name: string,
    private readonly plan: ProducerPlan,
  ) {
    super(world, name);
  }

  start(): void {
    this.refresh(() => (this.plan.isIdempotent ? this.#becomeIdempotent(() => this.#next()) : this.#next()));
  }

  lacks(): string | undefined {
    const [oldest] = this.#batches;
    return oldest === undefined ? undefined : `${this.name} still sends ${oldest.values.join()}`;
  }

  /** As InitProducerId: the gateway of some broker hands out ids of the block that its controller gave it. */
  #becomeIdempotent(then: () => void): void {
    const { nodeId } = this.world.random.pick(this.world.machines);
    const ask = async ({ process, epoch }: StorageSide): Promise<number> => {
      const request = { brokerId: process.nodeId, brokerEpoch: epoch };
      try {
        const answer = await process.member.controller.allocateProducerIds(request, { deadlineMs: PRODUCER_ID_TIMEOUT_MS });
        return answer.error?.errorCode === ErrorCode.NONE || answer.error === undefined ? answer.firstProducerId : -1;
      } catch (error) {
        if (error instanceof process.all.code.PortError) return -1;
        throw error;
      }
    };
    this.ask(nodeId, PRODUCER_ID_TIMEOUT_MS, ask, (outcome) => {
      this.#producerId = outcome.kind === 'answered' ? outcome.answer : -1;
      if (this.#producerId >= 0) then();
      else if (!this.isStopped || this.#batches.length > 0) this.backOff(() => this.#becomeIdempotent(then));
    });
  }

  #renew(): void {
    this.world.counters.producersRenewed += 1;
    this.#isForgotten = false;
    this.#isWaiting = true;
    this.#becomeIdempotent(() => {
      this.#sequence = 0;
      this.#acknowledged = 0;
      for (const batch of this.#batches) batch.bytes = this.#encode(batch.values);
      this.#lookAround();
    });
  }

  #next(): void {
    this.later(this.world.random.next() * 2 * this.plan.thinkMs, () => {
      if (this.isStopped) return;
      if (this.#batches.length < this.plan.inFlightMax) this.#batches.push(this.#batch());
      this.#send();
      this.#next();
    });
  }

  #batch(): Batch {
    const { world, plan, name } = this;
    const count = world.random.integer(1, VALUES_MAX);
    const values = Array.from({ length: count }, () => world.history.send(name, plan.isIdempotent));
    world.counters.batchesSent += 1;
    return { values, bytes: this.#encode(values), isInFlight: false, sendings: 0 };
  }

  /** With the next sequences. */
  #encode(values: readonly string[]): Buffer {
    const { world, plan } = this;
    const idempotence = plan.isIdempotent ? { producerId: this.#producerId, producerEpoch: 0, baseSequence: this.#sequence } : {};
    this.#sequence += values.length;
    const records = values.map((value) => ({ value: Buffer.from(value) }));
    return buildBatch({ records, timestamp: 1_700_000_000_000 + Math.floor(world.events.nowMs), ...idempotence });
  }

  /** One at a time until the first is there: an unknown producer may begin with any sequence. */
  get #inFlightMax(): number {
    return this.plan.isIdempotent && this.#acknowledged === 0 ? 1 : this.plan.inFlightMax;
  }

  #send(): void {
    if (this.#isWaiting || this.#isRecovering) return;
    const inFlight = this.#batches.filter((batch) => batch.isInFlight).length;
    const leader = this.known.leaderOf(DATA_TOPIC, this.plan.place);
    if (leader === undefined) return this.#lookAround();
    // What was sent to the leader before has to be answered first, so that nothing overtakes it.
    if (inFlight > 0 && this.#leader !== leader) return;
    this.#leader = leader;
    const waiting = this.#batches.filter((batch) => !batch.isInFlight);
    // As Kafka's clients: nothing new before what is sent again is answered, or that is no longer among the five that a broker remembers.
    const isAgain = this.plan.isIdempotent && this.#batches.some((batch) => batch.sendings > (batch.isInFlight ? 1 : 0));
    const next = isAgain ? waiting.filter(({ sendings }) => sendings > 0) : waiting;
    const due = next.slice(0, this.#inFlightMax - inFlight);
    for (const batch of due) this.#sendTo(leader, batch);
  }

  #lookAround(): void {
    this.#isWaiting = true;
    this.refresh(() => {
      this.#isWaiting = false;
      this.#send();
    });
  }

  #sendTo(leader: NodeId, batch: Batch): void {
    const { world, plan } = this;
    const topicId = this.known.topicId(DATA_TOPIC);
    if (topicId === undefined) return;
    batch.isInFlight = true;
    batch.sendings += 1;
    if (batch.sendings > 1) world.counters.batchesSentAgain += 1;
    const timeoutMs = plan.requiredAcks === -1 ? world.plan.requestTimeoutMs : 2 * world.plan.requestTimeoutMs;
    const connection = this.connect(leader);
    const { place: partition, requiredAcks } = plan;
    const toAppend = { topicId, partition, requiredAcks, timeoutMs, connectionId: connection.id };
    const ask = async (storage: StorageSide): Promise<AppendedPartition | undefined> => {
      const answer = await appendTo(storage, { ...toAppend, bytes: batch.bytes });
      if (answer?.errorCode === ErrorCode.NONE && plan.requiredAcks === -1) {
        const leaderEpoch = storage.local?.bounds({ topicId, partition: plan.place as PartitionIndex })?.leaderEpoch ?? -1;
        world.truth.answered({ place: plan.place, leaderEpoch, baseOffset: answer.baseOffset, values: batch.values }, storage);
      }
      return answer;
    };
    connection.call(ask, timeoutMs + 200, (outcome) => this.#settled(batch, outcome));
  }

  #settled(batch: Batch, outcome: Outcome<AppendedPartition | undefined>): void {
    const { counters } = this.world;
    batch.isInFlight = false;
    const answer = outcome.kind === 'answered' ? outcome.answer : undefined;
    if (answer === undefined) counters.writesUnanswered += 1;
    else if (answer.errorCode === ErrorCode.NONE) this.#acknowledge(batch, answer.baseOffset);
    else this.#refused(batch, answer);
    if (answer?.errorCode !== ErrorCode.NONE) this.#isRecovering = true;
    if (!this.#isRecovering) return this.#send();
    if (this.#batches.some(({ isInFlight }) => isInFlight)) return;
    this.#isRecovering = false;
    if (this.#isForgotten) this.#renew();
    else this.#lookAround();
  }

  #acknowledge(batch: Batch, baseOffset: number): void {
    const { world, plan } = this;
    this.#batches.splice(this.#batches.indexOf(batch), 1);
    this.#acknowledged += 1;
    this.note(`is told that ${batch.values.join()} are at ${plan.place}@${baseOffset}`);
    if (plan.requiredAcks !== -1) {
      world.counters.writesAtLeaderAcknowledged += batch.values.length;
      return;
    }
    world.counters.writesAcknowledged += batch.values.length;
    if (world.plan.topic.durability === 'page-cache') world.counters.writesInPageCache += batch.values.length;
    batch.values.forEach((value, at) => {
      world.history.acknowledge(value, { partition: plan.place, offset: baseOffset + at });
    });
  }

  #refused(batch: Batch, { errorCode, errorMessage }: AppendedPartition): void {
    const { counters } = this.world;
    counters.writesRefused += 1;
    this.note(`is refused ${batch.values.join()}: ${errorName(errorCode)} ${errorMessage}`);
    if (errorCode === ErrorCode.NOT_ENOUGH_REPLICAS || errorCode === ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND)
      counters.notEnoughReplicas += 1;
    if (SEND_AGAIN.has(errorCode)) return;
    // One before it was refused, and is about to be sent again.
    if (errorCode === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER && (this.#isRecovering || this.#batches[0] !== batch)) {
      counters.refusedOutOfOrder += 1;
      return;
    }
    if (this.world.truth.losses.has(this.plan.place) && errorCode === ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER) {
      this.#isForgotten = true;
      return;
    }
    throw new Violation(
      'exactly-once',
      `${this.name}: ${batch.values.join()} is refused: ${errorName(errorCode)} ${errorMessage}`,
    );
  }
}
