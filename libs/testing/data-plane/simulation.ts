import type { Message } from '@streamline/core/raft/messages';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import type { NodeId } from '@streamline/core/types/ids';
import type { PartitionKey } from '@streamline/runtime/log/log-engine';
import { CallNetwork } from '@streamline/testing/cluster/call-network';
import { ClusterMachine } from '@streamline/testing/cluster/cluster-machine';
import type { ProcessSurroundings } from '@streamline/testing/cluster/cluster-process';
import { CommandCopies } from '@streamline/testing/cluster/command-copies';
import { BrokerEpochs } from '@streamline/testing/cluster/invariants/broker-epochs';
import { EqualImages } from '@streamline/testing/cluster/invariants/equal-images';
import { LearnersFirst } from '@streamline/testing/cluster/invariants/learners-first';
import { OneClusterId } from '@streamline/testing/cluster/invariants/one-cluster-id';
import { OneCluster } from '@streamline/testing/cluster/invariants/one-cluster';
import { OneLiveBroker } from '@streamline/testing/cluster/invariants/one-live-broker';
import { SoundPartitions } from '@streamline/testing/cluster/invariants/sound-partitions';
import { whatLacks } from '@streamline/testing/cluster/invariants/whole';
import { MetadataGhost } from '@streamline/testing/cluster/metadata-ghost';
import { Statistics } from '@streamline/testing/cluster/statistics';
import { History } from '@streamline/testing/history/log-history';
import { CLUSTER_SETTINGS } from '@streamline/testing/metadata/cluster-settings';
import { ClusterGhost } from '@streamline/testing/raft/cluster-ghost';
import { EventQueue } from '@streamline/testing/raft/event-queue';
import { CommitQuorum } from '@streamline/testing/raft/invariants/commit-quorum';
import { ConfigSafety } from '@streamline/testing/raft/invariants/config-safety';
import { ElectionSafety } from '@streamline/testing/raft/invariants/election-safety';
import { HostContract } from '@streamline/testing/raft/invariants/host-contract';
import { LeaderAppendOnly } from '@streamline/testing/raft/invariants/leader-append-only';
import { LeaderCompleteness } from '@streamline/testing/raft/invariants/leader-completeness';
import { LogMatching } from '@streamline/testing/raft/invariants/log-matching';
import { MonotonicCommit } from '@streamline/testing/raft/invariants/monotonic-commit';
import { NoVoteLost } from '@streamline/testing/raft/invariants/no-vote-lost';
import { PersistBeforeSend } from '@streamline/testing/raft/invariants/persist-before-send';
import { HEALTHY, Network } from '@streamline/testing/raft/network';
import { canLoseDisk } from '@streamline/testing/raft/possible-configurations';
import { Violation } from '@streamline/testing/raft/violation';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { Hello } from '@streamline/wire/contracts/generated/streamline/raft/v1/peer';
import { TopicAdministrator } from './administrator';
import { BriefClient } from './brief-client';
import type { Client } from './client';
import type { ClientWorld } from './client-world';
import { BRIEF_TOPIC, DATA_TOPIC } from './client-world';
import { Committer } from './committer';
import { DataCounters } from './counters';
import { Deleter } from './deleter';
import { GroupMember } from './group-member';
import { GroupTruth } from './group-truth';
import type { Standing } from './invariants/enough-replicas';
import { EnoughReplicas } from './invariants/enough-replicas';
import { expectEqualReplicas, valuesOf } from './invariants/equal-replicas';
import { OneLeader } from './invariants/one-leader';
import { OneValue } from './invariants/one-value';
import { OwnTopic } from './invariants/own-topic';
import { whatIsLeftOver, whatReplicasLack, whatStartsLack } from './invariants/whole-replicas';
import type { FinalPartition } from './judgement';
import { judgeLogs } from './judgement';
import { MemberAdministrator } from './member-administrator';
import { Nemesis } from './nemesis';
import { PartitionStatistics } from './partition-statistics';
import { PartitionView } from './partition-view';
import { PeerNetwork } from './peer-network';
import type { DataPlan } from './plan';
import { drawPlan, hasBriefTopic, MEMBERSHIP_SALT, withMembership } from './plan';
import { Producer } from './producer';
import { Reader } from './reader';
import type { DataCode } from './shipped-code';
import { StorageSide } from './storage-side';
import { Truth } from './truth';

