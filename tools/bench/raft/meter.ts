import { cpuSecondsOf, machineCpuSeconds } from '../server/process-stats';

export interface Used {
  readonly seconds: number;
  /** User and system time of the processes. */
  readonly cpuSeconds: number;
  readonly foreignCores: number;
}

/** Measures what `pids` and the rest of the machine use from now until the result is called. This process counts as ours. */
export function meter(pids: readonly number[]): () => Used {
  const all = [...pids, process.pid];
  const from = { atMs: performance.now(), machine: machineCpuSeconds(), all: cpuSecondsOf(all), ours: cpuSecondsOf(pids) };
  return () => {
    const seconds = (performance.now() - from.atMs) / 1_000;
    const others = machineCpuSeconds() - from.machine - (cpuSecondsOf(all) - from.all);
    return { seconds, cpuSeconds: cpuSecondsOf(pids) - from.ours, foreignCores: Math.max(others / seconds, 0) };
  };
}
