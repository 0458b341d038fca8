import { OFFSETS_TOPIC } from '@streamline/core/metadata/offsets-topic';
import type { MetadataState } from '@streamline/core/metadata/metadata-state';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { LeaderEpoch, NodeId } from '@streamline/core/types/ids';
import type { PartitionKey } from '@streamline/runtime/log/log-engine';
import { partitionOfGroup } from '@streamline/runtime/groups/offsets-topic';
import type { MetadataInvariant } from '@streamline/testing/cluster/metadata-ghost';
import type { DataCounters } from './counters';
import { CommittedOffsets } from './invariants/committed-offsets';
import { FencedGenerations } from './invariants/fenced-generations';
import { OneAssignment } from './invariants/one-assignment';
import type { StorageSide } from './storage-side';

/** A commit that a client is about to send. */
export interface SentCommit {
  readonly groupId: string;
  readonly place: number;
  readonly offset: number;
  /** -1: from outside of any membership. */
  readonly generation: number;
  /** The newest generation that anybody had been told of when it came to the coordinator; -1: none. */
  readonly newestGeneration: number;
}

/** A client is about to ask what is committed. */
export interface Question {
  readonly groupId: string;
  readonly place: number;
  /** What was known to be committed by then; -1: nothing. */
  readonly floor: number;
}

/** The question has come to a coordinator. */
export interface AskedQuestion extends Question {
  /** In which it leads the group's partition, as far as it knows. */
  readonly epoch: LeaderEpoch | undefined;
  /** Nobody has been elected since. */
  isCurrent(): boolean;
}

/** Who leads the partitions of the offsets topic, by the committed metadata. */
interface Elected {
  readonly leader: NodeId | undefined;
  readonly epoch: LeaderEpoch;
}

/** What clients of groups ask and are told, held against who coordinates. */
export class GroupTruth implements MetadataInvariant {
  readonly #offsets = new CommittedOffsets();
  readonly #assignments = new OneAssignment();
  readonly #generations = new FencedGenerations();
  #elected: readonly Elected[] = [];
  #topicId: PartitionKey['topicId'] | undefined;

  constructor(private readonly counters: DataCounters) {}

  /** The metadata has changed. */
  after(_index: number, _records: readonly unknown[], image: MetadataState): void {
    this.#topicId = image.topicIdsByName.get(OFFSETS_TOPIC);
    const topic = this.#topicId === undefined ? undefined : image.topics.get(this.#topicId);
    const elected = (topic?.partitions ?? []).map(({ leader, leaderEpoch: epoch }) => ({ leader, epoch }));
    this.#elected.forEach(({ epoch, leader }, partition) => {
      const now = elected[partition];
      if (now === undefined || now.epoch === epoch) return;
      this.#offsets.epochEnds(partition, epoch);
      if (now.leader !== leader) this.counters.coordinatorMoves += 1;
    });
    this.#elected = elected;
  }

  commits(groupId: string, place: number, offset: number, generation: number): SentCommit {
    this.counters.commits += 1;
    this.#offsets.sent(groupId, place, offset);
    return { groupId, place, offset, generation, newestGeneration: -1 };
  }

  /** The commit has come to a coordinator. */
  arrived(sent: SentCommit): SentCommit {
    return { ...sent, newestGeneration: this.#generations.newest(sent.groupId) };
  }

  /** As the coordinator answers it. */
  committed(sent: SentCommit, errorCode: number): void {
    const { counters } = this;
    if (errorCode !== ErrorCode.NONE) {
      counters.commitsRefused += 1;
      if (errorCode === ErrorCode.ILLEGAL_GENERATION) counters.commitsOfOldGenerations += 1;
      return;
    }
    counters.commitsAcknowledged += 1;
    this.#generations.committed(sent);
    this.#offsets.committed(sent);
  }

  ask(groupId: string, place: number): Question {
    return { groupId, place, floor: this.#offsets.floor(groupId, place) };
  }

  asked(question: Question, storage: StorageSide): AskedQuestion {
    const partition = partitionOfGroup(question.groupId, Math.max(1, this.#elected.length));
    const epoch = this.#topicId && storage.local?.bounds({ topicId: this.#topicId, partition })?.leaderEpoch;
    const { nodeId } = storage.process;
    const isCurrent = (): boolean => this.#elected[partition]?.leader === nodeId && this.#elected[partition]?.epoch === epoch;
    const wasCurrent = isCurrent();
    return { ...question, epoch, isCurrent: () => wasCurrent && isCurrent() };
  }

  /** As the coordinator answers it; -1: nothing is committed. */
  read(asked: AskedQuestion, offset: number): void {
    this.counters.offsetReads += 1;
    if (!asked.isCurrent()) this.counters.readsOfDeposed += 1;
    const partition = partitionOfGroup(asked.groupId, Math.max(1, this.#elected.length));
    this.#offsets.read(asked, partition, offset);
  }

  /** A member is told what it is to read, as the coordinator answers it. */
  synced(groupId: string, generation: number, memberId: string, assignment: Uint8Array): void {
    if (this.#generations.synced(groupId, generation)) this.counters.generations += 1;
    this.#assignments.synced(groupId, generation, memberId, Buffer.from(assignment).toString());
  }
}
