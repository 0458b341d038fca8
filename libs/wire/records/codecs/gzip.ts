import { gunzipSync, gzipSync } from 'node:zlib';
import { tooLarge, unreadable } from './codec-error';

/** `level` 1 to 9, or zlib's default. */
export function gzipCompress(data: Buffer, level?: number): Buffer {
  return gzipSync(data, level === undefined ? {} : { level });
}

/** zlib inflates in chunks and stops at the first one beyond the limit. */
export function gzipDecompress(data: Buffer, maxBytes: number): Buffer {
  try {
    return gunzipSync(data, { maxOutputLength: Math.max(1, maxBytes) });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge('gzip', maxBytes);
    throw unreadable('gzip', error instanceof Error ? error.message : String(error));
  }
}
