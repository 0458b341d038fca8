import { wholeNumber } from './whole-number';

const SEED_MAX = 2 ** 47;

export interface FreshSeeds {
  /** How long they run; 0: not at all. */
  readonly seconds: number;
  /** For the test that runs them: a seed that has begun ends. */
  readonly timeoutMs: number;
  /**
   * Runs one after the other, one at least. Returns how many.
   *
   * @throws what `run` throws, and which of the seeds it was
   */
  runAll(run: (seed: number) => Promise<void>): Promise<number>;
}

/**
 * Seeds that a simulation has not run before, from a base on. It is SIM_BASE where that is set: `npm test` draws it from the sources, so that
 * every version of them gets seeds of its own, and the same on every machine. Otherwise it is drawn anew each time.
 *
 * @param variable says for how many seconds they run
 * @throws RangeError that names the variable
 */
export function freshSeeds(
  variable: 'SIM_SECONDS' | 'CLUSTER_SIM_SECONDS' | 'DATA_SIM_SECONDS',
  usualSeconds = 0,
  env: Readonly<Record<string, string | undefined>> = process.env,
): FreshSeeds {
  const seconds = wholeNumber(variable, env[variable], usualSeconds, 0);
  const base = wholeNumber('SIM_BASE', env['SIM_BASE'], Math.floor(Math.random() * SEED_MAX), 0);
  const runAll = async (run: (seed: number) => Promise<void>): Promise<number> => {
    const endMs = performance.now() + seconds * 1_000;
    let seeds = 0;
    while (seeds === 0 || performance.now() < endMs) {
      const seed = base + seeds;
      seeds += 1;
      await run(seed).catch((error: unknown) => {
        throw new Error(`number ${seeds} of the seeds from SIM_BASE=${base} on: ${String(error)}`, { cause: error });
      });
    }
    return seeds;
  };
  return { seconds, timeoutMs: seconds * 1_000 + 120_000, runAll };
}
