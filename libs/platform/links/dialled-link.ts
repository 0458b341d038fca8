import net, { type Socket } from 'node:net';
import type { FrameMemory } from '@streamline/runtime/sockets/frame-memory';
import type { PeerStream, PeerStreamEvents } from '@streamline/runtime/replication/peer-transport';
import { parseAddress } from '../config/address';
import type { InterBrokerSecurity } from '../security/inter-broker-security';
import { SocketLink } from './socket-link';

interface Unsent {
  readonly frame: Buffer;
  readonly written: (() => void) | undefined;
}

/** A link that this process opens. What is written before the connection is there, a greeting, waits for it. */
export class DialledLink implements PeerStream {
  private link: SocketLink | undefined;
  private isOver = false;
  private unsent: Unsent[] = [];
  private readonly connection: Socket;

  constructor(
    security: Pick<InterBrokerSecurity, 'secureLink'>,
    private readonly memory: FrameMemory,
    address: string,
    private readonly events: PeerStreamEvents,
  ) {
    const parsed = parseAddress(address, 1);
    const { host, port } = parsed.ok ? parsed.address : { host: address, port: 0 };
    this.connection = net.connect({ host, port, noDelay: true }).pause();
    this.connection.on('error', (error) => this.failed(error));
    this.connection.once('connect', () => {
      security.secureLink(this.connection, address).then(
        (socket) => this.connected(socket),
        (error: unknown) => this.failed(error),
      );
    });
  }

  write(frame: Buffer, written?: () => void): boolean {
    if (this.link !== undefined) return this.link.write(frame, written);
    if (!this.isOver) this.unsent.push({ frame, written });
    return true;
  }

  close(): void {
    this.isOver = true;
    this.unsent = [];
    if (this.link === undefined) this.connection.destroy();
    else this.link.close();
  }

  private connected(socket: Socket): void {
    if (this.isOver) {
      socket.destroy();
      return;
    }
    const link = new SocketLink(socket, undefined, this.memory, () => this.events);
    this.link = link;
    for (const { frame, written } of this.unsent) link.write(frame, written);
    this.unsent = [];
  }

  private failed(error: unknown): void {
    if (this.isOver || this.link !== undefined) return;
    this.close();
    this.events.onEnd(reasonOf(error));
  }
}

/** A name with several addresses fails with an error that only says so of each. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
