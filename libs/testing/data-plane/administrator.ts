import { OFFSETS_TOPIC } from '@streamline/core/metadata/offsets-topic';
import type { MetadataImage } from '@streamline/core/metadata/image';
import type { ClusterMachine } from '@streamline/testing/cluster/cluster-machine';
import type { ClusterProcess } from '@streamline/testing/cluster/cluster-process';
import { isDiskFault } from '@streamline/testing/raft/shipped-disk';
import { Violation } from '@streamline/testing/raft/violation';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { CreatableTopic, PartitionMove } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { ConfigOperation, ElectionType } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import { BRIEF_TOPIC, DATA_TOPIC } from './client-world';
import type { DataCounters } from './counters';
import type { Administrator } from './nemesis';
import { isMoving } from './partition-statistics';
import type { DataPlan, TopicPlan } from './plan';
import { hasBriefTopic } from './plan';

const COMMAND_MS = 2_000;
const TOPIC_RESOURCE = 2;
const PAGE_CACHE_FLUSH_MESSAGES = '1000';
const BRIEF_PARTITIONS_MAX = 5;

export interface AdministratorSurroundings {
  readonly plan: DataPlan;
  readonly random: SeededRandom;
  readonly counters: DataCounters;
  readonly machines: readonly ClusterMachine[];
  /** As the log of the metadata says it is. */
  image(): MetadataImage;
  tell(line: () => string): void;
  broken(error: unknown): void;
}

/** Creates the topics, moves replicas, asks for elections and changes settings, through any node. */
export class TopicAdministrator implements Administrator {
  /** The least min.insync.replicas that was ever asked for. */
  leastMinIsr: number;

  constructor(private readonly all: AdministratorSurroundings) {
    this.leastMinIsr = all.plan.topic.minInsyncReplicas;
  }

  /** What is not there yet is asked for; true: it is all there. */
  createTopics(): boolean {
    const { plan } = this.all;
    const { topic, offsetsTopic, briefTopic } = plan;
    const wanted = [
      creatable(DATA_TOPIC, topic),
      creatable(OFFSETS_TOPIC, offsetsTopic),
      ...(hasBriefTopic(plan) ? [creatable(BRIEF_TOPIC, briefTopic)] : []),
    ];
    const topics = wanted.filter(({ name }) => !this.all.image().topicIdsByName.has(name));
    if (topics.length > 0) this.#create(topics);
    return topics.length === 0;
  }

