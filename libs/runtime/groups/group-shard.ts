import type { GroupConfig } from '@streamline/core/groups/group-config';
import { GroupCoordinator } from '@streamline/core/groups/group-coordinator';
import type {
  CommitAnswer,
  CommitCommand,
  DeletedGroup,
  DeleteOffsetsAnswer,
  DeleteOffsetsCommand,
  FetchOffsetsAnswer,
  FetchOffsetsCommand,
  HeartbeatCommand,
  JoinAnswer,
  JoinCommand,
  LeaveAnswer,
  LeaveCommand,
  SyncAnswer,
  SyncCommand,
} from '@streamline/core/groups/group-messages';
import type { GroupRecord } from '@streamline/core/groups/group-record';
import type { Turn } from '@streamline/core/groups/group-state';
import { failedAnswers, joinError, newTurn, syncError } from '@streamline/core/groups/group-state';
import type { MembershipUsage, Waiter } from '@streamline/core/groups/live-group';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { LeaderEpoch, TopicId } from '@streamline/core/types/ids';
import { EncodeError } from '@streamline/wire/kafka/codec/wire-error';
import type { PartitionKey } from '../log/log-engine';
import type { LocalPartitions } from '../partitions/local-partitions';
import type { Cancel, Clock } from '../ports/clock';
import type { GroupCounters } from './group-counters';
import type { GroupHostLimits } from './group-host-limits';
import { ShardLog } from './shard-log';

export interface GroupShardDeps {
  readonly partitions: LocalPartitions;
  readonly key: PartitionKey;
  readonly leaderEpoch: LeaderEpoch;
  readonly clock: Clock;
  /** A UUID that was never given out before. */
  readonly randomId: () => string;
  readonly config: GroupConfig;
  /** Of all shards of the node together. */
  readonly usage: MembershipUsage;
  readonly limits: GroupHostLimits;
  readonly counters: GroupCounters;
  readonly defer: (task: () => void) => void;
  /** What was appended is neither committed nor refused, and never will be here: the shard has to be stopped (see ShardLog). */
  readonly onLost: (errorCode: number) => void;
  /** Told of failures that nobody expects. */
  readonly onError: (error: unknown) => void;
}

/** Called once with the answer. */
export type Respond<T> = (answer: T) => void;

/**
 * The coordinator of one partition of __consumer_offsets while this node leads it: decides at once, one call after the
 * other, replays what was decided, and answers when the log has it. Reads of a group see what was decided before them and
 * are answered when that is committed, so that nobody sees what could still be lost.
 */
export class GroupShard {
  readonly coordinator: GroupCoordinator;
  readonly log: ShardLog;
  readonly #joins = new Map<Waiter, Respond<JoinAnswer>>();
  readonly #syncs = new Map<Waiter, Respond<SyncAnswer>>();
  #lastWaiter = 0;
  #armedMs = Infinity;
  #cancelTimer: Cancel | undefined;
  #isStopped = false;

