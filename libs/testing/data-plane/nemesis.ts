import type { VoterId } from '@streamline/core/raft/types';
import type { ClusterMachine } from '@streamline/testing/cluster/cluster-machine';
import type { EventQueue } from '@streamline/testing/raft/event-queue';
import type { Network } from '@streamline/testing/raft/network';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { DataCounters } from './counters';
import type { DataPlan, Fault } from './plan';

const OUTAGE_MS = [200, 1_000, 4_000] as const;
const RATES = [0.8, 0.95, 1.05, 1.25] as const;
const LEADER_CHANCE = 0.5;
const CLIENTS_TOO_CHANCE = 0.4;
const LOSING_SYNCS = [1, 2, 10, 30] as const;

/** What somebody who runs the cluster does to it. */
export interface Administrator {
  reassign(): void;
  electPreferred(): void;
  changeMinIsr(): void;
  cancelMove(): void;
  recreateTopic(): void;
  addPartitions(): void;
}

export interface NemesisSurroundings {
  readonly plan: DataPlan;
  readonly counters: DataCounters;
  readonly events: EventQueue;
  readonly random: SeededRandom;
  readonly machines: readonly ClusterMachine[];
  readonly network: Network;
  readonly administrator: Administrator;
  /** Somebody takes a node out of the cluster, or goes on with it. */
  changeMembers(): void;
  /** Somebody deletes the first records of a partition. */
  deleteRecords(): void;
  /** Machines that lead some partition of the clients' topic, by the committed metadata. */
  partitionLeaders(): readonly ClusterMachine[];
  /** As the network knows the clients. */
  clientIds(): readonly number[];
  /** Whether everything can go on without what is on its disk. */
  canLose(machine: ClusterMachine, id: VoterId): boolean;
  /** Whether a disk that was lost is not made up for yet, so that the page caches of others may be all that there is. */
  restsOnPageCaches(): boolean;
  /** Whether every partition can go on without this machine's log of it. */
  canLoseLogs(machine: ClusterMachine): boolean;
}

/** Does harm, at the intervals that the plan says, until it is told to stop. */
export class Nemesis {
  #isStopped = false;
  /** Faults of disks that last. */
  readonly #undo = new Set<() => void>();

  constructor(private readonly all: NemesisSurroundings) {}

  start(): void {
    for (const [fault, intervalMs] of this.all.plan.faultIntervalsMs) this.#every(intervalMs, () => this.#do(fault));
    this.#every(this.all.plan.membershipIntervalMs, () => this.all.changeMembers());
  }

  stop(): void {
    this.#isStopped = true;
    for (const undo of this.#undo) undo();
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
    const { random, counters, machines, administrator } = this.all;
    switch (fault) {
      case 'kill':
        return this.#crash(this.#victim(), 'kill');
      case 'power-loss':
        return this.all.restsOnPageCaches() ? undefined : this.#crash(this.#victim(), 'power');
      case 'full-kill':
        counters.fullRestarts += 1;
        return machines.forEach((machine) => this.#crash(machine, 'kill'));
      case 'full-power-loss':
        if (this.all.restsOnPageCaches()) return;
        counters.fullPowerLosses += 1;
        return machines.forEach((machine) => this.#crash(machine, 'power'));
      case 'clean-stop':
        return this.#stop(this.#victim());
      case 'pause':
        return this.#pause(this.#victim());
      case 'partition':
        return this.#partition();
      case 'isolated-leader':
        return this.#isolate(this.#victim());
      case 'one-way-cut':
        return this.#cutOneWay();
      case 'client-cut':
        return this.#cutClients();
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
      case 'failed-sync':
        return this.#failSyncs();
      case 'full-disk':
        return this.#fillDisk();
      case 'wiped-disk':
        return this.#wipe();
      case 'reassignment':
        return administrator.reassign();
      case 'preferred-election':
        return administrator.electPreferred();
      case 'other-min-isr':
        return administrator.changeMinIsr();
      case 'delete-records':
        return this.all.deleteRecords();
      case 'cancelled-move':
        return administrator.cancelMove();
      case 'recreated-topic':
        return administrator.recreateTopic();
      case 'more-partitions':
        return administrator.addPartitions();
    }
  }

  #victim(): ClusterMachine {
    const { random, machines } = this.all;
    const leaders = this.all.partitionLeaders();
    return leaders.length > 0 && random.chance(LEADER_CHANCE) ? random.pick(leaders) : random.pick(machines);
  }

  #crash(machine: ClusterMachine, how: 'kill' | 'power'): void {
    if (!machine.isUp) return;
    machine.crash(how);
    this.#afterOutage(() => machine.start());
  }

  #stop(machine: ClusterMachine): void {
    machine.stop(() => this.#afterOutage(() => machine.start()));
  }

  #pause(machine: ClusterMachine): void {
    machine.pause();
    this.#afterOutage(() => machine.resume());
  }

