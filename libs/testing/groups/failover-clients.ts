import { ErrorCode } from '@streamline/core/types/error-code';
import type { NodeId, PartitionIndex } from '@streamline/core/types/ids';
import type { GroupPort } from '@streamline/wire/contracts/ports';
import { partitionOfGroup } from '@streamline/runtime/groups/offsets-topic';
import type { SeededRandom } from '../time/seeded-random';
import type { FailoverOracle } from './failover-oracle';
import { joinRequest } from './group-host-bench';

/** What clients are given of the cluster. */
export interface ClientWorld {
  readonly random: SeededRandom;
  readonly oracle: FailoverOracle;
  readonly partitionCount: number;
  /** The coordinators of a node whose process runs; undefined where it does not. */
  groupsOf(node: NodeId): GroupPort | undefined;
  /** Whom a client takes for the coordinator of a partition: not always the one that is. */
  guess(partition: PartitionIndex): NodeId;
}

/** A call that is under way. */
interface Call {
  readonly node: NodeId;
  readonly partition: PartitionIndex;
  /** The process that was asked has ended, so nobody hears of the answer. */
  isLost: boolean;
}

/** A client with at most one call under way. */
export abstract class FailoverClient {
  #call: Call | undefined;
  coordinator: NodeId | undefined;
  readonly partition: PartitionIndex;

  constructor(
    protected readonly world: ClientWorld,
    readonly groupId: string,
  ) {
    this.partition = partitionOfGroup(groupId, world.partitionCount);
  }

  get isWaiting(): boolean {
    return this.#call !== undefined;
  }

  /** True where it waits for an answer of that node. */
  waitsFor(node: NodeId, partition: PartitionIndex): boolean {
    return this.#call?.node === node && this.#call.partition === partition;
  }

  /** The process of a node ended. */
  disconnected(node: NodeId): void {
    if (this.coordinator === node) this.coordinator = undefined;
    if (this.#call?.node !== node) return;
    this.#call.isLost = true;
    this.#call = undefined;
    this.lost();
  }

  /** Does the next thing, unless it waits. */
  step(): void {
    if (this.isWaiting) return;
    const node = (this.coordinator ??= this.world.guess(this.partition));
    const groups = this.world.groupsOf(node);
    if (groups === undefined) this.coordinator = undefined;
    else this.act(groups, node);
  }

  protected abstract act(groups: GroupPort, node: NodeId): void;
  /** Nobody knows what became of the call. */
  protected abstract lost(): void;

  protected call<T>(node: NodeId, answer: Promise<T>, answered: (answer: T) => void): void {
    const call: Call = { node, partition: this.partition, isLost: false };
    this.#call = call;
    void answer.then((value) => {
      if (call.isLost) return;
      this.#call = undefined;
      answered(value);
    });
  }

  /** Looks for the coordinator anew where the answer says so. */
  protected follow(errorCode: number): void {
    if (errorCode === ErrorCode.NOT_COORDINATOR || errorCode === ErrorCode.COORDINATOR_NOT_AVAILABLE)
      this.coordinator = undefined;
  }

  protected commit(groups: GroupPort, node: NodeId, topicPartition: number, generationId: number, memberId: string): void {
    const { oracle } = this.world;
    const key = `${this.groupId}/${topicPartition}`;
    const offset = oracle.nextValue(key);
    const offsets = [{ topic: 'orders', topicId: '', partition: topicPartition, offset, leaderEpoch: -1, metadata: '' }];
    const { groupId } = this;
    const request = { groupId, generationId, memberId, retentionTimeMs: -1, offsets, apiVersion: 8, timeoutMs: 0 };
    this.call(node, groups.commitOffsets(request), ({ errorCodes }) => {
      const errorCode = errorCodes[0] ?? -1;
      oracle.committed(key, offset, errorCode);
      this.follow(errorCode);
      this.refused(errorCode);
    });
  }

  /** What a member makes of an error. */
  protected refused(_errorCode: number): void {
    return;
  }
}

/** Commits from outside of a membership. */
export class Committer extends FailoverClient {
  constructor(
    world: ClientWorld,
    groupId: string,
    private readonly topicPartition: number,
  ) {
    super(world, groupId);
  }

  protected act(groups: GroupPort, node: NodeId): void {
    this.commit(groups, node, this.topicPartition, -1, '');
  }

