import { DEFAULT_GROUP_CONFIG } from '@streamline/core/groups/group-config';
import { OFFSETS_TOPIC } from '@streamline/core/metadata/offsets-topic';
import type { LeaderEpoch, NodeId, PartitionIndex } from '@streamline/core/types/ids';
import type { GroupCoordinators } from '@streamline/runtime/groups/group-coordinators';
import { createGroupCoordinators } from '@streamline/runtime/groups/group-coordinators';
import { partitionOfGroup } from '@streamline/runtime/groups/offsets-topic';
import { SeededRandom } from '../time/seeded-random';
import { VirtualClock } from '../time/virtual-clock';
import type { ClientWorld, FailoverClient } from './failover-clients';
import { Committer, Member, Reader } from './failover-clients';
import { FailoverOracle } from './failover-oracle';
import { OFFSETS_TOPIC_ID, StaticReplica, topicImage, turnOfTheLoop } from './group-host-bench';
import type { ReplicationCounts } from './replicated-offsets';
import { ReplicatedOffsets } from './replicated-offsets';

const NODES = [1, 2, 3] as NodeId[];
const PARTITIONS = 2;
const STEPS = 200;
const HEALING_STEPS_MIN = 10;
const HEALING_STEPS_MAX = 2_000;
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** What happened in a run. What is zero over many seeds was not tested. */
export interface FailoverCounts extends ReplicationCounts {
  acknowledged: number;
  failed: number;
  reads: number;
  readsOfDeposed: number;
  generations: number;
  kills: number;
  resignsWithWaiters: number;
  rewrites: number;
}

/** The process of a node: its coordinators, and the metadata as far as it has heard of it. */
class NodeProcess {
  readonly metadata: StaticReplica;
  readonly groups: GroupCoordinators;

  constructor(
    world: FailoverSimulation,
    readonly id: NodeId,
  ) {
    const { clock, cluster, random } = world;
    this.metadata = new StaticReplica([topicImage(OFFSETS_TOPIC, OFFSETS_TOPIC_ID, PARTITIONS, 'nobody')]);
    this.groups = createGroupCoordinators({
      nodeId: id,
      partitions: cluster.node(id),
      metadata: this.metadata,
      clock,
      random,
      config: { ...DEFAULT_GROUP_CONFIG, initialRebalanceDelayMs: 60 },
      limits: { maxBatchBytes: 300, rewriteMinBytes: 1_000, rewriteStepBytes: 200, loadChunkBytes: 400, stopDrainMs: 0 },
      logSink: quiet,
    });
  }

  /** Hears who leads a partition: the metadata says it, and the partition acts on it. */
  hear(cluster: ReplicatedOffsets, partition: PartitionIndex): void {
    const topic = this.metadata.image.topics.get(OFFSETS_TOPIC_ID);
    const { leader, epoch } = cluster.of(partition);
    const partitions = (topic?.partitions ?? []).map((one) => {
      return one.partition === partition ? { ...one, leader, leaderEpoch: epoch as LeaderEpoch } : one;
    });
    this.metadata.become([{ id: OFFSETS_TOPIC_ID, name: OFFSETS_TOPIC, partitions }]);
    cluster.tell(this.id, partition);
  }
}

/**
 * Three nodes that coordinate groups over a replicated offsets topic, and clients, from a seed: leaderships move at any step,
 * nodes hear of it late, are killed, fall behind and catch up. At the end everything heals, and everything acknowledged is there.
 *
 * @throws Error for whatever must not be
 */
export class FailoverSimulation implements ClientWorld {
  readonly clock = new VirtualClock();
  readonly random: SeededRandom;
  readonly cluster: ReplicatedOffsets;
  readonly oracle: FailoverOracle;
  readonly partitionCount = PARTITIONS;
  readonly #processes = new Map<NodeId, NodeProcess>();
  readonly #clients: FailoverClient[];
  readonly #members: Member[];
  readonly #counts = { kills: 0, resignsWithWaiters: 0, rewrites: 0 };
  /** How often leaderships move and processes end, in proportion. */
  readonly #unrest: number;
  /** How often followers copy. */
  readonly #speed: number;
  #isHealing = false;

