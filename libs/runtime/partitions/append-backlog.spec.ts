import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AppendResponse } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { isBatchCrcValid } from '@streamline/wire/records/batch-patch';
import { HostBench, OTHER, TOPIC, epoch, isSettled, topicT } from '@streamline/testing/partitions/host-bench';
import { SELF } from '@streamline/testing/partitions/test-metadata';
import type { Offset } from '@streamline/core/types/ids';
import { AppendBacklog, type PutAside } from './append-backlog';
import { CODEC_BYTES_PER_TURN } from './append-path';

const MiB = 1 << 20;
const PARTITIONS = 12;
const WIDE = topicT({ partitions: Array.from({ length: PARTITIONS }, () => ({})) });

/** Some KiB that become `mebibytes`. */
function bombOf(bench: HostBench, mebibytes = 4): Buffer {
  return bench.batch({ records: [{ value: Buffer.alloc(mebibytes * MiB) }], codec: 'gzip', compressionLevel: 1 });
}

interface Asked {
  readonly acks?: number;
  readonly timeoutMs?: number;
  readonly connectionId?: number;
}

/** One request with a batch for each of the partitions from 0 on. */
function appendAll(
  bench: HostBench,
  batches: readonly Buffer[],
  { acks = -1, timeoutMs = 30_000, connectionId = 1 }: Asked = {},
) {
  const partitions = batches.map(({ length }, partition) => ({ topicId: TOPIC, partition, recordBytes: length }));
  const routing = { metadataIndex: 0, creditBytes: 0, connectionId };
  const request = { correlationId: 1, requiredAcks: acks, timeoutMs, ...routing, partitions };
  return bench.host.append({ request, records: batches });
}

function wideRequest(bench: HostBench, asked: Asked = {}): Promise<AppendResponse> {
  const bomb = bombOf(bench);
  return appendAll(
    bench,
    Array.from({ length: PARTITIONS }, () => Buffer.from(bomb)),
    asked,
  );
}

function appended(bench: HostBench): number {
  return Array.from({ length: PARTITIONS }, (_, partition) => bench.log(partition).logEndOffset).filter((end) => end > 0).length;
}

function codesOf({ partitions }: AppendResponse): number[] {
  return partitions.map(({ errorCode }) => errorCode);
}

describe('an append whose batches decompress to more than a turn of the event loop may take', () => {
  it('goes on for the bytes of a turn at a time until all is appended, and is answered as one', async () => {
    const bench = HostBench.serving([WIDE]);
    const response = wideRequest(bench);
    const perTurn = Math.ceil(CODEC_BYTES_PER_TURN / (4 * MiB));
    for (let done = perTurn; done < PARTITIONS; done += perTurn) {
      expect(appended(bench)).toBe(done);
      bench.clock.turn();
    }
    expect(appended(bench)).toBe(PARTITIONS);
    expect(bench.host.figures()).toMatchObject({ appendsPutAside: 1, waitingAppends: 1 });
    bench.engine.sync();
    expect(codesOf(await response)).toEqual(new Array(PARTITIONS).fill(0));
    expect(bench.host.figures().waitingAppends).toBe(0);
  });

  it('takes what was refused for its size, or cannot be read, for as much work', () => {
    const bench = HostBench.serving([{ ...WIDE, configs: { 'max.decompressed.message.bytes': `${3 * MiB}` } }]);
    void wideRequest(bench);
    expect(bench.host.figures().refusedBatches).toBe(3);
    for (let turns = 0; turns < 3; turns += 1) bench.clock.turn();
    expect(bench.host.figures().refusedBatches).toBe(PARTITIONS);
  });

  it('counts what the broker compresses for the topic, at a higher price', () => {
    const bench = HostBench.serving([{ ...WIDE, configs: { 'compression.type': 'gzip' } }]);
    const plain = bench.batch({ records: [{ value: Buffer.alloc(MiB / 2) }] });
    void appendAll(
      bench,
      Array.from({ length: PARTITIONS }, () => Buffer.from(plain)),
    );
    expect(appended(bench)).toBe(2);
    bench.clock.turn();
    expect(appended(bench)).toBe(4);
  });

  it('is done with the bytes of the request when it returns', async () => {
    const bench = HostBench.serving([WIDE]);
    const batches = Array.from({ length: PARTITIONS }, () => bombOf(bench));
    void appendAll(bench, batches);
    for (const batch of batches) batch.fill(0xa5);
    bench.clock.advance(0);
    expect(appended(bench)).toBe(PARTITIONS);
    const { chunks } = await bench.log(PARTITIONS - 1).read(0 as Offset, { maxBytes: MiB, minOneBatch: true, upTo: 1 as Offset });
    expect(chunks.map((chunk) => isBatchCrcValid(chunk))).toEqual([true]);
  });

  it('acks=0 is answered when all is appended', async () => {
    const bench = HostBench.serving([WIDE]);
    const response = wideRequest(bench, { acks: 0, timeoutMs: 0 });
    expect(await isSettled(response)).toBe(false);
    bench.clock.advance(0);
    expect(codesOf(await response)).toEqual(new Array(PARTITIONS).fill(0));
  });

  it('costs uncompressed requests nothing, however large', () => {
    const bench = HostBench.serving([WIDE]);
    const plain = bench.batch({ records: [{ value: Buffer.alloc(1_000_000) }] });
    for (let round = 0; round < 3; round += 1) {
      void appendAll(
        bench,
        Array.from({ length: PARTITIONS }, () => Buffer.from(plain)),
      );
    }
    expect(appended(bench)).toBe(PARTITIONS);
    expect(bench.clock.turn()).toBe(false);
    expect(bench.host.figures().appendsPutAside).toBe(0);
  });

  it('adds up what several requests take in one turn, and starts anew with the next', () => {
    const bench = HostBench.serving([WIDE]);
    for (const partition of [0, 1, 2, 3]) void bench.append(bombOf(bench), { partition, connectionId: partition });
    expect(appended(bench)).toBe(2);
    bench.clock.turn();
    expect(appended(bench)).toBe(4);
    bench.clock.turn();
    void bench.append(bombOf(bench), { partition: 4 });
    expect(appended(bench)).toBe(5);
  });
});

