import type { Message } from '@streamline/core/raft/messages';
import type { Member, VoterId } from '@streamline/core/raft/types';

/** What a transport tells the driver. Called at any time, never within `send`. */
export interface RaftTransportListener {
  /** Only messages for this member, of this cluster. */
  onMessages(messages: readonly Message[]): void;
  /** A connection to the peer's address was refused (ECONNREFUSED), and nothing else: its process is gone. Each time. */
  onRefused(peer: VoterId): void;
  /** Messages to the peer were thrown away. */
  onUnreachable(peer: VoterId): void;
}

/**
 * Carries messages between the members' drivers. May lose, delay, repeat and reorder them; keeps their order while a
 * connection lasts. Never blocks and never holds more than its bounds: what does not fit is dropped, since Raft repeats it.
 */
export interface RaftTransport {
  /** Called once, before anything is sent. Messages that came before may be lost. */
  listen(listener: RaftTransportListener): void;
  /** Who can be reached where from now on, this member excepted; connections to others are closed. */
  setPeers(peers: readonly Member[]): void;
  /** The messages and what they hold must not change afterwards. */
  send(messages: readonly Message[]): void;
  /** Nothing is delivered after it was called. */
  close(): Promise<void>;
}
