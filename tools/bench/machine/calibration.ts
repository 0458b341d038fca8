/**
 * How fast the machine is at the moment: the same work every time, so that lines of different minutes can be held against each other.
 * The fastest of several tries, each shorter than a time slice: who else runs is told by `foreignCores`.
 */
export interface Calibration {
  /** A fixed loop of integer arithmetic. */
  readonly cpuLoopMs: number;
  /** Copying 32 MiB, which caches hold in part only. */
  readonly copyGbPerSecond: number;
}

const TRIES = 9;
const LOOP_ROUNDS = 4_000_000;
const COPY_BYTES = 32 << 20;

const source = Buffer.alloc(COPY_BYTES, 1);
const target = Buffer.alloc(COPY_BYTES, 2);
/** What the loop comes to, kept lest it be optimised away. */
let loopResult = 1;

/** Takes about 60 ms. */
export function calibrate(): Calibration {
  const copyMs = fastestMs(() => target.set(source));
  return { cpuLoopMs: fastestMs(runLoop), copyGbPerSecond: COPY_BYTES / 1e6 / copyMs };
}

function runLoop(): void {
  let value = loopResult;
  for (let round = 0; round < LOOP_ROUNDS; round += 1) value = (Math.imul(value, 1664525) + 1013904223) | 0;
  loopResult = value;
}

function fastestMs(work: () => void): number {
  let fastest = Infinity;
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const startMs = performance.now();
    work();
    fastest = Math.min(fastest, performance.now() - startMs);
  }
  return fastest;
}
