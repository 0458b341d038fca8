import { ErrorCode, errorName } from '@streamline/core/types/error-code';
import type { GroupPort } from '@streamline/wire/contracts/ports';
import type { JoinGroupResponse, SyncGroupResponse } from '@streamline/wire/contracts/generated/streamline/storage/v1/group';
import { Client } from './client';
import type { ClientWorld } from './client-world';
import { DATA_TOPIC } from './client-world';
import type { Outcome } from './connection';
import { commitRequest, fetchOffsetsRequest } from './group-requests';
import { PartitionReader } from './partition-reader';
import type { StorageSide } from './storage-side';

const SESSION_MS = 2_500;
const REBALANCE_MS = 1_500;
const HEARTBEAT_MS = 300;
const COMMIT_MS = 250;
const LEAVE_CHANCE = 0.01;

/** The member does not belong to the generation that it thinks it does. */
const OUT: ReadonlySet<number> = new Set<number>([
  ErrorCode.UNKNOWN_MEMBER_ID,
  ErrorCode.ILLEGAL_GENERATION,
  ErrorCode.REBALANCE_IN_PROGRESS,
  ErrorCode.FENCED_INSTANCE_ID,
]);

interface Held {
  readonly reader: PartitionReader;
  committed: number;
  isCommitting: boolean;
}

/** A consumer that shares the partitions with the other members of its group, and commits how far it has read. */
export class GroupMember extends Client {
  protected override readonly lingers = true;
  #memberId = '';
  #generationId = -1;
  #held = new Map<number, Held>();
  /** Grows when it leaves a generation: what was under way in it is over. */
  #life = 0;
  #isStable = false;

  constructor(
    world: ClientWorld,
    readonly groupId: string,
    number: number,
  ) {
    super(world, `${groupId}.${number}`);
  }

