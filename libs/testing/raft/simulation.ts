import { EMPTY_CONFIGURATION } from '@streamline/core/raft/limits';
import type { Configuration } from '@streamline/core/raft/types';
import { History } from '@streamline/testing/history/history';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { Client } from './clients';
import type { Reachable } from './clients';
import { ClusterGhost } from './cluster-ghost';
import { SimulationCounters } from './counters';
import { EventQueue } from './event-queue';
import { CommitQuorum } from './invariants/commit-quorum';
import { ConfigSafety } from './invariants/config-safety';
import { ElectionSafety } from './invariants/election-safety';
import { ExactlyOnce } from './invariants/exactly-once';
import { HostContract } from './invariants/host-contract';
import { LeaderAppendOnly } from './invariants/leader-append-only';
import { LeaderCompleteness } from './invariants/leader-completeness';
import { LeaderKnowledge } from './invariants/leader-knowledge';
import { LinearizableReads } from './invariants/linearizable-reads';
import { LogMatching } from './invariants/log-matching';
import { MonotonicCommit } from './invariants/monotonic-commit';
import { NoVoteLost } from './invariants/no-vote-lost';
import { PersistBeforeSend } from './invariants/persist-before-send';
import { StateMachineSafety } from './invariants/state-machine-safety';
import { Machine } from './machine';
import { Nemesis } from './nemesis';
import { HEALTHY, Network } from './network';
import { Operator } from './operator';
import { drawPlan } from './plan';
import type { Plan } from './plan';
import type { NodeKind } from './simulated-process';
import { Statistics } from './statistics';
import { Trace } from './trace';
import { Violation } from './violation';

export interface SimulationOptions {
  readonly seed: number;
  readonly kind: NodeKind;
  /** One line for each thing that happens. */
  readonly trace?: ((line: string) => void) | undefined;
}

/** Virtual time within which a healed cluster has to elect, commit and be of one state; in the largest election timeouts. */
const LIVENESS_TIMEOUTS = 30;
/** Beyond it something goes round and round. */
const EVENTS_MAX = 2_000_000;
const CALM_RATES = [0.97, 1, 1.03] as const;

/** One seed's cluster: a safety phase with faults, then a liveness phase in which all is well and has to become well. */
export class Simulation {
  readonly counters = new SimulationCounters();
  readonly plan: Plan;
  /** The history was too long to be decided. */
  undecided = false;
  #broken: Error | undefined;
  readonly #events = new EventQueue();
  readonly #random: SeededRandom;
  readonly #ghost = new ClusterGhost();
  readonly #history = new History();
  readonly #reads = new LinearizableReads();
  readonly #exactlyOnce: ExactlyOnce;
  readonly #network: Network;
  readonly #machines: Machine[] = [];
  readonly #clients: Client[];
  readonly #reachable: Reachable = { machine: undefined, untilMs: 0 };
  readonly #nemesis: Nemesis;

