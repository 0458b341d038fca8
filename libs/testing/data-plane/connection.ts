import type { NodeId } from '@streamline/core/types/ids';
import type { ClusterProcess } from '@streamline/testing/cluster/cluster-process';
import { isDiskFault } from '@streamline/testing/raft/shipped-disk';
import { Violation } from '@streamline/testing/raft/violation';
import type { ClientWorld } from './client-world';
import { Pipe } from './pipe';
import type { StorageSide } from './storage-side';

/** What came of a request; `lost`: it may have been carried out, or may yet. */
export type Outcome<T> = { readonly kind: 'answered'; readonly answer: T } | { readonly kind: 'lost'; readonly why: string };

const STRAGGLER_MS = 2_500;

interface Call {
  settle(outcome: Outcome<never>): void;
}

/** A client's connection to one process of a broker: what is sent on it comes in that order, and the answers too. */
export class Connection {
  readonly id: number;
  isOver = false;
  #process: ClusterProcess | undefined;
  readonly #calls = new Set<Call>();
  readonly #there: Pipe;
  readonly #back: Pipe;

  constructor(
    private readonly world: ClientWorld,
    /** As the network knows the client. */
    clientId: number,
    readonly nodeId: NodeId,
    /** What is on its way when it is closed may still arrive. */
    private readonly lingers: boolean,
  ) {
    this.id = world.nextId();
    this.#there = new Pipe(world, clientId, nodeId, () => this.close('the connection broke'));
    this.#back = new Pipe(world, nodeId, clientId, () => this.close('the connection broke'));
  }

  /** The process that it leads to has ended. */
  endedWith(process: ClusterProcess): void {
    if (this.#process !== process || this.isOver) return;
    this.world.events.after(this.world.random.next() * 20, () => this.close('the connection was closed'));
  }

  call<T>(ask: (storage: StorageSide) => Promise<T>, timeoutMs: number, settled: (outcome: Outcome<T>) => void): void {
    const { world } = this;
    let isOver = false;
    const settle = (outcome: Outcome<T>): void => {
      if (isOver) return;
      isOver = true;
      timeout.isCancelled = true;
      this.#calls.delete(call);
      try {
        settled(outcome);
      } catch (error) {
        world.broken(error);
      }
    };
    const call: Call = { settle };
    const timeout = world.events.after(timeoutMs, () => {
      settle({ kind: 'lost', why: 'no answer in time' });
      this.close('an answer did not come in time');
    });
    this.#calls.add(call);
    this.#there.send(() => this.#arrive(ask, (answer) => settle({ kind: 'answered', answer })));
  }

  /** Whatever waits for an answer gets none; what is on its way may still arrive. */
  close(why: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#back.drop();
    this.#leave();
    for (const call of [...this.#calls]) call.settle({ kind: 'lost', why });
  }

  /** What is under way is lost, or stands somewhere in between and arrives when it is over. */
  #leave(): void {
    const { random, machines } = this.world;
    if (!this.lingers || random.chance(0.5)) return this.#there.drop();
    this.#process ??= machines[this.nodeId - 1]?.process;
    this.#there.straggle(random.next() * STRAGGLER_MS);
  }

  #arrive<T>(ask: (storage: StorageSide) => Promise<T>, answered: (answer: T) => void): void {
    const { world } = this;
    const machine = world.machines[this.nodeId - 1];
    const process = machine?.process;
    if (machine === undefined || process === undefined || (this.#process !== undefined && this.#process !== process)) {
      if (machine?.hasPower === true) this.close('connection refused');
      return;
    }
    process.unlessHeld(() => {
      const storage = world.storageOf(machine);
      if (storage?.port === undefined || storage.process !== process) return this.close('connection refused');
      this.#process = process;
      ask(storage).then(
        (answer) => {
          if (!process.hasEnded) this.#back.send(() => answered(answer));
        },
        (error: unknown) => {
          if (process.hasEnded || isDiskFault(error)) return;
          const what = `a client of node ${process.nodeId} is answered ${describe(error)}`;
          world.broken(error instanceof Violation ? error : new Violation('ports', what));
        },
      );
    });
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
