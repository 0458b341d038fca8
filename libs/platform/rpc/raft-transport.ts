import type * as grpc from '@grpc/grpc-js';
import { UNTOLD_TIMING } from '@streamline/core/formation/timing';
import type { Message } from '@streamline/core/raft/messages';
import type { Member, VoterId } from '@streamline/core/raft/types';
import type { ForeignMember } from '@streamline/runtime/controller/encounters';
import type { RaftTransport, RaftTransportListener } from '@streamline/runtime/raft/raft-transport';
import type { Hello } from '@streamline/wire/contracts/generated/streamline/raft/v1/peer';
import { decodeFrame, encodeFrame, foreignOf, framesOf, hello, messagesOf, refusalOf, type RaftIdentity } from './raft-frames';
import { DEFAULT_LINK_LIMITS, RaftLink, type RaftLinkEvents, type RaftLinkLimits } from './raft-link';
import { timingDifference } from './raft-timing';
import { toStatus } from './status';

/** How long, and of how many bytes, a receiver keeps to itself what it took. */
const TELL_TAKEN_MS = 50;
const TELL_TAKEN_BYTES = 256 * 1024;
/** What may wait in a stream that a peer opened; beyond it answers are dropped. */
const ANSWERS_BYTES_MAX = 4 * 1024 * 1024;
/** Texts of problems that are remembered, so that each is told once. */
const PROBLEMS_MAX = 256;

type ServerStream = grpc.ServerDuplexStream<Buffer, Buffer>;

export interface GrpcRaftTransportOptions {
  readonly identity: RaftIdentity;
  /** `InterBrokerSecurity` has them. */
  readonly credentials: grpc.ChannelCredentials;
  readonly limits?: Partial<RaftLinkLimits>;
  /** For the log: a peer that is refused, or that refuses. */
  readonly onProblem: (problem: string) => void;
  /** A connection to this address (host:port) broke that had worked. */
  readonly onLost?: (address: string) => void;
  /** A connection to this address was refused (ECONNREFUSED). Each time. */
  readonly onRefused?: (address: string) => void;
  /** The member at this address (host:port) took this one's greeting, or sent its own. */
  readonly onHeard?: (address: string) => void;
  /** A node that belongs to something else dialled this one, or was dialled by it. */
  readonly onForeign?: (foreign: ForeignMember) => void;
  /** A member whose settings of Raft are others than this one's, in words. */
  readonly onDifference?: (difference: string) => void;
}

interface Links {
  readonly control: RaftLink;
  /** Opened with the first chunk of a snapshot. */
  bulk: RaftLink | undefined;
}

/**
 * Raft's messages over gRPC: a stream to each peer for what this member says, a second one for chunks of snapshots. A peer of
 * which no address is known, or an earlier one, is answered on the stream that it opened.
 */
export class GrpcRaftTransport implements RaftTransport {
  readonly #links = new Map<VoterId, Links>();
  readonly #accepted = new Map<VoterId, ServerStream>();
  readonly #streams = new Set<ServerStream>();
  readonly #told = new Set<string>();
  #listener: RaftTransportListener | undefined;

  constructor(private readonly options: GrpcRaftTransportOptions) {}

  listen(listener: RaftTransportListener): void {
    this.#listener = listener;
  }

  setPeers(peers: readonly Member[]): void {
    const wanted = new Map(peers.map((peer) => [peer.id, peer]));
    for (const [id, links] of this.#links) {
      if (wanted.get(id)?.address === links.control.peer.address) continue;
      links.control.close();
      links.bulk?.close();
      this.#links.delete(id);
    }
    for (const [id, peer] of wanted) {
      if (!this.#links.has(id)) this.#links.set(id, { control: this.#open(peer, false), bulk: undefined });
    }
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) {
      const links = this.#links.get(message.to);
      const isReached = links?.control.isOpen === true || !this.#accepted.has(message.to);
      if (links === undefined || !isReached) this.#answer(message);
      else if (message.kind !== 'snapshot-chunk') links.control.send(message);
      else {
        links.bulk ??= this.#open(links.control.peer, true);
        links.bulk.send(message);
      }
    }
  }