  constructor(private readonly options: SimulationOptions) {
    const { counters } = this;
    this.#random = new SeededRandom(options.seed);
    this.plan = drawPlan(this.#random);
    const { plan } = this;
    this.#exactlyOnce = new ExactlyOnce(this.#ghost, plan.sessionLimits, () => {
      counters.duplicatesFiltered += 1;
    });
    this.#watch();
    this.#network = new Network(
      this.#events,
      this.#random.fork(),
      counters,
      plan.network,
      (nodeId) => this.#machines[nodeId - 1]?.endpoint ?? 'silent',
      options.kind.carriesByNodeId,
    );
    this.#makeMachines();
    const operator = new Operator(this.#machines, this.#ghost, this.#random.fork(), counters);
    this.#clients = Array.from({ length: plan.clients }, (_, number) => this.#client(number));
    this.#nemesis = new Nemesis({
      plan,
      events: this.#events,
      random: this.#random.fork(),
      counters,
      machines: this.#machines,
      network: this.#network,
      operator,
      reachable: this.#reachable,
      startsAtOnce: options.kind.isAsynchronous !== true,
    });
  }

  get eventsProcessed(): number {
    return this.#events.processed;
  }

  get virtualMs(): number {
    return this.#events.nowMs;
  }

  /** Throws what is wrong: a Violation, or an error of the code under test. */
  async run(): Promise<void> {
    for (const machine of this.#machines) machine.start();
    for (const client of this.#clients) client.start();
    this.#nemesis.start();
    await this.#runUntil(this.plan.safetyMs);
    this.#nemesis.stop();
    for (const client of this.#clients) client.stop();
    this.#heal();
    await this.#expectProgress();
    this.undecided = !this.#reads.checkHistory(this.#history);
  }

  #watch(): void {
    const { plan } = this;
    const { trace } = this.options;
    const ghost = this.#ghost;
    ghost.watchWith([
      ...(trace === undefined ? [] : [new Trace(this.#events, trace)]),
      new Statistics(ghost, this.counters),
      new HostContract(plan.config),
      new LogMatching(),
      new LeaderAppendOnly(),
      new NoVoteLost(),
      new ElectionSafety(ghost),
      new LeaderCompleteness(ghost),
      new LeaderKnowledge(ghost),
      new ConfigSafety(ghost),
      new MonotonicCommit(ghost),
      new CommitQuorum(ghost),
      new PersistBeforeSend(ghost),
      new StateMachineSafety(ghost, plan.sessionLimits),
      this.#exactlyOnce,
      this.#reads,
    ]);
  }

  #makeMachines(): void {
    const { plan, counters } = this;
    const surroundings = {
      config: plan.config,
      sessionLimits: plan.sessionLimits,
      snapshotFillerBytes: plan.snapshotFillerBytes,
      events: this.#events,
      ghost: this.#ghost,
      counters,
      send: this.#network.send.bind(this.#network),
      broken: (error: unknown) => {
        this.#broken ??= error instanceof Error ? error : new Error(String(error));
      },
    };
    for (let nodeId = 1; nodeId <= plan.voters + plan.spares; nodeId += 1) {
      this.#machines.push(new Machine(nodeId, this.options.kind, this.#random.fork(), surroundings));
    }
    const members = this.#machines.slice(0, plan.voters).map(({ member }) => member);
    const bootstrap: Configuration = { ...EMPTY_CONFIGURATION, members, voters: members.map(({ id }) => id) };
    for (const machine of this.#machines.slice(0, plan.voters)) machine.bootstrapWith(bootstrap);
  }

  #client(number: number, pinnedTo?: Machine): Client {
    const surroundings = {
      events: this.#events,
      machines: this.#machines,
      history: this.#history,
      reachable: this.#reachable,
      counters: this.counters,
      acknowledged: (operationId: string) => this.#exactlyOnce.acknowledged(operationId),
    };
    return new Client(number, { thinkMs: this.plan.thinkMs, ...(pinnedTo && { pinnedTo }) }, this.#random.fork(), surroundings);
  }

  /** Everything works from now on; whoever has a disk runs. */
  #heal(): void {
    this.#network.healAll();
    this.#network.profile = HEALTHY;
    for (const machine of this.#machines) {
      machine.resume();
      machine.clock.setRate(this.#random.pick(CALM_RATES));
      machine.disk.heal();
      machine.start();
      machine.process?.crashAfter(-1);
    }
  }

  async #expectProgress(): Promise<void> {
    const untilMs = this.#events.nowMs + LIVENESS_TIMEOUTS * this.plan.config.electionTimeoutMaxMs;
    await this.#expect(untilMs, 'no member leads, with all that are left following', () => this.#membersOfLeader() !== undefined);
    const clients = new Map<Machine, Client>();
    // Asked anew each time: a change of the membership that was begun before may end only now.
    const haveAllCommitted = (): boolean => {
      const committed = this.#membersOfLeader()?.map((machine) => this.#hasCommitted(machine, clients));
      return committed?.every(Boolean) === true;
    };
    await this.#expect(untilMs, 'a proposal from some member is not committed', haveAllCommitted);
    for (const client of clients.values()) client.stop();
    await this.#expect(untilMs, 'not all members come to the same state', () => this.#areEqual());
  }

  /** Something was proposed afresh through the machine, and is done. */
  #hasCommitted(machine: Machine, clients: Map<Machine, Client>): boolean {
    let client = clients.get(machine);
    if (client === undefined) {
      client = this.#client(this.plan.clients + clients.size, machine);
      clients.set(machine, client);
      client.start();
    }
    // Once is enough: a log that grows faster than a slow member can be sent it would be the test's doing.
    if (client.completed > 0) client.stop();
    return client.completed > 0;
  }

  /** Runs on until it is so. */
  async #expect(untilMs: number, complaint: string, isSo: () => boolean): Promise<void> {
    for (let checkMs = this.#events.nowMs; !isSo(); checkMs += 50) {
      if (checkMs > untilMs) throw new Violation('liveness', `${complaint}; ${this.#describe()}`);
      await this.#runUntil(checkMs);
    }
  }

  /** The machines of the leader's configuration that run as members of it; undefined as long as they do not follow it. */
  #membersOfLeader(): readonly Machine[] | undefined {
    for (const { process } of this.#machines) {
      const status = process?.status;
      if (status?.nodeState !== 'Leader' || status.configuration.configuration.outgoingVoters.length > 0) continue;
      const ids = new Set(status.configuration.configuration.members.map(({ id }) => id));
      const members = this.#machines.filter(({ id, isUp }) => isUp && ids.has(id));
      if (members.every((member) => member.process?.status?.leaderId === status.self)) return members;
    }
    return undefined;
  }

  #areEqual(): boolean {
    const members = this.#membersOfLeader();
    return (
      members?.every(({ id }) => this.#ghost.memberOf(id).appliedIndex === this.#ghost.commitIndex) === true &&
      members.every(({ process }) => process?.status?.appliedIndex === process?.status?.lastIndex)
    );
  }

  #describe(): string {
    const told = this.#machines.map(({ id, process }) => {
      const status = process?.status;
      if (status === undefined) return `${id} ${process === undefined ? 'is down' : 'has taken no turn'}`;
      const { nodeState, term, leaderId, commitIndex, appliedIndex, lastIndex } = status;
      return `${id} ${nodeState} of term ${term} under ${leaderId ?? 'nobody'}, log ${lastIndex}, commit ${commitIndex}, applied ${appliedIndex}`;
    });
    return told.join('; ');
  }

  async #runUntil(untilMs: number): Promise<void> {
    const isAsynchronous = this.options.kind.isAsynchronous === true;
    while (this.#events.runNext(untilMs)) {
      if (isAsynchronous) await macrotask();
      if (this.#broken !== undefined) throw this.#broken;
      if (this.#events.processed > EVENTS_MAX) throw new Violation('liveness', `${EVENTS_MAX} events and no end`);
    }
  }
}

/** By then every microtask has run. */
function macrotask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
