import { describe, expect, it } from 'vitest';
import { FetchSessionCache, type FetchOutcome, type FetchTarget, type FetchTurn } from './fetch-sessions';

const ID_NOT_FOUND = 70;
const WRONG_EPOCH = 71;
const TOPIC_ID_ERROR = 106;

function target(partition: number, fields: Partial<FetchTarget> = {}): FetchTarget {
  return { topic: 't', partition, fetchOffset: 0, maxBytes: 100, currentLeaderEpoch: -1, lastFetchedEpoch: -1, ...fields };
}

function outcome(fields: Partial<FetchOutcome> = {}): FetchOutcome {
  return {
    errorCode: 0,
    highWatermark: 10,
    logStartOffset: 0,
    preferredReadReplica: -1,
    diverging: false,
    recordBytes: 0,
    ...fields,
  };
}

class Bench {
  nowMs = 0;
  private chance = 0;
  readonly cache: FetchSessionCache;
  constructor(slots = 1000, partitionsMax?: number) {
    this.cache = new FetchSessionCache(
      slots,
      () => this.nowMs,
      () => (this.chance = (this.chance + 0.137) % 1),
      partitionsMax,
    );
  }
  begin(sessionId: number, sessionEpoch: number, partitions: FetchTarget[], forgotten: number[] = [], usesTopicIds = false) {
    return this.cache.begin({
      sessionId,
      sessionEpoch,
      usesTopicIds,
      partitions,
      forgotten: forgotten.map((partition) => ({ topic: 't', partition })),
    });
  }
  turn(...args: Parameters<Bench['begin']>): FetchTurn {
    const begun = this.begin(...args);
    if (typeof begun === 'number') throw new Error(`refused with ${begun}`);
    return begun;
  }
  /** Opens a session over so many partitions and gives its id. */
  open(count: number): number {
    const turn = this.turn(
      0,
      0,
      Array.from({ length: count }, (_, i) => target(i)),
    );
    return turn.conclude(turn.partitions.map(() => outcome())).sessionId;
  }
}