export interface SimulationOptions {
  readonly seed: number;
  readonly code: DataCode;
  /** What is to be otherwise than the seed draws it. */
  readonly plan?: Partial<DataPlan> | undefined;
  /** One line for each thing that happens. */
  readonly trace?: ((line: string) => void) | undefined;
}

/** Virtual time within which a cluster without faults is there, and one that was healed is whole again with all that clients want. */
const READY_MS = 30_000;
export const WHOLE_MS = 60_000;
const LOOK_MS = 50;
const MEND_MS = 500;
const CALM_RATES = [0.97, 1, 1.03] as const;
const FIRST_CLIENT_ID = 100;
/** More than a node has starts between two registrations. */
const SIDES_KEPT = 10;
/** Beyond it something goes round and round. */
const EVENTS_MAX = 3_000_000;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** One seed's cluster with its clients: a time with faults, then one in which all is well and everything has to come to its end. */
export class DataSimulation {
  readonly counters = new DataCounters();
  readonly plan: DataPlan;
  /** From the healing to when all was whole. */
  wholeAfterMs = 0;
  /** Of all that clients were told, and when. */
  hash = FNV_OFFSET;
  readonly #events = new EventQueue();
  readonly #random: SeededRandom;
  readonly #ghost = new ClusterGhost();
  readonly #metadata = new MetadataGhost();
  readonly #history = new History();
  readonly #truth: Truth;
  readonly #enoughReplicas = new EnoughReplicas((place) => this.#standing(place));
  readonly #groups: GroupTruth;
  readonly #ownTopic = new OwnTopic();
  readonly #network: Network;
  readonly #peers: PeerNetwork;
  readonly #machines: ClusterMachine[] = [];
  readonly #partitions: PartitionView;
  /** The last storage sides of each directory. */
  readonly #storages = new Map<string, StorageSide[]>();
  readonly #administrator: TopicAdministrator;
  readonly #members: MemberAdministrator;
  readonly #clients: readonly Client[];
  readonly #deleter: Deleter;
  readonly #nemesis: Nemesis;
  readonly #all: ProcessSurroundings;
  #ids = FIRST_CLIENT_ID;
  #broken: Error | undefined;
  #isHealing = false;
  #isOver = false;

