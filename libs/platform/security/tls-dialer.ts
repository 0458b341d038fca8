import net, { type Socket } from 'node:net';
import tls, { type PeerCertificate, type SecureContext, type TLSSocket } from 'node:tls';
import { parseAddress } from '../config/address';

/** Securing a connection takes milliseconds; a peer that hangs is not waited for. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** A peer that drops a connection so soon after it was secured refuses it: with TLS 1.3 it sees the certificate only then. */
const REFUSED_WITHIN_MS = 1_000;

export interface TlsDialerOptions {
  /** Asked for at each connection. */
  readonly context: () => SecureContext;
  readonly verifyPeer: boolean;
  /** `address` is what was dialled; `certificate` the peer's where it was shown. */
  readonly onFailure: (address: string, error: unknown, certificate?: Partial<PeerCertificate>) => void;
}

/** Secures the connections that this process opens, each with the certificates that are the newest then, and says what was wrong. */
export class TlsDialer {
  constructor(private readonly options: TlsDialerOptions) {}

  /**
   * @param address host:port as it was dialled: what the peer's certificate has to be for
   * @param protocol what is spoken inside (ALPN)
   */
  secure(connection: Socket, address: string, protocol: string): Promise<TLSSocket> {
    const { context, verifyPeer, onFailure } = this.options;
    const parsed = parseAddress(address, 1);
    const host = parsed.ok ? parsed.address.host : address;
    return new Promise((resolve, reject) => {
      const socket = tls.connect({
        ...{ socket: connection, host, secureContext: context(), ALPNProtocols: [protocol], rejectUnauthorized: verifyPeer },
        // No name for an address (RFC 6066, 3).
        ...(net.isIP(host) === 0 && { servername: host }),
        ...(!verifyPeer && { checkServerIdentity: () => undefined }),
      });
      let certificate: Partial<PeerCertificate> | undefined;
      const fail = (error: Error): void => {
        clearTimeout(timer);
        onFailure(address, error, certificate);
        reject(error);
        socket.destroy();
      };
      const timer = setTimeout(
        () => fail(Object.assign(new Error('TLS handshake timeout'), { code: 'ERR_TLS_HANDSHAKE_TIMEOUT' })),
        HANDSHAKE_TIMEOUT_MS,
      ).unref();
      // One that breaks while nobody has it yet must not end the process.
      socket.on('error', () => undefined);
      socket.once('error', fail);
      // Before it is verified: afterwards a socket that is not trusted is gone.
      socket.prependOnceListener('secure', () => (certificate = socket.getPeerCertificate()));
      socket.once('secureConnect', () => {
        clearTimeout(timer);
        socket.removeListener('error', fail);
        this.#watch(socket, address);
        resolve(socket);
      });
    });
  }

  /** What this end closes ends neither with an error nor before it was ended. */
  #watch(socket: TLSSocket, address: string): void {
    const dropped = (): void => {
      forget();
      if (!socket.writableEnded) this.options.onFailure(address, 'ECONNRESET');
    };
    const forget = (): void => {
      clearTimeout(timer);
      socket.removeListener('end', dropped);
      socket.removeListener('error', dropped);
    };
    const timer = setTimeout(forget, REFUSED_WITHIN_MS).unref();
    socket.once('end', dropped).once('error', dropped);
  }
}