  constructor(readonly seed: number) {
    this.random = new SeededRandom(seed);
    this.cluster = new ReplicatedOffsets(OFFSETS_TOPIC_ID, NODES, PARTITIONS, this.random.integer(1, 2));
    this.oracle = new FailoverOracle(this.cluster, `seed ${seed}`);
    this.#members = ['g', 'h'].flatMap((groupId) => [1, 2].map((number) => new Member(this, groupId, number)));
    this.#clients = [...this.#members, ...['g', 'h'].map((groupId) => new Reader(this, groupId, 1))];
    for (const groupId of ['s', 't']) {
      for (const number of [0, 1]) {
        this.#clients.push(new Committer(this, groupId, number), new Reader(this, groupId, number));
      }
    }
    // Some runs are calmer, so that groups come to something.
    this.#unrest = this.random.pick([0.3, 1, 1]);
    this.#speed = this.random.pick([0.1, 0.6]);
  }

  groupsOf(node: NodeId): GroupCoordinators | undefined {
    return this.#processes.get(node)?.groups;
  }

  guess(partition: PartitionIndex): NodeId {
    return this.#isHealing || this.random.chance(0.8) ? this.cluster.of(partition).leader : this.random.pick(NODES);
  }

  async run(): Promise<FailoverCounts> {
    for (const id of NODES) await this.#start(id);
    for (let step = 0; step < STEPS; step += 1) {
      await this.#step();
      await this.#turns(this.random.integer(0, 3));
    }
    await this.#heal();
    await this.#readAll();
    await this.#end();
    this.#judge();
    return { ...this.cluster.counts, ...this.oracle.counts, ...this.#counts };
  }

  async #step(): Promise<void> {
    const { random, cluster } = this;
    const partition = random.integer(0, PARTITIONS - 1) as PartitionIndex;
    const node = random.pick(NODES);
    for (const client of this.#clients) if (random.chance(0.5)) client.step();
    cluster.refuses = cluster.refuses ? random.chance(0.7) : random.chance(0.05);
    for (const follower of NODES) if (random.chance(this.#speed)) cluster.copy(partition, follower, random.integer(1, 4));
    if (random.chance(0.3)) this.clock.advance(random.integer(1, 300));
    if (random.chance(0.01)) this.clock.advance(6_000);
    if (random.chance(0.05)) cluster.readFailures = 1;
    if (random.chance(0.08 * this.#unrest)) this.#elect(partition, node);
    if (random.chance(0.25)) await this.#tell(node, partition);
    if (random.chance(0.08)) cluster.shrink(partition, node);
    if (random.chance(0.3)) cluster.expand(partition, node);
    if (random.chance(0.02 * this.#unrest)) cluster.loseSight(partition, node);
    if (random.chance(0.01 * this.#unrest)) this.#kill(node);
    if (random.chance(0.1) && cluster.dead.has(node)) await this.#start(node);
    this.#judge();
  }

  #judge(): void {
    const [violation] = this.oracle.violations;
    if (violation !== undefined) throw new Error(violation);
  }

  #elect(partition: PartitionIndex, node: NodeId): void {
    this.oracle.epochEnds(partition);
    this.cluster.elect(partition, node);
  }

  /** A node hears who leads. Where it resigns everyone who waited for it is answered. */
  async #tell(node: NodeId, partition: PartitionIndex): Promise<void> {
    const process = this.#processes.get(node);
    if (process === undefined) return;
    const before = this.cluster.node(node).replica(partition).leading;
    const waiting = this.#clients.filter((client) => client.waitsFor(node, partition));
    process.hear(this.cluster, partition);
    if (before === undefined || this.cluster.node(node).replica(partition).leading !== undefined) return;
    if (waiting.length > 0) this.#counts.resignsWithWaiters += 1;
    await this.#turns(3);
    const forgotten = waiting.filter((client) => client.waitsFor(node, partition));
    if (forgotten.length > 0) throw new Error(`seed ${this.seed}: node ${node} resigned and left ${forgotten.length} waiting`);
  }

  #kill(node: NodeId): void {
    const process = this.#processes.get(node);
    if (process === undefined || this.#processes.size === 1) return;
    this.#counts.kills += 1;
    this.#processes.delete(node);
    this.cluster.kill(node);
    void process.groups.stop();
    for (const client of this.#clients) client.disconnected(node);
    for (const [index, { leader, isr }] of this.cluster.truth.entries()) {
      const heir = [...isr].find((id) => !this.cluster.dead.has(id));
      if (leader === node && heir !== undefined) this.#elect(index as PartitionIndex, heir);
    }
  }

  /** The process of a node begins; what it led before it leads in a new epoch, if nobody else does. */
  async #start(node: NodeId): Promise<void> {
    if (this.#processes.has(node)) return;
    const process = new NodeProcess(this, node);
    this.cluster.revive(node);
    this.#processes.set(node, process);
    await process.groups.start();
    for (const [index, { leader }] of this.cluster.truth.entries()) {
      if (leader === node) this.#elect(index as PartitionIndex, node);
      process.hear(this.cluster, index as PartitionIndex);
    }
  }

  /** No more faults: soon everyone leads who should, all replicas are in sync, and all members are in their groups. */
  async #heal(): Promise<void> {
    this.#isHealing = true;
    this.cluster.readFailures = 0;
    this.cluster.refuses = false;
    for (const node of NODES) await this.#start(node);
    for (let step = 0; step < HEALING_STEPS_MAX; step += 1) {
      for (const index of this.cluster.truth.keys()) {
        const partition = index as PartitionIndex;
        for (const node of NODES) {
          await this.#tell(node, partition);
          this.cluster.copy(partition, node, 100);
          this.cluster.expand(partition, node);
        }
      }
      for (const client of this.#clients) client.step();
      this.clock.advance(50);
      await this.#turns(2);
      if (step > HEALING_STEPS_MIN && this.#members.every((member) => member.isStable) && this.#isServing) return;
    }
    const shards = NODES.map((node) => this.#processes.get(node)?.groups.status().shards);
    throw new Error(`seed ${this.seed}: it does not heal: ${JSON.stringify(shards)}`);
  }

  get #isServing(): boolean {
    return this.cluster.truth.every(({ leader, isr }, index) => {
      const status = this.groupsOf(leader)?.status();
      return (
        isr.size === NODES.length && status?.shards.some(({ partition, state }) => partition === index && state === 'active')
      );
    });
  }

  async #readAll(): Promise<void> {
    for (const key of this.oracle.keys) {
      const [groupId = '', number = '0'] = key.split('/');
      const partition = partitionOfGroup(groupId, PARTITIONS);
      const { leader } = this.cluster.of(partition);
      const question = this.oracle.ask(key, leader, partition);
      const topics = [{ topic: 'orders', topicId: '', partitions: [Number(number)] }];
      const fetch = { groupId, topics, allTopics: false, requireStable: true, memberId: '', memberEpoch: -1 };
      const answer = this.groupsOf(leader)?.fetchOffsets(fetch);
      for (let turn = 0; turn < 3; turn += 1) {
        for (const node of NODES) this.cluster.copy(partition, node, 100);
        await this.#turns(2);
      }
      const { errorCode = -1, offsets = [] } = (await answer) ?? {};
      if (errorCode !== 0) throw new Error(`seed ${this.seed}: ${key} cannot be read: ${errorCode}`);
      this.oracle.read(key, offsets[0]?.offset ?? -1, question);
    }
  }

  /** Everyone stops: no call is left without an answer, no timer runs, no memory counts. */
  async #end(): Promise<void> {
    for (const { groups } of this.#processes.values()) {
      this.#counts.rewrites += groups.metrics().rewrittenLogs;
      await groups.stop();
      const { membershipBytes } = groups.metrics();
      if (membershipBytes !== 0) throw new Error(`seed ${this.seed}: ${membershipBytes} bytes of members are still counted`);
    }
    await this.#turns(3);
    const waiting = this.#clients.filter((client) => client.isWaiting).length;
    if (waiting > 0) throw new Error(`seed ${this.seed}: ${waiting} calls were never answered`);
    if (this.clock.nextTimerInMs !== undefined) throw new Error(`seed ${this.seed}: a timer was left behind`);
  }

  async #turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn += 1) await turnOfTheLoop();
  }
}
