import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { ErrorCode } from '@streamline/core/types/error-code';
import { badInputs, type BadInput, decompressionBomb, isAsExpected, provoke } from '@streamline/testing/kafka-client/bad-input';
import { Witness } from '@streamline/testing/kafka-client/witness';
import { SAMPLE_TOPIC } from '@streamline/testing/gateway/sample-requests';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { batchOf, Broker } from '../kit/broker';
import { eventually } from '../kit/conditions';
import { HeldUp, slowness } from '../kit/held-up';
import { unique } from '../kit/names';
import { NodeProcess } from '../kit/node-process';

const SEEDS = 200;
const AT_ONCE = 25;
const TIMEOUT_MS = 60_000;
/** For requests that may wait as long as they like. */
const WAITING_TIMEOUT_MS = 2_000;
const CLAIMS = 200;
const IDLE_MS = 4_000;
const AT_REST_MS = 500;
/** Of the storage, behind its journal: with how many bytes each. */
const WRITTEN = [/^storage\/catalogue [1-9]/, /^storage\/partitions\/.*\.log [1-9]/];
/** The node writes it now and then, to see whether it can. */
const DISK_PROBE = 'disk-probe';
const MIB = 1024 * 1024;
/** What a node may grow by, whatever is sent: far less than what was claimed or decompressed. */
const GROWTH_BYTES_MAX = 256 * MIB;
/** Less than what holds others up takes. */
const LONGEST_WAIT_MS = 1_500;
const BOMB_BATCHES = 32;
const BOMB_MEBIBYTES = 60;

let node: NodeProcess;
let witness: Broker;
let topic: string;

beforeAll(async () => {
  // A node of its own: what a mutated request asks for may be legal, and it may be to delete what others count on.
  node = await NodeProcess.start({ topology: inject('topology') });
  witness = await Broker.connect(node.bootstrap, 'witness');
  topic = unique('untouched');
  await witness.createTopic(topic);
  await witness.createTopic(SAMPLE_TOPIC);
  await witness.produce(topic, 0, batchOf(['before']));
});

afterAll(async () => {
  await witness.close();
  await node.remove();
});

/** The samples of a metric by their labels, of all processes. */
async function samplesOf(name: string, of = node): Promise<Map<string, number>> {
  const text = await (await fetch(`${of.http}/metrics`)).text();
  const samples = text.matchAll(new RegExp(`^${name}(\\S*) (\\S+)$`, 'gm'));
  return new Map([...samples].map(([, labels = '', value]) => [labels, Number(value)]));
}

async function largest(name: string): Promise<number> {
  const values = [...(await samplesOf(name)).values()];
  expect(values, name).not.toEqual([]);
  return Math.max(...values);
}

const residentBytes = () => largest('streamline_process_resident_memory_bytes');
const buffersBytes = () => largest('streamline_nodejs_external_memory_bytes');

async function closedFor(reason: string, of = node): Promise<number> {
  const closed = await samplesOf('streamline_kafka_connections_closed_total', of);
  return [...closed].reduce((sum, [labels, count]) => sum + (labels.includes(`reason="${reason}"`) ? count : 0), 0);
}

/** Every file of the data directory by its path and a hash of what it holds. */
async function fingerprint(): Promise<string[]> {
  const entries = await readdir(node.dataDir, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && entry.name !== DISK_PROBE)
    .map((entry) => path.join(entry.parentPath, entry.name));
  return Promise.all(
    files.sort().map(async (file) => {
      // A file may be renamed between the listing and this.
      const bytes = await readFile(file).catch(() => Buffer.alloc(0));
      return `${path.relative(node.dataDir, file)} ${bytes.length} ${createHash('sha1').update(bytes).digest('hex')}`;
    }),
  );
}

/** What was produced has come to its segments, and the same twice: after a start the node still prepares files for later. */
async function fingerprintAtRest(): Promise<string[]> {
  let last = await fingerprint();
  await eventually('the data directory is at rest', async () => {
    const previous = last;
    await new Promise((resolve) => setTimeout(resolve, AT_REST_MS));
    last = await fingerprint();
    const isWritten = WRITTEN.every((file) => last.some((line) => file.test(line)));
    return isWritten && previous.join() === last.join() && !last.some((line) => line.includes('.preparing'));
  });
  return last;
}

async function provokeAll(inputs: readonly BadInput[]): Promise<string[]> {
  const wrong: string[] = [];
  for (let at = 0; at < inputs.length; at += AT_ONCE) {
    const some = inputs.slice(at, at + AT_ONCE);
    const outcomes = await Promise.all(
      some.map((input) => provoke(node.kafkaPort, input, input.mayWait === true ? WAITING_TIMEOUT_MS : TIMEOUT_MS)),
    );
    for (const [index, input] of some.entries()) {
      const outcome = outcomes[index] ?? 'silent';
      if (!isAsExpected(input, outcome)) wrong.push(`${input.name}: ${outcome}`);
    }
  }
  return wrong;
}

