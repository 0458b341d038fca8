import type { ServerDuplexStream } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { AppendRequest, AppendResponse } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { decodeBulkFrame, encodeBulkFrame, splitPayload } from '@streamline/wire/contracts/bulk-frame';
import type { PartitionPort } from '@streamline/wire/contracts/ports';
import { toStatus } from './status';

/** Record bytes that one stream may have under way; the client keeps to it, the server holds it to it. */
export const APPEND_WINDOW_BYTES = 64 * 1024 * 1024;

/**
 * Serves one append stream: takes the frames in order (a port's `append` takes effect before it returns), answers each
 * when its acknowledgement is due, and gives the bytes back as credit with the answer.
 */
export function serveAppend(
  port: PartitionPort,
  call: ServerDuplexStream<Buffer, Buffer>,
  windowBytes = APPEND_WINDOW_BYTES,
): void {
  let underWayBytes = 0;

  function fail(error: unknown): void {
    const { code, details } = toStatus(error);
    call.emit('error', { code, details });
  }

  call.on('data', (frame: Buffer) => {
    try {
      const { header, payload } = decodeBulkFrame(AppendRequest, frame);
      const records = splitPayload(
        payload,
        header.partitions.map((partition) => partition.recordBytes),
      );
      underWayBytes += payload.length;
      if (underWayBytes > windowBytes + payload.length) {
        call.emit('error', {
          code: status.RESOURCE_EXHAUSTED,
          details: `more than ${windowBytes} bytes under way without credit`,
        });
        return;
      }
      const { correlationId } = header;
      port
        .append({ request: header, records })
        .then((response) => {
          underWayBytes -= payload.length;
          if (call.cancelled || call.writableEnded) return;
          call.write(encodeBulkFrame(AppendResponse, { ...response, correlationId, creditBytes: payload.length }, []));
        })
        .catch(fail);
    } catch (error) {
      fail(error);
    }
  });
  call.on('end', () => call.end());
  call.on('error', () => undefined);
}
