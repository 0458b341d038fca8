import type { EventQueue } from '@streamline/testing/raft/event-queue';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';

export interface ControllerLinkProfile {
  readonly delayMaxMs: number;
  readonly loss: number;
  /** Chance that a request is carried out only after its sender has given it up. */
  readonly lateness: number;
}

const RPC_TIMEOUT_MS = 300;

/** Calls of brokers to the controller: slow, lost, or late. */
export class ControllerLink {
  readonly #cut = new Set<number>();

  constructor(
    private readonly events: EventQueue,
    private readonly random: SeededRandom,
    public profile: ControllerLinkProfile,
    private readonly late: () => void,
  ) {}

  cut(broker: number): void {
    this.#cut.add(broker);
  }

  heal(broker: number): void {
    this.#cut.delete(broker);
  }

  healAll(): void {
    this.#cut.clear();
  }

  isCut(broker: number): boolean {
    return this.#cut.has(broker);
  }

  /** `answered` gets undefined where there was no answer in time. */
  call<Answer>(broker: number, carryOut: () => Answer, answered: (answer: Answer | undefined) => void): void {
    const { delayMaxMs, loss, lateness } = this.profile;
    const isLate = this.random.chance(lateness);
    let isOver = false;
    const end = (answer: Answer | undefined): void => {
      if (isOver) return;
      isOver = true;
      answered(answer);
    };
    this.events.after(RPC_TIMEOUT_MS, () => end(undefined));
    const arrivesMs = isLate ? RPC_TIMEOUT_MS + this.random.next() * 1_500 : this.random.next() * delayMaxMs;
    if (this.random.chance(loss)) return;
    this.events.after(arrivesMs, () => {
      if (this.isCut(broker)) return;
      if (isLate) this.late();
      const answer = carryOut();
      if (this.random.chance(loss)) return;
      this.events.after(this.random.next() * delayMaxMs, () => {
        if (!this.isCut(broker)) end(answer);
      });
    });
  }
}
