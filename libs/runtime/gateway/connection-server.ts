import { createServer, type Server, type Socket } from 'node:net';
import type { RecordMemory } from '../log/record-memory';
import type { Clock } from '../ports/clock';
import { Connection, type CloseReason, type ConnectionHost, type RequestProcessor } from './connection';
import type { ConnectionLimits } from './connection-limits';
import { FrameMemory } from '../sockets/frame-memory';
import type { GatewayMetrics } from './gateway-metrics';
import type { InFlightBudget } from './in-flight-budget';
import type { RateLimitedLog } from './rate-limited-log';

/** Idle, slow-request and slow-reader deadlines are looked at this often. */
const CHECK_INTERVAL_MS = 1000;

const KEEP_ALIVE_DELAY_MS = 60_000;

export interface ConnectionServerOptions {
  readonly limits: ConnectionLimits;
  readonly clock: Clock;
  readonly processor: RequestProcessor;
  readonly budget: InFlightBudget;
  readonly metrics: GatewayMetrics;
  readonly log: RateLimitedLog;
  /** The record memory of this process while there is one: large requests are read to it. */
  readonly records?: () => RecordMemory | undefined;
}

/** Accepts clients of the Kafka protocol and bounds what they may cost. TLS hands its sockets to {@link accept} as well. */
export class ConnectionServer {
  private readonly server: Server;
  private readonly connections = new Set<Connection>();
  /** Those whose sockets are open, be it that the connection has ended and its last answer is on its way. */
  private readonly open = new Set<Connection>();
  private readonly memory: FrameMemory;
  private readonly perAddress = new Map<string, number>();
  private readonly host: ConnectionHost;
  private nextId = 1;
  private stopping = false;
  private onEmpty: (() => void) | undefined;
  private onAllClosed: (() => void) | undefined;

  constructor(private readonly options: ConnectionServerOptions) {
    const { clock, limits, budget, metrics, processor } = options;
    this.memory = new FrameMemory(options.records);
    this.host = {
      limits,
      budget,
      metrics,
      memory: this.memory,
      processor,
      monotonicMs: () => clock.monotonicMs(),
      schedule: (delayMs, task) => void clock.schedule(delayMs, task),
      onClosed: (connection, reason) => this.onClosed(connection, reason),
      onSocketClosed: (connection) => this.onSocketClosed(connection),
    };
    const socketOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS };
    // Half-open: a connection says itself when it is done with what came before the client's end.
    // Paused: the connection says where to read to.
    const readOptions = { allowHalfOpen: true, pauseOnConnect: true };
    this.server = createServer({ ...socketOptions, ...readOptions }, (socket) => this.accept(socket));
  }

  /** True between {@link listen} and {@link stop}. */
  get listening(): boolean {
    return this.server.listening;
  }

  get openConnections(): number {
    return this.connections.size;
  }

  /** Opens the port (0: any free one) and tells which it is. Fails with the platform's error, such as EADDRINUSE. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen({ host, port, backlog: 1024 }, () => {
        this.server.off('error', reject);
        this.server.on('error', (error) =>
          this.options.log.write('error', 'accept-failed', { error: error.message }, 'a connection could not be accepted'),
        );
        this.scheduleChecks();
        const address = this.server.address();
        if (address === null || typeof address === 'string') reject(new Error(`no TCP address: ${String(address)}`));
        else resolve(address.port);
      });
    });
  }

  /** Takes a connected socket, unless a limit forbids it. */
  accept(socket: Socket): void {
    const { limits, metrics } = this.options;
    const address = socket.remoteAddress ?? '';
    const ofAddress = this.perAddress.get(address) ?? 0;
    if (this.stopping || this.connections.size >= limits.maxConnections || ofAddress >= limits.maxConnectionsPerIp) {
      metrics.connectionsRefused++;
      const reason = ofAddress >= limits.maxConnectionsPerIp ? 'max.connections.per.ip' : 'max.connections';
      if (!this.stopping)
        this.options.log.write('warn', 'connection-refused', { address, reason }, 'connection refused by a limit');
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    this.perAddress.set(address, ofAddress + 1);
    metrics.connectionsAccepted++;
    metrics.connectionsOpen++;
    const connection = new Connection(this.nextId++, socket, this.host);
    this.connections.add(connection);
    this.open.add(connection);
  }

  /**
   * Accepts nothing more, answers what was started (long polls end at once), and closes. Connections that are not done when
   * the signal aborts are cut off.
   */
  async stop(signal: AbortSignal): Promise<void> {
    if (this.stopping) return;
    this.stopping = true;
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const connection of [...this.connections]) connection.drain();
    if (this.connections.size > 0 && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.onEmpty = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    for (const connection of [...this.connections])
      connection.close({ kind: 'stopping', detail: 'the time for the stop is over' });
    await closed;
    if (this.open.size > 0) await new Promise<void>((resolve) => (this.onAllClosed = resolve));
  }

  private onClosed(connection: Connection, reason: CloseReason): void {
    if (!this.connections.delete(connection)) return;
    const { metrics, log } = this.options;
    const address = connection.remoteAddress;
    const rest = (this.perAddress.get(address) ?? 1) - 1;
    if (rest === 0) this.perAddress.delete(address);
    else this.perAddress.set(address, rest);
    metrics.connectionsOpen--;
    metrics.connectionClosed(reason.kind);
    const peer = `${address}:${connection.remotePort}`;
    if (reason.kind === 'internal')
      log.write('error', 'connection-failed', { peer, reason: reason.detail }, 'connection closed by a defect');
    else if (reason.kind !== 'client' && reason.kind !== 'stopping') {
      log.write('warn', `connection-closed-${reason.kind}`, { peer, reason: reason.detail }, 'connection closed');
    }
    if (this.connections.size === 0) this.onEmpty?.();
  }

  private onSocketClosed(connection: Connection): void {
    this.open.delete(connection);
    if (this.open.size === 0) this.onAllClosed?.();
  }

  private scheduleChecks(): void {
    this.options.clock.schedule(CHECK_INTERVAL_MS, () => {
      if (this.stopping) return;
      const nowMs = this.options.clock.monotonicMs();
      for (const connection of [...this.connections]) connection.check(nowMs);
      this.memory.trim();
      this.scheduleChecks();
    });
  }
}
