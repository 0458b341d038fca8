import { beforeEach, describe, expect, it } from 'vitest';
import { type AnomalyKind, judge } from './log-anomalies';
import { type Delivery, History, type Reading } from './log-history';

const PARTITION = 0;
const GROUP = 'group';

let history: History;
/** Six values at 0 to 5, acknowledged there but the last, which is there all the same. */
let log: Delivery[];
let reading: Reading;

beforeEach(() => {
  history = new History();
  log = Array.from({ length: 6 }, (_, offset) => {
    const value = history.send(offset < 4 ? 'idempotent' : 'plain', offset < 4);
    if (offset < 5) history.acknowledge(value, { partition: PARTITION, offset });
    return { partition: PARTITION, offset, value };
  });
  reading = history.beginReading('reader', PARTITION);
  reading.deliveries.push(...log);
});

function kinds(records: readonly Delivery[] = log): AnomalyKind[] {
  return [...new Set(judge(history, new Map([[PARTITION, records]])).anomalies.map(({ kind }) => kind))];
}

/** The log with these values from the start, and readers that got just that. */
function rewritten(...values: readonly string[]): Delivery[] {
  const records = values.map((value, offset) => ({ partition: PARTITION, offset, value }));
  reading.deliveries.splice(0, reading.deliveries.length, ...records);
  return records;
}

function values(): string[] {
  return log.map(({ value }) => value);
}

describe('judge', () => {
  it('finds nothing wrong with a log that holds all that was acknowledged, with or without what was not', () => {
    expect(kinds()).toEqual([]);
    history.readings.length = 0;
    expect(kinds(log.slice(0, 5))).toEqual([]);
    expect(kinds([...log, { partition: PARTITION, offset: 6, value: history.send('late', true) }])).toEqual([]);
  });

  it('sees an acknowledged value that is gone: at the end, and where another has its offset', () => {
    expect(kinds(rewritten(...values().slice(0, 4)))).toEqual(['lost-write']);
    const [first = '', second = '', ...rest] = values();
    expect(kinds(rewritten(first, ...rest))).toEqual(expect.arrayContaining(['lost-write', 'inconsistent-offsets']));
    expect(judge(history, new Map([[PARTITION, rewritten(first, ...rest)]])).anomalies[0]?.what).toContain(second);
  });

  it('sees a duplicate of an idempotent producer, and counts one of another', () => {
    const [first = ''] = values();
    expect(kinds(rewritten(...values(), first))).toEqual(expect.arrayContaining(['duplicate', 'reordered']));
    const repeated = judge(history, new Map([[PARTITION, rewritten(...values(), values()[4] ?? '')]]));
    expect(repeated).toEqual({ anomalies: [], repeats: 1 });
  });

  it('sees another order of an idempotent producer', () => {
    const [first = '', second = '', ...rest] = values();
    expect(kinds(rewritten(second, first, ...rest))).toContain('reordered');
  });

  it('sees what was delivered and is something else in the end', () => {
    reading.deliveries[5] = { partition: PARTITION, offset: 5, value: values()[4] ?? '' };
    expect(kinds()).toEqual(['inconsistent-offsets']);
  });

  it('sees what nobody sent, and a hole', () => {
    expect(kinds(rewritten(...values(), 'foreign/0'))).toContain('phantom');
    const holed = log.map((record) => (record.offset < 5 ? record : { ...record, offset: 7 }));
    reading.deliveries.splice(0, 6, ...holed);
    expect(kinds(holed)).toContain('hole');
  });

  it('sees a consumer that went back, that skipped, that got less than there is', () => {
    reading.deliveries.push(log[3] as Delivery);
    expect(kinds()).toEqual(['nonmonotonic-poll']);
    reading.deliveries.splice(0, 7, ...log.filter(({ offset }) => offset !== 2));
    expect(kinds()).toEqual(expect.arrayContaining(['poll-skip', 'unseen']));
    reading.deliveries.splice(0, 5, ...log.slice(0, 5));
    expect(kinds()).toEqual(['unseen']);
  });

  it('sees a group that begins before what it committed, or behind it', () => {
    const commits = history.commitsOf(GROUP, PARTITION);
    commits.send(3)(true);
    commits.send(4);
    const begin = (offset: number): AnomalyKind[] => {
      history.readings.length = 0;
      history.beginReading('member', PARTITION).deliveries.push(...log);
      history.beginMember('member', PARTITION, GROUP).deliveries.push(...log.slice(offset));
      return kinds();
    };
    expect(begin(2)).toEqual(['offset-commit-regression']);
    expect(begin(3)).toEqual([]);
    expect(begin(4)).toEqual([]);
    expect(begin(5)).toEqual(['poll-skip']);
  });

  it('lets a commit without an answer take effect late, until its member has joined anew and committed again', () => {
    const commits = history.commitsOf(GROUP, PARTITION);
    commits.send(1)(false);
    commits.send(3)(true);
    expect([commits.least, commits.most]).toEqual([1, 3]);
    expect(history.beginMember('member', PARTITION, GROUP)).toMatchObject({ beginsFrom: 1, beginsTo: 3 });
    commits.send(2)(true);
    expect([commits.least, commits.most]).toEqual([2, 3]);
  });

  it('sees a committed offset that went back, and one that nobody committed', () => {
    const commits = history.commitsOf(GROUP, PARTITION);
    const asked = history.askCommit(GROUP, PARTITION);
    commits.send(3)(true);
    commits.send(4);
    asked(-1);
    history.askCommit(GROUP, PARTITION)(3);
    expect(kinds()).toEqual([]);
    history.askCommit(GROUP, PARTITION)(2);
    history.askCommit(GROUP, PARTITION)(5);
    expect(judge(history, new Map([[PARTITION, log]])).anomalies.map(({ kind }) => kind)).toEqual([
      'offset-commit-regression',
      'offset-commit-regression',
    ]);
  });
});
