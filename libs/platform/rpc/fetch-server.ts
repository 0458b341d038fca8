import type { ServerDuplexStream } from '@grpc/grpc-js';
import { FetchRequest, FetchResponse } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { AnswerBudget, LEAST_ANSWER_BYTES } from '@streamline/runtime/gateway/answer-budget';
import { decodeBulkFrame, encodeBulkFrame } from '@streamline/wire/contracts/bulk-frame';
import type { BulkFetched, PartitionPort } from '@streamline/wire/contracts/ports';
import { toFailure, toStatus } from './status';

/**
 * Record bytes that may be sent ahead of what the caller has taken, and that answers which wait to be sent may hold besides the
 * least that each may.
 */
export const FETCH_WINDOW_BYTES = 64 * 1024 * 1024;

interface Answer {
  readonly frame: Buffer;
  readonly payloadBytes: number;
}

function encode(correlationId: number, { response, records }: BulkFetched): Answer {
  const partitions = response.partitions.map((partition, index) => ({
    ...partition,
    recordBytes: (records[index] ?? []).reduce((sum, chunk) => sum + chunk.length, 0),
  }));
  const payloadBytes = partitions.reduce((sum, partition) => sum + partition.recordBytes, 0);
  const frame = encodeBulkFrame(FetchResponse, { correlationId, partitions, creditBytes: 0 }, records.flat());
  return { frame, payloadBytes };
}

function encodeFailure(correlationId: number, error: unknown): Answer {
  const failed = FetchResponse.create({ correlationId, failure: toFailure(error) });
  return { frame: encodeBulkFrame(FetchResponse, failed, []), payloadBytes: 0 };
}

/**
 * Serves one fetch stream: many long polls under way at once, each answered when it is ready and credit allows, and each
 * finding less while the caller does not take what is sent. A fetch that fails fails alone.
 */
export function serveFetch(
  port: PartitionPort,
  call: ServerDuplexStream<Buffer, Buffer>,
  windowBytes = FETCH_WINDOW_BYTES,
): void {
  const underWay = new Map<number, AbortController>();
  const answers = new AnswerBudget(windowBytes);
  const ready: Answer[] = [];
  let sentBytes = 0;

  /** Little goes at once, lest those who fetch little starve behind those who do not take much. */
  function maySend({ payloadBytes }: Answer): boolean {
    return payloadBytes <= LEAST_ANSWER_BYTES || sentBytes === 0 || sentBytes + payloadBytes <= windowBytes;
  }

  function send(): void {
    let kept = 0;
    for (const answer of ready) {
      if (!maySend(answer)) {
        ready[kept] = answer;
        kept += 1;
        continue;
      }
      sentBytes += answer.payloadBytes;
      if (!call.writableEnded) call.write(answer.frame);
    }
    ready.length = kept;
  }

  async function read(request: FetchRequest, signal: AbortSignal): Promise<Answer> {
    const room = answers.room();
    try {
      return encode(request.correlationId, await port.fetch(request, { signal, room }));
    } catch (error) {
      return encodeFailure(request.correlationId, error);
    } finally {
      room.leave();
    }
  }

  async function serve(request: FetchRequest): Promise<void> {
    const { correlationId } = request;
    const abort = new AbortController();
    underWay.set(correlationId, abort);
    const answer = await read(request, abort.signal);
    underWay.delete(correlationId);
    if (abort.signal.aborted || call.cancelled) return;
    answers.hold(answer.payloadBytes);
    ready.push(answer);
    send();
  }

  call.on('data', (frame: Buffer) => {
    if (call.writableEnded) return;
    try {
      const { header } = decodeBulkFrame(FetchRequest, frame);
      sentBytes -= header.creditBytes;
      answers.release(header.creditBytes);
      if (header.cancel) underWay.get(header.correlationId)?.abort();
      else if (header.correlationId !== 0) void serve(header);
      send();
    } catch (error) {
      // A frame that cannot be read names no fetch that could fail alone.
      call.emit('error', toStatus(error));
    }
  });
  const stop = (): void => {
    for (const abort of underWay.values()) abort.abort();
  };
  call.on('cancelled', stop);
  call.on('error', stop);
  call.on('end', () => {
    stop();
    call.end();
  });
}
