import { mkdtemp, rm } from 'node:fs/promises';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ConnectionClosedError } from '@streamline/testing/kafka-client/kafka-client';
import { fetch as kafkaFetch } from '@streamline/wire/kafka/apis/01-fetch';
import { apiVersions } from '@streamline/wire/kafka/apis/18-api-versions';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { batchOf, Broker, recordsIn } from '../kit/broker';
import { Command, REPOSITORY } from '../kit/command';
import { eventually } from '../kit/conditions';
import { HeldUp, slowness } from '../kit/held-up';
import { unique } from '../kit/names';
import { claimPorts } from '../kit/ports';

/** Promised of the built command where nothing else runs. */
const START_WITHIN_MS = 600;
/** What it may compute for that with all its threads, which is about as much on a busy machine. */
const START_CPU_MS_MAX = 700;
/** A start that was held up longer than this tells nothing of what it takes where nothing else runs. */
const QUIET_WAIT_MS_MAX = 20;
const LONG_POLL_MS = 120_000;
const STARTS = 5;
/** Linux's USER_HZ, which is 100 everywhere. */
const CLOCK_TICKS_PER_SECOND = 100;
const RECOVERY_WITHIN_MS = 6_000;
const BULK_BYTES = 500 * 1024 * 1024;
const BULK_BATCH_BYTES = 1_000_000;

let directory: string;
let commands: Command[];
let ports: readonly number[];

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'streamline-lifecycle-'));
  commands = [];
  ports = await claimPorts(3);
});

afterEach(async () => {
  await Promise.all(commands.map((command) => command.dispose()));
  await rm(directory, { recursive: true, force: true });
});

function nodeFlags(): string[] {
  const [kafka, interBroker, http] = ports.map((port) => `127.0.0.1:${port}`);
  const addresses = ['--listen-addr', String(kafka), '--inter-broker-addr', String(interBroker), '--http-addr', String(http)];
  return ['--data-dir', path.join(directory, 'data'), ...addresses];
}

function spawnNode(): Command {
  const command = Command.streamline(['--profile', 'development', ...nodeFlags()]);
  commands.push(command);
  return command;
}

function kafkaAddress(): string {
  return `127.0.0.1:${ports[0]}`;
}

async function answersApiVersions(): Promise<boolean> {
  const broker = await Broker.connect(kafkaAddress());
  const { errorCode } = await broker.request(apiVersions, 3, { clientSoftwareName: 'spec', clientSoftwareVersion: '1' });
  await broker.close();
  return errorCode === 0;
}

/** Milliseconds from the command to the answer to ApiVersions. */
async function startTimeMs(command: () => Command): Promise<number> {
  const beginMs = performance.now();
  command();
  await eventually('ApiVersions is answered', answersApiVersions);
  return performance.now() - beginMs;
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  it('finishes what is in flight, flushes and exits with 0, and does not wait for long polls', async () => {
    const node = spawnNode();
    await node.prints('is ready after');
    const broker = await Broker.connect(kafkaAddress());
    const topic = unique('in-flight');
    await broker.createTopic(topic, { partitions: 2 });
    const writer = await Broker.connect(kafkaAddress());
    const poll = broker.request(kafkaFetch, 12, {
      maxWaitMs: LONG_POLL_MS,
      minBytes: 1,
      // Of a partition that nobody writes to.
      topics: [{ topic, partitions: [{ partition: 1, fetchOffset: 0n, partitionMaxBytes: 1_000 }] }],
      forgottenTopicsData: [],
    });
    // Handled at once, as the connection may end before it is waited for.
    const polled = poll.catch((error: unknown) => error);
    const produced = Array.from({ length: 50 }, (_, index) => writer.tryProduce(topic, 0, batchOf([`${index}`])));
    node.child.kill(signal);
    const outcomes = await Promise.allSettled(produced);
    const acknowledged = outcomes.flatMap((outcome) =>
      outcome.status === 'fulfilled' && outcome.value.errorCode === 0 ? [Number(outcome.value.baseOffset)] : [],
    );
    expect(await node.end(LONG_POLL_MS / 2), node.output).toEqual({ code: 0, signal: null });
    expect(await polled).toBeInstanceOf(ConnectionClosedError);
    // Requests that had reached the node before the signal are answered; each answer that was given is kept.
    const again = spawnNode();
    await again.prints('is ready after');
    const reader = await Broker.connect(kafkaAddress());
    const kept = (await reader.readAll(topic)).map(({ offset }) => offset);
    expect(kept).toEqual(expect.arrayContaining(acknowledged));
    await Promise.all([broker, writer, reader].map((each) => each.close()));
  });
});

describe('a stop', () => {
  it('ends at once on a second signal', async () => {
    const node = spawnNode();
    await node.prints('is ready after');
    // Both are there before the node looks.
    process.kill(node.pid, 'SIGSTOP');
    node.child.kill('SIGTERM');
    node.child.kill('SIGINT');
    process.kill(node.pid, 'SIGCONT');
    const { code } = await node.end();
    expect([130, 143]).toContain(code);
    expect(node.output).toContain('second signal: ending at once');
    await startTimeMs(spawnNode);
  });

  it('answers a produce that the node had begun, before it ends', async () => {
    const node = spawnNode();
    await node.prints('is ready after');
    const broker = await Broker.connect(kafkaAddress());
    const topic = unique('begun');
    await broker.createTopic(topic);
    await broker.produce(topic, 0, batchOf(['first']));
    // The answer to a pipelined ApiVersions shows that the node has read the produce behind it, which came in one piece with it.
    const { socket } = broker.client;
    socket.cork();
    const probe = broker.request(apiVersions, 0, {});
    const begun = broker.tryProduce(topic, 0, batchOf(['second']));
    socket.uncork();
    await probe;
    node.child.kill('SIGTERM');
    expect(await begun).toMatchObject({ errorCode: 0, baseOffset: 1n });
    expect(await node.end()).toEqual({ code: 0, signal: null });
    await broker.close();
  });
});

