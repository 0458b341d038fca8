import { TailMemory } from '@streamline/runtime/log/tail-memory';
import type { Slab } from '@streamline/runtime/log/tail-memory';
import { replaceMethod } from './replace-method';

/** No batch and no record of a journal begins with it. */
const POISON = 0xdb;

/** From now on the memory of tails is overwritten as soon as it is free (LOG-17). */
export function poisonFreedMemory(): void {
  replaceMethod<TailMemory, [Slab], void>(
    TailMemory,
    'recycle',
    (recycle) =>
      function (slab) {
        slab.memory.fill(POISON);
        recycle.call(this, slab);
      },
  );
}
