import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { SimulationCounters } from './counters';
import type { Reachable } from './clients';
import type { EventQueue } from './event-queue';
import type { Machine } from './machine';
import type { Network } from './network';
import type { Operator } from './operator';
import type { Fault, Plan } from './plan';
import { Violation } from './violation';

/** How long an outage lasts: mostly about an election, at times longer than everything else. */
const OUTAGE_MS = [20, 300, 1_500, 6_000] as const;
const RATES = [0.9, 0.95, 1, 1.05, 1.1] as const;
/** Chance that a fault goes for the leader. */
const LEADER_CHANCE = 0.4;

/** What the nemesis does harm to, and by what. */
export interface NemesisSurroundings {
  readonly plan: Plan;
  readonly events: EventQueue;
  readonly random: SeededRandom;
  readonly counters: SimulationCounters;
  readonly machines: readonly Machine[];
  readonly network: Network;
  readonly operator: Operator;
  readonly reachable: Reachable;
  /** Nodes know at once, when they are started, whether their disk is damaged. */
  readonly startsAtOnce: boolean;
}

/** Does harm, at the intervals that the plan says, until it is told to stop. */
export class Nemesis {
  #isStopped = false;

  constructor(private readonly all: NemesisSurroundings) {}

  start(): void {
    for (const [fault, intervalMs] of this.all.plan.faultIntervalsMs) this.#every(intervalMs, () => this.#do(fault));
    this.#every(this.all.plan.changeIntervalMs, () => this.all.operator.changeMembership());
    this.#every(this.all.plan.transferIntervalMs, () => this.all.operator.transfer());
  }

  stop(): void {
    this.#isStopped = true;
  }

  #every(meanMs: number, run: () => void): void {
    if (meanMs === Infinity) return;
    this.all.events.after(-Math.log(1 - this.all.random.next()) * meanMs, () => {
      if (this.#isStopped) return;
      run();
      this.#every(meanMs, run);
    });
  }

  #afterOutage(run: () => void): void {
    this.all.events.after(this.all.random.next() * this.all.random.pick(OUTAGE_MS), () => {
      if (!this.#isStopped) run();
    });
  }

