import type { EventQueue } from '@streamline/testing/raft/event-queue';
import type { Network } from '@streamline/testing/raft/network';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { DataCounters } from './counters';

/** What is under way is tried again so often where nothing comes through, with longer and longer pauses. */
const TRIES_MAX = 25;
const TRY_AGAIN_MS = 100;
/** Chance at each try that the connection breaks instead. */
const BREAKS_CHANCE = 0.1;

export interface PipeSurroundings {
  readonly events: EventQueue;
  readonly random: SeededRandom;
  readonly links: Network;
  readonly counters: Pick<DataCounters, 'streamsStalled' | 'streamsBroken'>;
}

/** One direction of a connection: what goes in comes out in order and whole, later, until it breaks. */
export class Pipe {
  #queue: (() => void)[] = [];
  #isMoving = false;
  #isOver = false;

  constructor(
    private readonly around: PipeSurroundings,
    private readonly from: number,
    private readonly to: number,
    private readonly onBroken: () => void,
  ) {}

  send(deliver: () => void): void {
    if (this.#isOver) return;
    this.#queue.push(deliver);
    if (!this.#isMoving) this.#move(0);
  }

  /** What is under way is lost. */
  drop(): void {
    this.#isOver = true;
    this.#queue = [];
  }

  /** Nothing more is sent; what is under way comes late, in its order. */
  straggle(delayMs: number): void {
    const late = this.#queue;
    this.drop();
    this.around.events.after(delayMs, () => {
      for (const deliver of late) deliver();
    });
  }

  #move(tries: number): void {
    this.#isMoving = true;
    const { events, random, links, counters } = this.around;
    const { delayMinMs, delayMaxMs, loss } = links.profile;
    events.after(delayMinMs + random.next() * (delayMaxMs - delayMinMs), () => {
      if (this.#isOver) return;
      if (links.isCut(this.from, this.to) || random.chance(loss)) {
        counters.streamsStalled += 1;
        if (tries < TRIES_MAX && !random.chance(BREAKS_CHANCE)) {
          events.after(random.next() * TRY_AGAIN_MS * (1 + tries), () => this.#move(tries + 1));
          return;
        }
        counters.streamsBroken += 1;
        this.drop();
        this.onBroken();
        return;
      }
      const arrived = this.#queue;
      this.#queue = [];
      this.#isMoving = false;
      for (const deliver of arrived) deliver();
    });
  }
}
