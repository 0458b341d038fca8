import type * as grpc from '@grpc/grpc-js';
import {
  FetchRequest,
  FetchResponse,
  PartitionServiceDefinition,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { decodeBulkFrame, encodeBulkFrame, splitPayload } from '@streamline/wire/contracts/bulk-frame';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { CallContext } from '@streamline/wire/contracts/port';
import type { BulkFetched } from '@streamline/wire/contracts/ports';
import { BulkStream } from './bulk-stream';

/** The asking end of a fetch stream; an answer's bytes are given back as credit as soon as it was handed out. */
export class FetchClient {
  private readonly stream: BulkStream<BulkFetched>;

  constructor(client: grpc.Client) {
    this.stream = new BulkStream(client, PartitionServiceDefinition, 'fetch', {
      onFrame: (frame) => this.answer(frame),
      onBreak: () => undefined,
    });
  }

  async fetch(request: FetchRequest, context: CallContext = {}): Promise<BulkFetched> {
    const { signal } = context;
    let cancel: (() => void) | undefined;
    try {
      return await this.stream.call(request.maxWaitMs, (correlationId) => {
        this.stream.write(encodeBulkFrame(FetchRequest, { ...request, correlationId, creditBytes: 0, cancel: false }, []));
        cancel = () => this.cancel(correlationId);
        if (signal?.aborted) cancel();
        else signal?.addEventListener('abort', cancel, { once: true });
      });
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
    const records = splitPayload(
      payload,
      header.partitions.map((partition) => partition.recordBytes),
    ).map((chunk) => (chunk.length === 0 ? [] : [chunk]));
    this.stream.resolve(header.correlationId, { response: header, records });
    if (payload.length > 0) {
      this.stream.write(encodeBulkFrame(FetchRequest, FetchRequest.create({ creditBytes: payload.length }), []));
    }
  }
}
