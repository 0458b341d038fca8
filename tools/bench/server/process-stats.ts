import { readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;
const USER_TIME_FIELD = 11;
const SYSTEM_TIME_FIELD = 12;
/** Columns of /proc/stat that are not work: idle and iowait. */
const IDLE_COLUMNS = [3, 4];

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** CPU time that the processes used so far, user and system, in steps of 10 ms; those that ended count as none. */
export function cpuSecondsOf(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = read(`/proc/${pid}/stat`);
    // What follows the command's closing bracket are fields 3 and up.
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
    ticks += Number(fields[USER_TIME_FIELD] ?? 0) + Number(fields[SYSTEM_TIME_FIELD] ?? 0);
  }
  return ticks / TICKS_PER_SECOND;
}

/** CPU time that the whole machine used so far. */
export function machineCpuSeconds(): number {
  const line = read('/proc/stat')?.split('\n')[0] ?? '';
  const columns = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const ticks = columns.reduce((sum, each, index) => (IDLE_COLUMNS.includes(index) ? sum : sum + each), 0);
  return ticks / TICKS_PER_SECOND;
}

/** Resident memory of the processes, in bytes. */
export function residentBytesOf(pids: readonly number[]): number {
  const kib = pids.map((pid) => Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`) ?? '')?.[1] ?? 0));
  return kib.reduce((sum, each) => sum + each, 0) * 1024;
}

/** The process and all that descend from it. */
export function processTree(pid: number): number[] {
  const tasks = read(`/proc/${pid}/task/${pid}/children`)?.trim() ?? '';
  const children = tasks === '' ? [] : tasks.split(' ').map(Number);
  return [pid, ...children.flatMap(processTree)];
}
