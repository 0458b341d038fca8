import { RecordFormatError } from './record-format-error';
import { BatchField, HEADER_BYTES_UP_TO_MAGIC, LOG_OVERHEAD_BYTES, SMALLEST_LENGTH_OF_ANY_MAGIC } from './batch-header';

const NEWEST_MAGIC = 2;

/**
 * The size of the batch (of any magic) that starts at `at`, or `undefined` where the bytes end before it does: an
 * incomplete trailing batch is trimmed, as Kafka does (ByteBufferLogInputStream).
 *
 * @throws RecordFormatError for a length or a magic that no format has.
 */
export function wholeBatchSizeAt(buffer: Buffer, at: number): number | undefined {
  const availableBytes = buffer.length - at;
  if (availableBytes < LOG_OVERHEAD_BYTES) return undefined;
  const length = buffer.readInt32BE(at + BatchField.length);
  if (length < SMALLEST_LENGTH_OF_ANY_MAGIC) {
    throw new RecordFormatError(
      `batch length ${length} is below the smallest of any format, ${SMALLEST_LENGTH_OF_ANY_MAGIC}`,
      'size',
    );
  }
  if (availableBytes < HEADER_BYTES_UP_TO_MAGIC) return undefined;
  const magic = buffer.readInt8(at + BatchField.magic);
  if (magic < 0 || magic > NEWEST_MAGIC)
    throw new RecordFormatError(`batch has magic ${magic}, not 0 to ${NEWEST_MAGIC}`, 'magic');
  const sizeBytes = length + LOG_OVERHEAD_BYTES;
  return availableBytes < sizeBytes ? undefined : sizeBytes;
}

/** The whole batches in `buffer`, one after the other, as views; an incomplete trailing one is left out. */
export function* batchesIn(buffer: Buffer): Generator<Buffer, void, void> {
  let at = 0;
  for (;;) {
    const sizeBytes = wholeBatchSizeAt(buffer, at);
    if (sizeBytes === undefined) return;
    yield buffer.subarray(at, at + sizeBytes);
    at += sizeBytes;
  }
}
