import { randomBytes } from 'node:crypto';
import type { Random } from '@streamline/runtime/ports/random';

/** Randomness of the platform: `bytes` is cryptographically strong. */
export class NodeRandom implements Random {
  next(): number {
    return Math.random();
  }

  bytes(length: number): Buffer {
    return randomBytes(length);
  }
}
