import type { ServerDuplexStream } from '@grpc/grpc-js';
import { FetchRequest, FetchResponse } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { decodeBulkFrame, encodeBulkFrame } from '@streamline/wire/contracts/bulk-frame';
import type { BulkFetched, PartitionPort } from '@streamline/wire/contracts/ports';
import { toStatus } from './status';

/** Record bytes that may be sent ahead of what the caller has taken. */
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

/** Serves one fetch stream: many long polls under way at once, each answered when it is ready and credit allows. */
export function serveFetch(port: PartitionPort, call: ServerDuplexStream<Buffer, Buffer>): void {
  const underWay = new Map<number, AbortController>();
  const ready: Answer[] = [];
  let sentBytes = 0;

  function send(): void {
    for (;;) {
      const answer = ready[0];
      // An answer larger than the whole window goes when nothing else is on its way.
      if (!answer || (sentBytes > 0 && sentBytes + answer.payloadBytes > FETCH_WINDOW_BYTES)) return;
      ready.shift();
      sentBytes += answer.payloadBytes;
      call.write(answer.frame);
    }
  }

  function start(request: FetchRequest): void {
    const abort = new AbortController();
    underWay.set(request.correlationId, abort);
    port
      .fetch(request, { signal: abort.signal })
      .then((fetched) => {
        if (abort.signal.aborted || call.cancelled) return;
        ready.push(encode(request.correlationId, fetched));
        send();
      })
      .catch((error: unknown) => {
        if (!abort.signal.aborted) call.emit('error', toStatus(error));
      })
      .finally(() => underWay.delete(request.correlationId));
  }

  call.on('data', (frame: Buffer) => {
    try {
      const { header } = decodeBulkFrame(FetchRequest, frame);
      sentBytes -= header.creditBytes;
      if (header.cancel) underWay.get(header.correlationId)?.abort();
      else if (header.correlationId !== 0) start(header);
      send();
    } catch (error) {
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
