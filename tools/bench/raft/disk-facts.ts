import { constants } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { distribution } from './distribution';

const WRITES = 200;
const BLOCK_BYTES = 4096;

/** How long one durable write takes here, one after the other into a file that has its size: what every commit waits for. */
export async function syncWriteTimes(): Promise<ReturnType<typeof distribution>> {
  const directory = await mkdtemp(path.join(tmpdir(), 'raft-bench-'));
  try {
    const file = await open(path.join(directory, 'disk'), constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC);
    const block = Buffer.alloc(BLOCK_BYTES, 1);
    await file.write(Buffer.alloc(WRITES * BLOCK_BYTES));
    const times: number[] = [];
    for (let at = 0; at < WRITES; at++) {
      const begunMs = performance.now();
      await file.write(block, 0, BLOCK_BYTES, at * BLOCK_BYTES);
      times.push(performance.now() - begunMs);
    }
    await file.close();
    return distribution(times);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
