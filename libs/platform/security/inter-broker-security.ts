import type * as grpc from '@grpc/grpc-js';
import type { Socket } from 'node:net';
import type { MetricsSource } from '../observability/metric-family';
import type { TakeLink } from './connection-sorter';

/** An address that other processes of the cluster connect to. */
export interface InterBrokerListener {
  /** The port that is listened on, also when port 0 was asked for. */
  readonly port: number;
  /** Takes no more connections; those that are open stay. */
  close(): void;
}

/** How the processes of a cluster talk to each other: what they demand of a connection, whichever side opens it. */
export interface InterBrokerSecurity extends MetricsSource {
  /** For every channel that this process opens. One for good: each new connection is made with the newest certificates. */
  readonly channelCredentials: grpc.ChannelCredentials;
  /**
   * Secures a connection that this process opened to `address` (host:port), for a link; the one to use in its place. Nothing was read
   * of it, and it is paused.
   */
  secureLink(connection: Socket, address: string): Promise<Socket>;
  /**
   * Has `server` take connections at an address, and `takeLink` those that are links.
   *
   * @throws Error of the platform where that cannot be listened on
   */
  listen(server: grpc.Server, host: string, port: number, takeLink?: TakeLink): Promise<InterBrokerListener>;
  /** Looks no more for new certificates. */
  close(): void;
}
