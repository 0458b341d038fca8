import type { VoterId } from '@streamline/core/raft/types';
import type { MemoryNetwork } from '@streamline/testing/raft-host/memory-network';
import { type Host, RaftHostKit, votersUpTo } from '@streamline/testing/raft-host/raft-host-kit';
import { encodeCommand } from '@streamline/testing/raft-host/register-machine';
import type { RaftTransport, RaftTransportListener } from '@streamline/runtime/raft/raft-transport';
import type { RaftBench, RaftScenario } from './bench';
import { distribution } from './distribution';

/** One way, as on a local network. */
const NETWORK_MS = 0.2;
/** Of a link's attempts to connect again: the first after a millisecond, then as RaftLink's back-off. */
const RECONNECT_MS = [1, 20, 40, 80, 160, 320, 400, 400, 400, 400];
const PHASE_MS = 500;
const CALL = { deadlineMs: 30_000, forward: false };
const VOTERS = [3, 5];
const PROPOSAL = { records: [encodeCommand({ key: 'a', operation: { kind: 'write', value: '1' } })] };

/** The shipped core, driver and storage in virtual time, so that no other load of the machine counts. */
export const virtualElectionsScenario: RaftScenario = {
  name: 'virtual',
  summary: 'the same in virtual time: core, driver and storage with a network of 0.2 ms and a disk that takes no time',
  async run(bench) {
    for (const count of VOTERS) {
      await measure(bench, count, 'refused');
      await measure(bench, count, 'silent');
    }
  },
};

async function measure(bench: RaftBench, count: number, death: 'refused' | 'silent'): Promise<void> {
  const cluster = new VirtualCluster(count);
  await cluster.start();
  const times: number[] = [];
  const before = cluster.term;
  for (let at = 0; at < bench.elections; at++) times.push(await cluster.replaceLeader(death));
  const line = `${count} voters, ${death === 'refused' ? 'the address refuses connections' : 'the leader is silent'}`;
  const figures = { ...distribution(times), termsEach: (cluster.term - before) / times.length };
  bench.record({ line, figures, foreignCores: undefined });
}

class VirtualCluster {
  readonly #kit: RaftHostKit;
  readonly #links = new Map<VoterId, ObservedTransport>();

  constructor(private readonly count: number) {
    this.#kit = new RaftHostKit(votersUpTo(count));
    this.#kit.network.delayMs = NETWORK_MS;
  }

  get term(): number {
    return this.#kit.leader?.driver.status.term ?? 0;
  }

  async start(): Promise<void> {
    for (let node = 1; node <= this.count; node++) await this.#startNode(node);
    await this.#kit.until('a leader', () => this.#kit.leader !== undefined);
  }

  /** Milliseconds of virtual time from the leader's death until the next one has committed a proposal. */
  async replaceLeader(death: 'refused' | 'silent'): Promise<number> {
    const { clock, network, random } = this.#kit;
    const leader = this.#leader();
    await this.#pass(random.next() * PHASE_MS);
    const diedMs = clock.monotonicMs();
    if (death === 'silent') network.isolate(leader.id);
    else await this.#refuse(leader);
    const isNext = ({ driver, id }: Host): boolean => id !== leader.id && !driver.isStopped && driver.leads;
    const find = (): Host | undefined => [...this.#kit.hosts.values()].find(isNext);
    await this.#kit.until('the next leader', () => find() !== undefined);
    const reply = await this.#kit.outcome(find()?.driver.propose([PROPOSAL], CALL) ?? Promise.reject(new Error('it is gone')));
    if (reply.kind !== 'applied') throw new Error(`the first proposal came to nothing: ${reply.kind}`);
    const tookMs = clock.monotonicMs() - diedMs;
    network.heal();
    if (death === 'refused') await this.#restart(leader);
    await this.#kit.until('all to be of one state', () => this.#isSettled());
    return tookMs;
  }

  /** The process is gone: whoever tries to connect is told so, until it is back. */
  async #refuse(leader: Host): Promise<void> {
    leader.driver.kill();
    await this.#links.get(leader.id)?.close();
    const refuse = (attempt: number): void => {
      const delayMs = RECONNECT_MS[attempt];
      if (delayMs === undefined || this.#kit.hosts.get(leader.id) !== leader) return;
      this.#kit.clock.schedule(delayMs, () => {
        if (this.#kit.hosts.get(leader.id) !== leader) return;
        for (const [id, link] of this.#links) if (id !== leader.id) link.refused(leader.id);
        refuse(attempt + 1);
      });
    };
    refuse(0);
  }

  async #restart(leader: Host): Promise<void> {
    await this.#startNode(Number(leader.id.slice(0, leader.id.indexOf('@'))), leader.disk.kill());
  }

  async #startNode(node: number, disk?: Host['disk']): Promise<void> {
    const id = votersUpTo(this.count).voters[node - 1];
    if (id === undefined) throw new RangeError(`there is no node ${node}`);
    const transport = new ObservedTransport(this.#kit.network, id);
    this.#links.set(id, transport);
    await this.#kit.start(node, disk, { transport });
  }

  async #pass(ms: number): Promise<void> {
    const untilMs = this.#kit.clock.monotonicMs() + ms;
    await this.#kit.until('time to pass', () => this.#kit.clock.monotonicMs() >= untilMs);
  }

  #isSettled(): boolean {
    const { leader, hosts } = this.#kit;
    const status = leader?.driver.status;
    return [...hosts.values()].every(({ driver }) => {
      const { leaderId, appliedIndex } = driver.status;
      return leaderId !== undefined && leaderId === status?.self && appliedIndex === status.lastIndex;
    });
  }

  #leader(): Host {
    const { leader } = this.#kit;
    if (leader === undefined) throw new Error('nobody leads');
    return leader;
  }
}

/** Lets refused connections be reported, which the network in memory has none of. */
class ObservedTransport implements RaftTransport {
  readonly #inner: RaftTransport;
  #listener: RaftTransportListener | undefined;

  constructor(network: MemoryNetwork, self: VoterId) {
    this.#inner = network.transportOf(self);
  }

  listen(listener: RaftTransportListener): void {
    this.#listener = listener;
    this.#inner.listen(listener);
  }

  refused(peer: VoterId): void {
    this.#listener?.onRefused(peer);
  }

  setPeers(...peers: Parameters<RaftTransport['setPeers']>): void {
    this.#inner.setPeers(...peers);
  }

  send(...messages: Parameters<RaftTransport['send']>): void {
    this.#inner.send(...messages);
  }

  close(): Promise<void> {
    this.#listener = undefined;
    return this.#inner.close();
  }
}
