import type { ServerDuplexStream } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { AppendRequest, AppendResponse } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { decodeBulkFrame, encodeBulkFrame, splitPayload } from '@streamline/wire/contracts/bulk-frame';
import type { PartitionPort } from '@streamline/wire/contracts/ports';
import { toFailure, toStatus } from './status';

/** Record bytes that one stream may have under way; the client keeps to it, the server holds it to it. */
export const APPEND_WINDOW_BYTES = 64 * 1024 * 1024;

/**
 * Serves one append stream: takes the frames in order (a port keeps the order of each connection's calls), answers each
 * when its acknowledgement is due, and gives the bytes back as credit with the answer. An append that fails fails alone.
 */
export function serveAppend(
  port: PartitionPort,
  call: ServerDuplexStream<Buffer, Buffer>,
  windowBytes = APPEND_WINDOW_BYTES,
): void {
  let underWayBytes = 0;

  function start(request: AppendRequest, payload: Buffer): Promise<AppendResponse> {
    try {
      const sizes = request.partitions.map((partition) => partition.recordBytes);
      return port.append({ request, records: splitPayload(payload, sizes) });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  function answer(correlationId: number, creditBytes: number, response: AppendResponse): void {
    const frame = encodeBulkFrame(AppendResponse, { ...response, correlationId, creditBytes }, []);
    underWayBytes -= creditBytes;
    if (!call.cancelled && !call.writableEnded) call.write(frame);
  }

  call.on('data', (frame: Buffer) => {
    // The caller takes what comes behind a frame that ended the stream for failed: it must not be appended.
    if (call.writableEnded) return;
    try {
      const { header, payload } = decodeBulkFrame(AppendRequest, frame);
      underWayBytes += payload.length;
      if (underWayBytes > windowBytes + payload.length) {
        call.emit('error', {
          code: status.RESOURCE_EXHAUSTED,
          details: `more than ${windowBytes} bytes under way without credit`,
        });
        return;
      }
      const { correlationId } = header;
      const { length } = payload;
      start(header, payload)
        .then((response) => answer(correlationId, length, response))
        .catch((error: unknown) => answer(correlationId, length, AppendResponse.create({ failure: toFailure(error) })));
    } catch (error) {
      // A frame that cannot be read names no append that could fail alone.
      call.emit('error', toStatus(error));
    }
  });
  call.on('end', () => call.end());
  call.on('error', () => undefined);
}
