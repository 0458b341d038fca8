import { judge } from '@streamline/testing/history/log-anomalies';
import type { Delivery } from '@streamline/testing/history/log-history';
import { History } from '@streamline/testing/history/log-history';
import { Violation } from '@streamline/testing/raft/violation';
import type { Truth } from './truth';

/** A partition in the end. */
export interface FinalPartition {
  readonly startOffset: number;
  readonly records: readonly { readonly offset: number; readonly value: string }[];
}

/**
 * Holds what clients were told against the logs; returns how many acknowledged records are lost. Of a partition where that is allowed
 * (Losses) only what was acknowledged after it is asked for, at its offset, and that everything was sent by somebody.
 */
export function judgeLogs(history: History, truth: Truth, logs: ReadonlyMap<number, FinalPartition>): number {
  let lost = 0;
  const rest = new History();
  for (const [value, write] of history.writes) {
    const { acknowledged } = write;
    if (acknowledged === undefined || !truth.losses.has(acknowledged.partition)) {
      rest.writes.set(value, write);
      continue;
    }
    const { partition: place, offset } = acknowledged;
    const log = logs.get(place);
    if (offset < (log?.startOffset ?? 0)) continue;
    const there = log?.records.find((record) => record.offset === offset)?.value;
    if (truth.isKept(place, value) && there !== value)
      throw new Violation(
        'kept-after-loss',
        `${value} was acknowledged at ${place}@${offset}, the log has ${there ?? 'nothing'}`,
      );
    if (log?.records.some((record) => record.value === value) !== true) lost += 1;
  }
  rest.readings.push(...history.readings.filter(({ partition }) => !truth.losses.has(partition)));
  const whole = new Map<number, readonly Delivery[]>();
  const starts = new Map<number, number>();
  for (const [place, { startOffset, records }] of logs) {
    const phantom = records.find(({ value }) => !history.writes.has(value));
    if (phantom !== undefined) throw new Violation('phantom', `${place}@${phantom.offset}: ${phantom.value} was never sent`);
    if (truth.losses.has(place)) continue;
    const from = Math.max(startOffset, truth.deletions.toldStart(place));
    starts.set(place, from);
    whole.set(
      place,
      records.filter(({ offset }) => offset >= from).map(({ offset, value }) => ({ partition: place, offset, value })),
    );
  }
  const [anomaly] = judge(rest, whole, starts).anomalies;
  if (anomaly !== undefined) throw new Violation(anomaly.kind, anomaly.what);
  return lost;
}
