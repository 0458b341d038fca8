import { setTimeout as pause } from 'node:timers/promises';

const POLL_EVERY_MS = 10;

/** Asks again and again until the answer is something; fails with `what` when it never is. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  withinMs = 15_000,
): Promise<T> {
  const deadlineMs = performance.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadlineMs) throw new Error(`not within ${withinMs} ms: ${what}`, { cause: last });
    await pause(POLL_EVERY_MS);
  }
}

/** The promise's own outcome, or a failure that says what did not come in time. */
export async function within<T>(what: string, promise: Promise<T>, withinMs = 15_000): Promise<T> {
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