describe('who waits behind an append that was put aside', () => {
  it('the same connection, also with what costs nothing', () => {
    const bench = HostBench.serving([WIDE]);
    void wideRequest(bench, { connectionId: 1 });
    void bench.append(bench.batch(), { partition: PARTITIONS - 1, connectionId: 1 });
    expect(bench.log(PARTITIONS - 1).logEndOffset).toBe(0);
    bench.clock.advance(0);
    expect(bench.log(PARTITIONS - 1).logEndOffset).toBe(2);
  });

  it('no other connection: uncompressed batches at once, compressed ones with the next turn', () => {
    const bench = HostBench.serving([WIDE]);
    void wideRequest(bench, { connectionId: 1 });
    void bench.append(bench.batch(), { partition: PARTITIONS - 1, connectionId: 2 });
    void bench.append(bench.batch({ codec: 'gzip' }), { partition: PARTITIONS - 2, connectionId: 3 });
    expect(bench.log(PARTITIONS - 1).logEndOffset).toBe(1);
    expect(bench.log(PARTITIONS - 2).logEndOffset).toBe(0);
    bench.clock.turn();
    expect(bench.log(PARTITIONS - 2).logEndOffset).toBe(1);
    void bench.append(bench.batch({ codec: 'gzip' }), { partition: PARTITIONS - 2, connectionId: 3 });
    expect(bench.log(PARTITIONS - 2).logEndOffset).toBe(2);
    expect(appended(bench)).toBeLessThan(PARTITIONS);
  });

  it('keeps the order of each connection, whatever is sent and however it mixes', async () => {
    const kind = fc.constantFrom('plain', 'small', 'large');
    const request = fc.record({
      connectionId: fc.integer({ min: 1, max: 3 }),
      kinds: fc.array(kind, { minLength: 1, maxLength: 3 }),
    });
    const step = fc.oneof({ weight: 4, arbitrary: request }, { weight: 1, arbitrary: fc.constant('turn' as const) });
    const sample = HostBench.serving();
    const batches = {
      plain: sample.batch(),
      small: sample.batch({ codec: 'gzip' }),
      large: bombOf(sample, 5),
    } as const;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
        const bench = HostBench.serving();
        const sent: { connectionId: number; response: Promise<AppendResponse> }[] = [];
        for (const each of steps) {
          if (each === 'turn') bench.clock.turn();
          else {
            const { connectionId, kinds } = each;
            const records = kinds.map((name) => Buffer.from(batches[name as keyof typeof batches]));
            sent.push({ connectionId, response: appendAll(bench, records, { connectionId }) });
          }
        }
        while (bench.clock.turn());
        bench.engine.sync();
        const last = new Map<string, number>();
        let answered = 0;
        for (const { connectionId, response } of sent) {
          for (const [partition, { errorCode, baseOffset }] of (await response).partitions.entries()) {
            expect(errorCode).toBe(0);
            expect(baseOffset).toBeGreaterThan(last.get(`${connectionId}-${partition}`) ?? -1);
            last.set(`${connectionId}-${partition}`, baseOffset);
            answered += 1;
          }
        }
        expect([0, 1, 2].reduce((sum, partition) => sum + bench.log(partition).logEndOffset, 0)).toBe(answered);
      }),
      { numRuns: 60 },
    );
  });
});

