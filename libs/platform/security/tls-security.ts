import type * as grpc from '@grpc/grpc-js';
import type { Socket } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Logger } from 'pino';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { MetricFamily } from '../observability/metric-family';
import type { TakeLink } from './connection-sorter';
import type { InterBrokerListener, InterBrokerSecurity } from './inter-broker-security';
import { TlsChannelCredentials } from './tls-channel-credentials';
import { TlsDialer } from './tls-dialer';
import { explainTlsFailure } from './tls-failure';
import { TlsFailureLog } from './tls-failure-log';
import { readFileFromDisk, type ReadFile } from './tls-files';
import { LINK_PROTOCOL, TlsListener } from './tls-listener';
import { tlsFamilies } from './tls-metrics';
import type { TlsSettings } from './tls-settings';
import { WatchedTlsFiles } from './watched-tls-files';

export interface TlsSecurityOptions {
  readonly settings: TlsSettings;
  /** The label of this process's metrics: its roles. */
  readonly process: string;
  /** By which others reach this node: its certificate should be for it. */
  readonly host: string;
  readonly clock: Pick<Clock, 'wallMs' | 'monotonicMs' | 'schedule'>;
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  readonly readFile?: ReadFile;
}

/** TLS on every connection between processes of the cluster, with certificates that are replaced while the node runs. */
export class TlsSecurity implements InterBrokerSecurity {
  readonly channelCredentials: grpc.ChannelCredentials;
  readonly #dialer: TlsDialer;
  readonly #failures: TlsFailureLog;
  readonly #listeners = new Set<TlsListener>();
  #clientContext: SecureContext;

  /** @throws TlsMaterialError where the files of the settings cannot be used; it says which, why and what to do */
  static async open(options: TlsSecurityOptions): Promise<TlsSecurity> {
    const files = await WatchedTlsFiles.open({ readFile: readFileFromDisk, ...options });
    return new TlsSecurity(options, files);
  }

  private constructor(
    private readonly options: TlsSecurityOptions,
    private readonly files: WatchedTlsFiles,
  ) {
    const { settings, logger, clock } = options;
    this.#failures = new TlsFailureLog(logger, clock);
    this.#clientContext = createSecureContext(files.current.context);
    this.#dialer = new TlsDialer({
      context: () => this.#clientContext,
      verifyPeer: settings.verifyPeer,
      onFailure: (address, error, certificate) =>
        this.#failures.add('connect', address, explainTlsFailure(error, settings, certificate)),
    });
    this.channelCredentials = new TlsChannelCredentials(this.#dialer);
    files.onChange((material) => {
      this.#clientContext = createSecureContext(material.context);
      for (const listener of this.#listeners) listener.setContext(material.context);
    });
  }

  async secureLink(connection: Socket, address: string): Promise<Socket> {
    const socket = await this.#dialer.secure(connection, address, LINK_PROTOCOL);
    return socket.pause();
  }

  async listen(server: grpc.Server, host: string, port: number, takeLink?: TakeLink): Promise<InterBrokerListener> {
    const { settings } = this.options;
    const { context } = this.files.current;
    const listener = await TlsListener.open({
      ...{ server, takeLink, host, port, context, verifyPeer: settings.verifyPeer },
      events: {
        onRefused: (peer, error, certificate) =>
          this.#failures.add('accept', peer, explainTlsFailure(error, settings, certificate)),
      },
    });
    this.#listeners.add(listener);
    // They may have been replaced meanwhile.
    if (context !== this.files.current.context) listener.setContext(this.files.current.context);
    return {
      port: listener.port,
      close: () => {
        this.#listeners.delete(listener);
        listener.close();
      },
    };
  }

  collect(): readonly MetricFamily[] {
    return tlsFamilies({
      process: this.options.process,
      expiresAtMs: this.files.current.expiresAtMs,
      failures: this.#failures.counts,
    });
  }

  close(): void {
    this.files.close();
  }
}