describe('FetchSessionCache', () => {
  it('opens a session with epoch 0, and goes on with epochs 1, 2, ...', () => {
    const bench = new Bench();
    const id = bench.open(2);
    expect(id).toBeGreaterThan(0);
    for (const epoch of [1, 2, 3]) {
      const turn = bench.turn(id, epoch, []);
      expect(turn.partitions.map(({ partition }) => partition)).toEqual([0, 1]);
      expect(turn.conclude([outcome(), outcome()])).toEqual({ errorCode: 0, sessionId: id, included: [] });
    }
  });

  it('errors are 70 for an unknown session, 71 for a wrong epoch, 106 for ids and names mixed', () => {
    const bench = new Bench();
    const id = bench.open(1);
    expect(bench.begin(id + 1, 1, [])).toBe(ID_NOT_FOUND);
    expect(bench.begin(id, 2, [])).toBe(WRONG_EPOCH);
    expect(bench.begin(id, 1, [], [], true)).toBe(TOPIC_ID_ERROR);
    expect(bench.begin(0, 5, [])).toBe(ID_NOT_FOUND);
    expect(typeof bench.begin(id, 1, [])).toBe('object');
  });

  it('epoch -1 reads without a session and closes the one that is named', () => {
    const bench = new Bench();
    const id = bench.open(1);
    const turn = bench.turn(id, -1, [target(4)]);
    expect(turn.conclude([outcome()])).toEqual({ errorCode: 0, sessionId: 0, included: 'all' });
    expect(bench.begin(id, 1, [])).toBe(ID_NOT_FOUND);
    expect(bench.cache.partitionCount).toBe(0);
  });

  it('epoch 0 with an id closes that session and opens another', () => {
    const bench = new Bench();
    const first = bench.open(1);
    const turn = bench.turn(first, 0, [target(0)]);
    const second = turn.conclude([outcome()]).sessionId;
    expect(second).not.toBe(first);
    expect(bench.begin(first, 1, [])).toBe(ID_NOT_FOUND);
    expect(bench.cache.sessionCount).toBe(1);
  });

  it('an incremental answer holds only partitions with records, a moved high watermark or log start, divergence or a replica', () => {
    const bench = new Bench();
    const id = bench.open(6);
    const turn = bench.turn(id, 1, []);
    const conclusion = turn.conclude([
      outcome(),
      outcome({ recordBytes: 5 }),
      outcome({ highWatermark: 11 }),
      outcome({ logStartOffset: 1 }),
      outcome({ diverging: true }),
      outcome({ preferredReadReplica: 2 }),
    ]);
    expect(conclusion.included).toEqual([1, 2, 3, 4, 5]);
    const again = bench.turn(id, 2, []);
    expect(again.partitions.map(({ partition }) => partition)).toEqual([0, 2, 3, 4, 5, 1]);
  });

  it('errors repeat, and the first answer without one is told', () => {
    const bench = new Bench();
    const id = bench.open(1);
    const failed = outcome({ errorCode: 6, highWatermark: -1, logStartOffset: -1 });
    for (const epoch of [1, 2]) expect(bench.turn(id, epoch, []).conclude([failed]).included).toEqual([0]);
    expect(bench.turn(id, 3, []).conclude([outcome()]).included).toEqual([0]);
    expect(bench.turn(id, 4, []).conclude([outcome()]).included).toEqual([]);
  });

  it('takes new partitions, new positions and forgotten partitions', () => {
    const bench = new Bench();
    const id = bench.open(2);
    const turn = bench.turn(id, 1, [target(7), target(0, { fetchOffset: 42 })], [1]);
    expect(turn.partitions.map(({ partition, fetchOffset }) => [partition, fetchOffset])).toEqual([
      [0, 42],
      [7, 0],
    ]);
    expect(turn.conclude([outcome(), outcome()]).included).toEqual([1]);
  });

  it('ends a session whose last partition is forgotten', () => {
    const bench = new Bench();
    const id = bench.open(1);
    const turn = bench.turn(id, 1, [], [0]);
    expect(turn.conclude([])).toEqual({ errorCode: 0, sessionId: 0, included: 'all' });
    expect(bench.begin(id, 2, [])).toBe(ID_NOT_FOUND);
  });

  it('answers 71 to a fetch that another one of the same session overtook', () => {
    const bench = new Bench();
    const id = bench.open(1);
    const slow = bench.turn(id, 1, []);
    const fast = bench.turn(id, 2, []);
    expect(fast.conclude([outcome()]).errorCode).toBe(0);
    expect(slow.conclude([outcome()])).toEqual({ errorCode: WRONG_EPOCH, sessionId: 0, included: [] });
  });

  it('a full cache answers id 0', () => {
    const bench = new Bench(2);
    const ids = [bench.open(5), bench.open(5)];
    expect(bench.open(9)).toBe(0);
    for (const id of ids) expect(typeof bench.begin(id, 1, [])).toBe('object');
  });

  it('gives the place of a session that nobody used for two minutes', () => {
    const bench = new Bench(2);
    const [unused, used] = [bench.open(5), bench.open(5)];
    bench.nowMs = 100_000;
    bench.turn(used, 1, []).conclude([]);
    bench.nowMs = 120_001;
    expect(bench.open(1)).toBeGreaterThan(0);
    expect(bench.begin(unused, 1, [])).toBe(ID_NOT_FOUND);
    expect(typeof bench.begin(used, 2, [])).toBe('object');
    expect(bench.cache.evictions).toBe(1);
  });

  it('gives the place of an old session with fewer partitions, never of a young or larger one', () => {
    const bench = new Bench(2);
    const [small, large] = [bench.open(3), bench.open(9)];
    bench.nowMs = 100_000;
    bench.turn(small, 1, []).conclude([]);
    bench.turn(large, 1, []).conclude([]);
    expect(bench.open(5)).toBe(0);
    bench.nowMs = 130_000;
    bench.turn(small, 2, []).conclude([]);
    bench.turn(large, 2, []).conclude([]);
    expect(bench.open(3)).toBe(0);
    expect(bench.open(5)).toBeGreaterThan(0);
    expect(bench.begin(small, 3, [])).toBe(ID_NOT_FOUND);
    expect(typeof bench.begin(large, 3, [])).toBe('object');
  });

  it('remembers no more partitions than it may: neither by a new session nor by one that grows', () => {
    const bench = new Bench(1000, 10);
    const id = bench.open(6);
    expect(bench.open(5)).toBe(0);
    const more = Array.from({ length: 5 }, (_, i) => target(100 + i));
    expect(bench.begin(id, 1, more)).toBe(ID_NOT_FOUND);
    expect(bench.cache.partitionCount).toBe(0);
  });

  it('counts the partitions that it remembers', () => {
    const bench = new Bench();
    const id = bench.open(3);
    bench.turn(id, 1, [target(8), target(9)], [0]);
    expect(bench.cache.partitionCount).toBe(4);
    bench.turn(id, -1, []);
    expect([bench.cache.partitionCount, bench.cache.sessionCount]).toEqual([0, 0]);
  });
});
