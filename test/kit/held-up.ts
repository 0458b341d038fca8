import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Linux's USER_HZ is 100 everywhere. */
const MS_PER_TICK = 10;
/** Of /proc/stat's first line: ticks in which the host of a virtual machine ran something else. */
const STOLEN_FIELD = 8;
/** Processor time of a start of Node that does nothing, on the machine on which our bounds were measured. */
const BARE_START_MS = 45;
const BARE_STARTS = 3;

/** How long the first thread of a process was ready to run and did not, since others did. */
function waitedMs(pid: number | 'self'): number {
  const [, waitedNs] = readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ');
  return Number(waitedNs) / 1e6;
}

function stolenMs(): number {
  const [first = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  return Number(first.split(/\s+/)[STOLEN_FIELD]) * MS_PER_TICK;
}

/**
 * What holds processes up that is no work of theirs, from when this is made: others that have the processor, and a host that runs other
 * machines. Of times that a busy machine makes longer, what a program is responsible for is the rest.
 */
export class HeldUp {
  private readonly ownMs = waitedMs('self');
  private readonly stolenMs = stolenMs();
  private readonly othersMs: ReadonlyMap<number, number>;

  /** `pids` run already. */
  constructor(pids: readonly number[] = []) {
    this.othersMs = new Map(pids.map((pid) => [pid, waitedMs(pid)]));
  }

  /** Milliseconds by now: of this process, of those it was made with, and of others that were started since and run. */
  byNowMs(...started: readonly number[]): number {
    const others = [...this.othersMs.keys(), ...started].map((pid) => waitedMs(pid) - (this.othersMs.get(pid) ?? 0));
    return [waitedMs('self') - this.ownMs, stolenMs() - this.stolenMs, ...others].reduce((sum, ms) => sum + ms, 0);
  }
}

/** How many times slower processors are than those on which our bounds were measured; 1 where they are faster. */
export function slowness(): number {
  const script = 'const { user, system } = process.cpuUsage(); console.log((user + system) / 1000)';
  const startsMs = Array.from({ length: BARE_STARTS }, () => Number(execFileSync(process.execPath, ['-e', script])));
  return Math.max(1, Math.min(...startsMs) / BARE_START_MS);
}
