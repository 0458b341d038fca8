import type { EventQueue } from '@streamline/testing/raft/event-queue';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { ReplicationCounters } from './counters';

export interface NetworkProfile {
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
  /** How long until the ends of a stream hear that it broke. */
  readonly detectMaxMs: number;
  /** Chance that what was under way on a stream that ended arrives after all, when the next one is open. */
  readonly lateness: number;
}

export interface Endpoint {
  readonly isUp: boolean;
  connected(peer: number): void;
  disconnected(peer: number): void;
  receive(from: number, message: unknown): void;
}

interface Stream {
  readonly id: number;
  isBroken: boolean;
  /** Which ends take it for open. */
  readonly open: Set<number>;
  /** For each sender, when its last message arrives: streams keep their order. */
  readonly lastArrivalMs: Map<number, number>;
}

/** Streams between brokers: in order and without loss until they break; then each end hears of it at a time of its own. */
export class Network {
  profile: NetworkProfile;
  readonly #cuts = new Set<string>();
  readonly #streams = new Map<string, Stream>();
  #streamIds = 0;

  constructor(
    private readonly events: EventQueue,
    private readonly random: SeededRandom,
    private readonly counters: ReplicationCounters,
    profile: NetworkProfile,
    private readonly endpoint: (id: number) => Endpoint | undefined,
  ) {
    this.profile = profile;
  }

  /** Tries to open a stream between every two that have none, again and again. */
  start(ids: readonly number[]): void {
    for (const a of ids) for (const b of ids) if (a < b) this.#keepOpen(a, b);
  }

  cut(from: number, to: number): void {
    this.#cuts.add(`${from}>${to}`);
    this.#break(this.#streams.get(nameOf(from, to)), from, to);
  }

  heal(from: number, to: number): void {
    this.#cuts.delete(`${from}>${to}`);
  }

  healAll(): void {
    this.#cuts.clear();
  }

  isCut(from: number, to: number): boolean {
    return this.#cuts.has(`${from}>${to}`);
  }

  /** The process is gone: its streams end, the other ends hear of it. */
  closed(id: number): void {
    for (const [name, stream] of this.#streams) {
      const [a = 0, b = 0] = name.split('-').map(Number);
      if (a !== id && b !== id) continue;
      stream.open.delete(id);
      this.#break(stream, a, b);
    }
  }

  send(from: number, to: number, message: unknown): void {
    const stream = this.#streams.get(nameOf(from, to));
    if (stream?.open.has(from) !== true) return;
    const atMs = Math.max(stream.lastArrivalMs.get(from) ?? 0, this.events.nowMs + this.delayMs());
    stream.lastArrivalMs.set(from, atMs);
    this.events.at(atMs, () => this.#arrive(stream, from, to, message));
  }

  delayMs(): number {
    const { delayMinMs, delayMaxMs } = this.profile;
    return delayMinMs + this.random.next() * (delayMaxMs - delayMinMs);
  }

  #arrive(stream: Stream, from: number, to: number, message: unknown): void {
    const endpoint = this.endpoint(to);
    const isBroken = stream.isBroken || this.isCut(from, to) || !stream.open.has(to);
    if (!isBroken) {
      endpoint?.receive(from, message);
    } else if (this.random.chance(this.profile.lateness)) {
      this.counters.messagesLate += 1;
      this.events.after(this.random.next() * 400, () => {
        if (!this.isCut(from, to)) this.endpoint(to)?.receive(from, message);
      });
    } else {
      this.counters.messagesLost += 1;
    }
  }

  #keepOpen(a: number, b: number): void {
    this.events.after(5 + this.random.next() * 60, () => {
      this.#open(a, b);
      this.#keepOpen(a, b);
    });
  }

  #open(a: number, b: number): void {
    const isPossible = [a, b].every((id) => this.endpoint(id)?.isUp === true) && !this.isCut(a, b) && !this.isCut(b, a);
    const known = this.#streams.get(nameOf(a, b));
    if (!isPossible || (known !== undefined && (!known.isBroken || known.open.size > 0))) return;
    this.#streamIds += 1;
    const stream: Stream = { id: this.#streamIds, isBroken: false, open: new Set(), lastArrivalMs: new Map() };
    this.#streams.set(nameOf(a, b), stream);
    for (const [id, peer] of [
      [a, b],
      [b, a],
    ] as const) {
      this.events.after(this.delayMs(), () => {
        if (stream.isBroken || this.endpoint(id)?.isUp !== true) return;
        stream.open.add(id);
        this.endpoint(id)?.connected(peer);
      });
    }
  }

  #break(stream: Stream | undefined, a: number, b: number): void {
    if (stream === undefined || stream.isBroken) return;
    stream.isBroken = true;
    this.counters.streamsBroken += 1;
    for (const [id, peer] of [
      [a, b],
      [b, a],
    ] as const) {
      this.events.after(this.random.next() * this.profile.detectMaxMs, () => {
        if (stream.open.delete(id)) this.endpoint(id)?.disconnected(peer);
      });
    }
  }
}

function nameOf(a: number, b: number): string {
  return a < b ? `${a}-${b}` : `${b}-${a}`;
}
