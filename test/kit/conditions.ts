import { setTimeout as pause } from 'node:timers/promises';

const POLL_EVERY_MS = 10;
/** Long: machines are slow when they do other things as well, and what never comes costs this much only once. */
const WITHIN_MS = 60_000;

/** What is waited for can't come any more; `eventually` asks no further. */
export class HopelessError extends Error {
  override readonly name = 'HopelessError';
}

/** Asks again and again until the answer is something; fails with `what` when it never is, and at once with a HopelessError. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  withinMs = WITHIN_MS,
): Promise<T> {
  const deadlineMs = performance.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      last = undefined;
    } catch (error) {
      if (error instanceof HopelessError) throw error;
      last = error;
    }
    if (performance.now() > deadlineMs) throw new Error(`not within ${withinMs} ms: ${what}`, { cause: last });
    await pause(POLL_EVERY_MS);
  }
}

/** The promise's own outcome, or a failure that says what did not come in time. */
export async function within<T>(what: string, promise: Promise<T>, withinMs = WITHIN_MS): Promise<T> {
  const abort = new AbortController();
  const late = pause(withinMs, undefined, { signal: abort.signal }).then(
    () => Promise.reject(new Error(`not within ${withinMs} ms: ${what}`)),
    () => promise,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    abort.abort();
  }
}
