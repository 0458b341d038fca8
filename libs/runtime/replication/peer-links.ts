import type { MetadataImage } from '@streamline/core/metadata/image';
import type { BrokerEpoch, NodeId } from '@streamline/core/types/ids';
import type { LogSink } from '../partitions/log-sink';
import type { Cancel, Clock } from '../ports/clock';
import type { Random } from '../ports/random';
import { backOff } from '../time/back-off';
import type { PeerDialer } from './peer-transport';
import type { SessionOwner } from './peer-session';
import { PeerSession } from './peer-session';
import type { PeerLimits } from './replication-limits';

export interface PeerLinksOptions {
  readonly nodeId: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly dialer: PeerDialer;
  readonly limits: PeerLimits;
  readonly log: LogSink;
}

/** A broker that this one opens the stream to. */
interface Link {
  readonly address: string;
  epoch: BrokerEpoch;
  session: PeerSession | undefined;
  failures: number;
  cancelRetry: Cancel | undefined;
  /** What was wrong the last time, told once. */
  problem: string | undefined;
}

/** Keeps a stream open to each broker with a higher id, with back-off and jitter; those with lower ones open theirs. */
export class PeerLinks {
  private readonly links = new Map<NodeId, Link>();
  private owner: SessionOwner | undefined;

  constructor(private readonly options: PeerLinksOptions) {}

  /** From now on streams are opened, for this incarnation. */
  begin(owner: SessionOwner, image: MetadataImage): void {
    this.owner = owner;
    this.follow(image);
  }

  /** Closes them all. */
  end(): void {
    this.owner = undefined;
    for (const [id, link] of this.links) this.drop(id, link, 'this broker stops');
  }

  /** Who is registered may have changed. */
  follow({ brokers }: MetadataImage): void {
    const { owner } = this;
    if (owner === undefined) return;
    for (const [id, link] of this.links) {
      const broker = brokers.get(id);
      const endpoint = broker?.endpoints.find(({ name }) => name === 'storage');
      if (endpoint === undefined || addressOf(endpoint) !== link.address) this.drop(id, link, 'it has moved or is gone');
      else if (broker !== undefined && broker.epoch !== link.epoch) this.restarted(id, link, broker.epoch);
    }
    for (const { id, epoch, endpoints } of brokers.values()) {
      const endpoint = endpoints.find(({ name }) => name === 'storage');
      if (id <= this.options.nodeId || endpoint === undefined || this.links.has(id)) continue;
      const address = addressOf(endpoint);
      const link: Link = { address, epoch, session: undefined, failures: 0, cancelRetry: undefined, problem: undefined };
      this.links.set(id, link);
      this.dial(id, link);
    }
  }

  /** A stream opened: to whom it leads is reachable again. */
  opened(session: PeerSession): void {
    const link = this.linkOf(session);
    if (link === undefined) return;
    link[1].failures = 0;
    link[1].problem = undefined;
  }

  /** A stream ended, or could not be opened. */
  closed(session: PeerSession, reason: string): void {
    const found = this.linkOf(session);
    if (found === undefined) return;
    const [id, link] = found;
    link.session = undefined;
    const { limits, random, clock, log } = this.options;
    const wasOpen = session.outbox !== undefined;
    if (wasOpen || link.problem !== reason) {
      link.problem = reason;
      log.info({ broker: id, address: link.address, reason }, wasOpen ? 'a stream of replicas ended' : 'no stream of replicas');
    }
    const delayMs = backOff({ attempt: link.failures, minMs: limits.backOffMs, maxMs: limits.backOffMaxMs, random });
    link.failures += 1;
    link.cancelRetry = clock.schedule(delayMs, () => this.dial(id, link));
  }

  /** It is another incarnation: it may listen by now. */
  private restarted(id: NodeId, link: Link, epoch: BrokerEpoch): void {
    link.epoch = epoch;
    link.failures = 0;
    if (link.session === undefined) this.dial(id, link);
  }

  private dial(id: NodeId, link: Link): void {
    link.cancelRetry?.();
    link.cancelRetry = undefined;
    const { owner } = this;
    if (owner === undefined || this.links.get(id) !== link) return;
    const session = new PeerSession(owner, id);
    link.session = session;
    session.begin(this.options.dialer.dial(link.address, session));
  }

  private drop(id: NodeId, link: Link, reason: string): void {
    this.links.delete(id);
    link.cancelRetry?.();
    link.session?.close(reason);
  }

  private linkOf(session: PeerSession): [NodeId, Link] | undefined {
    for (const entry of this.links) if (entry[1].session === session) return entry;
    return undefined;
  }
}

function addressOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
