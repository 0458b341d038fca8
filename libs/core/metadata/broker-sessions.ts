import type { BrokerEpoch, NodeId } from '../types/ids';
import type { Incarnation } from './broker-suspicions';
import type { SupportedFeature } from './features';
import type { BrokerImage, MetadataImage } from './image';

interface Heard {
  readonly epoch: BrokerEpoch;
  readonly atMs: number;
  readonly features: readonly SupportedFeature[] | undefined;
}

/**
 * When each broker was last heard of, and what it said. Not in the log: a new controller starts every session anew, on its own monotonic
 * clock. Times in milliseconds of that clock come in from outside.
 */
export class BrokerSessions {
  readonly #lastHeard = new Map<NodeId, Heard>();
  #lastTickMs: number;

  /** A controller that becomes active at `nowMs`. */
  constructor(nowMs: number) {
    this.#lastTickMs = nowMs;
  }

  /** `features`: what it said that it supports. */
  heard(brokerId: NodeId, epoch: BrokerEpoch, nowMs: number, features?: readonly SupportedFeature[]): void {
    this.#lastHeard.set(brokerId, { epoch, atMs: nowMs, features });
  }

  /** What the broker of this epoch has said that it supports; undefined: nothing yet. */
  featuresOf({ id, epoch }: Pick<BrokerImage, 'id' | 'epoch'>): readonly SupportedFeature[] | undefined {
    const last = this.#lastHeard.get(id);
    return last?.epoch === epoch ? last.features : undefined;
  }

  /**
   * The brokers that were silent for `timeoutMs`. A broker seen here for the first time has just been heard. If the
   * controller itself stood still, it cannot tell who was silent meanwhile: everybody gets a new session.
   */
  expired(image: MetadataImage, nowMs: number, timeoutMs: number): Incarnation[] {
    const stoodStill = nowMs - this.#lastTickMs > timeoutMs / 2;
    this.#lastTickMs = nowMs;
    const found: Incarnation[] = [];
    for (const { id, epoch, state } of image.brokers.values()) {
      const last = this.#lastHeard.get(id);
      if (last?.epoch !== epoch) this.heard(id, epoch, nowMs);
      else if (stoodStill) this.heard(id, epoch, nowMs, last.features);
      else if (nowMs - last.atMs >= timeoutMs && state !== 'Dead') found.push({ brokerId: id, brokerEpoch: epoch });
    }
    for (const id of this.#lastHeard.keys()) {
      if (!image.brokers.has(id)) this.#lastHeard.delete(id);
    }
    return found;
  }
}
