import type { PeerDialer, PeerStream, PeerStreamEvents } from '@streamline/runtime/replication/peer-transport';
import type { ClusterMachine } from '@streamline/testing/cluster/cluster-machine';
import type { ClusterProcess } from '@streamline/testing/cluster/cluster-process';
import type { PipeSurroundings } from './pipe';
import { Pipe } from './pipe';
import type { DataCounters } from './counters';

/** Bytes under way beyond which a writer is told to wait. */
const HIGH_WATER_BYTES = 64 * 1024;

/** Takes streams of other brokers; throws where it does not. */
export type Acceptor = (process: ClusterProcess, stream: PeerStream) => PeerStreamEvents;

export interface PeerNetworkSurroundings extends PipeSurroundings {
  readonly counters: DataCounters;
  readonly accept: Acceptor;
  /** Who listens at `host:port`; undefined where nobody does though there is a machine. */
  at(address: string): { readonly machine: ClusterMachine; readonly isThere: boolean } | undefined;
}

/** One end of a stream, in a process. */
class End implements PeerStream {
  events: PeerStreamEvents | undefined;
  other: End | undefined;
  isOver = false;
  #underWayBytes = 0;
  #isFull = false;
  #waiting: Buffer[] = [];

  constructor(
    readonly process: ClusterProcess,
    private readonly pipe: Pipe,
  ) {}

  write(frame: Buffer): boolean {
    if (this.isOver) return true;
    const bytes = Buffer.from(frame);
    this.#underWayBytes += bytes.length;
    if (this.other === undefined) this.#waiting.push(bytes);
    else this.#carry(bytes);
    this.#isFull = this.#underWayBytes > HIGH_WATER_BYTES;
    return !this.#isFull;
  }

  close(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.pipe.send(() => this.other?.ended('the peer ended the stream'));
  }

  /** Somebody is at the other end. */
  meet(other: End): void {
    this.other = other;
    for (const bytes of this.#waiting.splice(0)) this.#carry(bytes);
    if (this.isOver) this.pipe.send(() => other.ended('the peer ended the stream'));
  }

  ended(reason: string): void {
    this.process.unlessHeld(() => {
      if (this.isOver) return;
      this.isOver = true;
      this.pipe.drop();
      this.events?.onEnd(reason);
    });
  }

  #carry(bytes: Buffer): void {
    this.pipe.send(() => {
      this.#underWayBytes -= bytes.length;
      if (this.#isFull && this.#underWayBytes <= HIGH_WATER_BYTES) {
        this.#isFull = false;
        this.process.unlessHeld(() => this.events?.onDrain());
      }
      const { other } = this;
      if (other?.process.hasEnded === true) return this.ended('connection reset');
      other?.process.unlessHeld(() => {
        if (!other.isOver) other.events?.onFrame(bytes);
        // Who still looks at it then is found out.
        bytes.fill(0xff);
      });
    });
  }
}

interface Stream {
  readonly ends: readonly [End, End | undefined];
  readonly to: number;
}

/** The streams of replicas between the nodes. */
export class PeerNetwork {
  #streams: Stream[] = [];

  constructor(private readonly all: PeerNetworkSurroundings) {}

  dialerOf(process: ClusterProcess): PeerDialer {
    return { dial: (address, events) => this.#dial(process, address, events) };
  }

  /** The process has ended: whoever it spoke with finds the connection closed, unless the machine is without power. */
  ended(process: ClusterProcess, hasPower: boolean): void {
    const { events, links, random } = this.all;
    for (const { ends } of this.#streams) {
      const [near, far] = ends;
      const other = near.process === process ? far : near;
      if ((near.process !== process && far?.process !== process) || other === undefined) continue;
      if (hasPower && !links.isCut(process.nodeId, other.process.nodeId))
        events.after(random.next() * 20, () => other.ended('the connection was closed'));
    }
    this.#streams = this.#streams.filter(({ ends: [near, far] }) => near.process !== process && far?.process !== process);
  }

  #dial(process: ClusterProcess, address: string, events: PeerStreamEvents): PeerStream {
    const { all } = this;
    const target = all.at(address);
    const to = target?.machine.nodeId ?? 0;
    const near: End = new End(process, new Pipe(all, process.nodeId, to, () => this.#broke(near)));
    near.events = events;
    all.counters.streamsDialled += 1;
    const knock = new Pipe(all, process.nodeId, to, () => near.ended('connection timed out'));
    knock.send(() => this.#arrived(near, address));
    return near;
  }

  #arrived(near: End, address: string): void {
    const { all } = this;
    const target = all.at(address);
    const process = target?.isThere === true ? target.machine.process : undefined;
    if (process === undefined) {
      if (target?.machine.hasPower !== false) near.ended('connection refused');
      return;
    }
    process.unlessHeld(() => {
      if (near.process.hasEnded) return;
      const far: End = new End(process, new Pipe(all, process.nodeId, near.process.nodeId, () => this.#broke(far)));
      try {
        far.events = all.accept(process, far);
      } catch (error) {
        near.ended(String(error));
        return;
      }
      all.counters.streamsOpened += 1;
      this.#streams = this.#streams.filter(({ ends: [one, two] }) => !(one.isOver && two?.isOver === true));
      this.#streams.push({ ends: [near, far], to: process.nodeId });
      far.meet(near);
      near.meet(far);
    });
  }

  /** Whoever writes finds out first; the other end when it writes, or hears nothing for long. */
  #broke(end: End): void {
    end.ended('the connection broke');
    const { other } = end;
    if (other === undefined || !this.all.random.chance(0.5)) return;
    this.all.events.after(this.all.random.next() * 300, () => other.ended('the connection broke'));
  }
}
