import { RecordFormatError } from '../record-format-error';

/** Decompressed bytes would exceed the limit. */
export function tooLarge(codec: string, maxBytes: number): RecordFormatError {
  return new RecordFormatError(`${codec} data decompresses to more than ${maxBytes} bytes`, 'decompressed-size');
}

/** Compressed bytes that are none. */
export function unreadable(codec: string, why: string): RecordFormatError {
  return new RecordFormatError(`${codec} data cannot be read: ${why}`, 'compressed-data');
}

/** Runs a native decoder; what it throws becomes `compressed-data`. */
export function runDecoder(codec: string, decode: () => Buffer): Buffer {
  try {
    return decode();
  } catch (error) {
    throw unreadable(codec, error instanceof Error ? error.message : String(error));
  }
}