  #do(fault: Fault): void {
    switch (fault) {
      case 'partition':
        return this.#partition();
      case 'isolated-leader':
        return this.#isolateLeader();
      case 'one-way-cut':
        return this.#cutOneWay();
      case 'kill':
        return this.#crash(this.#victim(), 'kill');
      case 'power-loss':
        return this.#crash(this.#victim(), 'power');
      case 'crash-within-turn':
        return this.#crashWithinTurn();
      case 'full-restart':
        return this.#restartAll();
      case 'pause':
        return this.#pause();
      case 'clock-drift':
        return this.#drift();
      case 'wall-clock-step':
        this.all.counters.wallClockSteps += 1;
        return this.all.random.pick(this.all.machines).clock.stepWall(this.all.random.integer(-20_000, 20_000));
      case 'slow-disk':
        return this.#slowDisk();
      case 'failed-write':
        return this.#victim().disk.failNextWrite();
      case 'bit-flip':
        return this.#flipBit();
      case 'wiped-disk':
        return this.#wipeDisk();
    }
  }

  #victim(): Machine {
    const leaders = this.all.machines.filter(({ process }) => process?.status?.nodeState === 'Leader');
    return leaders.length > 0 && this.all.random.chance(LEADER_CHANCE)
      ? this.all.random.pick(leaders)
      : this.all.random.pick(this.all.machines);
  }

  /** Cuts the machines into two groups, or one off from the rest, or leaves one as the only bridge. */
  #partition(): void {
    const { random, machines } = this.all;
    this.all.counters.partitions += 1;
    const alone = this.#victim();
    const kind = random.pick(['halves', 'alone', 'bridge']);
    const side = new Map(machines.map((machine) => [machine, kind === 'alone' ? machine === alone : random.chance(0.5)]));
    const cuts: [Machine, Machine][] = [];
    for (const a of machines) {
      for (const b of machines) {
        const isBridge = kind === 'bridge' && (a === alone || b === alone);
        if (a !== b && side.get(a) !== side.get(b) && !isBridge) cuts.push([a, b]);
      }
    }
    for (const [a, b] of cuts) this.all.network.cut(a.nodeId, b.nodeId);
    this.#afterOutage(() => {
      for (const [a, b] of cuts) this.all.network.heal(a.nodeId, b.nodeId);
    });
  }

  /** Long enough for another to be elected, while clients still reach this one; in one direction or in both. */
  #isolateLeader(): void {
    const leader = this.all.machines.find(({ process }) => process?.status?.nodeState === 'Leader');
    if (leader === undefined) return;
    this.all.counters.isolatedLeaders += 1;
    const direction = this.all.random.pick(['in', 'out', 'both', 'both']);
    const others = this.all.machines.filter((machine) => machine !== leader);
    for (const { nodeId } of others) {
      if (direction !== 'in') this.all.network.cut(leader.nodeId, nodeId);
      if (direction !== 'out') this.all.network.cut(nodeId, leader.nodeId);
    }
    const forMs = this.all.plan.config.electionTimeoutMaxMs * (0.5 + 3 * this.all.random.next());
    this.all.reachable.machine = leader;
    this.all.reachable.untilMs = this.all.events.nowMs + forMs;
    this.all.events.after(forMs, () => {
      for (const { nodeId } of others) {
        this.all.network.heal(leader.nodeId, nodeId);
        this.all.network.heal(nodeId, leader.nodeId);
      }
    });
  }

  #cutOneWay(): void {
    const [from, to] = [this.#victim(), this.all.random.pick(this.all.machines)];
    if (from === to) return;
    const [a, b] = this.all.random.chance(0.5) ? [from, to] : [to, from];
    this.all.counters.oneWayCuts += 1;
    this.all.network.cut(a.nodeId, b.nodeId);
    this.#afterOutage(() => this.all.network.heal(a.nodeId, b.nodeId));
  }

  #crash(machine: Machine, how: 'kill' | 'power'): void {
    if (!machine.isUp) return;
    machine.crash(how);
    this.#afterOutage(() => machine.start());
  }

  #crashWithinTurn(): void {
    const machine = this.#victim();
    machine.process?.crashAfter(this.all.random.integer(0, 3));
    this.#restartWhenDown(machine);
  }

  #restartWhenDown(machine: Machine): void {
    this.all.events.after(this.all.random.next() * 2_000, () => {
      if (!this.#isStopped) machine.start();
    });
  }

  #restartAll(): void {
    this.all.counters.fullRestarts += 1;
    for (const machine of this.all.machines) this.#crash(machine, this.all.random.chance(0.5) ? 'power' : 'kill');
  }

  #pause(): void {
    const machine = this.#victim();
    machine.pause();
    this.#afterOutage(() => machine.resume());
  }

  #drift(): void {
    this.all.counters.clockDrifts += 1;
    this.all.random.pick(this.all.machines).clock.setRate(this.all.random.pick(RATES));
  }

  #slowDisk(): void {
    const { disk } = this.#victim();
    this.all.counters.slowDisks += 1;
    disk.slowDown(this.all.random.pick([20, 200, 2_000]));
    this.#afterOutage(() => disk.slowDown(1));
  }

  /** Acknowledged data rots: the node must refuse to start, and is given a new disk. */
  #flipBit(): void {
    const machine = this.all.random.pick(this.all.machines);
    if (!this.#isExpendable(machine)) return;
    machine.crash('power');
    if (machine.disk.flipBit()) {
      machine.giveUpDisk();
      if (machine.start()) this.#expectRefusal(machine);
      else {
        this.all.counters.bitFlipsRefused += 1;
        machine.replaceDisk();
      }
    }
    this.#afterOutage(() => machine.start());
  }

  /** A start that goes on by itself may find the damage later, or none: then nothing that is needed was damaged. */
  #expectRefusal({ id }: Machine): void {
    if (!this.all.startsAtOnce) return;
    throw new Violation('durability', `${id} starts from a damaged disk`);
  }

  #wipeDisk(): void {
    const machine = this.all.random.pick(this.all.machines);
    if (!this.#isExpendable(machine)) return;
    this.all.counters.wipedDisks += 1;
    machine.crash('power');
    machine.replaceDisk();
    this.#afterOutage(() => machine.start());
  }

  #isExpendable(machine: Machine): boolean {
    return this.all.operator.canLose(machine.id);
  }
}
