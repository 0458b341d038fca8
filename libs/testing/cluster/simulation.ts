import type { Message } from '@streamline/core/raft/messages';
import type { NodeId } from '@streamline/core/types/ids';
import { CLUSTER_SETTINGS } from '@streamline/testing/metadata/cluster-settings';
import { ClusterGhost } from '@streamline/testing/raft/cluster-ghost';
import { EventQueue } from '@streamline/testing/raft/event-queue';
import { CommitQuorum } from '@streamline/testing/raft/invariants/commit-quorum';
import { ConfigSafety } from '@streamline/testing/raft/invariants/config-safety';
import { ElectionSafety } from '@streamline/testing/raft/invariants/election-safety';
import { HostContract } from '@streamline/testing/raft/invariants/host-contract';
import { LeaderAppendOnly } from '@streamline/testing/raft/invariants/leader-append-only';
import { LeaderCompleteness } from '@streamline/testing/raft/invariants/leader-completeness';
import { LeaderKnowledge } from '@streamline/testing/raft/invariants/leader-knowledge';
import { LogMatching } from '@streamline/testing/raft/invariants/log-matching';
import { MonotonicCommit } from '@streamline/testing/raft/invariants/monotonic-commit';
import { NoVoteLost } from '@streamline/testing/raft/invariants/no-vote-lost';
import { PersistBeforeSend } from '@streamline/testing/raft/invariants/persist-before-send';
import { HEALTHY, Network } from '@streamline/testing/raft/network';
import { Trace } from '@streamline/testing/raft/trace';
import { Violation } from '@streamline/testing/raft/violation';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { Hello } from '@streamline/wire/contracts/generated/streamline/raft/v1/peer';
import { BrokerModel } from './broker-model';
import { CallNetwork } from './call-network';
import { Client } from './clients';
import { ClusterMachine } from './cluster-machine';
import type { ProcessSurroundings } from './cluster-process';
import { CommandCopies } from './command-copies';
import { ClusterCounters } from './counters';
import { AcknowledgedStays } from './invariants/acknowledged-stays';
import { BrokerEpochs } from './invariants/broker-epochs';
import { EqualImages } from './invariants/equal-images';
import { ExactlyOnce } from './invariants/exactly-once';
import { LearnersFirst } from './invariants/learners-first';
import { expectCalm } from './invariants/calm';
import { whatLacks } from './invariants/whole';
import { OneClusterId } from './invariants/one-cluster-id';
import { OneCluster } from './invariants/one-cluster';
import { OneLiveBroker } from './invariants/one-live-broker';
import { RemovedStaysOut } from './invariants/removed-stays-out';
import { SoundPartitions } from './invariants/sound-partitions';
import { MetadataGhost } from './metadata-ghost';
import { Nemesis } from './nemesis';
import { Operator } from './operator';
import { drawPlan } from './plan';
import type { ClusterPlan } from './plan';
import type { ShippedCode } from './shipped-code';
import { Statistics } from './statistics';

export interface SimulationOptions {
  readonly seed: number;
  readonly code: ShippedCode;
  /** False: members of one node id are not told apart by their directories. */
  readonly looksAtIdentities?: boolean;
  /** One line for each thing that happens. */
  readonly trace?: ((line: string) => void) | undefined;
}

/** Virtual time within which a healed cluster is whole again, answers commands from everywhere, and shows them everywhere. */
export const WHOLE_MS = 60_000;
export const ANSWER_MS = 10_000;
export const SHOWN_MS = 2_000;
const LOOK_MS = 50;
const CALM_RATES = [0.97, 1, 1.03] as const;
/** Beyond it something goes round and round. */
const EVENTS_MAX = 3_000_000;
const REPLICATION_FACTOR_MAX = 3;