  constructor(private readonly options: SimulationOptions) {
    this.#random = new SeededRandom(options.seed);
    this.plan = { ...withMembership(drawPlan(this.#random), options.seed), ...options.plan };
    const { plan, counters } = this;
    this.#partitions = new PartitionView(plan, this.#machines, () => this.#metadata.current);
    this.#truth = new Truth(plan.topic, counters, (error) => this.#break(error));
    this.#groups = new GroupTruth(counters);
    this.#watch();
    this.#network = new Network(
      this.#events,
      this.#random.fork(),
      counters,
      HEALTHY,
      (id) => this.#machines[id - 1]?.endpoint ?? 'silent',
      true,
    );
    this.#peers = this.#peerNetwork();
    this.#all = this.#surroundings();
    this.#makeMachines();
    const image = () => this.#metadata.current;
    const tell = (line: () => string): void => this.#tell(line);
    const broken = (error: unknown): void => this.#break(error);
    this.#administrator = new TopicAdministrator({
      plan,
      counters,
      random: this.#random.fork(),
      machines: this.#machines,
      image,
      tell,
      broken,
    });
    this.#members = new MemberAdministrator({
      counters,
      random: new SeededRandom(options.seed ^ MEMBERSHIP_SALT).fork(),
      events: this.#events,
      machines: this.#machines,
      canLose: ({ id }) => canLoseDisk(this.#ghost, id),
      isMember: ({ id }) => this.#metadata.members.includes(id),
      tell,
      broken,
    });
    const world = this.#world();
    this.#deleter = new Deleter(world, 'd0');
    this.#clients = [...this.#makeClients(world), this.#deleter];
    this.#nemesis = new Nemesis({
      plan,
      counters,
      events: this.#events,
      random: this.#random.fork(),
      machines: this.#machines,
      network: this.#network,
      administrator: this.#administrator,
      changeMembers: () => this.#members.changeMembers(),
      deleteRecords: () => this.#deleter.delete(),
      partitionLeaders: () => this.#partitions.leaders(),
      clientIds: () => this.#clients.map(({ networkId }) => networkId),
      canLoseLogs: (machine) => this.#isInSyncWithout(machine),
      canLose: (machine, id) => this.#partitions.canLose(machine) && canLoseDisk(this.#ghost, id),
      restsOnPageCaches: () => this.#partitions.restOnPageCaches(),
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
    const unhandled = (error: unknown): void => {
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#break(error instanceof Violation ? error : new Violation('unhandled', `nobody looks at ${what}`));
    };
    process.on('unhandledRejection', unhandled);
    try {
      await this.#run();
    } finally {
      process.off('unhandledRejection', unhandled);
      this.#isOver = true;
      for (const machine of this.#machines) machine.crash('power');
    }
  }

  async #run(): Promise<void> {
    for (const machine of this.#machines) machine.start();
    this.#mend();
    await this.#expect(
      'ready',
      READY_MS,
      () => whatLacks(this.#machines, this.#ghost, this.#metadata.current) ?? this.#lacksTopics(),
    );
    this.#network.profile = this.plan.network;
    for (const client of this.#clients) client.start();
    this.#nemesis.start();
    await this.#runUntil(this.#events.nowMs + this.plan.safetyMs);
    this.#nemesis.stop();
    for (const client of this.#clients) client.stop();
    this.#heal();
    const healedMs = this.#events.nowMs;
    await this.#expect('liveness', WHOLE_MS, () => this.#lacks());
    this.wholeAfterMs = this.#events.nowMs - healedMs;
    await this.#judge();
  }

  #watch(): void {
    const { plan, counters } = this;
    const ghost = this.#ghost;
    const statistics = new Statistics(counters);
    ghost.watchWith([
      statistics,
      new HostContract(plan.raft),
      new LogMatching(),
      new LeaderAppendOnly(),
      new NoVoteLost(),
      new ElectionSafety(ghost),
      new LeaderCompleteness(ghost),
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
      new BrokerEpochs(),
      new OneLiveBroker(count('newDisks')),
      new SoundPartitions(count('partitionLeaderChanges')),
      new EqualImages(count('imagesCompared')),
      this.#truth.losses,
      this.#groups,
      new PartitionStatistics(counters),
      { after: (_index, records) => this.#isrMayHaveChanged(records) },
    ]);
    this.#truth.watchWith([new OneLeader(), new OneValue(), this.#enoughReplicas]);
  }

  #peerNetwork(): PeerNetwork {
    return new PeerNetwork({
      events: this.#events,
      random: this.#random.fork(),
      links: this.#network,
      counters: this.counters,
      at: (address) => this.#at(address),
      accept: (process, stream) => {
        const storage = process.broker;
        if (!(storage instanceof StorageSide)) throw new Error('there is no storage role');
        return storage.acceptPeer(stream);
      },
    });
  }

  #at(address: string): { readonly machine: ClusterMachine; readonly isThere: boolean } | undefined {
    const machine = this.#machines[Number(/^node-(\d+):/.exec(address)?.[1] ?? 0) - 1];
    return machine && { machine, isThere: machine.address === address };
  }

