import { ErrorCode } from '@streamline/core/types/error-code';
import type { NodeId } from '@streamline/core/types/ids';
import type { ClusterProcess } from '@streamline/testing/cluster/cluster-process';
import type { ClientWorld } from './client-world';
import { KnownCluster } from './client-world';
import type { Outcome } from './connection';
import { Connection } from './connection';
import type { ReadingClient } from './partition-reader';
import type { StorageSide } from './storage-side';

const METADATA_TIMEOUT_MS = 400;
const BACK_OFF_MS = 60;
/** What is lost of a request's time on its way. */
const PATIENCE_MS = 200;

/** What all clients do: find brokers, ask them, begin anew where a connection breaks. */
export abstract class Client {
  protected readonly known = new KnownCluster();
  protected isStopped = false;
  /** What it sent on a connection that it gave up may still arrive. */
  protected readonly lingers: boolean = false;
  readonly #id: number;
  readonly #connections = new Map<NodeId, Connection>();
  #isRefreshing = false;
  #refreshed: (() => void)[] = [];

  constructor(
    protected readonly world: ClientWorld,
    readonly name: string,
  ) {
    this.#id = world.nextId();
  }

  /** As the network knows it. */
  get networkId(): number {
    return this.#id;
  }

  abstract start(): void;

  /** What it has not come to the end of, if anything. */
  abstract lacks(): string | undefined;

  /** Begins nothing new, and ends what it has begun. */
  stop(): void {
    this.isStopped = true;
  }

  processEnded(process: ClusterProcess): void {
    for (const connection of this.#connections.values()) connection.endedWith(process);
  }

  protected later(delayMs: number, run: () => void): void {
    this.world.events.after(delayMs, () => {
      try {
        run();
      } catch (error) {
        this.world.broken(error);
      }
    });
  }

  protected backOff(run: () => void): void {
    this.later(BACK_OFF_MS * (0.5 + this.world.random.next()), run);
  }

  protected connect(nodeId: NodeId): Connection {
    const known = this.#connections.get(nodeId);
    if (known !== undefined && !known.isOver) return known;
    const connection = new Connection(this.world, this.#id, nodeId, this.lingers);
    this.#connections.set(nodeId, connection);
    return connection;
  }

  protected ask<T>(
    nodeId: NodeId,
    timeoutMs: number,
    ask: (storage: StorageSide) => Promise<T>,
    settled: (outcome: Outcome<T>) => void,
  ): void {
    this.connect(nodeId).call(ask, timeoutMs + PATIENCE_MS, settled);
  }

  /** Asks some broker for the metadata; `then` is called once, whatever came of it. */
  protected refresh(then: () => void): void {
    this.#refreshed.push(then);
    if (this.#isRefreshing) return;
    this.#isRefreshing = true;
    const { nodeId } = this.world.random.pick(this.world.machines);
    this.ask(
      nodeId,
      METADATA_TIMEOUT_MS,
      ({ replica }) => Promise.resolve(replica.image),
      (outcome) => {
        this.#isRefreshing = false;
        if (outcome.kind === 'answered') this.known.take(outcome.answer);
        for (const next of this.#refreshed.splice(0)) this.backOff(next);
      },
    );
  }

  /** As its readers of single partitions see it. */
  protected get reading(): ReadingClient {
    const { name, world, known } = this;
    return {
      name,
      world,
      known,
      ask: (nodeId, timeoutMs, ask, settled) => this.ask(nodeId, timeoutMs, ask, settled),
      refresh: (then) => this.refresh(then),
    };
  }

  protected note(what: string): void {
    this.world.note(`${this.name} ${what}`);
    this.world.tell(() => `${this.name} ${what}`);
  }
}

/** Answers after which a client looks where to go, and sends again. */
export const SEND_AGAIN: ReadonlySet<number> = new Set<number>([
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.UNKNOWN_TOPIC_ID,
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  ErrorCode.REQUEST_TIMED_OUT,
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.FENCED_LEADER_EPOCH,
  ErrorCode.UNKNOWN_LEADER_EPOCH,
  ErrorCode.OFFSET_NOT_AVAILABLE,
  ErrorCode.REPLICA_NOT_AVAILABLE,
  ErrorCode.LEADER_NOT_AVAILABLE,
]);