  close(): Promise<void> {
    this.#listener = undefined;
    this.setPeers([]);
    for (const stream of this.#streams) stream.end();
    this.#streams.clear();
    this.#accepted.clear();
    return Promise.resolve();
  }

  /** Serves a stream that a peer opened: the handler of `exchange`. */
  accept(call: ServerStream): void {
    if (this.#listener === undefined) {
      call.emit('error', toStatus(new Error('this node takes no part in the consensus')));
      return;
    }
    this.#streams.add(call);
    const incoming = new Incoming(call, this.options.identity, {
      onHello: (said) => {
        if (!said.bulk) this.#accepted.set(said.from as VoterId, call);
        const { address } = this.#links.get(said.from as VoterId)?.control.peer ?? {};
        if (address !== undefined) this.options.onHeard?.(address);
        this.#compare(said);
      },
      onRefused: (problem) => this.#tell(problem),
      onForeign: (said) => this.options.onForeign?.(foreignOf(said)),
      onMessages: (messages) => this.#listener?.onMessages(messages),
      onEnd: () => {
        this.#streams.delete(call);
        for (const [from, accepted] of this.#accepted) if (accepted === call) this.#accepted.delete(from);
      },
    });
    call.on('data', (bytes: Buffer) => incoming.receive(bytes));
    call.on('end', () => call.end());
    call.on('error', () => undefined);
    call.on('close', () => incoming.end());
    call.on('cancelled', () => incoming.end());
  }

  #open(peer: Member, bulk: boolean): RaftLink {
    const { identity, credentials, limits } = this.options;
    return new RaftLink({
      identity,
      peer,
      bulk,
      credentials,
      limits: { ...DEFAULT_LINK_LIMITS, ...limits },
      events: this.#eventsOf(peer),
    });
  }

  #eventsOf({ address }: Member): RaftLinkEvents {
    const { onLost, onRefused, onHeard } = this.options;
    return {
      onMessages: (messages) => this.#listener?.onMessages(messages),
      onRefused: (peer) => {
        this.#listener?.onRefused(peer);
        onRefused?.(address);
      },
      onUnreachable: (peer) => this.#listener?.onUnreachable(peer),
      onLost: () => onLost?.(address),
      onProblem: (_, problem) => this.#tell(problem),
      onForeign: (answer) => this.options.onForeign?.(foreignOf(answer)),
      onWelcome: (answer) => {
        onHeard?.(address);
        this.#compare(answer);
      },
    };
  }

  #answer(message: Message): void {
    const stream = this.#accepted.get(message.to);
    if (stream === undefined || stream.writableLength > ANSWERS_BYTES_MAX) return;
    for (const frame of framesOf([message])) stream.write(frame);
  }

  #compare(said: Hello): void {
    const { identity, onDifference } = this.options;
    const difference = timingDifference(identity.timing ?? UNTOLD_TIMING, said.from as VoterId, said);
    if (difference !== undefined && this.#isNew(difference)) onDifference?.(difference);
  }

  #tell(problem: string): void {
    if (this.#isNew(problem)) this.options.onProblem(problem);
  }

  /** Each text is told once. */
  #isNew(text: string): boolean {
    if (this.#told.has(text)) return false;
    if (this.#told.size >= PROBLEMS_MAX) this.#told.clear();
    this.#told.add(text);
    return true;
  }
}

interface IncomingEvents {
  readonly onHello: (said: Hello) => void;
  readonly onRefused: (problem: string) => void;
  readonly onForeign: (said: Hello) => void;
  readonly onMessages: (messages: readonly Message[]) => void;
  readonly onEnd: () => void;
}

/** A stream that a peer opened. */
class Incoming {
  #from: VoterId | undefined;
  #takenBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #isEnded = false;

  constructor(
    private readonly call: ServerStream,
    private readonly identity: RaftIdentity,
    private readonly events: IncomingEvents,
  ) {}

  receive(bytes: Buffer): void {
    if (this.#isEnded) return;
    try {
      const frame = decodeFrame(bytes);
      if (this.#from === undefined) return this.#greet(frame.hello);
      this.#take(bytes.length);
      const messages = messagesOf(frame, this.#from, this.identity.self);
      if (messages.length > 0) this.events.onMessages(messages);
    } catch (error) {
      this.call.emit('error', toStatus(error));
      this.end();
    }
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#timer);
    this.events.onEnd();
  }

  #greet(said: Hello | undefined): void {
    const answer = hello(this.identity, (said?.from ?? '') as VoterId, said?.bulk ?? false);
    const refused = said === undefined ? undefined : refusalOf(this.identity, said);
    if (said === undefined || refused !== undefined) {
      const refusal = refused ?? { refusal: 'a stream begins with a hello', refusalKind: answer.refusalKind };
      this.call.write(encodeFrame({ hello: { ...answer, ...refusal } }));
      this.call.end();
      this.events.onRefused(`messages of ${said?.from ?? 'a peer'} from ${this.call.getPeer()} are refused: ${refusal.refusal}`);
      if (said !== undefined) this.events.onForeign(said);
      this.end();
      return;
    }
    this.#from = said.from as VoterId;
    this.call.write(encodeFrame({ hello: answer }));
    this.events.onHello(said);
  }

  #take(bytes: number): void {
    this.#takenBytes += bytes;
    if (this.#takenBytes >= TELL_TAKEN_BYTES) return this.#tellTaken();
    this.#timer ??= setTimeout(() => this.#tellTaken(), TELL_TAKEN_MS).unref();
  }

  #tellTaken(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const takenBytes = this.#takenBytes;
    this.#takenBytes = 0;
    if (!this.#isEnded && !this.call.cancelled && !this.call.writableEnded) this.call.write(encodeFrame({ takenBytes }));
  }
}
