import type { Delivery, History, Place, Reading, Write } from './log-history';

/**
 * What must never be, as Jepsen's tests of Kafka-like systems name it (jepsen.io/analyses/redpanda-21.10.1, bufstream-0.1.0),
 * and two of ours: a hole, and a committed offset that went back.
 */
export const ANOMALIES = {
  'lost-write': 'acknowledged, and not in the log',
  duplicate: 'twice in the log, of an idempotent producer',
  reordered: 'behind a later value of the same idempotent producer',
  'inconsistent-offsets': 'two values at one offset: acknowledged, delivered or in the log',
  phantom: 'in the log, and never sent',
  hole: 'an offset without a record between others',
  unseen: 'in the log, and never delivered to a consumer that read past it or had all the time to read it',
  'nonmonotonic-poll': 'delivered at an offset that is not behind the last one',
  'poll-skip': 'delivered, and what the log has before it was not',
  'offset-commit-regression': 'a committed offset that is older than one that was acknowledged, or newer than any that was sent',
} as const;

export type AnomalyKind = keyof typeof ANOMALIES;

export interface Anomaly {
  readonly kind: AnomalyKind;
  readonly what: string;
}

/** The records of a partition, from its start to its end, when nobody writes any more. */
export type FinalLog = ReadonlyMap<number, readonly Delivery[]>;

export interface Verdict {
  readonly anomalies: readonly Anomaly[];
  /** Values of producers that are not idempotent which are in the log more than once: allowed, told. */
  readonly repeats: number;
}

/**
 * Holds what clients were told against the logs as they are in the end.
 *
 * @param starts where logs begin of which the first records were deleted; nothing is asked of what was before.
 */
export function judge(history: History, logs: FinalLog, starts: ReadonlyMap<number, number> = new Map()): Verdict {
  const judgement = new Judgement(history, logs, starts);
  return judgement.run();
}

class Judgement {
  private readonly anomalies: Anomaly[] = [];
  /** Places of each value in the logs. */
  private readonly places = new Map<string, Delivery[]>();
  private readonly valueAt = new Map<string, string>();
  private repeats = 0;

  constructor(
    private readonly history: History,
    private readonly logs: FinalLog,
    private readonly starts: ReadonlyMap<number, number>,
  ) {}

  run(): Verdict {
    for (const [partition, log] of this.logs) this.lookAt(partition, log);
    for (const [value, write] of this.history.writes) this.lookFor(value, write);
    for (const reading of this.history.readings) this.follow(reading);
    this.lookForUnseen();
    for (const { group, partition, offset, least, most } of this.history.fetchedCommits) {
      if (offset >= least && offset <= most) continue;
      const known = `${least} was acknowledged before, ${most} is the newest that was sent`;
      this.tell('offset-commit-regression', `group ${group}, partition ${partition}: ${offset} is committed; ${known}`);
    }
    return { anomalies: this.anomalies, repeats: this.repeats };
  }

  private tell(kind: AnomalyKind, what: string): void {
    this.anomalies.push({ kind, what });
  }

  private lookAt(partition: number, log: readonly Delivery[]): void {
    const lastOf = new Map<string, number>();
    let expected = log[0]?.offset ?? 0;
    for (const record of log) {
      const { offset, value } = record;
      const at = `${partition}@${offset}`;
      if (offset !== expected) this.tell('hole', `${at}: the offset behind the record before is ${expected}`);
      expected = offset + 1;
      const write = this.history.writes.get(value);
      if (write === undefined) {
        this.tell('phantom', `${at}: '${value}'`);
        continue;
      }
      this.valueAt.set(at, value);
      const known = this.places.get(value);
      if (known === undefined) this.places.set(value, [record]);
      else known.push(record);
      const last = lastOf.get(write.producer) ?? -1;
      if (write.isIdempotent && write.number < last)
        this.tell('reordered', `${at}: ${value} is behind ${write.producer}/${last}`);
      lastOf.set(write.producer, Math.max(last, write.number));
    }
  }

  private lookFor(value: string, { isIdempotent, acknowledged }: Write): void {
    const places = this.places.get(value) ?? [];
    if (places.length > 1) {
      const where = places.map(({ partition, offset }) => `${partition}@${offset}`).join(', ');
      if (isIdempotent) this.tell('duplicate', `${value} is at ${where}`);
      else this.repeats += 1;
    }
    if (acknowledged === undefined) return;
    const { partition, offset } = acknowledged;
    if (this.isDeleted(acknowledged)) return;
    if (places.length === 0) {
      this.tell('lost-write', `${value} was acknowledged at ${partition}@${offset}`);
      return;
    }
    this.compare({ partition, offset, value }, 'was acknowledged');
  }

  private isDeleted({ partition, offset }: Place): boolean {
    return offset < (this.starts.get(partition) ?? 0);
  }

  /** One offset holds one value, whoever is told. */
  private compare({ partition, offset, value }: Delivery, how: string): void {
    if (this.isDeleted({ partition, offset })) return;
    const inLog = this.valueAt.get(`${partition}@${offset}`);
    if (inLog === value) return;
    const log = this.logs.get(partition);
    if (log === undefined) return;
    this.tell('inconsistent-offsets', `${partition}@${offset}: ${value} ${how} there, the log has ${inLog ?? 'nothing'}`);
  }

  private follow({ consumer, partition, beginsFrom, beginsTo, deliveries }: Reading): void {
    let last = -1;
    for (const delivery of deliveries) {
      const { offset } = delivery;
      const at = `${consumer}, ${partition}@${offset}`;
      this.compare(delivery, `was delivered to ${consumer}`);
      if (last === -1) this.begin(at, offset, beginsFrom, beginsTo);
      else if (offset <= last) this.tell('nonmonotonic-poll', `${at}: behind ${last}`);
      else if (offset > last + 1) this.tell('poll-skip', `${at}: the one before was ${last}`);
      last = offset;
    }
  }

  private begin(at: string, offset: number, from: number, to: number): void {
    if (offset < from) this.tell('offset-commit-regression', `${at}: it begins before ${from}, which its group has committed`);
    if (offset > to) this.tell('poll-skip', `${at}: it begins behind ${to}, the newest offset that its group has sent`);
  }

  /** Each consumer has to have got everything: they had the time. */
  private lookForUnseen(): void {
    const consumers = new Set(this.history.readings.map(({ consumer }) => consumer));
    for (const consumer of consumers) {
      const own = this.history.readings.filter((reading) => reading.consumer === consumer);
      for (const [partition, log] of this.logs) {
        const seen = new Set(own.filter((each) => each.partition === partition).flatMap(offsetsOf));
        for (const { offset, value } of log) {
          if (!seen.has(offset)) this.tell('unseen', `${consumer}: ${value} at ${partition}@${offset}`);
        }
      }
    }
  }
}

function offsetsOf({ deliveries }: Reading): number[] {
  return deliveries.map(({ offset }) => offset);
}
