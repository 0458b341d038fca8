import * as grpc from '@grpc/grpc-js';
import type { Message } from '@streamline/core/raft/messages';
import type { Member, VoterId } from '@streamline/core/raft/types';
import { type Hello, RaftPeerServiceDefinition } from '@streamline/wire/contracts/generated/streamline/raft/v1/peer';
import { decodeFrame, encodeFrame, framesOf, hello, messagesOf, refusalOf, sizeOf, type RaftIdentity } from './raft-frames';
import { MESSAGE_BYTES_MAX, methodsOf } from './service-definition';

/** What a link tells. `problem` is worth a line of the log, once for each new text. */
export interface RaftLinkEvents {
  readonly onMessages: (messages: readonly Message[]) => void;
  readonly onRefused: (peer: VoterId) => void;
  /** A connection that worked broke. */
  readonly onLost: () => void;
  readonly onUnreachable: (peer: VoterId) => void;
  readonly onProblem: (peer: VoterId, problem: string) => void;
  /** Who answered belongs to another cluster or epoch, or is another member. */
  readonly onForeign: (answer: Hello) => void;
  /** The peer takes what is sent. */
  readonly onWelcome: (answer: Hello) => void;
}

export interface RaftLinkLimits {
  /** Until the peer has answered the hello; twice as long after each failure, since a peer without time answers late. */
  readonly connectTimeoutMs: number;
  readonly connectTimeoutMaxMs: number;
  /** Until it has taken what was sent: then the connection is given up. */
  readonly takeTimeoutMs: number;
  readonly backOffMs: number;
  readonly backOffMaxMs: number;
  /** After the peer has refused the hello. */
  readonly refusedBackOffMs: number;
  /** Sent and not taken, or waiting to be sent: what is beyond is dropped. */
  readonly windowBytes: number;
  /** What a bulk link may have on its way: little, so that it does not fill the network's buffers. */
  readonly bulkWindowBytes: number;
}

/**
 * Well under the shortest election timeout (1000 ms by default), so that a lost connection costs no election. Only dials that
 * follow failed ones wait longer: with the first one's patience, a peer too busy to answer in time would never be reached.
 */
export const DEFAULT_LINK_LIMITS: RaftLinkLimits = {
  connectTimeoutMs: 300,
  connectTimeoutMaxMs: 1_200,
  takeTimeoutMs: 500,
  backOffMs: 20,
  backOffMaxMs: 400,
  refusedBackOffMs: 2_000,
  windowBytes: 16 * 1024 * 1024,
  bulkWindowBytes: 2 * 1024 * 1024,
};

export interface RaftLinkOptions {
  readonly identity: RaftIdentity;
  readonly peer: Member;
  readonly bulk: boolean;
  readonly credentials: grpc.ChannelCredentials;
  readonly limits: RaftLinkLimits;
  readonly events: RaftLinkEvents;
}

/** The error of a connection that nobody listens for, and no other: with several addresses all of them must have refused. */
const REFUSED = /ECONNREFUSED/;
const OTHER_CODE = /\b(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ECONNRESET|EHOSTDOWN|ENOTFOUND|EAI_AGAIN|Name resolution)\b/;

type Stream = grpc.ClientDuplexStream<unknown, unknown>;

/**
 * This member's way to one peer: a stream that is opened at once, and again whenever it broke, with back-off and jitter. Each
 * attempt has a channel of its own, so that what it reports was found out just then.
 */
export class RaftLink {
  readonly #exchange = methodsOf(RaftPeerServiceDefinition).find(({ key }) => key === 'exchange');
  #client: grpc.Client | undefined;
  #stream: Stream | undefined;
  #isOpen = false;
  #isClosed = false;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #waiting: Message[] = [];
  #waitingBytes = 0;
  #isFlushPlanned = false;
  /** Frames that the peer has not taken: bytes, and when they were sent. */
  #underWay: { bytes: number; readonly sentMs: number }[] = [];
  #underWayBytes = 0;
  #hasDropped = false;

  constructor(private readonly options: RaftLinkOptions) {
    this.#connect();
  }

  get peer(): Member {
    return this.options.peer;
  }