  #surroundings(): ProcessSurroundings {
    const { plan, counters } = this;
    const { code, trace } = this.options;
    const events = this.#events;
    const calls = new CallNetwork({
      events,
      counters,
      random: this.#random.fork(),
      links: this.#network,
      copies: new CommandCopies(),
      PortError: code.PortError,
      at: (address) => {
        const found = this.#at(address);
        return found && { nodeId: found.machine.nodeId, endpoint: found.machine.callEndpoint };
      },
    });
    const storage = { code, plan, counters, peers: this.#peers, truth: this.#truth };
    return {
      code,
      events,
      counters,
      calls,
      makeBroker: (process, replica, random) => {
        const side = new StorageSide(process, replica, random, storage);
        const known = this.#storages.get(process.directory.id) ?? [];
        this.#storages.set(process.directory.id, [...known.slice(-SIDES_KEPT), side]);
        return side;
      },
      trace,
      raft: plan.raft,
      settings: {
        ...CLUSTER_SETTINGS,
        sessionTimeoutMs: plan.sessionTimeoutMs,
        offsetsTopicReplicationFactor: plan.offsetsTopic.replicationFactor,
      },
      ghost: this.#ghost,
      metadata: this.#metadata,
      network: this.#network,
      looksAtIdentities: true,
      greetings: new WeakMap<Message, Hello>(),
      addressOf: (nodeId) => this.#machines[nodeId - 1]?.address,
      wireOf: (nodeId) => this.#machines[nodeId - 1]?.process?.wire,
      refuse: (nodeId, tell) => {
        if (this.#machines[nodeId - 1]?.hasPower === true) events.after(1, tell);
      },
      broken: (error) => this.#break(error),
    };
  }

  #makeMachines(): void {
    const events = {
      ended: (machine: ClusterMachine) => this.#connectionsBreak(machine),
      exited: (machine: ClusterMachine) => {
        this.#events.after(this.#random.next() * 1_000, () => machine.start());
      },
    };
    for (let nodeId = 1; nodeId <= this.plan.nodes; nodeId += 1) {
      this.#machines.push(new ClusterMachine(nodeId as NodeId, this.#random.fork(), this.#all, events));
    }
    const seeds = this.#machines.map(({ address }) => address);
    for (const machine of this.#machines) machine.seeds = seeds;
  }

  /** Whoever was connected to a process that is gone notices, where the network lets it. */
  #connectionsBreak({ nodeId, address, hasPower }: ClusterMachine): void {
    for (const side of [...this.#storages.values()].flat()) {
      const { process } = side;
      if (process.nodeId !== nodeId) continue;
      this.#peers.ended(process, hasPower);
      if (hasPower) for (const client of this.#clients) client.processEnded(process);
    }
    for (const { nodeId: other, process } of this.#machines) {
      const isConnected = process?.wire.peerAddresses.includes(address) === true && !this.#network.isCut(nodeId, other);
      if (isConnected && hasPower) this.#events.after(this.#random.next() * 20, () => process.connectionLost(address));
    }
  }

  #makeClients(world: ClientWorld): Client[] {
    const { plan } = this;
    const producers = plan.producers.map((producer, at) => new Producer(world, `p${at}`, producer));
    const readers = Array.from({ length: plan.readers }, (_, at) => new Reader(world, `r${at}`));
    const members = plan.groups.flatMap((count, group) =>
      Array.from({ length: count }, (_, at) => new GroupMember(world, `g${group}`, at)),
    );
    const committers = Array.from({ length: plan.committers }, (_, at) => new Committer(world, `c${at}`));
    const brief = hasBriefTopic(plan) ? [new BriefClient(world, 'b0'), new BriefClient(world, 'b1')] : [];
    return [...producers, ...readers, ...members, ...committers, ...brief];
  }

  #world(): ClientWorld {
    return {
      plan: this.plan,
      events: this.#events,
      random: this.#random.fork(),
      links: this.#network,
      counters: this.counters,
      machines: this.#machines,
      history: this.#history,
      truth: this.#truth,
      groups: this.#groups,
      ownTopic: this.#ownTopic,
      storageOf: ({ process }) => (process?.broker instanceof StorageSide ? process.broker : undefined),
      partitions: this.#partitions,
      nextId: () => (this.#ids += 1),
      tell: (line) => this.#tell(line),
      note: (what) => this.#note(what),
      broken: (error) => this.#break(error),
    };
  }

  #standing(place: number): Standing {
    const key = this.#partitions.key(place);
    const { topics, brokers } = this.#metadata.current;
    const image = key && topics.get(key.topicId)?.partitions[place];
    const stableEnds = new Map<number, number>();
    const failed = new Set<number>();
    for (const sides of this.#storages.values()) {
      const opened = sides.filter(({ engine }) => engine !== undefined);
      // Whoever has lost its page cache leaves the ISR with its registration: until then what it had before counts.
      const registered = opened.findLast(({ process }) => brokers.get(process.nodeId)?.incarnationId === process.incarnationId);
      const last = this.plan.topic.durability === 'page-cache' ? (registered ?? opened.at(-1)) : opened.at(-1);
      const log = key && last?.engine?.get(key);
      if (last === undefined || log === undefined) continue;
      const { nodeId } = last.process;
      if (log.offlineReason !== undefined) failed.add(nodeId);
      const end = this.plan.topic.durability === 'page-cache' ? log.stableEndOffset : log.durableEndOffset;
      stableEnds.set(nodeId, Math.max(end, stableEnds.get(nodeId) ?? 0));
    }
    const leastReplicas = Math.min(this.#administrator.leastMinIsr, this.plan.topic.replicationFactor);
    const { isr = [], elr = [], replicas = [] } = image ?? {};
    return { stableEnds, isr, replicas, complete: [...isr, ...elr].filter((id) => !failed.has(id)), leastReplicas };
  }

  #isrMayHaveChanged(records: readonly MetadataRecord[]): void {
    if (!records.some(({ kind }) => kind === 'partitionChange')) return;
    for (let place = 0; place < this.plan.topic.partitions; place += 1) this.#enoughReplicas.isrChanged(place);
  }

