import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ErrorCode } from '@streamline/core/types/error-code';
import { ExitCode } from '@streamline/platform/config/exit-codes';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { batchOf, Broker } from '../kit/broker';
import { eventually } from '../kit/conditions';
import { unique } from '../kit/names';
import { NodeProcess } from '../kit/node-process';

/** Room for the journals and some segments; small enough to be full in a moment. */
const DISK_BYTES = 256 * 1024 * 1024;
const FREE_BYTES_MIN = 16 * 1024 * 1024;
const JOURNAL_SIZE = ['--journal-file-bytes', String(25 * 1024 * 1024), '--journal-files', '3'];
const BATCH_BYTES = 512 * 1024;
const MOST_BATCHES = (2 * DISK_BYTES) / BATCH_BYTES;

/** Mounts a small tmpfs; undefined where that is not permitted. */
function mountSmallDisk(): string | undefined {
  const directory = mkdtempSync(path.join(tmpdir(), 'streamline-small-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', directory], { stdio: 'pipe' });
    return directory;
  } catch {
    rmdirSync(directory);
    return undefined;
  }
}

const disk = mountSmallDisk();
if (disk === undefined) console.warn('disk-full.spec.ts is skipped: mounting a tmpfs is not permitted here (run as root)');

/** Produces numbered values until the broker refuses one; returns what was acknowledged, by offset, and the error. */
async function fill(broker: Broker, topic: string): Promise<{ acknowledged: Map<number, string>; errorCode: number }> {
  const acknowledged = new Map<number, string>();
  for (let number = 0; number < MOST_BATCHES; number += 1) {
    const value = `${number} `.padEnd(BATCH_BYTES, String(number % 10));
    const answer = await broker.tryProduce(topic, 0, batchOf([value]));
    if (answer.errorCode !== ErrorCode.NONE) return { acknowledged, errorCode: answer.errorCode };
    acknowledged.set(Number(answer.baseOffset), value);
  }
  throw new Error('the disk never became full');
}

async function expectAllThere(broker: Broker, topic: string, acknowledged: ReadonlyMap<number, string>): Promise<void> {
  const read = new Map((await broker.readAll(topic)).map(({ offset, value }) => [offset, value]));
  const wrong = [...acknowledged].filter(([offset, value]) => read.get(offset) !== value).map(([offset]) => offset);
  expect(wrong).toEqual([]);
}

/** Leaves not one byte free; returns the file that took them. */
function takeAll(directory: string): string {
  const file = path.join(directory, 'filler');
  const descriptor = openSync(file, 'w');
  try {
    for (let bytes = 1024 * 1024; bytes >= 1; bytes = Math.floor(bytes / 2)) {
      try {
        for (;;) writeSync(descriptor, Buffer.alloc(bytes));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    closeSync(descriptor);
  }
  const { bavail } = statfsSync(directory);
  if (bavail !== 0) throw new Error(`${bavail} blocks of ${directory} are still free`);
  return file;
}

/** A node whose disk is full is not ready, but serves. */
function connected(node: NodeProcess): Promise<Broker> {
  return eventually('the node serves', () => {
    if (node.hasEnded) throw new Error(`the node has ended:\n${node.log}`);
    return Broker.connect(node.bootstrap);
  });
}

describe.skipIf(disk === undefined)('a disk that is full', () => {
  let node: NodeProcess | undefined;
  afterAll(async () => {
    await node?.kill();
    if (disk === undefined) return;
    execFileSync('umount', ['-l', disk]);
    rmdirSync(disk);
  });

  afterEach(() => node?.kill());

  it('refuses writes with KAFKA_STORAGE_ERROR while reads go on; writing resumes when a topic is deleted', async () => {
    const flags = [...JOURNAL_SIZE, '--disk-free-bytes-min', String(FREE_BYTES_MIN)];
    node = await NodeProcess.start({ dataDir: path.join(disk ?? '', 'data'), flags });
    const [kept, filler] = [unique('kept'), unique('filler')];
    const broker = await Broker.connect(node.bootstrap);
    for (const topic of [kept, filler]) await broker.createTopic(topic);
    const keptValues = new Map([[await broker.produce(kept, 0, batchOf(['kept'])), 'kept']]);

    const { acknowledged, errorCode } = await fill(broker, filler);
    expect(errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
    expect(acknowledged.size).toBeGreaterThan(10);
    await expectAllThere(broker, filler, acknowledged);
    await expectAllThere(broker, kept, keptValues);

    // Killed while full: nothing acknowledged is lost, and a full disk does not keep a node from starting.
    await broker.close();
    await node.kill();
    await node.start();
    const again = await Broker.connect(node.bootstrap);
    await expectAllThere(again, filler, acknowledged);

    await again.deleteTopic(filler);
    const offset = await eventually('a batch is taken again', async () => {
      const answer = await again.tryProduce(kept, 0, batchOf(['after']));
      return answer.errorCode === ErrorCode.NONE && Number(answer.baseOffset);
    });
    keptValues.set(offset, 'after');
    await again.close();
    await node.kill();
    await node.start();
    const last = await Broker.connect(node.bootstrap);
    await expectAllThere(last, kept, keptValues);
    await last.close();
  });

  it('starts with not one byte free, after a kill and after a stop; reads go on, and writing resumes when there is space', async () => {
    rmSync(path.join(disk ?? '', 'data'), { recursive: true, force: true });
    const flags = [...JOURNAL_SIZE, '--disk-free-bytes-min', String(FREE_BYTES_MIN)];
    node = await NodeProcess.start({ dataDir: path.join(disk ?? '', 'data'), flags });
    const [kept, ...later] = [unique('kept'), unique('later'), unique('later')];
    const broker = await Broker.connect(node.bootstrap);
    await broker.createTopic(kept);
    const values = new Map([[await broker.produce(kept, 0, batchOf(['kept'])), 'kept']]);
    await broker.close();

    for (const [index, end] of (['SIGKILL', 'SIGTERM'] as const).entries()) {
      const filler = takeAll(disk ?? '');
      const codes = await node.end(end);
      // A stop flushes what there is room for, and says so where there is not.
      if (end === 'SIGTERM') expect([ExitCode.OK, ExitCode.DISK_FAILED]).toContain(codes[0]);
      node.spawnAll();
      const full = await connected(node);
      await expectAllThere(full, kept, values);
      expect(await full.tryProduce(kept, 0, batchOf(['refused']))).toMatchObject({ errorCode: ErrorCode.KAFKA_STORAGE_ERROR });
      rmSync(filler);
      const offset = await eventually('a batch is taken again', async () => {
        const answer = await full.tryProduce(kept, 0, batchOf([`after ${end}`]));
        return answer.errorCode === ErrorCode.NONE && Number(answer.baseOffset);
      });
      values.set(offset, `after ${end}`);
      await full.createTopic(later[index] ?? '');
      await full.close();
      await node.waitReady();
    }
    await node.stop();
    await node.start();
    const last = await Broker.connect(node.bootstrap);
    await expectAllThere(last, kept, values);
    for (const topic of later) expect(await last.produce(topic, 0, batchOf(['first']))).toBe(0);
    await last.close();
  });
});
