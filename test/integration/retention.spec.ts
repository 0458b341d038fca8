import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { offsetCommit } from '@streamline/wire/kafka/apis/08-offset-commit';
import { offsetFetch } from '@streamline/wire/kafka/apis/09-offset-fetch';
import { describeLogDirs } from '@streamline/wire/kafka/apis/35-describe-log-dirs';
import { incrementalAlterConfigs } from '@streamline/wire/kafka/apis/44-incremental-alter-configs';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { batchOf, Broker, EARLIEST, LATEST } from '../kit/broker';
import { eventually } from '../kit/conditions';
import { unique } from '../kit/names';
import { NodeProcess } from '../kit/node-process';

const CHECK_EVERY_MS = 50;
const MIB = 1024 * 1024;
const BATCH_BYTES = 256 * 1024;

let node: NodeProcess;
let broker: Broker;

beforeAll(async () => {
  const flags = ['--log-retention-check-interval-ms', '--offsets-retention-check-interval-ms'];
  node = await NodeProcess.start({
    topology: inject('topology'),
    flags: flags.flatMap((flag) => [flag, String(CHECK_EVERY_MS)]),
  });
  broker = await Broker.connect(node.bootstrap);
});

afterAll(async () => {
  await broker.close();
  await node.remove();
});

async function write(topic: string, batches: number): Promise<number> {
  let last = -1;
  for (let count = 0; count < batches; count += 1) last = await broker.produce(topic, 0, batchOf(['x'.repeat(BATCH_BYTES)]));
  return last;
}

/** Bytes of the segments of all partitions on the disk, as du counts files. */
async function segmentBytes(): Promise<number> {
  const files = await readdir(path.join(node.dataDir, 'storage'), { recursive: true, withFileTypes: true });
  const segments = files.filter((file) => file.isFile() && !file.parentPath.includes('journal'));
  const sizes = await Promise.all(
    segments.map((file) =>
      stat(path.join(file.parentPath, file.name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function logSize(topic: string): Promise<number> {
  const { results } = await broker.request(describeLogDirs, 4, { topics: [{ topic, partitions: [0] }] });
  const topics = results.flatMap((result) => result.topics);
  return Number(topics[0]?.partitions[0]?.partitionSize ?? Number.NaN);
}

function startOf(topic: string): Promise<number> {
  return broker.offset(topic, 0, EARLIEST);
}

describe('retention really deletes', () => {
  it('by size: retention.bytes keeps the newest segments, and gives the space back', async () => {
    const topic = unique('by-size');
    const configs = { 'segment.bytes': String(MIB), 'retention.bytes': String(2 * MIB), 'file.delete.delay.ms': '100' };
    await broker.createTopic(topic, { configs });
    const last = await write(topic, 40);
    await eventually('old segments are gone', async () => (await startOf(topic)) > 20);
    await eventually('the log is small', async () => (await logSize(topic)) <= 3.5 * MIB);
    await eventually('the disk has the space again', async () => (await segmentBytes()) < 8 * MIB);
    const kept = await broker.readAll(topic);
    expect(kept.at(-1)?.offset).toBe(last);
    expect((await broker.tryFetch(topic, 0, 0)).errorCode).toBe(1);
  });

  it('by time: retention.ms removes all that is old, the active segment too; offsets go on', async () => {
    const topic = unique('by-time');
    await broker.createTopic(topic, { configs: { 'segment.bytes': String(MIB) } });
    const last = await write(topic, 6);
    expect(await startOf(topic)).toBe(0);
    const configs = [{ name: 'retention.ms', configOperation: 0, value: '1' }];
    const resources = [{ resourceType: 2, resourceName: topic, configs }];
    await broker.request(incrementalAlterConfigs, 1, { resources, validateOnly: false });
    await eventually('everything is gone', async () => (await startOf(topic)) === last + 1);
    expect(await broker.offset(topic, 0, LATEST)).toBe(last + 1);
    expect(await broker.produce(topic, 0, batchOf(['next']))).toBe(last + 1);
  });

  it('segment.ms closes a small segment, so that time can remove it', async () => {
    const topic = unique('rolled');
    await broker.createTopic(topic, { configs: { 'segment.ms': '50', 'retention.bytes': '1' } });
    await broker.produce(topic, 0, batchOf(['first']));
    await eventually('the first segment is closed and gone', async () => {
      await broker.produce(topic, 0, batchOf(['later']));
      return (await startOf(topic)) > 0;
    });
  });

  it('never removes what retention keeps', async () => {
    const topic = unique('kept');
    await broker.createTopic(topic, { configs: { 'segment.bytes': String(MIB), 'retention.ms': '-1' } });
    await write(topic, 8);
    // Another topic shows that retention has looked at all of them since.
    const witness = unique('witness');
    await broker.createTopic(witness, { configs: { 'retention.ms': '1' } });
    await broker.produce(witness, 0, batchOf(['gone']));
    await eventually('retention has run', async () => (await startOf(witness)) === 1);
    expect(await broker.readAll(topic)).toHaveLength(8);
  });
});

describe('space', () => {
  it('DescribeLogDirs tells true sizes, and of a deleted topic the space returns', async () => {
    const topic = unique('sized');
    const before = await segmentBytes();
    await broker.createTopic(topic);
    const batches = 32;
    await write(topic, batches);
    const size = await logSize(topic);
    expect(size).toBeGreaterThan(batches * BATCH_BYTES);
    expect(size).toBeLessThan(batches * BATCH_BYTES * 1.01);
    const grown = await eventually('all is in segments', async () => {
      const bytes = (await segmentBytes()) - before;
      return bytes >= size && bytes;
    });
    expect(grown).toBeLessThan(size * 1.5 + 4 * MIB);
    const { results } = await broker.request(describeLogDirs, 4, { topics: null });
    expect(results[0]?.errorCode).toBe(0);
    expect(Number(results[0]?.usableBytes)).toBeGreaterThan(0);
    expect(Number(results[0]?.totalBytes)).toBeGreaterThanOrEqual(Number(results[0]?.usableBytes));
    await broker.deleteTopic(topic);
    await eventually('the space is back', async () => (await segmentBytes()) < before + size / 2);
  });
});

describe('committed offsets', () => {
  it('expire after the retention time that OffsetCommit v2 to v4 names', async () => {
    const topic = unique('read');
    await broker.createTopic(topic);
    const committed = async (groupId: string) => {
      const topics = [{ name: topic, partitionIndexes: [0] }];
      const answer = await broker.request(offsetFetch, 8, { groups: [{ groupId, topics }] });
      return answer.groups[0]?.topics[0]?.partitions[0]?.committedOffset;
    };
    const commit = async (groupId: string, retentionTimeMs: bigint) => {
      await broker.whenCoordinated(groupId);
      const partitions = [{ partitionIndex: 0, committedOffset: 3n, committedMetadata: '' }];
      const body = { groupId, memberId: '', retentionTimeMs, topics: [{ name: topic, partitions }] };
      expect((await broker.request(offsetCommit, 4, body)).topics[0]?.partitions[0]?.errorCode).toBe(0);
    };
    const [brief, lasting] = [unique('brief'), unique('lasting')];
    await commit(lasting, -1n);
    await commit(brief, 1n);
    await eventually('the offset is gone', async () => (await committed(brief)) === -1n);
    expect(await committed(lasting)).toBe(3n);
  });
});
