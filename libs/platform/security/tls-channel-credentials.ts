import * as grpc from '@grpc/grpc-js';
import { GRPC_PROTOCOL } from './tls-listener';
import type { TlsDialer } from './tls-dialer';

type ConnectorParameters = Parameters<grpc.ChannelCredentials['_createSecureConnector']>;
type SecureConnector = ReturnType<grpc.ChannelCredentials['_createSecureConnector']>;

/**
 * Credentials of channels that live long: each new connection is made with the certificates that are the newest then. gRPC's
 * own take a secure context once, those of its certificate providers know no least version, and neither says to the log what
 * was wrong.
 */
export class TlsChannelCredentials extends grpc.ChannelCredentials {
  constructor(private readonly dialer: TlsDialer) {
    super();
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: grpc.ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(...[target, , callCredentials]: ConnectorParameters): SecureConnector {
    return {
      connect: async (socket) => ({ socket: await this.dialer.secure(socket, target.path, GRPC_PROTOCOL), secure: true }),
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => callCredentials ?? grpc.CallCredentials.createEmpty(),
      destroy: () => undefined,
    };
  }
}
