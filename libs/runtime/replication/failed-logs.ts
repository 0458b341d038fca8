import type { AnewObstacle } from '@streamline/core/replication/begin-anew';
import { ANEW_BACK_OFF_MS_MAX, anewDelayMs } from '@streamline/core/replication/begin-anew';
import type { PartitionKey, PartitionLog } from '../log/log-engine';
import type { LogSink } from '../partitions/log-sink';
import type { Clock } from '../ports/clock';
import type { Random } from '../ports/random';

/** A replica of which the log failed, or had failed. */
export interface FailedReplica {
  readonly partition: {
    readonly key: PartitionKey;
    readonly topicName: string;
    readonly log: Pick<PartitionLog, 'offlineReason' | 'logStartOffset' | 'logEndOffset'>;
  };
  /** Sets out to drop the log and to copy it anew, or returns what is in the way. */
  beginAnew(): AnewObstacle | undefined;
}

interface Waiting {
  /** By the monotonic clock: not before. */
  readonly fromMs: number;
  /** What was told to be in the way. */
  toldObstacle: AnewObstacle | undefined;
}

/** How often the log of a partition began anew, until it has held for a while. */
interface Attempts {
  readonly count: number;
  readonly lastMs: number;
}

export interface FailedLogsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: LogSink;
}

/** Plain figures for metrics. */
export interface FailedLogsFigures {
  /** Logs that failed and were dropped, to be copied from their leader. */
  readonly logsBegunAnew: number;
  /** Those of them that had what was committed again. */
  readonly logsRecovered: number;
  /** Until a log that failed begins anew, at the earliest; of several the longest time, 0 where none waits for its time. */
  readonly anewWaitMsMax: number;
}

/** An attempt that held for so long was a success. */
const HELD_MS = 2 * ANEW_BACK_OFF_MS_MAX;
/** It takes a report to the controller and its metadata before a log may be dropped: what is in the way by then is told. */
const OBSTACLE_TOLD_AFTER_MS = 10_000;

/** What an operator reads: why it is so, and what can be done. */
const OBSTACLES: Readonly<Record<AnewObstacle, string>> = {
  needed: 'a log that failed stays offline: the controller has not taken the replica out of the in-sync replicas yet',
  untold:
    'a log that failed stays offline: the controller has not been told of it yet (it takes the report from metadata.version 2 on)',
  leaderless:
    'a log that failed stays offline, and nothing of it is dropped: no other replica leads, so it may be the last with acknowledged records. ' +
    'Start the brokers of the other replicas; where they are gone for good, an unclean election gives up what only this log has',
};

/** The replicas of this broker of which the log failed, and when each begins anew (REPL-21). Outlives incarnations of the broker. */
export class FailedLogs {
  private readonly waiting = new Map<FailedReplica, Waiting>();
  /** By topic id and partition. */
  private readonly attempts = new Map<string, Attempts>();
  private readonly counts = { begun: 0, recovered: 0 };
  /** When attempts were last looked through for those that held. */
  private lookedMs = 0;

  constructor(private readonly options: FailedLogsOptions) {}

  figures(): FailedLogsFigures {
    const nowMs = this.options.clock.monotonicMs();
    let anewWaitMsMax = 0;
    for (const { fromMs } of this.waiting.values()) anewWaitMsMax = Math.max(anewWaitMsMax, fromMs - nowMs);
    return { logsBegunAnew: this.counts.begun, logsRecovered: this.counts.recovered, anewWaitMsMax };
  }

  /** Its log failed: after a while it begins anew, if that is possible by then. */
  failed(replica: FailedReplica): void {
    const { clock, random, log } = this.options;
    const { topicName, key, log: failed } = replica.partition;
    const nowMs = clock.monotonicMs();
    const { count: attempts } = this.attempts.get(nameOf(replica)) ?? NO_ATTEMPTS;
    const delayMs = anewDelayMs(attempts, random.next());
    this.waiting.set(replica, { fromMs: nowMs + delayMs, toldObstacle: undefined });
    log.error(
      { topic: topicName, partition: key.partition, reason: failed.offlineReason, attempts, seconds: delayMs / 1_000 },
      'a log failed and is not served: it begins anew as a copy of its leader, not before so many seconds have passed',
    );
  }

  forget(replica: FailedReplica): void {
    this.waiting.delete(replica);
  }

  /** Its log is dropped, and an empty one takes its place. */
  beginsAnew(replica: FailedReplica): void {
    const name = nameOf(replica);
    const { count } = this.attempts.get(name) ?? NO_ATTEMPTS;
    this.attempts.set(name, { count: count + 1, lastMs: this.options.clock.monotonicMs() });
    this.waiting.delete(replica);
    this.counts.begun += 1;
  }

  /** It has what is committed, and may be taken into the ISR. */
  recovered({ partition: { topicName, key, log } }: FailedReplica): void {
    this.counts.recovered += 1;
    this.options.log.info(
      { topic: topicName, partition: key.partition, logStartOffset: log.logStartOffset, logEndOffset: log.logEndOffset },
      'a log that had failed and began anew has everything that is committed',
    );
  }

  /** Time passed. */
  tick(): void {
    const nowMs = this.options.clock.monotonicMs();
    this.forgetWhatHeld(nowMs);
    for (const [replica, waiting] of this.waiting) {
      if (nowMs < waiting.fromMs) continue;
      const obstacle = replica.beginAnew();
      if (obstacle === undefined || obstacle === waiting.toldObstacle || nowMs < waiting.fromMs + OBSTACLE_TOLD_AFTER_MS)
        continue;
      waiting.toldObstacle = obstacle;
      const { topicName, key, log } = replica.partition;
      this.options.log.error({ topic: topicName, partition: key.partition, reason: log.offlineReason }, OBSTACLES[obstacle]);
    }
  }

  private forgetWhatHeld(nowMs: number): void {
    if (nowMs < this.lookedMs + HELD_MS) return;
    this.lookedMs = nowMs;
    for (const [name, { lastMs }] of this.attempts) if (nowMs >= lastMs + HELD_MS) this.attempts.delete(name);
  }
}

const NO_ATTEMPTS: Attempts = { count: 0, lastMs: 0 };

function nameOf({ partition: { key } }: FailedReplica): string {
  return `${key.topicId}-${key.partition}`;
}
