import type { Push } from '@streamline/core/replication/inputs';
import { BATCH_OVERHEAD_BYTES, readBatchHeader } from '@streamline/wire/records/batch-header';
import { wholeBatchSizeAt } from '@streamline/wire/records/batch-iterator';
import { isBatchCrcValid } from '@streamline/wire/records/batch-patch';
import type { CheckedBatch } from '../log/log-engine';

/** What came is not what a push may be: the peer or the network is at fault, and the stream is of no more use. */
export class BadPushError extends Error {
  override readonly name = 'BadPushError';
}

/**
 * The whole batches of a push, as views: sound, of rising offsets, from its base offset to its end.
 * @throws BadPushError for anything else
 */
export function batchesOf(push: Pick<Push, 'baseOffset' | 'endOffset' | 'previousOffset'>, payload: Buffer): CheckedBatch[] {
  const batches: CheckedBatch[] = [];
  let nextOffset: number = push.baseOffset;
  for (let at = 0; at < payload.length;) {
    const sizeBytes = wholeBatchSizeAt(payload, at);
    if (sizeBytes === undefined || sizeBytes < BATCH_OVERHEAD_BYTES)
      throw new BadPushError(`${payload.length - at} bytes of a push are no whole batch`);
    const bytes = payload.subarray(at, at + sizeBytes);
    const header = readBatchHeader(bytes);
    if (header.baseOffset < nextOffset || header.lastOffsetDelta < 0 || !isBatchCrcValid(bytes))
      throw new BadPushError(`the batch at offset ${header.baseOffset} of a push is damaged, or out of order`);
    batches.push({ bytes, header });
    nextOffset = header.baseOffset + header.lastOffsetDelta + 1;
    at += sizeBytes;
  }
  const beginsRight =
    batches.length === 0 ? push.baseOffset === push.endOffset : batches[0]?.header.baseOffset === push.baseOffset;
  if (!beginsRight || nextOffset !== push.endOffset || push.endOffset < push.previousOffset)
    throw new BadPushError(`a push of offsets ${push.baseOffset} to ${push.endOffset} holds batches up to ${nextOffset}`);
  return batches;
}

/** Base offset of the first batch that was read, and the end of the last one; undefined: nothing was. */
export function extentOf(chunks: readonly Buffer[]): { readonly baseOffset: number; readonly endOffset: number } | undefined {
  const [first] = chunks;
  const last = chunks[chunks.length - 1];
  if (first === undefined || last === undefined || first.length === 0) return undefined;
  let at = 0;
  for (;;) {
    const sizeBytes = wholeBatchSizeAt(last, at);
    if (sizeBytes === undefined) throw new Error('the log gave no whole batch');
    if (at + sizeBytes === last.length) break;
    at += sizeBytes;
  }
  const head = readBatchHeader(last.subarray(at));
  return { baseOffset: readBatchHeader(first).baseOffset, endOffset: head.baseOffset + head.lastOffsetDelta + 1 };
}
