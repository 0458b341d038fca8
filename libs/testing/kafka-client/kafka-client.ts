import { once } from 'node:events';
import { connect as connectSocket, type Socket } from 'node:net';
import { FrameAssembler } from '@streamline/runtime/sockets/frame-assembler';
import { FrameMemory } from '@streamline/runtime/sockets/frame-memory';
import { correlationIdOf, decodeResponse, encodeRequest } from '@streamline/wire/kafka/frame';
import type { Api } from '@streamline/wire/kafka/schema/api';
import type { Fields, ReadOf, WriteOf } from '@streamline/wire/kafka/schema/field';

const MAX_FRAME_BYTES = 256 * 1024 * 1024;

export interface KafkaClientOptions {
  readonly host?: string;
  readonly port: number;
  readonly clientId?: string | null;
}

/** The other end closed, or the connection broke, before an answer came. */
export class ConnectionClosedError extends Error {
  override readonly name = 'ConnectionClosedError';
}

interface Expected {
  take(frame: Buffer): void;
  fail(error: Error): void;
}

/**
 * A raw client of the Kafka protocol over our own codec: requests in any version, as many in flight as the caller likes.
 * Answers are matched by their order, as the protocol promises it, and their correlation ids are checked.
 */
export class KafkaClient {
  /** Whole answers that no request waited for. */
  readonly unexpected: Buffer[] = [];
  private readonly assembler = new FrameAssembler(MAX_FRAME_BYTES, new FrameMemory());
  private readonly expected: Expected[] = [];
  private readonly closing: Promise<void>;
  private nextCorrelationId = 1;
  private isClosed = false;

  private constructor(
    readonly socket: Socket,
    private readonly clientId: string | null,
  ) {
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.onData(chunk));
    socket.on('error', () => undefined);
    this.closing = new Promise((resolve) =>
      socket.once('close', () => {
        this.isClosed = true;
        for (const each of this.expected.splice(0)) each.fail(new ConnectionClosedError('the connection was closed'));
        resolve();
      }),
    );
  }

  static async connect({ host = '127.0.0.1', port, clientId = 'test' }: KafkaClientOptions): Promise<KafkaClient> {
    const socket = connectSocket({ host, port });
    await once(socket, 'connect');
    return new KafkaClient(socket, clientId);
  }

  get closed(): boolean {
    return this.isClosed;
  }

  /** Resolves when the connection has ended, whoever ended it. */
  whenClosed(): Promise<void> {
    return this.closing;
  }

  /** Sends a request and reads its answer. @throws ConnectionClosedError */
  async request<Request extends Fields, Response extends Fields>(
    api: Api<Request, Response>,
    version: number,
    body: WriteOf<Request>,
  ): Promise<ReadOf<Response>> {
    const correlationId = this.nextCorrelationId++;
    const answer = this.expect(correlationId);
    this.write(encodeRequest(api, version, correlationId, this.clientId, body));
    return decodeResponse(api, version, await answer).body;
  }

  /** Sends a request that has no answer (acks=0). */
  send<Request extends Fields, Response extends Fields>(
    api: Api<Request, Response>,
    version: number,
    body: WriteOf<Request>,
  ): void {
    this.write(encodeRequest(api, version, this.nextCorrelationId++, this.clientId, body));
  }

  /**
   * Sends a request that was laid out before, its size included; `correlationId` is the one in it. Resolves with the frame
   * of the answer without its size.
   */
  exchange(frame: Buffer, correlationId: number): Promise<Buffer> {
    const answer = this.expect(correlationId);
    this.socket.write(frame);
    return answer;
  }

  /** Bytes as they are, for what no client should send. */
  sendRaw(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Ends the connection at once. */
  close(): Promise<void> {
    this.socket.destroy();
    return this.closing;
  }

  private expect(correlationId: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.isClosed) {
        reject(new ConnectionClosedError('the connection is closed'));
        return;
      }
      this.expected.push({
        take: (frame) => {
          const got = correlationIdOf(frame);
          if (got === correlationId) resolve(frame);
          else reject(new Error(`the answer to ${got} came where that to ${correlationId} is due`));
        },
        fail: reject,
      });
    });
  }

  private write(pieces: readonly Buffer[]): void {
    this.socket.cork();
    for (const piece of pieces) this.socket.write(piece);
    this.socket.uncork();
  }

  private onData(chunk: Buffer): void {
    this.assembler.received(chunk, chunk.length);
    for (let next = this.assembler.next(); next !== undefined; next = this.assembler.next()) {
      const frame = Buffer.from(next);
      this.assembler.done();
      const due = this.expected.shift();
      if (due === undefined) this.unexpected.push(frame);
      else due.take(frame);
    }
  }
}
