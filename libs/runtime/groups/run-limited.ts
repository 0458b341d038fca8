import type { RunLimited } from './shard-host';

/** Runs at most `limit` tasks at a time, the others in the order in which they came. */
export function runLimited(limit: number): RunLimited {
  let running = 0;
  const queue: (() => void)[] = [];
  return async (task) => {
    if (running >= limit) {
      await new Promise<void>((resolve) => {
        queue.push(resolve);
      });
    } else {
      running += 1;
    }
    try {
      return await task();
    } finally {
      const next = queue.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
