import { setTimeout as delay } from 'node:timers/promises';
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

/** Runs a load and closes its connections. @throws the first error of any of them */
export async function runLoad(
  connections: readonly LoadConnection[],
  pids: readonly number[],
  times: LoadTimes,
  start: () => void = () => connections.forEach((each) => each.start()),
  afterWarmUp: () => void = () => undefined,
): Promise<LoadResult> {
  const totals = (): Totals => {
    const own = process.cpuUsage();
    return {
      atMs: performance.now(),
      requests: connections.reduce((sum, each) => sum + each.answered, 0),
      payloadBytes: connections.reduce((sum, each) => sum + each.payloadBytes, 0),
      serverCpu: cpuSecondsOf(pids),
      ownCpu: (own.user + own.system) / 1e6,
      machineCpu: machineCpuSeconds(),
    };
  };
  try {
    start();
    await delay(times.warmUpSeconds * 1000);
    afterWarmUp();
    const before = totals();
    await delay(times.seconds * 1000);
    const after = totals();
    await Promise.all(connections.map((each) => each.stop()));
    return difference(before, after);
  } finally {
    for (const each of connections) each.close();
  }
}

function difference(before: Totals, after: Totals): LoadResult {
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
