import type { Member, VoterId } from '@streamline/core/raft/types';
import { voterId } from '@streamline/core/raft/types';
import type { NodeId } from '@streamline/core/types/ids';
import type { Endpoint } from '@streamline/testing/raft/network';
import { NodeClock } from '@streamline/testing/raft/node-clock';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { CallEndpoint } from './call-network';
import type { CommandLine, ProcessEnd, ProcessSurroundings } from './cluster-process';
import { ClusterProcess, STOP_MS } from './cluster-process';
import { Directory } from './directory';

const PORT = 9_093;

export interface MachineEvents {
  /** Its process is gone: connections to it break, at once if it was killed. */
  readonly ended: (machine: ClusterMachine) => void;
  /** Its process ended by itself; somebody has to start it again. */
  readonly exited: (machine: ClusterMachine, why: ProcessEnd) => void;
}

/** One node id: a machine with a directory, and at times a process. */
export class ClusterMachine {
  readonly clock: NodeClock;
  process: ClusterProcess | undefined;
  /** Without power nothing answers, not even that a connection is refused. */
  hasPower = true;
  directory: Directory;
  seeds: readonly string[] = [];
  mode: CommandLine['mode'] = 'auto';
  /** Why the last process would not go on, if it said so. */
  refusal: string | undefined;
  isWiped = false;
  wasRemoved = false;
  #addresses = 0;

  constructor(
    readonly nodeId: NodeId,
    private readonly random: SeededRandom,
    private readonly all: ProcessSurroundings,
    private readonly events: MachineEvents,
  ) {
    this.clock = new NodeClock(all.events, random.integer(0, 1e9));
    this.directory = new Directory(random.fork(), all.counters, all.events);
  }

  get id(): VoterId {
    return voterId(this.nodeId, this.directory.id);
  }

  get address(): string {
    return `node-${this.nodeId}:${PORT + this.#addresses}`;
  }

  get member(): Member {
    return { id: this.id, address: this.address };
  }

  get isUp(): boolean {
    return this.process !== undefined;
  }

  /** For the consensus. */
  get endpoint(): Endpoint {
    return this.process?.wire ?? (this.hasPower ? 'refused' : 'silent');
  }

  /** For calls. */
  get callEndpoint(): CallEndpoint {
    return this.process ?? (this.hasPower ? 'refused' : 'silent');
  }

  /** Another address from the next start on. */
  move(): void {
    this.#addresses += 1;
  }

  start(): void {
    if (this.process !== undefined) return;
    this.hasPower = true;
    this.refusal = undefined;
    const line = { address: this.address, seeds: this.seeds, mode: this.mode };
    const process = new ClusterProcess(this.nodeId, line, this.directory, this.clock, this.random.fork(), this.all, (why) => {
      if (this.process !== process) return;
      if (typeof why === 'object') this.refusal = why.refused;
      this.crash('kill');
      this.events.exited(this, why);
    });
    this.process = process;
    process.tell(`starts at ${line.address}, seeds ${line.seeds.join(' ') || 'none'}, ${line.mode}`);
  }

  crash(how: 'kill' | 'power'): void {
    const { process, all } = this;
    if (process === undefined) return;
    process.tell(how === 'kill' ? 'is killed' : 'loses power');
    this.process = undefined;
    this.hasPower = how === 'kill';
    process.end();
    this.directory.crash(how);
    all.calls.ended(process, this.hasPower);
    all.counters[how === 'kill' ? 'kills' : 'powerLosses'] += 1;
    this.events.ended(this);
  }

  /** SIGTERM, and SIGKILL when that takes too long. `then`: it is down. */
  stop(then: () => void): void {
    const { process, all } = this;
    if (process === undefined || process.isStopping) return;
    process.tell('is told to stop');
    const down = (isClean: boolean) => (): void => {
      if (this.process !== process) return;
      if (isClean) all.counters.cleanStops += 1;
      else this.directory.cleanBrokerEpoch = -1;
      this.crash('kill');
      then();
    };
    all.events.after(STOP_MS, down(false));
    process.stop().then(down(true), () => process.tell('fails to stop'));
  }

  pause(): void {
    if (this.process === undefined || this.process.isPaused) return;
    this.all.counters.pauses += 1;
    this.process.tell('stands still');
    this.process.pause();
  }

  resume(): void {
    this.process?.resume();
  }

  /** The directory is lost: the node that comes back under this id is another member. */
  wipe(): void {
    this.crash('power');
    const ghost = this.all.ghost.members.get(this.id);
    if (ghost !== undefined) ghost.isIntact = false;
    this.all.counters.wipedDirectories += 1;
    this.isWiped = true;
    this.directory = new Directory(this.random.fork(), this.all.counters, this.all.events);
  }
}
