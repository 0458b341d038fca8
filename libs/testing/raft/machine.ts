import { voterId } from '@streamline/core/raft/types';
import { EMPTY_CONFIGURATION } from '@streamline/core/raft/limits';
import type { Configuration, Member, VoterId } from '@streamline/core/raft/types';
import type { DirectoryId, NodeId } from '@streamline/core/types/ids';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import { NodeClock } from './node-clock';
import type { Endpoint } from './network';
import type { NodeKind, ProcessHost, SimulatedDisk, SimulatedProcess } from './simulated-process';

/** What a machine needs of the simulation around it. */
export type MachineSurroundings = Omit<ProcessHost, 'id' | 'bootstrap' | 'clock' | 'random' | 'exited' | 'refused'>;

/** One node id: a machine with a disk, and at times a process. */
export class Machine {
  readonly clock: NodeClock;
  process: SimulatedProcess | undefined;
  isPaused = false;
  /** Without power nothing answers, not even that a connection is refused. */
  hasPower = true;
  #bootstrap: Configuration = EMPTY_CONFIGURATION;
  #directories = 0;
  #addresses = 0;
  #disk: SimulatedDisk;
  #id: VoterId;

  constructor(
    readonly nodeId: number,
    private readonly kind: NodeKind,
    private readonly random: SeededRandom,
    private readonly surroundings: MachineSurroundings,
  ) {
    this.clock = new NodeClock(surroundings.events, random.integer(0, 1e9));
    this.#id = this.#nextId();
    this.#disk = this.#format();
  }

  get id(): VoterId {
    return this.#id;
  }

  get disk(): SimulatedDisk {
    return this.#disk;
  }

  get member(): Member {
    return { id: this.#id, address: `node-${this.nodeId}:${9093 + this.#addresses}` };
  }

  /** Another address, as after a move; the network finds the node by its id all the same. */
  get nextAddress(): string {
    this.#addresses += 1;
    return this.member.address;
  }

  get isUp(): boolean {
    return this.process !== undefined;
  }

  get endpoint(): Endpoint {
    return this.process ?? (this.hasPower ? 'refused' : 'silent');
  }

  bootstrapWith(configuration: Configuration): void {
    this.#bootstrap = configuration;
  }

  /** Does nothing if the process runs. Returns false if the disk is refused. */
  start(): boolean {
    if (this.process !== undefined) return true;
    const started = this.kind.start(this.#disk, {
      ...this.surroundings,
      id: this.#id,
      bootstrap: this.#bootstrap,
      clock: this.clock,
      random: this.random.fork(),
      exited: (how) => this.crash(how),
      refused: () => this.#replaceDamagedDisk(),
    });
    this.hasPower = true;
    this.isPaused = false;
    if (started === 'refused') return false;
    this.process = started;
    return true;
  }

  crash(how: 'kill' | 'power'): void {
    if (this.process === undefined) return;
    this.process.end();
    this.process = undefined;
    this.isPaused = false;
    this.hasPower = how === 'kill';
    this.#disk.crash(how);
    this.surroundings.counters[how === 'kill' ? 'kills' : 'powerLosses'] += 1;
  }

  pause(): void {
    if (this.process === undefined || this.isPaused) return;
    this.surroundings.counters.pauses += 1;
    this.isPaused = true;
    this.process.pause();
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.process?.resume();
  }

  /** Nobody counts on this disk from now on. */
  giveUpDisk(): void {
    const ghost = this.surroundings.ghost.members.get(this.#id);
    if (ghost !== undefined) ghost.isIntact = false;
  }

  /** A new disk under the old node id: another member, that waits to be added. */
  replaceDisk(): void {
    if (this.process !== undefined) throw new Error('the disk of a running process is not replaced');
    this.giveUpDisk();
    this.#id = this.#nextId();
    this.#bootstrap = EMPTY_CONFIGURATION;
    this.#disk = this.#format();
  }

  #replaceDamagedDisk(): void {
    this.crash('kill');
    this.replaceDisk();
  }

  #nextId(): VoterId {
    this.#directories += 1;
    return voterId(this.nodeId as NodeId, `dir${this.#directories}` as DirectoryId);
  }

  #format(): SimulatedDisk {
    return this.kind.format(this.random.fork(), this.surroundings.counters, this.surroundings.events);
  }
}