  protected lost(): void {
    return;
  }
}

/** Reads what others commit. */
export class Reader extends FailoverClient {
  constructor(
    world: ClientWorld,
    groupId: string,
    private readonly topicPartition: number,
  ) {
    super(world, groupId);
  }

  protected act(groups: GroupPort, node: NodeId): void {
    const { oracle } = this.world;
    const key = `${this.groupId}/${this.topicPartition}`;
    const question = oracle.ask(key, node, this.partition);
    const topics = [{ topic: 'orders', topicId: '', partitions: [this.topicPartition] }];
    const request = { groupId: this.groupId, topics, allTopics: false, requireStable: true, memberId: '', memberEpoch: -1 };
    this.call(node, groups.fetchOffsets(request), ({ errorCode, offsets }) => {
      if (errorCode === ErrorCode.NONE) oracle.read(key, offsets[0]?.offset ?? -1, question);
      this.follow(errorCode);
    });
  }

  protected lost(): void {
    return;
  }
}

/** A member of a group: joins, syncs, then heartbeats and commits for a partition of its own, until it has to join again. */
export class Member extends FailoverClient {
  #memberId = '';
  #generationId = -1;
  #state: 'out' | 'joined' | 'stable' = 'out';
  #members: readonly string[] = [];
  #tokens = 0;

  constructor(
    world: ClientWorld,
    groupId: string,
    private readonly number: number,
  ) {
    super(world, groupId);
  }

  get isStable(): boolean {
    return this.#state === 'stable';
  }

  protected act(groups: GroupPort, node: NodeId): void {
    if (this.#state === 'out') this.#join(groups, node);
    else if (this.#state === 'joined') this.#sync(groups, node);
    else if (this.world.random.chance(0.1)) this.#leave(groups, node);
    else if (this.world.random.chance(0.5)) this.commit(groups, node, this.number, this.#generationId, this.#memberId);
    else this.#heartbeat(groups, node);
  }

  protected lost(): void {
    if (this.#state !== 'stable') this.#state = 'out';
  }

  protected override refused(errorCode: number): void {
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID) this.#memberId = '';
    const outside: readonly number[] = [
      ErrorCode.UNKNOWN_MEMBER_ID,
      ErrorCode.ILLEGAL_GENERATION,
      ErrorCode.REBALANCE_IN_PROGRESS,
    ];
    if (outside.includes(errorCode)) this.#state = 'out';
  }

  #join(groups: GroupPort, node: NodeId): void {
    const request = joinRequest(this.groupId, `c${this.number}`, { memberId: this.#memberId, rebalanceTimeoutMs: 500 });
    this.call(node, groups.joinGroup(request), ({ errorCode, memberId, generationId, members }) => {
      this.follow(errorCode);
      this.refused(errorCode);
      if (errorCode !== ErrorCode.NONE) return;
      this.#memberId = memberId;
      this.#generationId = generationId;
      this.#members = members.map((member) => member.memberId);
      this.#state = 'joined';
    });
  }

  #sync(groups: GroupPort, node: NodeId): void {
    const token = `${this.number}.${(this.#tokens += 1)}`;
    const assignments = this.#members.map((memberId) => ({ memberId, assignment: Buffer.from(token) }));
    const { groupId } = this;
    const request = { groupId, generationId: this.#generationId, memberId: this.#memberId, assignments };
    this.call(node, groups.syncGroup(request), ({ errorCode, assignment }) => {
      this.follow(errorCode);
      this.#state = errorCode === ErrorCode.NONE ? 'stable' : 'out';
      if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID) this.#memberId = '';
      if (errorCode !== ErrorCode.NONE) return;
      this.world.oracle.synced(groupId, request.generationId, Buffer.from(assignment).toString());
    });
  }

  /** To begin anew, so that there is a rebalance. */
  #leave(groups: GroupPort, node: NodeId): void {
    const { groupId } = this;
    this.call(node, groups.leaveGroup({ groupId, members: [{ memberId: this.#memberId }] }), ({ errorCode }) => {
      this.follow(errorCode);
      if (errorCode !== ErrorCode.NONE) return;
      this.#state = 'out';
      this.#memberId = '';
    });
  }

  #heartbeat(groups: GroupPort, node: NodeId): void {
    const member = { groupId: this.groupId, generationId: this.#generationId, memberId: this.#memberId };
    this.call(node, groups.heartbeat(member), ({ errorCode }) => {
      this.follow(errorCode);
      this.refused(errorCode);
    });
  }
}
