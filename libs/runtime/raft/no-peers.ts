import type { RaftTransport } from './raft-transport';

/** Of a member that has no others. */
export class NoPeers implements RaftTransport {
  listen(): void {}

  setPeers(): void {}

  send(): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }
}