  constructor(private readonly deps: GroupShardDeps) {
    this.coordinator = new GroupCoordinator(deps.config, deps.usage);
    this.log = new ShardLog({
      ...deps,
      undo: (inverse) => {
        for (const record of inverse) this.coordinator.replay(record);
      },
    });
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Joins and syncs that are parked. */
  get parked(): number {
    return this.#joins.size + this.#syncs.size;
  }

  /** The log is replayed: sessions begin to run. */
  start(): void {
    this.#decide((turn) => {
      this.coordinator.start(turn);
    });
  }

  /** This node coordinates these groups no longer: everyone who waits is told so. `errorCode` is for those who wait for the log. */
  stop(errorCode: number = ErrorCode.NOT_COORDINATOR): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#cancelTimer?.();
    const turn = this.#newTurn();
    this.coordinator.stop(turn);
    this.#answer(turn);
    this.log.close(errorCode);
    for (const [waiter, respond] of this.#joins) {
      this.#joins.delete(waiter);
      respond(joinError(ErrorCode.NOT_COORDINATOR, ''));
    }
    for (const [waiter, respond] of this.#syncs) {
      this.#syncs.delete(waiter);
      respond(syncError(ErrorCode.NOT_COORDINATOR));
    }
  }

  join(command: JoinCommand, respond: Respond<JoinAnswer>): void {
    const refusal = this.#refusal;
    if (refusal !== ErrorCode.NONE) {
      respond(joinError(refusal, command.memberId));
      return;
    }
    const waiter = (this.#lastWaiter += 1);
    this.#joins.set(waiter, respond);
    this.#decide((turn) => {
      this.coordinator.join(turn, command, waiter, this.deps.randomId());
    });
  }

  sync(command: SyncCommand, respond: Respond<SyncAnswer>): void {
    const refusal = this.#refusal;
    if (refusal !== ErrorCode.NONE) {
      respond(syncError(refusal));
      return;
    }
    const waiter = (this.#lastWaiter += 1);
    this.#syncs.set(waiter, respond);
    this.#decide((turn) => {
      this.coordinator.sync(turn, command, waiter);
    });
  }

  /** Never waits: a heartbeat depends on nothing that the log has to hold. */
  heartbeat(command: HeartbeatCommand): number {
    const errorCode = this.coordinator.heartbeat(this.#newTurn(), command);
    this.#armTimer();
    return errorCode;
  }

  leave(command: LeaveCommand, respond: Respond<LeaveAnswer>): void {
    this.#call(
      command.groupId,
      (turn) => this.coordinator.leave(turn, command),
      respond,
      (errorCode) => ({ errorCode, members: [] }),
    );
  }

  commit(command: CommitCommand, respond: Respond<CommitAnswer>): void {
    this.#call(
      command.groupId,
      (turn) => this.coordinator.commit(turn, command),
      (answer) => {
        for (const errorCode of answer.errorCodes) if (errorCode === ErrorCode.NONE) this.deps.counters.committedOffsets += 1;
        respond(answer);
      },
      (errorCode) => ({ errorCodes: command.offsets.map(() => errorCode) }),
    );
  }

  fetchOffsets(command: FetchOffsetsCommand, respond: Respond<FetchOffsetsAnswer>): void {
    this.#call(
      command.groupId,
      () => this.coordinator.fetchOffsets(command),
      respond,
      (errorCode) => ({ errorCode, offsets: [] }),
    );
  }

  deleteOffsets(command: DeleteOffsetsCommand, respond: Respond<DeleteOffsetsAnswer>): void {
    this.#call(
      command.groupId,
      (turn) => this.coordinator.deleteOffsets(turn, command),
      respond,
      (errorCode) => ({ errorCode, offsets: [] }),
    );
  }

  deleteGroup(groupId: string, respond: Respond<DeletedGroup>): void {
    this.#call(
      groupId,
      (turn) => this.coordinator.deleteGroup(turn, groupId),
      respond,
      (errorCode) => ({ groupId, errorCode }),
    );
  }

  /** Reads something of a group; what it says is committed when it is answered. */
  read<T>(
    groupId: string,
    look: (coordinator: GroupCoordinator) => T,
    respond: Respond<T>,
    failed: (errorCode: number) => T,
  ): void {
    this.#call(groupId, () => look(this.coordinator), respond, failed);
  }

  /** Removes what has expired in these groups. */
  expire(groupIds: readonly string[]): void {
    const { records } = this.#decide((turn) => {
      for (const groupId of groupIds) this.coordinator.expire(turn, groupId);
    });
    this.deps.counters.expiredOffsets += records.filter(({ kind }) => kind === 'offset-removed').length;
  }

  removeTopicOffsets(topic: string, topicId: TopicId): void {
    this.#decide((turn) => {
      this.coordinator.removeTopicOffsets(turn, topic, topicId);
    });
  }

  /** Writes records that say what is already so. `settled` is called when they are committed, or with an error code. */
  rewrite(records: readonly GroupRecord[], settled: (errorCode: number) => void): void {
    this.log.write(records, [], settled);
  }

  /** Why nothing more is taken now; 0 where it is. */
  get #refusal(): number {
    if (this.#isStopped) return ErrorCode.NOT_COORDINATOR;
    return this.log.waiting >= this.deps.limits.maxWaiting ? ErrorCode.COORDINATOR_NOT_AVAILABLE : ErrorCode.NONE;
  }

  #newTurn(): Turn {
    return newTurn({ monotonicMs: this.deps.clock.monotonicMs(), wallMs: this.deps.clock.wallMs() });
  }

  /** Decides, and answers when the log has what was decided and what the answer rests on. */
  #call<T>(groupId: string, decide: (turn: Turn) => T, respond: Respond<T>, failed: (errorCode: number) => T): void {
    const refusal = this.#refusal;
    if (refusal !== ErrorCode.NONE) {
      respond(failed(refusal));
      return;
    }
    const turn = this.#newTurn();
    const answer = decide(turn);
    const settled = (errorCode: number): void => {
      respond(errorCode === ErrorCode.NONE ? answer : failed(errorCode));
    };
    if (turn.records.length === 0) {
      this.#carryOut(turn);
      this.log.afterGroup(groupId, settled);
    } else {
      this.#carryOut(turn, settled);
    }
    this.#expireDue();
  }

  #decide(decide: (turn: Turn) => void): Turn {
    const turn = this.#newTurn();
    decide(turn);
    this.#carryOut(turn);
    this.#expireDue();
    return turn;
  }

  /** Replays a turn's records and writes them; answers and goes on when they are committed. */
  #carryOut(turn: Turn, settled?: (errorCode: number) => void): void {
    if (turn.records.length === 0) {
      this.#answer(turn);
      return;
    }
    const { image } = this.coordinator;
    const inverse = turn.records.map((record) => {
      const before = image.inverseOf(record);
      this.coordinator.replay(record);
      return before;
    });
    const finish = (errorCode: number): void => {
      this.#finish(turn, errorCode);
      settled?.(errorCode);
    };
    try {
      this.log.write(turn.records, inverse, finish);
    } catch (error) {
      if (!(error instanceof EncodeError)) throw error;
      // A record that Kafka's format cannot express, such as a name of 32 KiB: nothing of the turn happened.
      for (const records of inverse.reverse()) for (const record of records) this.coordinator.replay(record);
      finish(ErrorCode.UNKNOWN_SERVER_ERROR);
    }
  }

  #finish(turn: Turn, errorCode: number): void {
    if (errorCode === ErrorCode.NONE) this.#answer(turn);
    else this.#answer({ ...turn, answers: failedAnswers(turn.answers, errorCode) });
    if (this.#isStopped) return;
    for (const continuation of turn.continuations) {
      if (continuation.kind === 'assignment-stored' && errorCode === ErrorCode.NONE) this.deps.counters.completedRebalances += 1;
      this.#decide((next) => {
        this.coordinator.settle(next, continuation, errorCode);
      });
    }
  }

  #answer({ answers }: Pick<Turn, 'answers'>): void {
    for (const one of answers) {
      if (one.kind === 'join') {
        const respond = this.#joins.get(one.waiter);
        this.#joins.delete(one.waiter);
        respond?.(one.answer);
      } else {
        const respond = this.#syncs.get(one.waiter);
        this.#syncs.delete(one.waiter);
        respond?.(one.answer);
      }
    }
  }

  /** Lets timeouts that have passed take effect, and sets the timer for the next one. */
  #expireDue(): void {
    for (let isDue = !this.#isStopped; isDue;) {
      const turn = this.#newTurn();
      isDue = this.coordinator.expireDeadline(turn);
      this.#carryOut(turn);
    }
    this.#armTimer();
  }

  #armTimer(): void {
    const nextMs = this.coordinator.nextDeadlineMs ?? Infinity;
    if (this.#isStopped || nextMs >= this.#armedMs) return;
    this.#cancelTimer?.();
    this.#armedMs = nextMs;
    this.#cancelTimer = this.deps.clock.schedule(Math.max(nextMs - this.deps.clock.monotonicMs(), 0), () => {
      this.#armedMs = Infinity;
      this.#cancelTimer = undefined;
      this.#expireDue();
    });
  }
}
