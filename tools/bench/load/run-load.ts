import { setTimeout as delay } from 'node:timers/promises';
import { calibrate, type Calibration } from '../machine/calibration';
import { warmFreeMemory, WARM_BYTES, type PageCacheSpeed } from '../machine/warm-memory';
import { cpuSecondsOf, machineCpuSeconds } from '../server/process-stats';
import type { LoadConnection } from './load-connection';

/** What was measured between the end of the warm-up and the end of the load. */
export interface LoadResult {
  readonly seconds: number;
  readonly requests: number;
  readonly payloadBytes: number;
  /** CPU time of the server's processes, user and system. */
  readonly serverCpuSeconds: number;
  /** Cores that neither the server nor this tool used: above a few per cent the machine was not ours alone. */
  readonly foreignCores: number;
  /** On the monotonic clock, for profiles. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** What the machine could do right before the load. */
  readonly machine: Calibration & Partial<PageCacheSpeed>;
}

export interface LoadTimes {
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

interface Totals {
  readonly atMs: number;
  readonly requests: number;
  readonly payloadBytes: number;
  readonly serverCpu: number;
  readonly ownCpu: number;
  readonly machineCpu: number;
}

/** A stretch of writes ends when so much of the warm memory may be taken. */
const STRETCH_BYTES = WARM_BYTES * 0.8;
const LOOK_EVERY_MS = 5;

/** Runs a load and closes its connections. @throws the first error of any of them */
export async function runLoad(
  connections: readonly LoadConnection[],
  pids: readonly number[],
  times: LoadTimes,
  start: () => void = () => connections.forEach((each) => each.start()),
  afterWarmUp: () => void = () => undefined,
): Promise<LoadResult> {
  try {
    const machine = calibrate();
    start();
    await delay(times.warmUpSeconds * 1000);
    afterWarmUp();
    const before = totalsOf(connections, pids);
    await delay(times.seconds * 1000);
    const after = totalsOf(connections, pids);
    await stopAll(connections);
    return { ...difference(before, after), machine };
  } finally {
    for (const each of connections) each.close();
  }
}

/**
 * The same for loads that fill the page cache, each byte of them `copies` times: in stretches, before each of which the memory that it
 * will take is made warm (see `warmFreeMemory`). What is returned is the sum of the stretches. @throws the first error of any connection
 */
export async function runWrites(
  connections: readonly LoadConnection[],
  pids: readonly number[],
  times: LoadTimes,
  copies = 1,
): Promise<LoadResult> {
  try {
    const machine = calibrate();
    for (const each of connections) each.start();
    await delay(times.warmUpSeconds * 1000);
    await stopAll(connections);
    let sum: LoadResult | undefined;
    while (sum === undefined || sum.seconds < times.seconds) {
      const pageCache = warmFreeMemory();
      const before = totalsOf(connections, pids);
      for (const each of connections) each.start();
      const endMs = before.atMs + (times.seconds - (sum?.seconds ?? 0)) * 1000;
      const endBytes = before.payloadBytes + STRETCH_BYTES / copies;
      while (performance.now() < endMs && payloadBytesOf(connections) < endBytes) await delay(LOOK_EVERY_MS);
      const stretch = { ...difference(before, totalsOf(connections, pids)), machine: { ...machine, ...pageCache } };
      await stopAll(connections);
      sum = sum === undefined ? stretch : added(sum, stretch);
    }
    return sum;
  } finally {
    for (const each of connections) each.close();
  }
}

async function stopAll(connections: readonly LoadConnection[]): Promise<void> {
  await Promise.all(connections.map((each) => each.stop()));
}

function payloadBytesOf(connections: readonly LoadConnection[]): number {
  return connections.reduce((sum, each) => sum + each.payloadBytes, 0);
}

function totalsOf(connections: readonly LoadConnection[], pids: readonly number[]): Totals {
  const own = process.cpuUsage();
  return {
    atMs: performance.now(),
    requests: connections.reduce((sum, each) => sum + each.answered, 0),
    payloadBytes: payloadBytesOf(connections),
    serverCpu: cpuSecondsOf(pids),
    ownCpu: (own.user + own.system) / 1e6,
    machineCpu: machineCpuSeconds(),
  };
}

/** Two stretches as one; the machine as it was before the first. */
function added(first: LoadResult, second: LoadResult): LoadResult {
  const seconds = first.seconds + second.seconds;
  return {
    seconds,
    requests: first.requests + second.requests,
    payloadBytes: first.payloadBytes + second.payloadBytes,
    serverCpuSeconds: first.serverCpuSeconds + second.serverCpuSeconds,
    foreignCores: (first.foreignCores * first.seconds + second.foreignCores * second.seconds) / seconds,
    startedAtMs: first.startedAtMs,
    endedAtMs: second.endedAtMs,
    machine: first.machine,
  };
}

function difference(before: Totals, after: Totals): Omit<LoadResult, 'machine'> {
  const seconds = (after.atMs - before.atMs) / 1000;
  const serverCpuSeconds = after.serverCpu - before.serverCpu;
  const ownCpu = after.ownCpu - before.ownCpu;
  const hrtimeMinusPerformanceMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();
  return {
    seconds,
    requests: after.requests - before.requests,
    payloadBytes: after.payloadBytes - before.payloadBytes,
    serverCpuSeconds,
    foreignCores: Math.max(0, (after.machineCpu - before.machineCpu - serverCpuSeconds - ownCpu) / seconds),
    startedAtMs: before.atMs + hrtimeMinusPerformanceMs,
    endedAtMs: after.atMs + hrtimeMinusPerformanceMs,
  };
}
