import type { Message } from '@streamline/core/raft/messages';
import { nodeIdOf } from '@streamline/core/raft/types';
import type { Member, VoterId } from '@streamline/core/raft/types';
import { decodeFrame, foreignOf, framesOf, hello, messagesOf, refusalOf } from '@streamline/platform/rpc/raft-frames';
import type { ForeignMember } from '@streamline/runtime/controller/encounters';
import type { MemberIdentity } from '@streamline/runtime/controller/open-metadata-log';
import type { RaftTransport, RaftTransportListener } from '@streamline/runtime/raft/raft-transport';
import type { Hello } from '@streamline/wire/contracts/generated/streamline/raft/v1/peer';
import type { Network, NetworkProcess } from '@streamline/testing/raft/network';
import { Violation } from '@streamline/testing/raft/violation';
import type { ClusterCounters } from './counters';

export interface RaftWireSurroundings {
  readonly network: Network;
  readonly counters: ClusterCounters;
  /** Where the node with this id listens now; undefined where there is no such machine. */
  addressOf(nodeId: number): string | undefined;
  /** Of the process that runs there. */
  wireOf(nodeId: number): RaftWire | undefined;
  /** What senders said of themselves. */
  readonly greetings: WeakMap<Message, Hello>;
  /** After the time that a refusal takes, where the machine has power. */
  refuse(nodeId: number, tell: () => void): void;
  ghostSent(message: Message): void;
  met(foreign: ForeignMember): void;
  /** False: directories are not told apart, as they must be. */
  readonly looksAtIdentities: boolean;
  memberRefused(address: string): void;
  memberHeard(address: string): void;
}

interface Process {
  readonly id: VoterId;
  readonly hasEnded: boolean;
  unlessHeld(run: () => void): void;
}

/** Messages of the consensus as the shipped transport carries them: to addresses, between members that know each other's name. */
export class RaftWire implements RaftTransport, NetworkProcess {
  readonly id: VoterId;
  identity: MemberIdentity | undefined;
  #listener: RaftTransportListener | undefined;
  #peers = new Map<VoterId, Member>();

  constructor(
    private readonly process: Process,
    private readonly all: RaftWireSurroundings,
  ) {
    this.id = process.id;
  }

  as(identity: MemberIdentity): this {
    this.identity = identity;
    return this;
  }

  /** Addresses that this process keeps connections to. */
  get peerAddresses(): readonly string[] {
    return [...this.#peers.values()].map(({ address }) => address);
  }

  listen(listener: RaftTransportListener): void {
    this.#listener = listener;
  }

  setPeers(peers: readonly Member[]): void {
    this.#peers = new Map(peers.map((peer) => [peer.id, peer]));
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) {
      this.all.ghostSent(message);
      this.#send(message);
    }
  }

  close(): Promise<void> {
    this.#listener = undefined;
    this.#peers.clear();
    return Promise.resolve();
  }

  /** Keeps a stream open to the member there: it can be answered on that, wherever it takes this one to be. */
  hasStreamTo(member: VoterId, address: string): boolean {
    return this.#peers.get(member)?.address === address;
  }

  receive(message: Message): void {
    const said = this.all.greetings.get(message);
    if (this.identity === undefined || said === undefined) return;
    if (refusalOf(this.identity, said) !== undefined && this.all.looksAtIdentities) {
      this.all.counters.identitiesRefused += 1;
      this.process.unlessHeld(() => this.all.met(foreignOf(said)));
      return;
    }
    const address = this.#peers.get(message.from)?.address;
    this.process.unlessHeld(() => {
      if (address !== undefined) this.all.memberHeard(address);
      this.#listener?.onMessages([message]);
    });
  }

  peerRefused(peer: VoterId): void {
    const address = this.#peers.get(peer)?.address;
    this.process.unlessHeld(() => {
      this.#listener?.onRefused(peer);
      if (address !== undefined) this.all.memberRefused(address);
    });
  }

  peerUnreachable(peer: VoterId): void {
    this.process.unlessHeld(() => this.#listener?.onUnreachable(peer));
  }

  #send(message: Message): void {
    const { network, addressOf, greetings, refuse } = this.all;
    const peer = this.#peers.get(message.to);
    if (this.identity === undefined) return;
    const isReached = peer !== undefined && addressOf(nodeIdOf(peer.id)) === peer.address;
    // Nobody listens where the peer was before.
    if (peer !== undefined && !isReached) refuse(nodeIdOf(peer.id), () => this.peerRefused(peer.id));
    if (!isReached && !this.#isDialledBy(message.to)) return;
    const carried = this.#carried(message);
    greetings.set(carried, hello(this.identity, message.to, false));
    network.send(carried);
  }

  #isDialledBy(peer: VoterId): boolean {
    const wire = this.all.wireOf(nodeIdOf(peer));
    const address = this.all.addressOf(nodeIdOf(this.id));
    return wire?.id === peer && address !== undefined && wire.hasStreamTo(this.id, address);
  }

  #carried(message: Message): Message {
    const frames = framesOf([message]).map(decodeFrame);
    const [carried] = frames.flatMap((frame) => messagesOf(frame, message.from, message.to));
    if (carried === undefined) throw new Violation('wire', `${message.kind} is lost on its way through the codec`);
    return carried;
  }
}