describe('what may happen to an append while it is put aside', () => {
  it('its time ends: what was not begun is refused with REQUEST_TIMED_OUT (7) and never appended', async () => {
    const bench = HostBench.serving([WIDE]);
    const response = wideRequest(bench, { timeoutMs: 1000 });
    bench.engine.setHeadroom(0);
    bench.clock.advance(1100);
    const { partitions } = await response;
    expect(partitions.map(({ errorCode, baseOffset }) => [errorCode, baseOffset])).toEqual([
      [7, 0],
      [7, 0],
      ...new Array(PARTITIONS - 2).fill([7, -1]),
    ]);
    bench.engine.setHeadroom(1);
    bench.clock.advance(1000);
    expect(appended(bench)).toBe(2);
  });

  it('the leadership moves: what was not begun is refused with NOT_LEADER_OR_FOLLOWER (6)', async () => {
    const bench = HostBench.serving([WIDE]);
    const response = wideRequest(bench);
    const moved = { leader: OTHER, leaderEpoch: epoch(2), replicas: [SELF, OTHER] };
    bench.metadata.put({ ...WIDE, partitions: WIDE.partitions.map((each, index) => (index < 6 ? each : moved)) });
    bench.clock.advance(0);
    bench.engine.sync();
    expect(codesOf(await response)).toEqual([...new Array(6).fill(0), ...new Array(6).fill(6)]);
    expect(bench.log(6).logEndOffset).toBe(0);
  });

  it('the journal is full: nothing goes on until it has room (J-7)', () => {
    const bench = HostBench.serving([WIDE]);
    void wideRequest(bench);
    bench.engine.setHeadroom(0);
    bench.clock.advance(0);
    expect(appended(bench)).toBe(2);
    bench.engine.setHeadroom(1);
    bench.clock.advance(0);
    expect(appended(bench)).toBe(PARTITIONS);
  });

  it('the node stops: it is waited for while there is time, and answered when there is none', async () => {
    const patient = HostBench.serving([WIDE]);
    const response = wideRequest(patient, { acks: 1 });
    patient.host.stopAccepting();
    const drained = patient.host.drain(1000);
    patient.clock.advance(10);
    expect(appended(patient)).toBe(PARTITIONS);
    patient.engine.sync();
    patient.clock.advance(10);
    expect(await isSettled(drained)).toBe(true);
    expect(codesOf(await response)).toEqual(new Array(PARTITIONS).fill(0));

    const hurried = HostBench.serving([WIDE]);
    const refused = wideRequest(hurried, { acks: 1 });
    await hurried.host.close();
    expect(codesOf(await refused).every((code) => code !== 0)).toBe(true);
    hurried.clock.advance(0);
    expect(appended(hurried)).toBe(2);
  });
});

describe('the turns of connections that have put something aside', () => {
  const work = { bytes: 0 };

  /** Takes `stepBytes` of work for each of its steps, and tells of them. */
  function task(name: string, steps: number, stepBytes: number, ran: string[]): PutAside {
    let left = steps;
    return {
      get isOver() {
        return left === 0;
      },
      proceed() {
        left -= 1;
        work.bytes += stepBytes;
        ran.push(name);
      },
    };
  }

  function turnOf(backlog: AppendBacklog): void {
    work.bytes = 0;
    backlog.proceed(8);
  }

  it('go to the one that has had least, so that a small one waits for one turn of each large one at most', () => {
    const backlog = new AppendBacklog(work);
    const ran: string[] = [];
    for (let lane = 0; lane < 5; lane += 1) backlog.add(lane, task('large', 10, 64, ran), 0);
    for (let turns = 0; turns < 12; turns += 1) turnOf(backlog);
    backlog.add(7, task('small', 3, 2, ran), 0);
    for (let turns = 0; turns < 5; turns += 1) turnOf(backlog);
    expect(ran.slice(12).filter((name) => name === 'small')).toHaveLength(3);
    while (!backlog.isEmpty) turnOf(backlog);
    expect(ran).toHaveLength(53);
  });

  it('are not saved up by one that comes late', () => {
    const backlog = new AppendBacklog(work);
    const ran: string[] = [];
    backlog.add(1, task('old', 20, 8, ran), 0);
    for (let turns = 0; turns < 10; turns += 1) turnOf(backlog);
    backlog.add(2, task('new', 10, 8, ran), 0);
    for (let turns = 0; turns < 10; turns += 1) turnOf(backlog);
    expect(ran.slice(10).filter((name) => name === 'old').length).toBeGreaterThanOrEqual(4);
  });
});