/** One seed's cluster: nodes that form it, a time with faults, then a time in which all is well and has to become and stay so. */
export class ClusterSimulation {
  readonly counters = new ClusterCounters();
  readonly plan: ClusterPlan;
  /** From the healing to when the cluster was whole. */
  wholeAfterMs = 0;
  readonly #events = new EventQueue();
  readonly #random: SeededRandom;
  readonly #ghost = new ClusterGhost();
  readonly #metadata = new MetadataGhost();
  readonly #copies = new CommandCopies();
  readonly #exactlyOnce = new ExactlyOnce();
  readonly #acknowledged = new AcknowledgedStays(() => this.#ghost.commitIndex);
  readonly #removed = new RemovedStaysOut(
    () => this.#events.nowMs,
    (id) => {
      const directory = this.#machines.find((machine) => machine.id === id)?.directory;
      return directory !== undefined && (directory.clusterId === undefined || this.#copies.of(directory.id) > 0);
    },
  );
  readonly #network: Network;
  readonly #machines: ClusterMachine[] = [];
  readonly #clients: Client[];
  readonly #operator: Operator;
  readonly #nemesis: Nemesis;
  readonly #all: ProcessSurroundings;
  #broken: Error | undefined;
  #mends = false;

  constructor(private readonly options: SimulationOptions) {
    this.#random = new SeededRandom(options.seed);
    this.plan = drawPlan(this.#random);
    const { plan, counters } = this;
    this.#watch();
    this.#network = new Network(
      this.#events,
      this.#random.fork(),
      counters,
      plan.network,
      (nodeId) => this.#machines[nodeId - 1]?.endpoint ?? 'silent',
      true,
    );
    this.#all = this.#surroundings();
    this.#makeMachines();
    const around = { all: this.#all, machines: this.#machines, random: this.#random.fork(), members: this.#removed };
    this.#operator = new Operator(around);
    this.#clients = Array.from({ length: plan.clients }, (_, number) => this.#client(`c${number}`));
    this.#nemesis = new Nemesis({
      plan,
      counters,
      events: this.#events,
      random: this.#random.fork(),
      machines: this.#machines,
      network: this.#network,
      operator: this.#operator,
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
    const { code } = this.options;
    const { replicationFactorMax } = code.REPLICATION_LIMITS;
    Reflect.set(code.REPLICATION_LIMITS, 'replicationFactorMax', Math.max(REPLICATION_FACTOR_MAX, replicationFactorMax));
    const unhandled = (error: unknown): void => this.#all.broken(new Violation('unhandled', `nobody looks at ${String(error)}`));
    process.on('unhandledRejection', unhandled);
    try {
      await this.#run();
    } finally {
      process.off('unhandledRejection', unhandled);
      for (const machine of this.#machines) if (machine.process !== undefined) this.#all.calls.release(machine.process);
      Reflect.set(code.REPLICATION_LIMITS, 'replicationFactorMax', replicationFactorMax);
    }
  }

  async #run(): Promise<void> {
    const { plan } = this;
    for (const machine of this.#machines) this.#events.after(this.#random.next() * plan.startWithinMs, () => machine.start());
    for (const client of this.#clients) client.start();
    this.#nemesis.start();
    this.#mends = true;
    this.#mend();
    await this.#runUntil(plan.safetyMs);
    this.#nemesis.stop();
    for (const client of this.#clients) client.stop();
    this.#heal();
    const healedMs = this.#events.nowMs;
    await this.#expect(WHOLE_MS, () => this.#lacks());
    this.wholeAfterMs = this.#events.nowMs - healedMs;
    await this.#expectAnswers();
    // A registration that a process sent before it died is tried for a session yet, and takes the place of its successor's until
    // the next heartbeat: nothing in it says which of two lives of a directory is the later one.
    await this.#runUntil(Math.max(this.#events.nowMs, healedMs + 2 * plan.sessionTimeoutMs));
    await expectCalm({
      counters: this.counters,
      machines: this.#machines,
      random: this.#random,
      plan,
      pass: (ms) => this.#runUntil(this.#events.nowMs + ms),
    });
    await this.#expect(SHOWN_MS, () => this.#lacks());
    this.#mends = false;
    this.#acknowledged.check(this.#metadata.current);
  }

  #watch(): void {
    const { plan, counters } = this;
    const { trace } = this.options;
    const ghost = this.#ghost;
    const statistics = new Statistics(counters);
    ghost.watchWith([
      ...(trace === undefined ? [] : [new Trace(this.#events, trace)]),
      statistics,
      new HostContract(plan.raft),
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
      this.#metadata,
    ]);
    const count = (name: 'partitionLeaderChanges' | 'newDisks' | 'imagesCompared') => (): void => void (counters[name] += 1);
    this.#metadata.watchWith([
      statistics,
      new OneCluster(),
      new OneClusterId(),
      new LearnersFirst(),
      this.#removed,
      new BrokerEpochs(),
      new OneLiveBroker(count('newDisks')),
      this.#exactlyOnce,
      this.#acknowledged,
      new SoundPartitions(count('partitionLeaderChanges')),
      new EqualImages(count('imagesCompared')),
    ]);
  }

  #surroundings(): ProcessSurroundings {
    const { plan, counters } = this;
    const { code, trace } = this.options;
    const events = this.#events;
    const machineAt = (nodeId: number): ClusterMachine | undefined => this.#machines[nodeId - 1];
    const calls = new CallNetwork({
      events,
      counters,
      random: this.#random.fork(),
      links: this.#network,
      copies: this.#copies,
      PortError: code.PortError,
      at: (address) => {
        const machine = machineAt(Number(/^node-(\d+):/.exec(address)?.[1] ?? 0));
        if (machine === undefined) return undefined;
        const isThere = machine.address === address;
        return { nodeId: machine.nodeId, endpoint: isThere ? machine.callEndpoint : machine.hasPower ? 'refused' : 'silent' };
      },
    });
    return {
      code,
      events,
      counters,
      calls,
      makeBroker: (process, replica, random) => new BrokerModel(process, replica, random),
      trace,
      raft: plan.raft,
      settings: { ...CLUSTER_SETTINGS, sessionTimeoutMs: plan.sessionTimeoutMs },
      ghost: this.#ghost,
      metadata: this.#metadata,
      network: this.#network,
      looksAtIdentities: this.options.looksAtIdentities ?? true,
      greetings: new WeakMap<Message, Hello>(),
      addressOf: (nodeId) => machineAt(nodeId)?.address,
      wireOf: (nodeId) => machineAt(nodeId)?.process?.wire,
      refuse: (nodeId, tell) => {
        if (machineAt(nodeId)?.hasPower === true) events.after(1, tell);
      },
      broken: (error) => {
        this.#broken ??= error instanceof Error ? error : new Error(String(error));
      },
    };
  }

  #makeMachines(): void {
    const { plan } = this;
    const events = {
      ended: (machine: ClusterMachine) => this.#connectionsBreak(machine),
      exited: (machine: ClusterMachine, why: unknown) => {
        if (typeof why === 'object') this.counters.startsRefused += 1;
        this.#events.after(this.#random.next() * 2_000, () => machine.start());
      },
    };
    for (let nodeId = 1; nodeId <= plan.nodes; nodeId += 1) {
      this.#machines.push(new ClusterMachine(nodeId as NodeId, this.#random.fork(), this.#all, events));
    }
    const addresses = this.#machines.map(({ address }) => address);
    for (const [at, machine] of this.#machines.entries()) {
      machine.seeds = this.#seedsOf(at, addresses);
      if (plan.seedLists === 'invited' && at > 0) machine.mode = 'never';
    }
  }

  #seedsOf(at: number, addresses: readonly string[]): readonly string[] {
    switch (this.plan.seedLists) {
      case 'chain': {
        const before = addresses.slice(0, at);
        const some = before.filter(() => this.#random.chance(0.5));
        return some.length > 0 ? some : before.slice(0, 1);
      }
      case 'equal':
        return addresses;
      case 'rotated':
        return [...addresses.slice(at), ...addresses.slice(0, at)];
      case 'invited':
        return [];
    }
  }

  /** Whoever was connected to a process that is gone notices, where the network lets it. */
  #connectionsBreak({ nodeId, address, hasPower }: ClusterMachine): void {
    for (const { nodeId: other, process } of this.#machines) {
      const isConnected = process?.wire.peerAddresses.includes(address) === true && !this.#network.isCut(nodeId, other);
      if (isConnected && hasPower) this.#events.after(this.#random.next() * 20, () => process.connectionLost(address));
    }
  }

  #client(name: string, pinnedTo?: ClusterMachine): Client {
    const around = {
      all: this.#all,
      machines: this.#machines,
      copies: this.#copies,
      exactlyOnce: this.#exactlyOnce,
      acknowledgedStays: this.#acknowledged,
    };
    return new Client(name, this.plan.thinkMs, this.#random.fork(), around, pinnedTo);
  }

  #mend(): void {
    if (!this.#mends) return;
    this.#operator.mend();
    this.#events.after(500, () => this.#mend());
  }

  /** Everything works from now on, and command lines are right where a node needs them. */
  #heal(): void {
    this.#network.healAll();
    this.#network.profile = HEALTHY;
    for (const machine of this.#machines) {
      machine.resume();
      machine.clock.setRate(this.#random.pick(CALM_RATES));
      machine.directory.disk.heal();
      this.#correctSeeds(machine);
    }
  }

  /** Who waits at an address where nobody is any more is told the new one. */
  #correctSeeds(machine: ClusterMachine): void {
    const current = machine.seeds.map((seed) => {
      const nodeId = Number(/^node-(\d+):/.exec(seed)?.[1] ?? 0);
      return this.#machines[nodeId - 1]?.address ?? seed;
    });
    if (machine.directory.clusterId !== undefined || current.join() === machine.seeds.join()) return;
    machine.seeds = current;
    machine.crash('kill');
  }

