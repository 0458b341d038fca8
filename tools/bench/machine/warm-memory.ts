import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/**
 * Memory that is made warm at a time. Hosts that take free memory back leave only so much (1 GiB here) until their next look, so that more
 * would be lost again before it is used.
 */
export const WARM_BYTES = 896 << 20;

const PIECE = Buffer.alloc(8 << 20, 7);
const PROBE_BYTES = 64 << 20;

/** Writing to a new file in the page cache. */
export interface PageCacheSpeed {
  /** As the memory was found. */
  readonly foundGbPerSecond: number;
  readonly warmGbPerSecond: number;
}

/**
 * Lets the host give this machine the memory that the next {@link WARM_BYTES} of files will take. A virtual machine whose host takes free
 * memory back (free page reporting) waits for the host at each page that was free for some seconds: 2.4 s of system time a gigabyte on
 * the machine on which this was found, ten times what the write takes otherwise. Whoever is measured right after files were
 * deleted has none of it, whoever comes later has all of it.
 */
export function warmFreeMemory(): PageCacheSpeed {
  const file = path.join(tmpdir(), `streamline-bench-warm-${process.pid}`);
  try {
    const foundGbPerSecond = writeFile(file, WARM_BYTES);
    rmSync(file);
    return { foundGbPerSecond, warmGbPerSecond: writeFile(file, PROBE_BYTES) };
  } finally {
    rmSync(file, { force: true });
  }
}

/** Returns gigabytes a second. */
function writeFile(file: string, bytes: number): number {
  const descriptor = openSync(file, 'w');
  try {
    const startMs = performance.now();
    for (let written = 0; written < bytes; written += PIECE.length) writeSync(descriptor, PIECE);
    return bytes / 1e6 / (performance.now() - startMs);
  } finally {
    closeSync(descriptor);
  }
}