/** What a process and its threads have computed so far, which other processes do not change much. */
function cpuTimeMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * (1_000 / CLOCK_TICKS_PER_SECOND);
}

describe('a start', () => {
  it(`after a clean stop answers ApiVersions within ${START_WITHIN_MS} ms, and computes for at most ${START_CPU_MS_MAX} ms`, async () => {
    const starts: { readonly elapsedMs: number; readonly computedMs: number; readonly heldUpMs: number }[] = [];
    for (let start = 0; start <= STARTS; start += 1) {
      let node: Command | undefined;
      const heldUp = new HeldUp();
      const elapsedMs = await startTimeMs(() => (node = spawnNode()));
      if (!node) throw new Error('the node was not started');
      // The first start formats the directory.
      if (start > 0) starts.push({ elapsedMs, computedMs: cpuTimeMs(node.pid), heldUpMs: heldUp.byNowMs(node.pid) });
      await node.prints('is ready after');
      node.child.kill('SIGTERM');
      expect((await node.end()).code).toBe(0);
    }
    const slow = slowness();
    const quiet = starts.filter(({ heldUpMs }) => heldUpMs <= QUIET_WAIT_MS_MAX);
    const text = (figure: (start: (typeof starts)[number]) => number): string =>
      starts.map((one) => Math.round(figure(one))).join(', ');
    console.info(
      `start after a clean stop: ApiVersions after ${text((one) => one.elapsedMs)} ms, CPU time ${text((one) => one.computedMs)} ms, ` +
        `held up for ${text((one) => one.heldUpMs)} ms; processors are ${slow.toFixed(1)} times slower`,
    );
    expect(median(starts.map(({ computedMs }) => computedMs))).toBeLessThan(START_CPU_MS_MAX * slow);
    if (quiet.length > 0) expect(median(quiet.map(({ elapsedMs }) => elapsedMs))).toBeLessThan(START_WITHIN_MS * slow);
  });

  it(`after kill -9 with ${BULK_BYTES / 1024 / 1024} MiB of data is ready within ${RECOVERY_WITHIN_MS} ms`, async () => {
    const node = spawnNode();
    await node.prints('is ready after');
    const topic = unique('bulk');
    const writer = await Broker.connect(kafkaAddress());
    await writer.createTopic(topic, { partitions: 4 });
    const value = 'x'.repeat(BULK_BATCH_BYTES);
    let last = 0;
    for (let sent = 0; sent < BULK_BYTES; sent += 4 * BULK_BATCH_BYTES) {
      const offsets = await Promise.all([0, 1, 2, 3].map((partition) => writer.produce(topic, partition, batchOf([value]))));
      last = offsets[0] ?? last;
    }
    node.child.kill('SIGKILL');
    await node.end();
    await writer.close();

    const beginMs = performance.now();
    const heldUp = new HeldUp();
    const again = spawnNode();
    await again.prints('is ready after');
    const [readyMs, heldUpMs] = [performance.now() - beginMs, heldUp.byNowMs(again.pid)];
    console.info(
      `start after kill -9 with ${BULK_BYTES / 1024 / 1024} MiB: ready in ${Math.round(readyMs)} ms, held up for ${Math.round(heldUpMs)} ms`,
    );
    const reader = await Broker.connect(kafkaAddress());
    const end = await reader.offset(topic, 0, -1);
    expect(end).toBe(last + 1);
    const { records } = await reader.tryFetch(topic, 0, last);
    expect(recordsIn(records ?? Buffer.alloc(0))[0]?.value).toBe(value);
    await reader.close();
    expect(readyMs - heldUpMs).toBeLessThan(RECOVERY_WITHIN_MS * slowness());
  });
});

describe('npm start', () => {
  /** Processes of a process group that still run. */
  function groupMembers(group: number): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => {
        try {
          const [, state, , pgrp] = /^\d+ \(.*\) (\S) (\d+) (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
          return Number(pgrp) === group && state !== 'Z';
        } catch {
          return false;
        }
      });
  }

  function npmStart(): Command {
    const command = Command.start('npm', ['start', '--', ...nodeFlags()], { ownGroup: true, cwd: REPOSITORY });
    commands.push(command);
    return command;
  }

  it('passes SIGTERM on to the node, which ends in order', async () => {
    const npm = npmStart();
    await npm.prints('is ready after');
    process.kill(npm.pid, 'SIGTERM');
    await npm.end();
    await eventually('the group is empty', () => groupMembers(npm.pid).length === 0);
    expect(npm.output).toContain('stopped');
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'stops in order on a %s to its group, which npm passes on to the node that has it already',
    async (signal) => {
      const npm = npmStart();
      await npm.prints('is ready after');
      process.kill(-npm.pid, signal);
      await npm.end();
      await eventually('the group is empty', () => groupMembers(npm.pid).length === 0);
      expect(npm.output).toContain('stopped');
      expect(npm.output).not.toContain('second signal');
    },
  );

  it('keeps its process group together: kill -9 of the group leaves nothing, and the next start works at once', async () => {
    const npm = npmStart();
    await npm.prints('is ready after');
    expect(groupMembers(npm.pid).length).toBeGreaterThan(1);
    process.kill(-npm.pid, 'SIGKILL');
    await npm.end();
    await eventually('the group is empty', () => groupMembers(npm.pid).length === 0);
    await startTimeMs(spawnNode);
  });
});