  #partition(): void {
    const { random, machines, counters } = this.all;
    counters.partitions += 1;
    const side = new Map(machines.map((machine) => [machine, random.chance(0.5)]));
    this.#cut(
      machines.flatMap((a) => machines.filter((b) => side.get(a) !== side.get(b)).map((b) => [a.nodeId, b.nodeId] as const)),
    );
  }

  /** From the others, in one direction or both; now and then from clients as well. */
  #isolate(machine: ClusterMachine): void {
    const { random, machines, counters } = this.all;
    counters.isolatedLeaders += 1;
    const direction = random.pick(['in', 'out', 'both', 'both', 'both']);
    const clients = random.chance(CLIENTS_TOO_CHANCE) ? this.all.clientIds() : [];
    const others = [...machines.filter((other) => other !== machine).map(({ nodeId }) => nodeId), ...clients];
    const out = others.map((other) => [machine.nodeId, other] as const);
    const into = others.map((other) => [other, machine.nodeId] as const);
    this.#cut([...(direction === 'in' ? [] : out), ...(direction === 'out' ? [] : into)]);
  }

  #cutOneWay(): void {
    const { random, machines, counters } = this.all;
    const [from, to] = [this.#victim(), random.pick(machines)];
    if (from === to) return;
    counters.oneWayCuts += 1;
    this.#cut([random.chance(0.5) ? [from.nodeId, to.nodeId] : [to.nodeId, from.nodeId]]);
  }

  /** Some client does not reach some broker, or is not answered. */
  #cutClients(): void {
    const { random, machines, counters } = this.all;
    counters.clientCuts += 1;
    const client = random.pick(this.all.clientIds());
    const { nodeId } = random.pick(machines);
    this.#cut(random.pick([[[client, nodeId]], [[nodeId, client]], [[client, nodeId] as const, [nodeId, client] as const]]));
  }

  #cut(pairs: readonly (readonly [number, number])[]): void {
    const { network } = this.all;
    for (const [from, to] of pairs) network.cut(from, to);
    this.#afterOutage(() => {
      for (const [from, to] of pairs) network.heal(from, to);
    });
  }

  #slowDisk(): void {
    const { disk } = this.#victim().directory;
    this.all.counters.slowDisks += 1;
    disk.slowDown(this.all.random.pick([20, 200, 1_000]));
    this.#afterOutage(() => disk.slowDown(1));
  }

  /**
   * The next sync or two of segments fail: what they were to make durable never is (S-9). Where others have everything it may be many, so
   * that logs are given up (LOG-9), as those in the page cache always are.
   */
  #failSyncs(): void {
    const { plan, random, counters } = this.all;
    const machine = this.#victim();
    const canLoseLogs = this.all.canLoseLogs(machine);
    if (plan.topic.durability === 'page-cache' && !canLoseLogs) return;
    counters.failedSyncs += 1;
    const { files } = machine.directory.disk;
    const remove = files.inject({
      operations: ['datasync'],
      path: /^\/storage\/partitions/,
      fault: 'EIO',
      times: canLoseLogs ? random.pick(LOSING_SYNCS) : random.integer(1, 2),
    });
    this.#lasts(remove);
  }

  #fillDisk(): void {
    const { random, counters } = this.all;
    counters.fullDisks += 1;
    const { files } = this.#victim().directory.disk;
    const isPartial = random.chance(0.5);
    const remove = files.inject({ operations: ['write'], path: /^\/storage\/partitions\//, fault: 'ENOSPC', isPartial });
    this.#lasts(remove);
  }

  #lasts(undo: () => void): void {
    this.#undo.add(undo);
    this.#afterOutage(() => {
      this.#undo.delete(undo);
      undo();
    });
  }

  #wipe(): void {
    const { random, machines } = this.all;
    const machine = random.pick(machines);
    if (!this.all.canLose(machine, machine.id)) return;
    machine.wipe();
    machine.seeds = machines.filter((other) => other !== machine).map(({ address }) => address);
    this.#afterOutage(() => machine.start());
  }
}
