import type { PeerDialer, PeerStream, PeerStreamEvents } from '@streamline/runtime/replication/peer-transport';
import type { VirtualClock } from '@streamline/testing/time/virtual-clock';

const DELAY_MS = 1;

/** One end of a stream: what it writes comes to the other end's events, whole and in order, a little later. */
class End implements PeerStream {
  events: PeerStreamEvents | undefined;
  other: End | undefined;
  isOver = false;

  constructor(
    private readonly wire: Wire,
    private readonly clock: VirtualClock,
  ) {}

  write(frame: Buffer, written?: () => void): boolean {
    const bytes = Buffer.from(frame);
    written?.();
    this.clock.schedule(DELAY_MS, () => this.deliver(bytes));
    return true;
  }

  close(): void {
    this.isOver = true;
    this.clock.schedule(DELAY_MS, () => this.other?.ended('the peer ended the stream'));
  }

  ended(reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.events?.onEnd(reason);
  }

  private deliver(bytes: Buffer): void {
    const { other, wire } = this;
    if (other === undefined || other.isOver || wire.isBroken) return;
    if (wire.held !== undefined) wire.held.push(() => this.deliver(bytes));
    else {
      other.events?.onFrame(wire.spoil(bytes));
      // Who still looks at it then is found out.
      bytes.fill(0xff);
    }
  }
}

/** What lies between two brokers. */
class Wire {
  isBroken = false;
  /** Set: nothing comes through, and nothing is lost. */
  held: (() => void)[] | undefined;
  /** Set: the next frame is cut short. */
  tears = 0;

  spoil(frame: Buffer): Buffer {
    if (this.tears === 0) return frame;
    this.tears -= 1;
    return frame.subarray(0, frame.length >> 1);
  }
}

interface Stream {
  readonly from: number;
  readonly to: number;
  readonly wire: Wire;
  readonly ends: readonly [End, End];
}

/** A broker that takes streams; it throws where it is not registered. */
export type Acceptor = (stream: PeerStream) => PeerStreamEvents;

/** The network between the storage roles of a test: addresses are `host<id>:9093`. */
export class MemoryStreams {
  private readonly acceptors = new Map<number, Acceptor>();
  private readonly unreachable = new Set<number>();
  private streams: Stream[] = [];

  constructor(private readonly clock: VirtualClock) {}

  listen(id: number, accept: Acceptor): void {
    this.acceptors.set(id, accept);
  }

  dialerOf(from: number): PeerDialer {
    return { dial: (address, events) => this.dial(from, Number(/^host(\d+):/.exec(address)?.[1]), events) };
  }

  /** All streams of a broker break; what was under way is lost. */
  breakStreams(id: number): void {
    for (const { wire, ends } of this.of(id)) {
      wire.isBroken = true;
      for (const end of ends) end.ended('the stream broke');
    }
  }

  /** No stream to or from it any more, until `join`. */
  isolate(id: number): void {
    this.unreachable.add(id);
    this.breakStreams(id);
  }

  join(id: number): void {
    this.unreachable.delete(id);
  }

  /** It neither hears nor is heard, and its streams stay open (SIGSTOP). */
  freeze(id: number): void {
    for (const { wire } of this.of(id)) wire.held ??= [];
  }

  thaw(id: number): void {
    for (const { wire } of this.of(id)) {
      const { held } = wire;
      wire.held = undefined;
      for (const deliver of held ?? []) deliver();
    }
  }

  /** The next frame of each of its streams is cut short. */
  tear(id: number): void {
    for (const { wire } of this.of(id)) wire.tears += 1;
  }

  private of(id: number): Stream[] {
    this.streams = this.streams.filter(({ ends }) => !ends.every(({ isOver }) => isOver));
    return this.streams.filter(({ from, to }) => from === id || to === id);
  }

  private dial(from: number, to: number, events: PeerStreamEvents): PeerStream {
    const wire = new Wire();
    const near = new End(wire, this.clock);
    const far = new End(wire, this.clock);
    near.events = events;
    this.streams.push({ from, to, wire, ends: [near, far] });
    this.clock.schedule(DELAY_MS / 2, () => {
      const accept = this.acceptors.get(to);
      if (accept === undefined || this.unreachable.has(from) || this.unreachable.has(to)) return near.ended('connection refused');
      try {
        far.events = accept(far);
      } catch (error) {
        return near.ended(String(error));
      }
      near.other = far;
      far.other = near;
    });
    return near;
  }
}
