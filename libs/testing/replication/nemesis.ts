import type { EventQueue } from '@streamline/testing/raft/event-queue';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { ControllerLink } from './controller-link';
import type { ControllerModel } from './controller-model';
import type { ReplicationCounters } from './counters';
import type { Machine } from './machine';
import type { Network } from './network';
import type { Fault, Plan } from './plan';
import type { Truth } from './truth';

/** How long an outage lasts: shorter than a session, about one, longer than everything. */
const OUTAGE_MS = [20, 200, 800, 2_500] as const;
/** Chance that a fault goes for a leader. */
const LEADER_CHANCE = 0.5;

export interface NemesisSurroundings {
  readonly plan: Plan;
  readonly events: EventQueue;
  readonly random: SeededRandom;
  readonly counters: ReplicationCounters;
  readonly machines: readonly Machine[];
  readonly network: Network;
  readonly controller: ControllerModel;
  readonly controllerLink: ControllerLink;
  readonly truth: Truth;
}

/** Does harm, at the intervals that the plan says, until it is told to stop. */
export class Nemesis {
  #isStopped = false;

  constructor(private readonly all: NemesisSurroundings) {}

  start(): void {
    for (const [fault, intervalMs] of this.all.plan.faultIntervalsMs) this.#every(intervalMs, fault);
  }

  stop(): void {
    this.#isStopped = true;
  }

  #every(meanMs: number, fault: Fault): void {
    this.all.events.after(-Math.log(1 - this.all.random.next()) * meanMs, () => {
      if (this.#isStopped) return;
      this.#do(fault);
      this.#every(meanMs, fault);
    });
  }

  #afterOutage(run: () => void): void {
    this.all.events.after(this.all.random.next() * this.all.random.pick(OUTAGE_MS), () => {
      if (!this.#isStopped) run();
    });
  }

  #do(fault: Fault): void {
    const { random, machines, counters } = this.all;
    switch (fault) {
      case 'kill':
        return this.#crash(this.#victim(), 'kill');
      case 'power-loss':
        return this.#crash(this.#victim(), 'power');
      case 'full-power-loss':
        counters.fullPowerLosses += 1;
        return machines.forEach((machine) => this.#crash(machine, 'power'));
      case 'full-kill':
        return machines.forEach((machine) => this.#crash(machine, 'kill'));
      case 'clean-stop':
        return this.#stop(this.#victim());
      case 'pause':
        return this.#pause(this.#victim());
      case 'wiped-disk':
        return this.#wipe();
      case 'slow-disk':
        return this.#slow(random.pick(machines));
      case 'full-disk':
        return this.#fill(this.#victim());
      case 'cut':
        return this.#cut(this.#victim(), 'both');
      case 'one-way-cut':
        return this.#cut(this.#victim(), random.pick(['in', 'out']));
      case 'isolated-leader':
        return this.#isolateLeader();
      case 'controller-cut':
        return this.#cutController(this.#victim());
      case 'reassignment':
        return this.#reassign();
      case 'preferred-election':
        counters.preferredElections += 1;
        return this.all.controller.electPreferred(this.#partition());
      case 'delete-records':
        return this.#deleteRecords();
    }
  }

  #partition(): number {
    return this.all.random.integer(0, this.all.plan.partitions.length - 1);
  }

  #victim(): Machine {
    const { random, machines } = this.all;
    const leader = this.#leaderOf(this.#partition());
    return leader !== undefined && random.chance(LEADER_CHANCE) ? leader : random.pick(machines);
  }

