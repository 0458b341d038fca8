import type { TimestampMs } from '@streamline/core/types/ids';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { GroupConfig } from '@streamline/core/groups/group-config';
import { DEFAULT_GROUP_CONFIG } from '@streamline/core/groups/group-config';
import { GroupCoordinator } from '@streamline/core/groups/group-coordinator';
import { GroupImage } from '@streamline/core/groups/group-image';
import type { GroupRecord } from '@streamline/core/groups/group-record';
import type { JoinAnswer, SyncAnswer } from '@streamline/core/groups/group-messages';
import type { Continuation, Turn, WaiterAnswer } from '@streamline/core/groups/group-state';
import { failedAnswers, newTurn } from '@streamline/core/groups/group-state';
import type { Waiter } from '@streamline/core/groups/live-group';

const WALL_ZERO_MS = 1_700_000_000_000;

interface Undurable {
  readonly end: number;
  readonly answers: readonly WaiterAnswer[];
  readonly continuations: readonly Continuation[];
}

/**
 * A host for tests: virtual time, a log in memory whose durability can be held back or refused. Keeps the order that
 * `Turn` asks for, so that what holds here holds for any host that does.
 */
export class GroupBench {
  coordinator: GroupCoordinator;
  readonly usage = { bytes: 0 };
  /** Monotonic ms since the start. */
  nowMs = 0;
  readonly log: GroupRecord[] = [];
  /** Records before this index are durable. */
  durableEnd = 0;
  holdsLog = false;
  refusesLog = false;
  readonly joins = new Map<Waiter, JoinAnswer>();
  readonly syncs = new Map<Waiter, SyncAnswer>();
  /** Every parked call that was answered: how many records were needed, and how many were durable then. */
  readonly answered: { readonly waiter: Waiter; readonly needed: number; readonly durable: number }[] = [];
  readonly config: GroupConfig;
  #undurable: Undurable[] = [];

  constructor(config: Partial<GroupConfig> = {}) {
    this.config = { ...DEFAULT_GROUP_CONFIG, ...config };
    this.coordinator = new GroupCoordinator(this.config, this.usage);
  }

  get wallMs(): TimestampMs {
    return (WALL_ZERO_MS + this.nowMs) as TimestampMs;
  }

  /** Lets `decide` fill a turn and does with it what a host does. Returns what `decide` returned. */
  step<T>(decide: (turn: Turn) => T): T {
    const turn = newTurn({ monotonicMs: this.nowMs, wallMs: this.wallMs });
    const result = decide(turn);
    this.#carryOut(turn);
    return result;
  }

  /** Makes everything durable that was held back. */
  release(): void {
    this.holdsLog = false;
    this.#makeDurable();
  }

  /** Lets time pass; timeouts take effect at their own time. */
  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const nextMs = this.coordinator.nextDeadlineMs;
      if (nextMs === undefined || nextMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      this.expireDue();
    }
    this.nowMs = endMs;
  }

  expireDue(): void {
    while (this.step((turn) => this.coordinator.expireDeadline(turn)));
  }

  /** Ends this coordinator, which answers whoever waits whatever the log does, and begins another from the durable part of the log. */
  restart(): void {
    const last = newTurn({ monotonicMs: this.nowMs, wallMs: this.wallMs });
    this.coordinator.stop(last);
    for (const answer of last.answers) this.#answer(answer, this.durableEnd);
    this.log.length = this.durableEnd;
    this.#undurable = [];
    this.coordinator = new GroupCoordinator(this.config, this.usage);
    for (const record of this.log) this.coordinator.replay(record);
    this.step((turn) => {
      this.coordinator.start(turn);
    });
  }

  /** What a coordinator that only reads the log would know. */
  replayed(): GroupImage {
    const image = new GroupImage();
    for (const record of this.log) image.replay(record);
    return image;
  }

  #carryOut(turn: Turn): void {
    if (this.refusesLog && turn.records.length > 0) {
      for (const answer of failedAnswers(turn.answers, ErrorCode.COORDINATOR_NOT_AVAILABLE))
        this.#answer(answer, this.durableEnd);
      for (const continuation of turn.continuations) {
        this.step((next) => {
          this.coordinator.settle(next, continuation, ErrorCode.COORDINATOR_NOT_AVAILABLE);
        });
      }
      return;
    }
    for (const record of turn.records) {
      this.coordinator.replay(record);
      this.log.push(record);
    }
    this.#undurable.push({ end: this.log.length, answers: turn.answers, continuations: turn.continuations });
    if (!this.holdsLog) this.#makeDurable();
  }

  #makeDurable(): void {
    this.durableEnd = this.log.length;
    const ready = this.#undurable;
    this.#undurable = [];
    for (const { end, answers, continuations } of ready) {
      for (const answer of answers) this.#answer(answer, end);
      for (const continuation of continuations) {
        this.step((turn) => {
          this.coordinator.settle(turn, continuation, ErrorCode.NONE);
        });
      }
    }
  }

  #answer(answer: WaiterAnswer, needed: number): void {
    this.answered.push({ waiter: answer.waiter, needed, durable: this.durableEnd });
    if (answer.kind === 'join') this.joins.set(answer.waiter, answer.answer);
    else this.syncs.set(answer.waiter, answer.answer);
  }
}
