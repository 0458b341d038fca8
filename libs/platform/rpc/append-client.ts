import type * as grpc from '@grpc/grpc-js';
import {
  AppendRequest,
  AppendResponse,
  PartitionServiceDefinition,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { decodeBulkFrame, encodeBulkFrame } from '@streamline/wire/contracts/bulk-frame';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { BulkAppend } from '@streamline/wire/contracts/ports';
import { APPEND_WINDOW_BYTES } from './append-server';
import { ANSWER_GRACE_MS, BulkStream, refuseOversized } from './bulk-stream';
import { fromFailure } from './status';

/** Appends that wait for credit; beyond it the caller is told `overloaded`. */
const WAITING_MAX = 10_000;

/**
 * The storage keeps the request's own timeout; this one is for a storage that answers no more. It leaves acks=1 the time that
 * the storage's disk may take, however short the client's timeout is.
 */
const ANSWER_MS_MIN = 30_000;

interface Waiting {
  readonly correlationId: number;
  readonly frame: Buffer;
  readonly bytes: number;
}

/**
 * The sending end of an append stream: one for all partitions and callers. Appends leave in the order of the calls;
 * at most a window of record bytes is under way, the rest waits here.
 */
export class AppendClient {
  private readonly stream: BulkStream<AppendResponse>;
  private readonly waiting: Waiting[] = [];
  private creditBytes: number;

  constructor(
    client: grpc.Client,
    private readonly windowBytes = APPEND_WINDOW_BYTES,
  ) {
    this.creditBytes = windowBytes;
    this.stream = new BulkStream(client, PartitionServiceDefinition, 'append', {
      onFrame: (frame) => this.answer(decodeBulkFrame(AppendResponse, frame).header),
      onBreak: () => {
        this.waiting.length = 0;
        this.creditBytes = this.windowBytes;
      },
    });
  }

  append({ request, records }: BulkAppend): Promise<AppendResponse> {
    if (this.waiting.length >= WAITING_MAX) {
      return Promise.reject(new PortError('overloaded', `${WAITING_MAX} appends wait for the storage already`));
    }
    return this.stream.call(Math.max(request.timeoutMs, ANSWER_MS_MIN) + ANSWER_GRACE_MS, (correlationId) => {
      // Copies the records, which are only lent until `append` returns.
      const frame = encodeBulkFrame(AppendRequest, { ...request, correlationId }, records);
      refuseOversized(frame);
      this.waiting.push({ correlationId, frame, bytes: records.reduce((sum, piece) => sum + piece.length, 0) });
      this.send();
    });
  }

  close(): void {
    this.stream.close();
  }

  private answer(response: AppendResponse): void {
    this.creditBytes += response.creditBytes;
    const { correlationId, failure } = response;
    if (failure) this.stream.reject(correlationId, fromFailure(failure, 'append'));
    else this.stream.resolve(correlationId, response);
    this.send();
  }

  private send(): void {
    for (;;) {
      const next = this.waiting[0];
      // A request larger than the whole window goes when nothing else is under way.
      if (!next || (next.bytes > this.creditBytes && this.creditBytes < this.windowBytes)) return;
      this.waiting.shift();
      if (!this.stream.isPending(next.correlationId)) continue;
      this.creditBytes -= next.bytes;
      this.stream.write(next.frame);
    }
  }
}
