import { DEFAULT_RAFT_CONFIG } from '@streamline/core/raft/limits';
import type { Configuration, RaftConfig, VoterId } from '@streamline/core/raft/types';
import { voterId } from '@streamline/core/raft/types';
import type { ClusterId, DirectoryId, NodeId } from '@streamline/core/types/ids';
import type { DiskRaftStorage } from '@streamline/runtime/raft/disk-raft-storage';
import { openRaftStorage } from '@streamline/runtime/raft/open-raft-storage';
import { RaftDriver, type RaftDriverOptions } from '@streamline/runtime/raft/raft-driver';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { MemoryNetwork } from './memory-network';
import { RegisterMachine, type RegisterResult } from './register-machine';

export const CLUSTER = 'clusterclustercluster0' as ClusterId;

export interface Host {
  readonly id: VoterId;
  disk: MemoryDisk;
  storage: DiskRaftStorage;
  machine: RegisterMachine;
  driver: RaftDriver<RegisterResult>;
  readonly failures: Error[];
}

export function memberId(node: number): VoterId {
  return voterId(node as NodeId, `directory${node}`.padEnd(22, '0') as DirectoryId);
}

/** The configuration of nodes 1 to `count`, all voters. */
export function votersUpTo(count: number): Configuration {
  const voters = Array.from({ length: count }, (_, at) => memberId(at + 1));
  return { members: voters.map((id) => ({ id, address: `host:${id}` })), voters, outgoingVoters: [], learners: [] };
}

/** Drivers with storage in memory, on one virtual clock and a network in memory. Time only moves in `settle` and `until`. */
export class RaftHostKit {
  readonly clock = new VirtualClock();
  readonly network = new MemoryNetwork(this.clock);
  readonly hosts = new Map<VoterId, Host>();
  readonly random: SeededRandom;

  constructor(
    private readonly bootstrap: Configuration,
    private readonly config: Partial<RaftConfig> = {},
    seed = 1,
  ) {
    this.random = new SeededRandom(seed);
  }

  async start(
    node: number,
    disk = new MemoryDisk({ random: this.random.fork() }),
    options: Partial<RaftDriverOptions<RegisterResult>> = {},
    bootstrap = this.bootstrap,
  ): Promise<Host> {
    const id = memberId(node);
    if (!(await disk.exists('/raft'))) {
      await disk.makeDirectory('/raft');
      await disk.syncDirectory('/');
    }
    const storage = await openRaftStorage({
      disk,
      clock: this.clock,
      random: this.random,
      directory: '/raft',
      nodeId: node as NodeId,
      directoryId: id.slice(id.indexOf('@') + 1) as DirectoryId,
      clusterId: CLUSTER,
      bootstrap,
      journalSize: { fileBytes: 128 * 1024, fileCount: 4, groupBytesMax: 32 * 1024, pendingBytesMax: 256 * 1024 },
    });
    const machine = new RegisterMachine();
    const driver = RaftDriver.start<RegisterResult>({
      clock: this.clock,
      random: this.random,
      self: id,
      config: { ...DEFAULT_RAFT_CONFIG, ...this.config },
      storage,
      machine,
      transport: this.network.transportOf(id),
      ...options,
    });
    const host: Host = { id, disk, storage, machine, driver, failures: [] };
    driver.onFailure((error) => host.failures.push(error));
    this.hosts.set(id, host);
    return host;
  }

  /** Ends the process, or cuts the machine's power, and starts it again on what its disk holds. */
  async restart(host: Host, how: 'kill' | 'crash'): Promise<Host> {
    host.driver.kill();
    const disk = how === 'kill' ? host.disk.kill() : host.disk.crash();
    return this.start(Number(host.id.slice(0, host.id.indexOf('@'))), disk);
  }

  get leader(): Host | undefined {
    return [...this.hosts.values()].find(({ driver }) => !driver.isStopped && driver.leads);
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      await new Promise((resolve) => setImmediate(resolve));
      if ([...this.hosts.values()].some(({ disk }) => disk.isBusy)) quiet = 0;
    }
  }

  /** Moves time on until the condition holds; fails after `withinMs` of virtual time. */
  async until(what: string, condition: () => boolean, withinMs = 20_000): Promise<void> {
    const endMs = this.clock.monotonicMs() + withinMs;
    for (;;) {
      await this.settle();
      if (condition()) return;
      const stepMs = Math.max(this.clock.nextTimerInMs ?? 1, 0.1);
      if (this.clock.monotonicMs() + stepMs > endMs) throw new Error(`not within ${withinMs} ms: ${what}`);
      this.clock.advance(stepMs);
    }
  }

  /** Moves time on until the promise is settled. */
  async outcome<T>(promise: Promise<T>, withinMs = 20_000): Promise<T> {
    let isSettled = false;
    void promise.finally(() => (isSettled = true)).catch(() => undefined);
    await this.until('an answer', () => isSettled, withinMs);
    return promise;
  }
}
