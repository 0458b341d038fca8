import { nodeIdOf } from '@streamline/core/raft/types';
import type { Message } from '@streamline/core/raft/messages';
import type { VoterId } from '@streamline/core/raft/types';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { SimulationCounters } from './counters';
import type { EventQueue } from './event-queue';
import type { NetworkProfile } from './plan';
import type { SimulatedProcess } from './simulated-process';

/** A process, as the network sees it. */
export type NetworkProcess = Pick<SimulatedProcess, 'id' | 'receive' | 'peerRefused' | 'peerUnreachable'>;

/** What answers at an address: a process, a machine without one (ECONNREFUSED), or nothing at all. */
export type Endpoint = NetworkProcess | 'refused' | 'silent';

type NetworkCounters = Pick<
  SimulationCounters,
  'messagesSent' | 'messagesLost' | 'messagesDuplicated' | 'messagesReordered' | 'cloggedQueues' | 'connectionsRefused'
>;

/** A healthy local network. */
export const HEALTHY: NetworkProfile = {
  delayMinMs: 0.2,
  delayMaxMs: 1,
  loss: 0,
  duplication: 0,
  reordering: 0,
  stragglerMs: 0,
  queueMax: 1_000,
};

/** Chance that the sender learns of a message that was thrown away, and how long that takes at most. */
const NOTICED_CHANCE = 0.3;
const NOTICED_MS = 500;

interface Link {
  isCut: boolean;
  inFlight: number;
  /** Later messages arrive no earlier, unless they are reordered. */
  arrivalMs: number;
}

/** Carries messages between machines: loses, delays, duplicates, reorders and cuts, in one direction or both. */
export class Network {
  profile: NetworkProfile;
  readonly #links = new Map<number, Link>();

  constructor(
    private readonly events: EventQueue,
    private readonly random: SeededRandom,
    private readonly counters: NetworkCounters,
    profile: NetworkProfile,
    private readonly endpointOf: (nodeId: number) => Endpoint,
    private readonly carriesByNodeId = false,
  ) {
    this.profile = profile;
  }

  cut(from: number, to: number): void {
    this.#link(from, to).isCut = true;
  }

  heal(from: number, to: number): void {
    this.#link(from, to).isCut = false;
  }

  isCut(from: number, to: number): boolean {
    return this.#link(from, to).isCut;
  }

  healAll(): void {
    for (const link of this.#links.values()) link.isCut = false;
  }

  send(message: Message): void {
    const { profile, random } = this;
    const [from, to] = [nodeIdOf(message.from), nodeIdOf(message.to)];
    const link = this.#link(from, to);
    Object.freeze(message);
    this.counters.messagesSent += 1;
    if (link.inFlight >= profile.queueMax) {
      this.counters.cloggedQueues += 1;
      this.#tell(message.from, (sender) => sender.peerUnreachable(message.to));
      return;
    }
    if (link.isCut || random.chance(profile.loss)) {
      this.counters.messagesLost += 1;
      if (random.chance(NOTICED_CHANCE)) this.#notice(message);
      return;
    }
    this.#carry(link, message);
    if (!random.chance(profile.duplication)) return;
    this.counters.messagesDuplicated += 1;
    this.#carry(link, message);
  }

  #carry(link: Link, message: Message): void {
    const { events, random, profile } = this;
    const delayMs = profile.delayMinMs + random.next() * (profile.delayMaxMs - profile.delayMinMs);
    const isReordered = random.chance(profile.reordering);
    let arrivalMs = events.nowMs + delayMs + (isReordered ? random.next() * profile.stragglerMs : 0);
    if (isReordered) this.counters.messagesReordered += 1;
    else link.arrivalMs = arrivalMs = Math.max(arrivalMs, link.arrivalMs);
    link.inFlight += 1;
    events.at(arrivalMs, () => {
      link.inFlight -= 1;
      this.#arrive(link, message);
    });
  }

  #arrive(link: Link, message: Message): void {
    if (link.isCut) {
      this.counters.messagesLost += 1;
      return;
    }
    const [from, to] = [nodeIdOf(message.from), nodeIdOf(message.to)];
    const endpoint = this.endpointOf(to);
    if (endpoint === 'silent') return;
    if (endpoint !== 'refused') {
      if (endpoint.id === message.to || this.carriesByNodeId) endpoint.receive(message);
      return;
    }
    if (this.#link(to, from).isCut) return;
    this.counters.connectionsRefused += 1;
    this.#tell(message.from, (sender) => sender.peerRefused(message.to));
  }

  #notice(message: Message): void {
    this.events.after(this.random.next() * NOTICED_MS, () => {
      this.#tell(message.from, (sender) => sender.peerUnreachable(message.to));
    });
  }

  #tell(sender: VoterId, tell: (process: NetworkProcess) => void): void {
    this.events.after(this.profile.delayMinMs, () => {
      const endpoint = this.endpointOf(nodeIdOf(sender));
      if (typeof endpoint !== 'string' && endpoint.id === sender) tell(endpoint);
    });
  }

  #link(from: number, to: number): Link {
    const key = from * 1024 + to;
    let link = this.#links.get(key);
    if (link === undefined) this.#links.set(key, (link = { isCut: false, inFlight: 0, arrivalMs: 0 }));
    return link;
  }
}