  #create(topics: CreatableTopic[]): void {
    this.#ask((port) => port.createTopics({ topics, validateOnly: false, timeoutMs: 0 }, { deadlineMs: COMMAND_MS }));
  }

  /** The topic that comes and goes is deleted; one of the same name is created where it is gone. */
  recreateTopic(): void {
    const isThere = this.all.image().topicIdsByName.has(BRIEF_TOPIC);
    this.all.tell(() => `${isThere ? 'deletes' : 'creates'} ${BRIEF_TOPIC}`);
    if (!isThere) return this.#create([creatable(BRIEF_TOPIC, this.all.plan.briefTopic)]);
    const topics = [{ name: BRIEF_TOPIC }];
    this.#ask((port) => port.deleteTopics({ topics, timeoutMs: 0 }, { deadlineMs: COMMAND_MS }));
  }

  addPartitions(): void {
    const image = this.all.image();
    const topicId = image.topicIdsByName.get(BRIEF_TOPIC);
    const count = (topicId && image.topics.get(topicId)?.partitions.length) ?? BRIEF_PARTITIONS_MAX;
    if (count >= BRIEF_PARTITIONS_MAX) return;
    const partitions = this.all.random.integer(count + 1, BRIEF_PARTITIONS_MAX);
    this.all.tell(() => `gives ${BRIEF_TOPIC} ${partitions} partitions`);
    const topics = [{ name: BRIEF_TOPIC, partitions, assignments: [], hasAssignments: false }];
    this.#ask((port) => port.createPartitions({ topics, validateOnly: false, timeoutMs: 0 }, { deadlineMs: COMMAND_MS }));
  }

  /** Other replicas for some partition, as many as it has. */
  reassign(): void {
    const { random, machines, counters } = this.all;
    const image = this.all.image();
    const { name, partitions } = random.pick([...image.topics.values()]);
    const { partition, replicas: present } = random.pick(partitions);
    const ids = machines.map(({ nodeId }) => nodeId);
    const replicas = shuffled(ids, random).slice(0, present.length);
    counters.reassignments += 1;
    this.all.tell(() => `moves ${name}-${partition} to ${replicas.join()}`);
    this.#move(name, { partition, replicas, cancel: false });
  }

  /** Calls off a move that is under way; where there is none, one is begun. */
  cancelMove(): void {
    const { random, counters } = this.all;
    const moving = [...this.all.image().topics.values()].flatMap(({ name, partitions }) =>
      partitions.filter(isMoving).map(({ partition }) => ({ name, partition })),
    );
    if (moving.length === 0) return this.reassign();
    const { name, partition } = random.pick(moving);
    counters.movesCancelled += 1;
    this.all.tell(() => `calls the move of ${name}-${partition} off`);
    this.#move(name, { partition, replicas: [], cancel: true });
  }

  #move(name: string, move: PartitionMove): void {
    const topics = [{ name, partitions: [move] }];
    this.#ask((port) =>
      port.alterPartitionReassignments({ topics, allowReplicationFactorChange: false, timeoutMs: 0 }, { deadlineMs: COMMAND_MS }),
    );
  }

  electPreferred(): void {
    this.all.counters.preferredElections += 1;
    const request = { electionType: ElectionType.PREFERRED, topics: [], allPartitions: true, timeoutMs: 0 };
    this.#ask((port) => port.electLeaders(request, { deadlineMs: COMMAND_MS }));
  }

  changeMinIsr(): void {
    const { plan, random, counters } = this.all;
    const least = plan.faultIntervalsMs.has('wiped-disk') ? 2 : 1;
    const value = random.integer(least, Math.max(least, plan.topic.replicationFactor));
    this.leastMinIsr = Math.min(this.leastMinIsr, value);
    counters.minIsrChanges += 1;
    this.all.tell(() => `sets min.insync.replicas to ${value}`);
    const changes = [{ name: 'min.insync.replicas', value: String(value), operation: ConfigOperation.SET }];
    const resources = [{ resourceType: TOPIC_RESOURCE, resourceName: DATA_TOPIC, changes, replaceAll: false }];
    this.#ask((port) => port.alterConfigs({ resources, validateOnly: false }, { deadlineMs: COMMAND_MS }));
  }

  #ask(ask: (port: ControllerPort) => Promise<object>): void {
    const { random, machines } = this.all;
    const up = machines.flatMap(({ process }) => (process?.opened === undefined ? [] : [process]));
    if (up.length === 0) return;
    const process = random.pick(up);
    process.unlessHeld(() => {
      ask(process.member.controller).then(
        (answer) => this.all.tell(() => `an administrator is answered ${JSON.stringify(answer)}`),
        (error: unknown) => this.#failed(process, error),
      );
    });
  }

  #failed(process: ClusterProcess, error: unknown): void {
    if (process.hasEnded || error instanceof process.all.code.PortError || isDiskFault(error)) return;
    this.all.broken(new Violation('ports', `an administrator is answered ${String(error)}`));
  }
}

function creatable(name: string, plan: TopicPlan): CreatableTopic {
  const { partitions, replicationFactor, minInsyncReplicas, durability, uncleanElection } = plan;
  return {
    name,
    partitions,
    replicationFactor,
    assignments: [],
    configs: [
      { name: 'min.insync.replicas', value: String(minInsyncReplicas) },
      { name: 'segment.ms', value: '700' },
      { name: 'flush.messages', value: durability === 'fsync' ? '1' : PAGE_CACHE_FLUSH_MESSAGES },
      { name: 'unclean.leader.election.enable', value: String(uncleanElection) },
    ],
  };
}

function shuffled<T>(items: readonly T[], random: SeededRandom): T[] {
  const left = [...items];
  return Array.from({ length: left.length }, () => left.splice(random.integer(0, left.length - 1), 1)).flat();
}