  #lacks(): string | undefined {
    return whatLacks(this.#machines, this.#ghost, this.#metadata.current);
  }

  /** A command from each node is answered, and then shown by all. */
  async #expectAnswers(): Promise<void> {
    const clients = this.#machines.map((machine) => this.#client(`last${machine.nodeId}`, machine));
    for (const client of clients) client.start();
    await this.#expect(ANSWER_MS, () => {
      for (const client of clients) if (client.completed > 0) client.stop();
      const at = clients.findIndex((client) => client.completed === 0);
      return at < 0 ? undefined : `a command sent to node ${at + 1} is not answered`;
    });
    await this.#expect(SHOWN_MS, () => this.#lacks());
  }

  /** Runs on until nothing is lacking. */
  async #expect(withinMs: number, lacks: () => string | undefined): Promise<void> {
    const untilMs = this.#events.nowMs + withinMs;
    for (let checkMs = this.#events.nowMs; ; checkMs += LOOK_MS) {
      const what = lacks();
      if (what === undefined) return;
      if (checkMs > untilMs) throw new Violation('liveness', `${withinMs} ms after all was well: ${what}; ${this.#describe()}`);
      await this.#runUntil(checkMs);
    }
  }

  #describe(): string {
    const told = this.#machines.map(({ id, process, refusal }) => {
      if (process === undefined) return `${id} is down${refusal === undefined ? '' : ` (${refusal})`}`;
      const { status } = process;
      if (status === undefined) return `${id} is not part of a cluster`;
      const { nodeState, term, leaderId, commitIndex, lastIndex } = status;
      return `${id} ${nodeState} of term ${term} under ${leaderId ?? 'nobody'}, log ${lastIndex}, commit ${commitIndex}${process.isRemoved ? ', removed' : ''} ${process.note}`;
    });
    return told.join('; ');
  }

  async #runUntil(untilMs: number): Promise<void> {
    while (this.#events.runNext(untilMs)) {
      await macrotask();
      if (this.#broken !== undefined) throw this.#broken;
      if (this.#events.processed > EVENTS_MAX) throw new Violation('liveness', `${EVENTS_MAX} events and no end`);
    }
  }
}

/** By then every microtask has run. */
function macrotask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
