import type * as grpc from '@grpc/grpc-js';
import type { AddressInfo } from 'node:net';
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls';
import type { PeerCertificate } from 'node:tls';
import { ConnectionSorter, listenOn, type TakeLink } from './connection-sorter';
import type { InterBrokerListener } from './inter-broker-security';

/** What the two kinds of connections are called in the handshake (ALPN, RFC 7301). */
export const GRPC_PROTOCOL = 'h2';
export const LINK_PROTOCOL = 'streamline-link';
/** For a handshake, which takes milliseconds. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

export interface TlsListenerEvents {
  /** `error` as Node gave it, or the code of a certificate that was not verified. */
  onRefused(peer: string, error: unknown, certificate?: Partial<PeerCertificate>): void;
}

export interface TlsListenerOptions {
  readonly server: grpc.Server;
  readonly takeLink: TakeLink | undefined;
  readonly host: string;
  readonly port: number;
  readonly context: SecureContextOptions;
  readonly verifyPeer: boolean;
  readonly events: TlsListenerEvents;
}

/**
 * Takes TLS connections, and hands on those that it finds in order. gRPC's own listener tells nobody why it refused one.
 */
export class TlsListener implements InterBrokerListener {
  readonly #server: Server;
  readonly #sorter: ConnectionSorter;
  #isClosed = false;

  static async open(options: TlsListenerOptions): Promise<TlsListener> {
    const listener = new TlsListener(options);
    const { host, port } = options;
    await listenOn(listener.#server, host, port);
    return listener;
  }

  private constructor(private readonly options: TlsListenerOptions) {
    this.#sorter = new ConnectionSorter(options.server, options.takeLink);
    this.#server = createServer({
      ...options.context,
      requestCert: options.verifyPeer,
      // `#secured` refuses: here the connection would be cut before anybody could see the certificate, and say what is wrong.
      rejectUnauthorized: false,
      ALPNProtocols: [GRPC_PROTOCOL, LINK_PROTOCOL],
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      noDelay: true,
    });
    this.#server.on('secureConnection', (socket) => this.#secured(socket));
    this.#server.on('tlsClientError', (error, socket) => this.#failed(error, socket));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  /** For the connections that come from now on. */
  setContext(context: SecureContextOptions): void {
    this.#server.setSecureContext(context);
  }

  close(): void {
    this.#isClosed = true;
    this.#server.close();
    this.#sorter.close();
  }

  #secured(socket: TLSSocket): void {
    if (this.#isClosed) {
      socket.on('error', () => undefined).destroy();
      return;
    }
    if (this.options.verifyPeer && !socket.authorized) {
      // A code, whatever its type says.
      const code = String(socket.authorizationError);
      this.options.events.onRefused(socket.remoteAddress ?? 'a peer that is gone', code, socket.getPeerCertificate());
      socket.on('error', () => undefined).destroy();
      return;
    }
    this.#sorter.sort(socket);
  }

  #failed(error: Error, socket: TLSSocket): void {
    const peer = socket.remoteAddress;
    socket.destroy();
    // Gone already: it only looked whether somebody listens, or has its own reasons and says them itself.
    if (peer !== undefined && !this.#isClosed) this.options.events.onRefused(peer, error);
  }
}
