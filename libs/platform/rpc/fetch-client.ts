import type * as grpc from '@grpc/grpc-js';
import {
  FetchRequest,
  FetchResponse,
  PartitionServiceDefinition,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { decodeBulkFrame, encodeBulkFrame, splitPayload } from '@streamline/wire/contracts/bulk-frame';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { AnswerRoom, BulkFetched, FetchContext } from '@streamline/wire/contracts/ports';
import { ANSWER_GRACE_MS, BulkStream } from './bulk-stream';
import { fromFailure } from './status';

/** The asking end of a fetch stream; an answer's bytes are given back as credit when there is room for more of them. */
export class FetchClient {
  private readonly stream: BulkStream<BulkFetched>;
  /** Streams that broke: credit of an earlier one means nothing to the next. */
  private breaks = 0;

  constructor(client: grpc.Client) {
    this.stream = new BulkStream(client, PartitionServiceDefinition, 'fetch', {
      onFrame: (frame) => this.answer(frame),
      onBreak: () => {
        this.breaks += 1;
      },
    });
  }

  async fetch(request: FetchRequest, { signal, room }: FetchContext = {}): Promise<BulkFetched> {
    // While it waits, it waits behind the stream, which has a budget of its own.
    const maxBytes = Math.min(request.maxBytes, room?.enter() ?? Infinity);
    room?.leave();
    let cancel: (() => void) | undefined;
    try {
      const fetched = await this.stream.call(request.maxWaitMs + ANSWER_GRACE_MS, (correlationId) => {
        const header = { ...request, maxBytes, correlationId, creditBytes: 0, cancel: false };
        this.stream.write(encodeBulkFrame(FetchRequest, header, []));
        cancel = () => this.cancel(correlationId);
        if (signal?.aborted) cancel();
        else signal?.addEventListener('abort', cancel, { once: true });
      });
      this.creditWhenFree(fetched, room);
      return fetched;
    } finally {
      if (cancel) signal?.removeEventListener('abort', cancel);
    }
  }

  close(): void {
    this.stream.close();
  }

  private cancel(correlationId: number): void {
    this.stream.write(encodeBulkFrame(FetchRequest, FetchRequest.create({ correlationId, cancel: true }), []));
    this.stream.reject(correlationId, new PortError('cancelled', 'the fetch was given up'));
  }

  private answer(frame: Buffer): void {
    const { header, payload } = decodeBulkFrame(FetchResponse, frame);
    if (header.failure) {
      this.stream.reject(header.correlationId, fromFailure(header.failure, 'fetch'));
      return;
    }
    const records = splitPayload(
      payload,
      header.partitions.map((partition) => partition.recordBytes),
    ).map((chunk) => (chunk.length === 0 ? [] : [chunk]));
    const isWanted = this.stream.isPending(header.correlationId);
    this.stream.resolve(header.correlationId, { response: header, records });
    if (!isWanted) this.credit(payload.length);
  }

  private creditWhenFree({ response }: BulkFetched, room: AnswerRoom | undefined): void {
    const bytes = response.partitions.reduce((sum, { recordBytes }) => sum + recordBytes, 0);
    const { breaks } = this;
    const give = (): void => {
      if (this.breaks === breaks) this.credit(bytes);
    };
    if (room === undefined) give();
    else room.whenFree(give);
  }

  private credit(bytes: number): void {
    if (bytes > 0) this.stream.write(encodeBulkFrame(FetchRequest, FetchRequest.create({ creditBytes: bytes }), []));
  }
}
