import type { BrokerEpoch, NodeId } from '../types/ids';
import type { BrokerImage, MetadataImage } from './image';

/** One registration of a broker. */
export interface Incarnation {
  readonly brokerId: NodeId;
  readonly brokerEpoch: BrokerEpoch;
}

/**
 * A broker that nothing was ever heard of is gone when its address has refused connections for so long. One that lives at an address
 * that is wrong dials this controller meanwhile: members wait 1.2 s for a connection and 0.4 s before the next attempt at the latest.
 */
export const REFUSED_FOR_MS = 2_000;

interface Suspicion extends Incarnation {
  /** A connection that had worked was lost; else connections were refused, and none was ever there to be lost. */
  readonly wasLost: boolean;
  /** Refusals confirm it from then on, by the controller's monotonic clock. */
  readonly confirmableMs: number;
  /** Its address has refused a connection since. */
  isConfirmed: boolean;
}

/**
 * Which brokers' processes are gone, by what happens to connections to their storage: one that is lost makes the broker of
 * that address suspect, and one that is refused after that confirms that nobody listens there any more. Neither alone does: a
 * network loses connections, and an address that is wrong refuses each. A sign of life ends the suspicion, so that a broker
 * which is reached in spite of a wrong address is not declared dead again and again.
 *
 * A process that has just started never had connections to those that are gone by then, as behind a restart of all nodes. To it a
 * first refusal is as good as a loss, as long as nothing was ever heard of that broker; only what is refused `REFUSED_FOR_MS` later
 * confirms it. It was dialled after the incarnation had registered, so that its listener was open before.
 *
 * Kept by every controller, leading or not: a new leader knows of the broker that died with the one before.
 */
export class BrokerSuspicions {
  readonly #suspicions = new Map<NodeId, Suspicion>();
  /** Brokers of which this process has heard. */
  readonly #heardOf = new Set<NodeId>();

  /** A connection to this address (host:port) was lost. */
  lost(image: MetadataImage, address: string): void {
    const broker = brokerAt(image, address);
    if (broker === undefined) return;
    this.#heardOf.add(broker.id);
    const known = this.#suspicions.get(broker.id);
    if (broker.state === 'Dead' || (known?.brokerEpoch === broker.epoch && known.wasLost)) return;
    this.#suspect(broker, true, -Infinity);
  }

  /** A connection to this address was refused (ECONNREFUSED) at `nowMs`. Returns the incarnation that is gone by that. */
  refused(image: MetadataImage, address: string, nowMs: number): Incarnation | undefined {
    const broker = brokerAt(image, address);
    if (broker === undefined) return undefined;
    const suspicion = this.#suspicions.get(broker.id);
    if (suspicion?.brokerEpoch !== broker.epoch) {
      if (!this.#heardOf.has(broker.id) && broker.state !== 'Dead') this.#suspect(broker, false, nowMs + REFUSED_FOR_MS);
      return undefined;
    }
    if (nowMs < suspicion.confirmableMs) return undefined;
    suspicion.isConfirmed = true;
    return broker.state === 'Dead' ? undefined : suspicion;
  }

  /** The broker has given a sign of life. */
  heard(brokerId: NodeId): void {
    this.#heardOf.add(brokerId);
    this.#suspicions.delete(brokerId);
  }

  /** A process at this address has, maybe one whose broker is still to register: a connection that was lost stays lost. */
  reached(image: MetadataImage, address: string): void {
    const broker = brokerAt(image, address);
    if (broker === undefined) return;
    this.#heardOf.add(broker.id);
    if (this.#suspicions.get(broker.id)?.wasLost === false) this.#suspicions.delete(broker.id);
  }

  /** The incarnations that are known to be gone and not marked so: for a controller that begins to lead. */
  gone(image: MetadataImage): readonly Incarnation[] {
    for (const [id, { brokerEpoch }] of this.#suspicions) {
      if (image.brokers.get(id)?.epoch !== brokerEpoch) this.#suspicions.delete(id);
    }
    for (const id of this.#heardOf) if (!image.brokers.has(id)) this.#heardOf.delete(id);
    return [...this.#suspicions.values()].filter(
      ({ brokerId, isConfirmed }) => isConfirmed && image.brokers.get(brokerId)?.state !== 'Dead',
    );
  }

  #suspect({ id, epoch }: BrokerImage, wasLost: boolean, confirmableMs: number): void {
    this.#suspicions.set(id, { brokerId: id, brokerEpoch: epoch, wasLost, confirmableMs, isConfirmed: false });
  }
}

/** The broker whose storage is reached at the address: if its process is gone, so is the broker. */
function brokerAt(image: MetadataImage, address: string): BrokerImage | undefined {
  for (const broker of image.brokers.values()) {
    const storage = broker.endpoints.find(({ name }) => name === 'storage');
    if (storage !== undefined && addressText(storage.host, storage.port) === address) return broker;
  }
  return undefined;
}

function addressText(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
