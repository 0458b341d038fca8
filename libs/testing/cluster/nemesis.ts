import type { EventQueue } from '@streamline/testing/raft/event-queue';
import type { Network } from '@streamline/testing/raft/network';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { ClusterMachine } from './cluster-machine';
import type { ClusterCounters } from './counters';
import type { Operator } from './operator';
import type { ClusterPlan, Fault } from './plan';

/** How long an outage lasts: mostly about an election, at times longer than everything else. */
const OUTAGE_MS = [20, 300, 1_500, 6_000] as const;
const RATES = [0.9, 0.95, 1, 1.05, 1.1] as const;
/** Chance that a fault goes for the leader. */
const LEADER_CHANCE = 0.4;

export interface NemesisSurroundings {
  readonly plan: ClusterPlan;
  readonly events: EventQueue;
  readonly random: SeededRandom;
  readonly counters: ClusterCounters;
  readonly machines: readonly ClusterMachine[];
  readonly network: Network;
  readonly operator: Operator;
}

/** Does harm, at the intervals that the plan says, until it is told to stop. */
export class Nemesis {
  #isStopped = false;

  constructor(private readonly all: NemesisSurroundings) {}

  start(): void {
    const { plan, operator } = this.all;
    for (const [fault, intervalMs] of plan.faultIntervalsMs) this.#every(intervalMs, () => this.#do(fault));
    this.#every(plan.changeIntervalMs, () => operator.changeMembership());
    this.#every(plan.transferIntervalMs, () => operator.transfer());
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
    const { random, counters, machines } = this.all;
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
      case 'full-restart':
        counters.fullRestarts += 1;
        for (const machine of machines) this.#crash(machine, random.chance(0.5) ? 'power' : 'kill');
        return;
      case 'clean-stop':
        return this.#stop(this.#victim());
      case 'pause':
        return this.#pause();
      case 'clock-drift':
        counters.clockDrifts += 1;
        return random.pick(machines).clock.setRate(random.pick(RATES));
      case 'wall-clock-step':
        counters.wallClockSteps += 1;
        return random.pick(machines).clock.stepWall(random.integer(-20_000, 20_000));
      case 'slow-disk':
        return this.#slowDisk();
      case 'failed-write':
        counters.failedWrites += 1;
        return this.#victim().directory.disk.failNextWrite();
      case 'wiped-directory':
        return this.#wipe();
      case 'other-seeds':
        return this.#otherSeeds();
      case 'address-change':
        return this.#move();
    }
  }

  #victim(): ClusterMachine {
    const leaders = this.all.machines.filter(({ process }) => process?.leads === true);
    return leaders.length > 0 && this.all.random.chance(LEADER_CHANCE)
      ? this.all.random.pick(leaders)
      : this.all.random.pick(this.all.machines);
  }

  /** Cuts the machines into two groups, or one off from the rest, or leaves one as the only bridge. */
  #partition(): void {
    const { random, machines, network } = this.all;
    this.all.counters.partitions += 1;
    const alone = this.#victim();
    const kind = random.pick(['halves', 'alone', 'bridge']);
    const side = new Map(machines.map((machine) => [machine, kind === 'alone' ? machine === alone : random.chance(0.5)]));
    const cuts: [ClusterMachine, ClusterMachine][] = [];
    for (const a of machines) {
      for (const b of machines) {
        const isBridge = kind === 'bridge' && (a === alone || b === alone);
        if (a !== b && side.get(a) !== side.get(b) && !isBridge) cuts.push([a, b]);
      }
    }
    for (const [a, b] of cuts) network.cut(a.nodeId, b.nodeId);
    this.#afterOutage(() => {
      for (const [a, b] of cuts) network.heal(a.nodeId, b.nodeId);
    });
  }

  /** Long enough for another to be elected; in one direction or in both. */
  #isolateLeader(): void {
    const { machines, random, network, plan, events } = this.all;
    const leader = machines.find(({ process }) => process?.leads === true);
    if (leader === undefined) return;
    this.all.counters.isolatedLeaders += 1;
    const direction = random.pick(['in', 'out', 'both', 'both']);
    const others = machines.filter((machine) => machine !== leader);
    for (const { nodeId } of others) {
      if (direction !== 'in') network.cut(leader.nodeId, nodeId);
      if (direction !== 'out') network.cut(nodeId, leader.nodeId);
    }
    events.after(plan.raft.electionTimeoutMaxMs * (0.5 + 3 * random.next()), () => {
      for (const { nodeId } of others) {
        network.heal(leader.nodeId, nodeId);
        network.heal(nodeId, leader.nodeId);
      }
    });
  }

  #cutOneWay(): void {
    const { random, machines, network } = this.all;
    const [from, to] = [this.#victim(), random.pick(machines)];
    if (from === to) return;
    const [a, b] = random.chance(0.5) ? [from, to] : [to, from];
    this.all.counters.oneWayCuts += 1;
    network.cut(a.nodeId, b.nodeId);
    this.#afterOutage(() => network.heal(a.nodeId, b.nodeId));
  }

  #crash(machine: ClusterMachine, how: 'kill' | 'power'): void {
    if (!machine.isUp) return;
    machine.crash(how);
    this.#afterOutage(() => machine.start());
  }

  #stop(machine: ClusterMachine): void {
    machine.stop(() => this.#afterOutage(() => machine.start()));
  }

  #pause(): void {
    const machine = this.#victim();
    machine.pause();
    this.#afterOutage(() => machine.resume());
  }

  #slowDisk(): void {
    const { disk } = this.#victim().directory;
    this.all.counters.slowDisks += 1;
    disk.slowDown(this.all.random.pick([20, 200, 2_000]));
    this.#afterOutage(() => disk.slowDown(1));
  }

  #wipe(): void {
    const machine = this.all.random.pick(this.all.machines);
    if (!this.all.operator.canLose(machine.id)) return;
    this.all.operator.wipe(machine);
    this.#afterOutage(() => machine.start());
  }

  /** A member starts again with another command line: it goes on as what it is. */
  #otherSeeds(): void {
    const { random, machines, counters } = this.all;
    const machine = this.#victim();
    if (machine.directory.clusterId === undefined) return;
    counters.otherSeeds += 1;
    const some = machines.filter(() => random.chance(0.5)).map(({ address }) => address);
    machine.seeds = random.pick([[], [machine.address], some, [...some, 'nowhere:9093']]);
    machine.mode = random.pick(['auto', 'auto', 'never']);
    machine.crash('kill');
    this.#afterOutage(() => machine.start());
  }

  #move(): void {
    const machine = this.#victim();
    if (machine.directory.clusterId === undefined || !this.all.operator.areAddressesKnown) return;
    this.all.counters.addressChanges += 1;
    machine.crash('kill');
    machine.move();
    this.#afterOutage(() => machine.start());
  }
}
