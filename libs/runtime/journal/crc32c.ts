import { crc32c as nativeCrc32c } from '@node-rs/crc32';
import type { Crc32c } from '@streamline/core/journal/format';

export const crc32c: Crc32c = (bytes, seed) => nativeCrc32c(bytes, seed);
