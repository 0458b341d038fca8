import { DEFAULT_PUSH_LIMITS } from '@streamline/core/replication/push-scheduler';
import { EventQueue } from '@streamline/testing/raft/event-queue';
import { Violation } from '@streamline/testing/raft/violation';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { BATCH_BYTES } from './broker-process';
import { Consumer, Producer } from './clients';
import type { ClientSurroundings, ProducerKind } from './clients';
import { ControllerLink } from './controller-link';
import type { ControllerModel } from './controller-model';
import { ReplicationCounters } from './counters';
import { AcknowledgedIsKept } from './invariants/acknowledged-is-kept';
import { BoundedFlight } from './invariants/bounded-flight';
import { CleanElections } from './invariants/clean-elections';
import { CommittedIsStable } from './invariants/committed-is-stable';
import { EnoughReplicas } from './invariants/enough-replicas';
import { ExactlyOnce } from './invariants/exactly-once';
import { IsrRules } from './invariants/isr-rules';
import { LogMatching } from './invariants/log-matching';
import { MonotonicHighWatermark } from './invariants/monotonic-high-watermark';
import { OneLeader } from './invariants/one-leader';
import { OneValue } from './invariants/one-value';
import { SilentWhenCutOff } from './invariants/silent-when-cut-off';
import { Truncation } from './invariants/truncation';
import { Machine } from './machine';
import { Nemesis } from './nemesis';
import { Network } from './network';
import { Observers } from './observer';
import { drawPlan } from './plan';
import type { Plan } from './plan';
import type { HostRules } from './replica-host';
import { Statistics } from './statistics';
import type { ReplicaFactory, Surroundings } from './surroundings';
import { Trace } from './trace';
import { Truth } from './truth';

/** What is simulated: the shipped core on a sound host and a sound controller, or one of them with a planted bug. */
export interface SimulationKind {
  readonly make: ReplicaFactory;
  readonly rules: HostRules;
  readonly controller: typeof ControllerModel;
  /** Makes rare things frequent, for a planted bug that hardly shows otherwise. */
  readonly plan?: Partial<Plan> | undefined;
}

/** Virtual time within which a healed cluster has to be whole again. */
const LIVENESS_MS = 40_000;
const EVENTS_MAX = 3_000_000;
const SESSION_CHECK_MS = 50;

/** One seed's cluster: a safety phase with faults, then a liveness phase in which all is well and has to become well. */
export class Simulation {
  readonly counters = new ReplicationCounters();
  readonly plan: Plan;
  readonly #events = new EventQueue();
  readonly #random: SeededRandom;
  readonly #truth = new Truth();
  readonly #observers = new Observers();
  readonly #machines: Machine[] = [];
  readonly #controller: ControllerModel;
  readonly #controllerLink: ControllerLink;
  readonly #network: Network;
  readonly #nemesis: Nemesis;
  readonly #heardMs = new Map<number, number>();
  readonly #acknowledgedIsKept: AcknowledgedIsKept;
  readonly #logMatching: LogMatching;
  #producers: Producer[] = [];
  #producersStarted = 0;
  #consumers: Consumer[] = [];

