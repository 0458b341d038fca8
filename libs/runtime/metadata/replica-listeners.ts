import type { MetadataImage } from '@streamline/core/metadata/image';
import type { MetadataIndex } from '@streamline/core/types/ids';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { MetadataChange } from './metadata-replica';

type Listener = (change: MetadataChange, image: MetadataImage) => void;

interface Waiter {
  readonly index: MetadataIndex;
  readonly done: (reached: boolean) => void;
}

/** Who is told of changes to a replica, and who waits for one. */
export class ReplicaListeners {
  #listeners: readonly Listener[] = [];
  #waiters: readonly Waiter[] = [];

  constructor(private readonly clock: Clock) {}

  /** Returns how to stop. */
  subscribe(listener: Listener): () => void {
    const mine: Listener = (change, image) => listener(change, image);
    this.#listeners = [...this.#listeners, mine];
    return () => {
      this.#listeners = this.#listeners.filter((each) => each !== mine);
    };
  }

  /**
   * Calls every listener in the order of subscription, then those who wait for the index that the image has reached. What
   * a listener throws does not keep the others from being told: it is thrown again outside, as nobody's to catch.
   */
  notify(change: MetadataChange, image: MetadataImage): void {
    for (const listener of this.#listeners) {
      try {
        listener(change, image);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    if (this.#waiters.length === 0) return;
    const reached = this.#waiters.filter(({ index }) => index <= image.index);
    this.#waiters = this.#waiters.filter(({ index }) => index > image.index);
    for (const { done } of reached) done(true);
  }

  /** True once `index` is applied; false when `timeoutMs` passed first. */
  waitFor(index: MetadataIndex, applied: MetadataIndex, timeoutMs: number): Promise<boolean> {
    if (index <= applied) return Promise.resolve(true);
    return new Promise((resolve) => {
      const cancel = this.clock.schedule(timeoutMs, () => {
        this.#waiters = this.#waiters.filter((each) => each !== waiter);
        resolve(false);
      });
      const waiter: Waiter = {
        index,
        done: (reached) => {
          cancel();
          resolve(reached);
        },
      };
      this.#waiters = [...this.#waiters, waiter];
    });
  }
}
