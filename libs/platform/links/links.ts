import type { Socket } from 'node:net';
import type { RecordMemory } from '@streamline/runtime/log/record-memory';
import type { Cancel, Clock } from '@streamline/runtime/ports/clock';
import type { PeerDialer, PeerStream, PeerStreamEvents } from '@streamline/runtime/replication/peer-transport';
import { FrameMemory } from '@streamline/runtime/sockets/frame-memory';
import type { InterBrokerSecurity } from '../security/inter-broker-security';
import { DialledLink } from './dialled-link';
import { SocketLink } from './socket-link';

/** Memory that nobody needed for so long is given back. */
const TRIM_INTERVAL_MS = 10_000;

export interface LinksOptions {
  readonly security: Pick<InterBrokerSecurity, 'secureLink'>;
  readonly clock: Pick<Clock, 'schedule'>;
  /** Where the log of this process keeps batches, once it is open. */
  readonly records: () => RecordMemory | undefined;
}

/** The links between this process and other brokers (docs/adr/0012-links-between-brokers.md), and the memory that they are read to. */
export class Links implements PeerDialer {
  private readonly memory: FrameMemory;
  private cancelTrim: Cancel | undefined;

  constructor(private readonly options: LinksOptions) {
    this.memory = new FrameMemory(options.records);
    this.trimLater();
  }

  /** Opens one to another broker's inter-broker port. */
  dial(address: string, events: PeerStreamEvents): PeerStream {
    return new DialledLink(this.options.security, this.memory, address, events);
  }

  /** One that another broker opened, of which `first` was read. What `accept` throws refuses it. */
  take(socket: Socket, first: Buffer, accept: (stream: PeerStream) => PeerStreamEvents): void {
    new SocketLink(socket, first, this.memory, accept);
  }

  /** Links that are open stay so. */
  close(): void {
    this.cancelTrim?.();
  }

  private trimLater(): void {
    this.cancelTrim = this.options.clock.schedule(TRIM_INTERVAL_MS, () => {
      this.memory.trim();
      this.trimLater();
    });
  }
}
