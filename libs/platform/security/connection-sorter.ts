import * as grpc from '@grpc/grpc-js';
import type { Server, Socket } from 'node:net';

/** A peer says something as soon as it is connected; who does not holds a place that others need. */
const FIRST_BYTE_WITHIN_MS = 10_000;
/** Of the length of the first frame of a link; HTTP/2 begins with `PRI`. */
const LINK_FIRST_BYTE = 0;

/** Takes over a connection that is not gRPC's, of which `first` was read; it is paused. What it throws refuses the link. */
export type TakeLink = (socket: Socket, first: Buffer) => void;

/**
 * Hands the connections of an inter-broker port to whom they are for, by their first byte: to gRPC, whose clients speak first (RFC 9113,
 * 3.4), or to who takes links (docs/adr/0012-links-between-brokers.md).
 */
export class ConnectionSorter {
  readonly #injector: grpc.ConnectionInjector;
  readonly #silent = new Set<Socket>();

  constructor(
    server: grpc.Server,
    private readonly takeLink: TakeLink | undefined,
  ) {
    // Whatever secures the connection has done so by now: gRPC sees the streams inside.
    this.#injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  }

  sort(socket: Socket): void {
    this.#silent.add(socket);
    const tooLate = setTimeout(() => socket.destroy(), FIRST_BYTE_WITHIN_MS).unref();
    const look = (): void => {
      const first = socket.read() as Buffer | null;
      if (first === null) return;
      forget();
      this.#handOver(socket, first);
    };
    const forget = (): void => {
      clearTimeout(tooLate);
      this.#silent.delete(socket);
      socket.removeListener('readable', look);
      socket.removeListener('close', forget);
    };
    socket.on('error', () => socket.destroy());
    socket.on('readable', look);
    socket.on('close', forget);
  }

  /** Cuts the connections on which nothing was said yet. */
  close(): void {
    for (const socket of this.#silent) socket.destroy();
  }

  #handOver(socket: Socket, first: Buffer): void {
    if (first[0] !== LINK_FIRST_BYTE) {
      socket.unshift(first);
      this.#injector.injectConnection(socket);
      return;
    }
    socket.pause();
    try {
      if (this.takeLink === undefined) throw new Error('nobody takes links here');
      this.takeLink(socket, first);
    } catch {
      // A role that has not started yet, or has stopped: the peer tries again.
      socket.destroy();
    }
  }
}

/** @throws Error of the platform where that cannot be listened on */
export function listenOn(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}