  start(): void {
    this.refresh(() => this.#join());
  }

  lacks(): string | undefined {
    if (!this.#isStable) return `${this.name} is not part of its group`;
    const ends = this.world.partitions.ends();
    for (const { reader, committed } of this.#held.values()) {
      const end = ends[reader.place] ?? Infinity;
      if (reader.position < end) return `${this.name} is at ${reader.place}@${reader.position} of ${end}`;
      if (committed < end) return `${this.name} has committed ${committed} of ${reader.place}, which ends at ${end}`;
    }
    return undefined;
  }

  /** Places that it holds. */
  get places(): readonly number[] {
    return [...this.#held.keys()];
  }

  #askCoordinator<T>(
    timeoutMs: number,
    ask: (groups: GroupPort, storage: StorageSide) => Promise<T>,
    settled: (outcome: Outcome<T | undefined>) => void,
  ): void {
    const coordinator = this.known.coordinatorOf(this.groupId);
    if (coordinator === undefined) return this.refresh(() => settled({ kind: 'lost', why: 'no coordinator' }));
    const asked = async (storage: StorageSide): Promise<T | undefined> =>
      storage.port === undefined ? undefined : ask(storage.port.groups, storage);
    this.ask(coordinator, timeoutMs, asked, settled);
  }

  #join(): void {
    const life = this.#begin();
    this.world.counters.joins += 1;
    const request = {
      groupId: this.groupId,
      memberId: this.#memberId,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: this.#subscription(life) }],
      sessionTimeoutMs: SESSION_MS,
      rebalanceTimeoutMs: REBALANCE_MS,
      clientId: this.name,
      clientHost: '/127.0.0.1',
      requireKnownMemberId: false,
      supportsSkipAssignment: true,
    };
    this.#askCoordinator(
      REBALANCE_MS + SESSION_MS,
      (groups) => groups.joinGroup(request),
      (outcome) => {
        if (life !== this.#life) return;
        const answer = outcome.kind === 'answered' ? outcome.answer : undefined;
        if (answer?.errorCode === ErrorCode.NONE) return this.#sync(answer);
        if (answer?.errorCode === ErrorCode.UNKNOWN_MEMBER_ID) this.#memberId = '';
        this.refresh(() => this.#again(life));
      },
    );
  }

  /** To no topic by name, with user data of its own: who joins anew begins a new generation. */
  #subscription(life: number): Uint8Array {
    const bytes = Buffer.alloc(14);
    bytes.writeInt32BE(4, 6);
    bytes.writeInt32BE(life, 10);
    return bytes;
  }

  #again(life: number): void {
    if (life === this.#life) this.#join();
  }

  /** What it had of the generation before it has no more. */
  #begin(): number {
    this.#isStable = false;
    for (const { reader } of this.#held.values()) reader.close();
    this.#held = new Map();
    this.#life += 1;
    return this.#life;
  }

  #sync({ memberId, generationId, members }: JoinGroupResponse): void {
    const life = this.#life;
    this.#memberId = memberId;
    this.#generationId = generationId;
    const ids = members.map((member) => member.memberId).toSorted();
    const assignments = ids.map((id, at) => ({ memberId: id, assignment: this.#share(at, ids.length) }));
    const { groupId } = this;
    const ask = async (groups: GroupPort): Promise<SyncGroupResponse> => {
      const answer = await groups.syncGroup({ groupId, generationId, memberId, assignments });
      if (answer.errorCode === ErrorCode.NONE) this.world.groups.synced(groupId, generationId, memberId, answer.assignment);
      return answer;
    };
    this.#askCoordinator(REBALANCE_MS + SESSION_MS, ask, (outcome) => {
      if (life !== this.#life) return;
      const answer = outcome.kind === 'answered' ? outcome.answer : undefined;
      if (answer?.errorCode !== ErrorCode.NONE) {
        if (answer?.errorCode === ErrorCode.UNKNOWN_MEMBER_ID) this.#memberId = '';
        return this.refresh(() => this.#again(life));
      }
      this.note(`is in generation ${generationId} with ${Buffer.from(answer.assignment).toString()}`);
      this.#isStable = true;
      this.#heartbeat(life);
      for (const place of placesOf(answer.assignment)) this.#take(life, place);
    });
  }

  /** `<the leader's word>:<places>`; the word tells assignments of one generation apart. */
  #share(at: number, count: number): Buffer {
    const places = Array.from({ length: this.world.plan.topic.partitions }, (_, place) => place).filter(
      (place) => place % count === at,
    );
    return Buffer.from(`${this.name}-${this.#life}:${places.join()}`);
  }

  /** Begins to read where the group has committed. */
  #take(life: number, place: number): void {
    const { groupId, world } = this;
    const question = world.groups.ask(groupId, place);
    const ask = async (groups: GroupPort, storage: StorageSide): Promise<number | undefined> => {
      const at = world.groups.asked(question, storage);
      const { errorCode, offsets } = await groups.fetchOffsets(fetchOffsetsRequest(groupId, DATA_TOPIC, place));
      if (errorCode !== ErrorCode.NONE) return undefined;
      const offset = offsets[0]?.offset ?? -1;
      world.groups.read(at, offset);
      return offset;
    };
    this.#askCoordinator(world.plan.requestTimeoutMs, ask, (outcome) => {
      if (life !== this.#life) return;
      const offset = outcome.kind === 'answered' ? outcome.answer : undefined;
      if (offset === undefined) return this.refresh(() => this.#retake(life, place));
      const from = Math.max(0, offset);
      this.note(`goes on at ${place}@${from}`);
      const reading = { consumer: this.name, partition: place, beginsFrom: from, beginsTo: from, deliveries: [] };
      const reader = new PartitionReader(this.reading, place, from, reading);
      this.#held.set(place, { reader, committed: offset, isCommitting: false });
      reader.poll();
      this.#commitLater(life, place);
    });
  }

  #retake(life: number, place: number): void {
    if (life === this.#life) this.#take(life, place);
  }

  #commitLater(life: number, place: number): void {
    this.later(COMMIT_MS * (0.5 + this.world.random.next()), () => {
      const held = this.#held.get(place);
      if (life !== this.#life || held === undefined) return;
      if (held.reader.position > held.committed) this.#commit(life, place, held);
      else this.#commitLater(life, place);
    });
  }

  #commit(life: number, place: number, held: Held): void {
    const { groupId, world } = this;
    const offset = held.reader.position;
    const sent = world.groups.commits(groupId, place, offset, this.#generationId);
    const request = commitRequest(groupId, this.#generationId, this.#memberId, { topic: DATA_TOPIC, place, offset });
    const ask = async (groups: GroupPort): Promise<number> => {
      const arrived = world.groups.arrived(sent);
      const { errorCodes } = await groups.commitOffsets(request);
      const errorCode = errorCodes[0] ?? ErrorCode.UNKNOWN_SERVER_ERROR;
      world.groups.committed(arrived, errorCode);
      return errorCode;
    };
    this.#askCoordinator(world.plan.requestTimeoutMs, ask, (outcome) => {
      if (life !== this.#life) return;
      const errorCode = outcome.kind === 'answered' ? outcome.answer : undefined;
      if (errorCode === ErrorCode.NONE) {
        held.committed = offset;
        this.note(`has committed ${place}@${offset}`);
        return this.#commitLater(life, place);
      }
      if (errorCode !== undefined && OUT.has(errorCode)) return this.#outBy(errorCode);
      // It may yet be taken: only in another generation it is refused.
      if (errorCode === undefined) return this.refresh(() => this.#again(life));
      this.refresh(() => this.#commitLater(life, place));
    });
  }

  #heartbeat(life: number): void {
    this.later(HEARTBEAT_MS, () => {
      if (life !== this.#life) return;
      if (!this.isStopped && this.world.random.chance(LEAVE_CHANCE)) return this.#leave();
      const { groupId } = this;
      const request = { groupId, generationId: this.#generationId, memberId: this.#memberId };
      this.#askCoordinator(
        this.world.plan.requestTimeoutMs,
        (groups) => groups.heartbeat(request),
        (outcome) => {
          if (life !== this.#life) return;
          const errorCode = outcome.kind === 'answered' ? outcome.answer?.errorCode : undefined;
          if (errorCode !== undefined && OUT.has(errorCode)) return this.#outBy(errorCode);
          if (errorCode === ErrorCode.NONE) this.#heartbeat(life);
          else this.refresh(() => this.#heartbeat(life));
        },
      );
    });
  }

  #outBy(errorCode: number): void {
    this.note(`has to join again: ${errorName(errorCode)}`);
    this.world.counters.rebalances += 1;
    if (errorCode === ErrorCode.UNKNOWN_MEMBER_ID) this.#memberId = '';
    this.#join();
  }

  /** To begin anew, so that there is a rebalance. */
  #leave(): void {
    const life = this.#begin();
    const request = { groupId: this.groupId, members: [{ memberId: this.#memberId }] };
    this.#memberId = '';
    this.#askCoordinator(
      this.world.plan.requestTimeoutMs,
      (groups) => groups.leaveGroup(request),
      () => this.#again(life),
    );
  }
}

function placesOf(assignment: Uint8Array): readonly number[] {
  const [, places = ''] = Buffer.from(assignment).toString().split(':');
  return places === '' ? [] : places.split(',').map(Number);
}
