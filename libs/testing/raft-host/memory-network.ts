import type { Message } from '@streamline/core/raft/messages';
import type { Member, VoterId } from '@streamline/core/raft/types';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { RaftTransport, RaftTransportListener } from '@streamline/runtime/raft/raft-transport';

/** A network in memory: messages arrive in order after a delay, unless a link is cut or a member is down. */
export class MemoryNetwork {
  readonly #listeners = new Map<VoterId, RaftTransportListener>();
  readonly #cut = new Set<string>();
  delayMs = 1;
  /** Drops what it says true to. */
  drops: (message: Message) => boolean = () => false;
  delivered = 0;

  constructor(private readonly clock: Clock) {}

  transportOf(self: VoterId): RaftTransport {
    return new MemoryTransport(this, self);
  }

  /** Messages from one member to another are lost from now on. */
  cut(from: VoterId, to: VoterId): void {
    this.#cut.add(`${from} ${to}`);
  }

  isolate(member: VoterId): void {
    for (const other of this.#listeners.keys()) {
      this.cut(member, other);
      this.cut(other, member);
    }
  }

  heal(): void {
    this.#cut.clear();
  }

  attach(member: VoterId, listener: RaftTransportListener): void {
    this.#listeners.set(member, listener);
  }

  detach(member: VoterId, listener: RaftTransportListener | undefined): void {
    if (this.#listeners.get(member) === listener) this.#listeners.delete(member);
  }

  carry(message: Message): void {
    const { from, to } = message;
    if (this.#cut.has(`${from} ${to}`) || this.drops(message)) return;
    this.clock.schedule(this.delayMs, () => {
      const listener = this.#listeners.get(to);
      if (listener === undefined) {
        this.#listeners.get(from)?.onRefused(to);
        return;
      }
      this.delivered++;
      listener.onMessages([message]);
    });
  }
}

class MemoryTransport implements RaftTransport {
  #listener: RaftTransportListener | undefined;
  #peers: readonly Member[] = [];

  constructor(
    private readonly network: MemoryNetwork,
    private readonly self: VoterId,
  ) {}

  listen(listener: RaftTransportListener): void {
    this.#listener = listener;
    this.network.attach(this.self, listener);
  }

  setPeers(peers: readonly Member[]): void {
    this.#peers = peers;
  }

  get peers(): readonly Member[] {
    return this.#peers;
  }

  send(messages: readonly Message[]): void {
    if (this.#listener !== undefined) for (const message of messages) this.network.carry(message);
  }

  close(): Promise<void> {
    this.network.detach(this.self, this.#listener);
    this.#listener = undefined;
    return Promise.resolve();
  }
}
