import type { BrokerEpoch, NodeId } from '../types/ids';
import type { MetadataImage } from './image';

export interface ExpiredSession {
  readonly brokerId: NodeId;
  readonly brokerEpoch: BrokerEpoch;
}

/**
 * When each broker was last heard of. Not in the log: a new controller starts every session anew, on its own monotonic
 * clock. Times in milliseconds of that clock come in from outside.
 */
export class BrokerSessions {
  readonly #lastHeardMs = new Map<NodeId, { readonly epoch: BrokerEpoch; readonly atMs: number }>();
  #lastTickMs: number;

  /** A controller that becomes active at `nowMs`. */
  constructor(nowMs: number) {
    this.#lastTickMs = nowMs;
  }

  heard(brokerId: NodeId, epoch: BrokerEpoch, nowMs: number): void {
    this.#lastHeardMs.set(brokerId, { epoch, atMs: nowMs });
  }

  /**
   * The brokers that were silent for `timeoutMs`. A broker seen here for the first time has just been heard. If the
   * controller itself stood still, it cannot tell who was silent meanwhile: everybody gets a new session.
   */
  expired(image: MetadataImage, nowMs: number, timeoutMs: number): ExpiredSession[] {
    const stoodStill = nowMs - this.#lastTickMs > timeoutMs / 2;
    this.#lastTickMs = nowMs;
    const found: ExpiredSession[] = [];
    for (const { id, epoch, state } of image.brokers.values()) {
      const last = this.#lastHeardMs.get(id);
      if (last === undefined || last.epoch !== epoch || stoodStill) this.heard(id, epoch, nowMs);
      else if (nowMs - last.atMs >= timeoutMs && state !== 'Dead') found.push({ brokerId: id, brokerEpoch: epoch });
    }
    for (const id of this.#lastHeardMs.keys()) {
      if (!image.brokers.has(id)) this.#lastHeardMs.delete(id);
    }
    return found;
  }
}