  constructor(
    seed: number,
    private readonly kind: SimulationKind,
    trace?: (line: string) => void,
  ) {
    this.#random = new SeededRandom(seed);
    this.plan = { ...drawPlan(this.#random), ...kind.plan };
    const { plan, counters } = this;
    const events = this.#events;
    this.#controller = new kind.controller(
      plan.partitions.map(({ rules }) => rules),
      plan.partitions.map(({ replicas }) => replicas),
      {
        changed: (...args) => this.#observers.tell('changed', ...args),
        possibleLoss: (partition) => this.#observers.tell('possibleLoss', partition),
      },
    );
    this.#controllerLink = new ControllerLink(events, this.#random.fork(), plan.controllerLink, () => {
      counters.lateProposals += 1;
    });
    this.#network = new Network(events, this.#random.fork(), counters, plan.network, (id) => this.#machines[id - 1]);
    this.#acknowledgedIsKept = new AcknowledgedIsKept(this.#truth);
    this.#logMatching = new LogMatching(this.#truth, this.#machines);
    const surroundings = this.#surroundings();
    for (let id = 1; id <= plan.brokers; id += 1) this.#machines.push(new Machine(id, surroundings));
    this.#watch(trace);
    this.#nemesis = new Nemesis({
      plan,
      events,
      random: this.#random.fork(),
      counters,
      machines: this.#machines,
      network: this.#network,
      controller: this.#controller,
      controllerLink: this.#controllerLink,
      truth: this.#truth,
    });
  }

  get eventsProcessed(): number {
    return this.#events.processed;
  }

  get virtualMs(): number {
    return this.#events.nowMs;
  }

  /** Throws what is wrong: a Violation, or an error of the code under test. */
  run(): void {
    for (const machine of this.#machines) machine.start();
    this.#network.start(this.#machines.map(({ id }) => id));
    this.#checkSessions();
    this.#startClients(this.plan.producers, 20);
    this.#nemesis.start();
    this.#runUntil(this.plan.safetyMs);
    this.#nemesis.stop();
    for (const client of [...this.#producers, ...this.#consumers]) client.stop();
    this.#heal();
    this.#expectProgress();
    this.#checkEnd();
  }

  #surroundings(): Surroundings {
    const { plan, kind, counters } = this;
    return {
      make: kind.make,
      rules: kind.rules,
      config: plan.config,
      pushLimits: { ...DEFAULT_PUSH_LIMITS, ...plan.pushLimits },
      metadataDelayMaxMs: plan.metadataDelayMaxMs,
      sessionTimeoutMs: plan.sessionTimeoutMs,
      events: this.#events,
      random: this.#random.fork(),
      counters,
      observers: this.#observers,
      network: this.#network,
      controller: this.#controller,
      controllerLink: this.#controllerLink,
      heard: (broker) => this.#heardMs.set(broker, this.#events.nowMs),
    };
  }

  #watch(trace: ((line: string) => void) | undefined): void {
    const observers = this.#observers;
    const truth = this.#truth;
    if (trace !== undefined) observers.add(new Trace(this.#events, trace));
    observers.add(new Statistics(this.counters));
    observers.add(new CleanElections(truth));
    observers.add(truth);
    observers.add(new MonotonicHighWatermark(truth));
    observers.add(new CommittedIsStable(truth, this.#controller, this.#machines));
    observers.add(new ExactlyOnce(truth));
    observers.add(new EnoughReplicas(truth, this.#controller, this.#machines, () => this.virtualMs));
    observers.add(new OneLeader());
    observers.add(new SilentWhenCutOff(this.#controller, (id) => this.virtualMs - (this.#heardMs.get(id) ?? 0), this.plan));
    observers.add(new IsrRules());
    observers.add(new Truncation(truth, this.#controller));
    observers.add(new OneValue(truth));
    observers.add(this.#logMatching);
    observers.add(this.#acknowledgedIsKept);
    const turn = Math.max(this.plan.pushLimits.frameBytesMax, BATCH_BYTES) + BATCH_BYTES;
    observers.add(new BoundedFlight(turn * (1 + this.plan.pushLimits.catchUpReadsMax)));
  }

  #startClients(producers: readonly { readonly partition: number; readonly kind: ProducerKind }[], batchesPerPoll: number): void {
    const all: ClientSurroundings = {
      events: this.#events,
      random: this.#random.fork(),
      machines: this.#machines,
      controller: this.#controller,
      counters: this.counters,
      observers: this.#observers,
      truth: this.#truth,
      thinkMs: this.plan.thinkMs,
    };
    const numbered = this.#producersStarted;
    this.#producersStarted += producers.length;
    this.#producers = producers.map(({ partition, kind }, at) => new Producer(numbered + at + 1, partition, kind, all));
    this.#consumers = this.plan.partitions.map((_, partition) => new Consumer(partition, all, batchesPerPoll));
    for (const client of [...this.#producers, ...this.#consumers]) client.start();
  }

  /** A broker that was not heard for the session timeout is fenced. */
  #checkSessions(): void {
    this.#events.after(SESSION_CHECK_MS, () => {
      for (const [id, { fenced }] of this.#controller.image.brokers) {
        const silentMs = this.#events.nowMs - (this.#heardMs.get(id) ?? 0);
        if (fenced || silentMs < this.plan.sessionTimeoutMs) continue;
        this.counters.fencings += 1;
        this.#controller.fence(id);
      }
      this.#checkSessions();
    });
  }

  /** Everything works from now on. */
  #heal(): void {
    this.#network.healAll();
    this.#network.profile = { delayMinMs: 0.2, delayMaxMs: 1, detectMaxMs: 20, lateness: 0 };
    this.#controllerLink.healAll();
    this.#controllerLink.profile = { delayMaxMs: 2, loss: 0, lateness: 0 };
    for (const machine of this.#machines) {
      machine.slowness = 1;
      machine.isFull = false;
      machine.resume();
      machine.start();
    }
  }

  #expectProgress(): void {
    const untilMs = this.#events.nowMs + LIVENESS_MS;
    this.#expect(untilMs, 'somebody is not in sync', () => this.#isWhole());
    this.#isolateFollower();
    const acks = { requiredAcks: -1, isIdempotent: true } as const;
    this.#startClients(
      this.plan.partitions.map((_, partition) => ({ partition, kind: acks })),
      500,
    );
    this.#expect(untilMs, 'a producer is not acknowledged', () => this.#producers.every(({ acknowledged }) => acknowledged > 1));
    for (const producer of this.#producers) producer.stop();
    this.#expect(untilMs, 'the replicas are not equal, or a consumer is behind', () => this.#isWhole() && this.#areEqual());
    for (const consumer of this.#consumers) consumer.stop();
  }

  /** Its broker lives and says so, but nothing reaches it: the ISR has to do without it, where the minimum allows, and take it in again. */
  #isolateFollower(): void {
    const { image } = this.#controller;
    const partition = this.#random.integer(0, image.partitions.length - 1);
    const { replicas, leader } = image.partitions[partition] ?? { replicas: [], leader: undefined };
    const alone = replicas.find((id) => id !== leader);
    if (alone === undefined || this.#controller.effectiveMinIsr(partition) >= replicas.length) return;
    const others = this.#machines.map(({ id }) => id).filter((id) => id !== alone);
    for (const id of others) this.#network.cut(alone, id);
    const untilMs = this.#events.nowMs + LIVENESS_MS;
    this.#startClients([{ partition, kind: { requiredAcks: -1, isIdempotent: true } }], 500);
    const [producer] = this.#producers;
    // A session that had all but ended may still end, and make a leader of the one that is alone.
    const isSpoilt = (): boolean => this.#controller.image.partitions[partition]?.leader !== leader;
    this.#expect(untilMs, 'a partition waits for a follower that lags', () => isSpoilt() || (producer?.acknowledged ?? 0) > 3);
    for (const client of [...this.#producers, ...this.#consumers]) client.stop();
    for (const id of others) this.#network.heal(alone, id);
    this.counters.isolatedFollowers += 1;
    this.#expect(untilMs, 'a follower that lagged is not in sync again', () => this.#isWhole());
  }

  #expect(untilMs: number, complaint: string, isSo: () => boolean): void {
    for (let checkMs = this.#events.nowMs; !isSo(); checkMs += 25) {
      if (checkMs > untilMs) throw new Violation('liveness', `${complaint}; ${this.#describe()}`);
      // A clean stop that was under way comes to its end.
      for (const machine of this.#machines) machine.start();
      this.#runUntil(checkMs);
    }
  }

  /** Every broker runs; each partition has a leader that knows it, with all replicas in the ISR; reassignments are done. */
  #isWhole(): boolean {
    const { image } = this.#controller;
    if (this.#machines.some(({ id, process }) => process?.isStopping !== false || image.brokers.get(id)?.fenced !== false))
      return false;
    return image.partitions.every(({ replicas, isr, adding, leader }, partition) => {
      if (leader === undefined && this.#truth.of(partition).isTainted) this.#controller.electUncleanly(partition);
      const core = this.#machines[(leader ?? 0) - 1]?.process?.replica(partition)?.core;
      return adding.length === 0 && isr.length === replicas.length && core?.leading?.committedIsr.length === isr.length;
    });
  }

  #areEqual(): boolean {
    return this.#controller.image.partitions.every(({ replicas, leader }, partition) => {
      const end = this.#machines[(leader ?? 0) - 1]?.logs.get(partition)?.endOffset;
      const isAtEnd = (id: number): boolean => {
        const replica = this.#machines[id - 1]?.process?.replica(partition);
        return replica?.log.endOffset === end && replica?.core.highWatermark === end;
      };
      return replicas.every(isAtEnd) && this.#consumers[partition]?.position === end;
    });
  }

  #checkEnd(): void {
    this.#controller.image.partitions.forEach(({ replicas }, partition) => {
      for (const id of replicas) {
        const replica = this.#machines[id - 1]?.process?.replica(partition);
        if (replica === undefined) throw new Violation('liveness', `broker ${id} does not host partition ${partition}`);
        this.#acknowledgedIsKept.check(replica, 'ends');
        this.#logMatching.checkAgainst(partition, id, replica.log);
      }
    });
    this.#observers.tell('settled');
  }

  #describe(): string {
    return this.#controller.image.partitions
      .map((state, partition) => {
        const replicas = state.replicas.map((id) => {
          const replica = this.#machines[id - 1]?.process?.replica(partition);
          if (replica === undefined) return `${id} none`;
          const { core, log } = replica;
          const role =
            core.leading === undefined ? (core.following?.state ?? 'idle') : `leads ISR ${core.leading.maximalIsr.join(' ')}`;
          return `${id} ${role} epoch ${core.leaderEpoch} hw ${core.highWatermark} log ${log.startOffset}-${log.endOffset}`;
        });
        return `partition ${partition} ${JSON.stringify(state)}: ${replicas.join(', ')}`;
      })
      .join('; ');
  }

  #runUntil(untilMs: number): void {
    while (this.#events.runNext(untilMs)) {
      if (this.#events.processed > EVENTS_MAX) throw new Violation('liveness', `${EVENTS_MAX} events and no end`);
    }
  }
}