  #leaderOf(partition: number): Machine | undefined {
    const leader = this.all.controller.image.partitions[partition]?.leader;
    return this.all.machines.find(({ id }) => id === leader);
  }

  #crash(machine: Machine, how: 'kill' | 'power'): void {
    machine.crash(how);
    this.#afterOutage(() => machine.start());
  }

  #stop(machine: Machine): void {
    const { process } = machine;
    if (process === undefined || process.isStopping || machine.isPaused || process.brokerEpoch < 0) return;
    process.stop();
    this.all.events.after(1_000 + this.all.random.next() * 1_000, () => {
      if (!this.#isStopped) machine.start();
    });
  }

  #pause(machine: Machine): void {
    this.all.counters.pauses += 1;
    machine.pause();
    this.#afterOutage(() => machine.resume());
  }

  /** Only a disk that nobody needs: of what is in sync, at least one copy stays. */
  #wipe(): void {
    const machine = this.all.random.pick(this.all.machines);
    const isNeeded = this.all.controller.image.partitions.some(
      ({ isr, elr }) => (isr.includes(machine.id) || elr.includes(machine.id)) && isr.length < 2,
    );
    if (isNeeded || this.all.machines.some(({ lastEnd }) => lastEnd === 'new-disk')) return;
    machine.wipe();
    this.#afterOutage(() => machine.start());
  }

  #slow(machine: Machine): void {
    this.all.counters.slowDisks += 1;
    machine.slowness = this.all.random.pick([10, 100, 600]);
    this.#afterOutage(() => {
      machine.slowness = 1;
    });
  }

  #fill(machine: Machine): void {
    this.all.counters.fullDisks += 1;
    machine.isFull = true;
    this.#afterOutage(() => {
      machine.isFull = false;
    });
  }

  #cut(machine: Machine, direction: 'in' | 'out' | 'both'): void {
    const { counters, network, random, machines } = this.all;
    counters[direction === 'both' ? 'cuts' : 'oneWayCuts'] += 1;
    const others = machines.filter((other) => other !== machine && random.chance(0.6));
    for (const { id } of others) {
      if (direction !== 'in') network.cut(machine.id, id);
      if (direction !== 'out') network.cut(id, machine.id);
    }
    this.#afterOutage(() => {
      for (const { id } of others) {
        network.heal(machine.id, id);
        network.heal(id, machine.id);
      }
    });
  }

  /** From the followers and the controller, but not from clients. */
  #isolateLeader(): void {
    const leader = this.#leaderOf(this.#partition());
    if (leader === undefined) return;
    const { counters, network, machines, controllerLink } = this.all;
    counters.isolatedLeaders += 1;
    controllerLink.cut(leader.id);
    const others = machines.filter((other) => other !== leader);
    for (const { id } of others) {
      network.cut(leader.id, id);
      network.cut(id, leader.id);
    }
    this.#afterOutage(() => {
      controllerLink.heal(leader.id);
      for (const { id } of others) {
        network.heal(leader.id, id);
        network.heal(id, leader.id);
      }
    });
  }

  #cutController(machine: Machine): void {
    this.all.counters.controllerCuts += 1;
    this.all.controllerLink.cut(machine.id);
    this.#afterOutage(() => this.all.controllerLink.heal(machine.id));
  }

  #reassign(): void {
    const { random, machines, controller, counters } = this.all;
    const partition = this.#partition();
    const factor = random.integer(1, Math.min(3, machines.length));
    const target: number[] = [];
    while (target.length < factor) {
      const { id } = random.pick(machines);
      if (!target.includes(id)) target.push(id);
    }
    counters.reassignmentsBegun += 1;
    controller.reassign(partition, target);
  }

  #deleteRecords(): void {
    const partition = this.#partition();
    const leader = this.#leaderOf(partition);
    const replica = leader?.isPaused === true ? undefined : leader?.process?.replica(partition);
    if (leader?.process === undefined || replica?.core.leading === undefined) return;
    const { log, core } = replica;
    if (core.highWatermark <= log.startOffset) return;
    const offset = this.all.random.integer(log.startOffset, core.highWatermark);
    const truth = this.all.truth.of(partition);
    truth.deletedEnd = Math.max(truth.deletedEnd, offset);
    leader.process.deleteRecords(partition, offset);
  }
}