describe('bad input to a live node', () => {
  it('that asks for nothing changes nothing on the disk, and each connection is closed for a reason that is logged', async () => {
    const inputs = badInputs(0).filter(({ expects }) => expects === 'closed' || expects === 'open');
    const closing = inputs.filter(({ expects }) => expects === 'closed');
    const violations = await closedFor('violation');
    const before = await fingerprintAtRest();
    expect(before.length).toBeGreaterThan(5);
    expect(await provokeAll(inputs)).toEqual([]);
    expect(await fingerprint()).toEqual(before);
    expect((await closedFor('violation')) - violations).toBe(closing.length);
    await eventually('the reason is logged', () => node.log.includes('"event":"connection-closed-violation"'));
  });

  it('ends its own connection, while another goes on writing and memory stays bounded', async () => {
    const before = await residentBytes();
    const heldUp = new HeldUp(node.pids);
    const watching = await Witness.connect(node.kafkaPort);
    let done = false;
    const writing = (async () => {
      let written = 0;
      for (; !done; written += 1) await witness.produce(topic, 0, batchOf([`${written}`]));
      return written;
    })();
    const wrong = await provokeAll(badInputs(SEEDS));
    done = true;
    const written = await writing;
    expect(wrong).toEqual([]);
    expect(written).toBeGreaterThan(0);
    expect((await watching.stop()) - heldUp.byNowMs()).toBeLessThan(LONGEST_WAIT_MS * slowness());
    const values = (await witness.readAll(topic)).map(({ value }) => value);
    expect(values).toEqual(['before', ...Array.from({ length: written }, (_, index) => `${index}`)]);
    expect((await residentBytes()) - before).toBeLessThan(GROWTH_BYTES_MAX);
  });

  it('of hundreds of connections that claim 100 MiB each takes no memory and no service from others', async () => {
    const [resident, buffers] = [await residentBytes(), await buffersBytes()];
    const claim = badInputs(0).find(({ name }) => name.includes('100 MiB'));
    const sockets = Array.from({ length: CLAIMS }, () => connect({ host: '127.0.0.1', port: node.kafkaPort }));
    for (const socket of sockets) socket.on('error', () => undefined).write(claim?.bytes ?? '');
    await eventually('all are connected', async () => (await largest('streamline_kafka_connections')) > CLAIMS);
    await witness.produce(topic, 0, batchOf(['still']));
    expect((await buffersBytes()) - buffers).toBeLessThan(100 * MIB);
    expect((await residentBytes()) - resident).toBeLessThan(GROWTH_BYTES_MAX);
    for (const socket of sockets) socket.destroy();
  });

  it('of batches with a wrong CRC is refused, and the partition stays as it was', async () => {
    const end = await witness.offset(topic, 0, -1);
    const batch = batchOf(['damaged']);
    batch.writeUInt8(batch.readUInt8(batch.length - 1) ^ 1, batch.length - 1);
    expect((await witness.tryProduce(topic, 0, batch)).errorCode).toBe(ErrorCode.CORRUPT_MESSAGE);
    expect(await witness.offset(topic, 0, -1)).toBe(end);
  });

  it('that decompresses to gigabytes takes long for who sent it, and not for others', async () => {
    // One of its own: among the mutants of before may be one that deletes the other.
    const bombed = unique('bombed');
    await witness.createTopic(bombed);
    const bomb = decompressionBomb(bombed, BOMB_BATCHES, BOMB_MEBIBYTES);
    const heldUp = new HeldUp(node.pids);
    const watching = await Witness.connect(node.kafkaPort);
    const startedMs = performance.now();
    const outcome = await provoke(node.kafkaPort, { name: 'a bomb', bytes: bomb, expects: 'answered' }, 60_000);
    const tookMs = performance.now() - startedMs;
    expect(outcome).toBe('answered');
    // Without turns others wait for all of it.
    expect((await watching.stop()) - heldUp.byNowMs()).toBeLessThan(tookMs / 3);
    expect(watching.asked).toBeGreaterThan(5);
  });

  it('that begins a request and goes silent is closed when it is idle for too long, with a reason that is logged', async () => {
    // The others use one that closes none of their connections, though they may be held up for longer.
    const impatient = await NodeProcess.start({
      topology: inject('topology'),
      flags: ['--connections-max-idle-ms', String(IDLE_MS)],
    });
    try {
      const socket = connect({ host: '127.0.0.1', port: impatient.kafkaPort });
      const ended = new Promise<void>((resolve) => socket.on('error', () => undefined).on('close', () => resolve()));
      socket.write(Buffer.from([0, 0, 1, 0, 0, 3]));
      const keepAlive = await Witness.connect(impatient.kafkaPort);
      await ended;
      await keepAlive.stop();
      await eventually('the reason is logged', () => impatient.log.includes('"event":"connection-closed-idle"'));
      expect(await closedFor('idle', impatient)).toBeGreaterThan(0);
    } finally {
      await impatient.remove();
    }
  });

  it('leaves a node that is ready, and that stops in order and starts again with all it had', async () => {
    const asking = await Broker.connect(node.bootstrap);
    const end = await asking.offset(topic, 0, -1);
    await asking.close();
    await eventually('the node is ready', async () => (await fetch(`${node.http}/health/ready`)).status === 200);
    expect(node.log).not.toContain('"level":"fatal"');
    expect(await closedFor('internal')).toBe(0);
    const codes = await node.stop();
    expect(
      codes.every((code) => code === 0),
      node.log,
    ).toBe(true);
    await node.start();
    const again = await Broker.connect(node.bootstrap);
    expect(await again.readAll(topic)).toHaveLength(end);
    await again.close();
  });
});