  /** The peer has answered the hello. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  send(message: Message): void {
    const { limits, bulk, events, peer } = this.options;
    const bytes = sizeOf(message);
    const windowBytes = bulk ? limits.bulkWindowBytes : limits.windowBytes;
    const underWay = this.#waitingBytes + this.#underWayBytes;
    if (this.#stream === undefined || (underWay > 0 && underWay + bytes > windowBytes)) {
      // Told once for each gap: Raft repeats what was lost.
      if (!this.#hasDropped) queueMicrotask(() => events.onUnreachable(peer.id));
      this.#hasDropped = true;
      return;
    }
    this.#hasDropped = false;
    this.#waiting.push(message);
    this.#waitingBytes += bytes;
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    queueMicrotask(() => this.#flush());
  }

  close(): void {
    this.#isClosed = true;
    this.#drop();
  }

  #flush(): void {
    this.#isFlushPlanned = false;
    const stream = this.#stream;
    // What comes while the peer is being dialled waits for its hello.
    if (!this.#isOpen || stream === undefined) return;
    const messages = this.#waiting;
    [this.#waiting, this.#waitingBytes] = [[], 0];
    const sentMs = performance.now();
    for (const frame of framesOf(messages)) {
      stream.write(frame);
      this.#underWay.push({ bytes: frame.length, sentMs });
      this.#underWayBytes += frame.length;
    }
    this.#watch();
  }

  #connect(): void {
    if (this.#isClosed || this.#exchange === undefined) return;
    const { identity, peer, bulk, credentials, limits } = this.options;
    const { path, requestSerialize, responseDeserialize } = this.#exchange.definition;
    const client = new grpc.Client(peer.address, credentials, {
      'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
      'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
    });
    const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.#client = client;
    this.#stream = stream;
    stream.on('data', (bytes: Buffer) => this.#receive(stream, bytes));
    stream.on('error', (error: Error & { details?: string }) => this.#broke(stream, error.details ?? error.message));
    stream.on('end', () => this.#broke(stream, 'the peer ended the stream'));
    stream.write(encodeFrame({ hello: hello(identity, peer.id, bulk) }));
    const timeoutMs = doubled(limits.connectTimeoutMs, this.#failures, limits.connectTimeoutMaxMs);
    this.#after(timeoutMs, () => this.#broke(stream, `no answer within ${timeoutMs} ms`));
  }

  #receive(stream: Stream, bytes: Buffer): void {
    if (stream !== this.#stream) return;
    const { peer, identity, events } = this.options;
    try {
      const frame = decodeFrame(bytes);
      if (!this.#isOpen) return this.#opened(stream, frame.hello);
      this.#taken(frame.takenBytes);
      const messages = messagesOf(frame, peer.id, identity.self);
      if (messages.length > 0) events.onMessages(messages);
    } catch (error) {
      this.#broke(stream, String(error));
    }
  }

  #opened(stream: Stream, answer: Hello | undefined): void {
    const { peer, identity, events, limits } = this.options;
    if (answer === undefined) return this.#broke(stream, 'the peer sent no hello');
    const refusal = answer.refusal === '' ? refusalOf(identity, answer)?.refusal : answer.refusal;
    if (refusal !== undefined || answer.from !== peer.id) {
      events.onForeign(answer);
      events.onProblem(peer.id, `${peer.address} refuses to exchange messages: ${refusal ?? `${answer.from} listens there`}`);
      return this.#broke(stream, 'refused', limits.refusedBackOffMs);
    }
    events.onWelcome(answer);
    this.#isOpen = true;
    this.#failures = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.length > 0) this.#flush();
  }

  #taken(bytes: number): void {
    let left = bytes;
    while (left > 0) {
      const [oldest] = this.#underWay;
      if (oldest === undefined) break;
      const part = Math.min(left, oldest.bytes);
      left -= part;
      oldest.bytes -= part;
      this.#underWayBytes -= part;
      if (oldest.bytes === 0) this.#underWay.shift();
    }
  }

  /** A connection that takes nothing is dead, whatever TCP thinks of it. */
  #watch(): void {
    const [oldest] = this.#underWay;
    if (this.#timer !== undefined || oldest === undefined || !this.#isOpen) return;
    const { takeTimeoutMs } = this.options.limits;
    this.#after(oldest.sentMs + takeTimeoutMs - performance.now(), () => {
      const [slowest] = this.#underWay;
      const stream = this.#stream;
      if (slowest === undefined || stream === undefined) return;
      if (performance.now() - slowest.sentMs < takeTimeoutMs) return this.#watch();
      this.#broke(stream, `nothing was taken within ${takeTimeoutMs} ms`);
    });
  }

  #broke(stream: Stream, reason: string, backOffMs?: number): void {
    if (stream !== this.#stream) return;
    const { peer, events, limits } = this.options;
    const wasOpen = this.#isOpen;
    const isRefused = !wasOpen && REFUSED.test(reason) && !OTHER_CODE.test(reason);
    this.#drop();
    if (this.#isClosed) return;
    // At once after a connection that worked: whether the process is gone is known only then.
    const delayMs = backOffMs ?? (wasOpen ? 0 : doubled(limits.backOffMs, this.#failures, limits.backOffMaxMs));
    this.#failures++;
    this.#after(delayMs / 2 + (Math.random() * delayMs) / 2, () => this.#connect());
    if (wasOpen) events.onLost();
    if (isRefused) events.onRefused(peer.id);
    else events.onUnreachable(peer.id);
  }

  #drop(): void {
    const [stream, client] = [this.#stream, this.#client];
    this.#stream = undefined;
    this.#client = undefined;
    this.#isOpen = false;
    this.#hasDropped = false;
    [this.#waiting, this.#waitingBytes, this.#underWay, this.#underWayBytes] = [[], 0, [], 0];
    clearTimeout(this.#timer);
    this.#timer = undefined;
    stream?.cancel();
    client?.close();
  }

  #after(delayMs: number, task: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        task();
      },
      Math.max(delayMs, 0),
    );
    this.#timer.unref();
  }
}

/** What is doubled with each failure, up to its bound. */
function doubled(ms: number, failures: number, maxMs: number): number {
  return Math.min(ms * 2 ** Math.min(failures, 10), maxMs);
}
