import { judgeAnswerer, type ProcessIdentity } from '@streamline/core/formation/own-address';
import type { DirectoryId, NodeId } from '@streamline/core/types/ids';
import type { Cancel, Clock } from '@streamline/runtime/ports/clock';
import type { PeerPorts } from './peer-ports';

/** A start waits so long for its own address to answer: on its own machine that takes no time. */
const FIRST_MS = 500;
const ASK_MS = 1_000;
/** Between two questions. */
const LOOK_MS = 10_000;
const NO_CLUSTER = { fromNodeId: 0, fromDirectoryId: '', fromClusterId: '' };

export interface OwnAddressWatchOptions {
  readonly clock: Clock;
  readonly peers: Pick<PeerPorts, 'askMembership'>;
  readonly self: ProcessIdentity;
  /** Where others reach this node, host:port. */
  readonly address: string;
  /** Another process runs on a copy of this node's directory, and others reach that one. At most once. */
  readonly onCopy: () => void;
  /** Others reach another node there. Once for each. */
  readonly onOther: (nodeId: number) => void;
}

/**
 * Asks now and then who answers at the address that this node advertises. A copy of its data directory that runs at the same
 * address is found by that: by the copy where the address leads to the original, by the original where it leads to the copy.
 * Where nobody answers nothing is concluded.
 */
export class OwnAddressWatch {
  #cancel: Cancel = () => undefined;
  #isStopped = false;
  #other: number | undefined;

  constructor(private readonly options: OwnAddressWatchOptions) {}

  /** Resolves when it was asked for the first time: true where this process may go on. It asks again until it is stopped. */
  async start(): Promise<boolean> {
    const mayGoOn = await this.#look(FIRST_MS);
    if (mayGoOn) this.#schedule();
    return mayGoOn;
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#cancel = this.options.clock.schedule(LOOK_MS, () => {
      void this.#look(ASK_MS).then((mayGoOn) => {
        if (mayGoOn) this.#schedule();
      });
    });
  }

  async #look(deadlineMs: number): Promise<boolean> {
    const { self, onCopy, onOther } = this.options;
    const answerer = await this.#ask(deadlineMs);
    if (answerer === undefined || this.#isStopped) return true;
    const who = judgeAnswerer(self, answerer);
    if (who === 'copy') onCopy();
    if (who === 'other' && this.#other !== answerer.nodeId) onOther(answerer.nodeId);
    this.#other = who === 'other' ? answerer.nodeId : undefined;
    return who !== 'copy';
  }

  async #ask(deadlineMs: number): Promise<ProcessIdentity | undefined> {
    const { peers, address } = this.options;
    try {
      const answer = await peers.askMembership(address, (port) => port.describeNode(NO_CLUSTER, { deadlineMs }));
      const { nodeId, directoryId, incarnationId } = answer;
      return { nodeId: nodeId as NodeId, directoryId: directoryId as DirectoryId, incarnationId };
    } catch {
      return undefined;
    }
  }
}