  /** All replicas are in sync where it has one, and at least two have what is acknowledged. */
  #isInSyncWithout({ nodeId }: ClusterMachine): boolean {
    const { topic, offsetsTopic, briefTopic } = this.plan;
    const leastAlike = [
      Math.min(topic.replicationFactor, this.#administrator.leastMinIsr),
      Math.min(offsetsTopic.replicationFactor, offsetsTopic.minInsyncReplicas),
      hasBriefTopic(this.plan) ? Math.min(briefTopic.replicationFactor, briefTopic.minInsyncReplicas) : Infinity,
    ];
    if (Math.min(...leastAlike) < 2) return false;
    return [...this.#metadata.current.topics.values()].every(({ partitions }) =>
      partitions.every(({ isr, replicas }) => !replicas.includes(nodeId) || isr.length === replicas.length),
    );
  }

  /** A log that failed does not come back by itself where nobody else leads (REPL-21). */
  #hasLastLog({ engine, process }: StorageSide): boolean {
    const { topics } = this.#metadata.current;
    return [...(engine?.all() ?? [])].some(({ key, offlineReason }) => {
      const leader = topics.get(key.topicId)?.partitions[key.partition]?.leader;
      return offlineReason !== undefined && (leader === undefined || leader === process.nodeId);
    });
  }

  /** Down machines are started, and logs that failed and may be the last are given another chance, once there are no more faults. */
  #mend(): void {
    if (this.#isOver) return;
    this.#members.mend();
    if (this.#isHealing) {
      for (const machine of this.#machines) {
        const side = machine.process?.broker;
        if (side instanceof StorageSide && side.isServing && this.#hasLastLog(side)) machine.crash('kill');
        if (!machine.isUp) machine.start();
      }
    }
    this.#events.after(MEND_MS, () => this.#mend());
  }

  #heal(): void {
    this.#isHealing = true;
    this.#network.healAll();
    this.#network.profile = HEALTHY;
    for (const machine of this.#machines) {
      machine.resume();
      machine.clock.setRate(this.#random.pick(CALM_RATES));
      machine.directory.disk.heal();
    }
  }

  #lacksTopics(): string | undefined {
    if (!this.#administrator.createTopics()) return 'topics are missing';
    return whatReplicasLack(this.#metadata.current);
  }

  #lacks(): string | undefined {
    const image = this.#metadata.current;
    const lacking =
      whatLacks(this.#machines, this.#ghost, image) ??
      whatReplicasLack(image) ??
      whatIsLeftOver(image, this.#partitions.sides()) ??
      whatStartsLack(image, DATA_TOPIC, this.#partitions.sides());
    if (lacking !== undefined) return lacking;
    for (const client of this.#clients) {
      const lacks = client.lacks();
      if (lacks !== undefined) return lacks;
    }
    return undefined;
  }

  async #judge(): Promise<void> {
    const { counters } = this;
    const partitions = this.#partitions;
    for (const topic of [DATA_TOPIC, BRIEF_TOPIC])
      counters.replicasCompared += await this.#whenDone(expectEqualReplicas(partitions.image, topic, partitions.sides()));
    const logs = new Map<number, FinalPartition>();
    for (let place = 0; place < this.plan.topic.partitions; place += 1)
      logs.set(place, await this.#finalPartition(partitions.key(place)));
    counters.recordsLost += judgeLogs(this.#history, this.#truth, logs);
    for (const key of partitions.briefEnds()) this.#ownTopic.expectAll(key, (await this.#finalPartition(key)).records);
  }

  async #finalPartition(key: PartitionKey | undefined): Promise<FinalPartition> {
    const log = key && this.#partitions.logOf(key);
    if (key === undefined || log === undefined) throw new Violation('liveness', 'a partition is nowhere in the end');
    return { startOffset: log.logStartOffset, records: await this.#whenDone(valuesOf(log)) };
  }

  /** Runs on until nothing is lacking. */
  async #expect(what: string, withinMs: number, lacks: () => string | undefined): Promise<void> {
    const untilMs = this.#events.nowMs + withinMs;
    for (let checkMs = this.#events.nowMs; ; checkMs += LOOK_MS) {
      const lacking = lacks();
      if (lacking === undefined) return;
      if (checkMs > untilMs) throw new Violation(what, `${withinMs} ms after all was well: ${lacking}`);
      await this.#runUntil(checkMs);
    }
  }

  async #runUntil(untilMs: number): Promise<void> {
    while (this.#events.runNext(untilMs)) {
      await macrotask();
      if (this.#broken !== undefined) throw this.#broken;
      if (this.#events.processed > EVENTS_MAX) throw new Violation('liveness', `${EVENTS_MAX} events and no end`);
    }
  }

  /** Runs on until there is a result. */
  async #whenDone<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const done = promise.finally(() => (isDone = true));
    done.catch(() => undefined);
    await macrotask();
    while (!isDone) await this.#runUntil(this.#events.nowMs + LOOK_MS);
    return done;
  }

  #break(error: unknown): void {
    if (!this.#isOver) this.#broken ??= error instanceof Error ? error : new Error(String(error));
  }

  #tell(line: () => string): void {
    this.options.trace?.(`${this.#events.nowMs.toFixed(1).padStart(9)} ${line()}`);
  }

  #note(what: string): void {
    const text = `${this.#events.nowMs} ${what}`;
    for (let at = 0; at < text.length; at += 1) this.hash = Math.imul(this.hash ^ text.charCodeAt(at), FNV_PRIME) >>> 0;
  }
}

/** By then every microtask has run. */
function macrotask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
