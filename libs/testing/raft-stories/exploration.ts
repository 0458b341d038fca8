import type { MembershipChange } from '@streamline/core/raft/inputs';
import { DEFAULT_RAFT_CONFIG, EMPTY_CONFIGURATION } from '@streamline/core/raft/limits';
import type { Message } from '@streamline/core/raft/messages';
import { SeededRandom } from '@streamline/core/raft/random';
import type { Configuration, RaftConfig, Term, VoterId } from '@streamline/core/raft/types';
import { StoryNode, textOf } from './story-node';

const UTF8 = new TextEncoder();

/** Small bounds, so that every one of them is met within a few hundred steps. */
const CONFIG: RaftConfig = {
  ...DEFAULT_RAFT_CONFIG,
  snapshotIntervalLogs: 12,
  maxLogsInSnapshot: 4,
  purgeBatchSize: 2,
  maxPayloadEntries: 4,
  batchBytesMax: 512,
  inflightAppendsMax: 3,
  inflightBytesMax: 1024,
  windowEntriesMax: 6,
  windowBytesMax: 1024,
  snapshotChunkBytes: 128,
  inflightChunksMax: 2,
};

export function storyVoterId(node: number): VoterId {
  return `${node}@AAAAAAAAAAAAAAAAAAAAAA` as VoterId;
}

export function votersOf(nodes: readonly number[]): Configuration {
  const voters = nodes.map(storyVoterId);
  return { ...EMPTY_CONFIGURATION, members: voters.map((id) => ({ id, address: `${id}:9093` })), voters };
}

/**
 * Plays cores against each other at random: messages are lost, doubled and reordered, writes wait, processes die, members come
 * and go; checks after each step what must never be otherwise. A quick companion of the simulator, for the core's own specs.
 */
export class Exploration {
  readonly nodes: StoryNode[];
  readonly counts = { elections: 0, committed: 0, crashes: 0, changes: 0, snapshots: 0, restores: 0, reads: 0, transfers: 0 };
  readonly #random: SeededRandom;
  #nowMs = 0;
  #network: Message[] = [];
  /** The side on which each node is; sides do not hear each other. */
  readonly #sides = new Map<VoterId, number>();
  #leaders = new Map<Term, VoterId>();
  /** What was applied at each index by whoever was first. */
  #applied = new Map<number, string>();
  #commitOf = new Map<VoterId, number>();
  #requests = 0;
  #reads = new Map<number, number>();
  #proposals = 0;

  constructor(seed: number, nodes = 5, voters = 3) {
    this.#random = new SeededRandom(seed);
    const ids = Array.from({ length: nodes }, (_, at) => at + 1);
    const bootstrap = votersOf(ids.slice(0, voters));
    this.nodes = ids.map((node) => {
      const config = node <= voters ? bootstrap : EMPTY_CONFIGURATION;
      return new StoryNode(storyVoterId(node), CONFIG, config, seed * 31 + node);
    });
    for (const node of this.nodes) node.start(0);
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) {
      this.#disturb();
      this.#collect();
    }
  }

  /** Everything works from now on: returns after how many ms a new proposal is applied everywhere, or undefined. */
  settle(timeoutMs: number): number | undefined {
    const begunMs = this.#nowMs;
    for (const node of this.nodes) if (!node.isUp) node.start(this.#nowMs);
    this.#sides.clear();
    let marker = '';
    while (this.#nowMs - begunMs < timeoutMs) {
      this.#nowMs += 25;
      this.#deliverAll();
      for (const node of this.nodes) if (node.core.nextDeadlineMs <= this.#nowMs) node.step([{ kind: 'tick' }], this.#nowMs);
      this.#deliverAll();
      const leader = this.nodes.find((node) => node.core.status.nodeState === 'Leader');
      if (leader === undefined) continue;
      if (marker === '' || this.#random.between(0, 40) === 0) marker = this.#propose(leader, 'marker');
      const members = leader.core.status.configuration.configuration.members.map(({ id }) => id);
      const there = this.nodes.filter(({ id }) => members.includes(id));
      if (there.every(({ values }) => values.includes(marker))) return this.#nowMs - begunMs;
    }
    return undefined;
  }

  #pick<Item>(items: readonly Item[]): Item | undefined {
    return items[this.#random.between(0, items.length)];
  }

  #chance(percent: number): boolean {
    return this.#random.between(0, 1000) < percent * 10;
  }

  #disturb(): void {
    const node = this.#pick(this.nodes);
    if (node === undefined) return;
    if (!node.isUp) {
      if (this.#chance(20)) node.start(this.#nowMs);
      return;
    }
    const roll = this.#random.between(0, 1000);
    if (roll < 550) this.#deliverOne();
    else if (roll < 750) node.sync(this.#nowMs, this.#random.between(1, 4));
    else if (roll < 850) this.#pass();
    else if (roll < 940) this.#propose(node, 'value');
    else if (roll < 955) this.#read(node);
    else if (roll < 965) this.#change(node);
    else if (roll < 970) this.#transfer(node);
    else if (roll < 975) node.step([{ kind: 'peer-unreachable', peer: this.#pick(this.nodes)?.id ?? node.id }], this.#nowMs);
    else if (roll < 980) node.step([{ kind: 'peer-refused', peer: this.#pick(this.nodes)?.id ?? node.id }], this.#nowMs);
    else if (roll < 985) this.#crash(node);
    else if (roll < 988) this.nodes.forEach((each) => this.#chance(60) && this.#crash(each));
    else if (roll < 992) this.#partition();
    else this.#network = this.#network.filter(() => !this.#chance(60));
  }

  #pass(): void {
    this.#nowMs += this.#random.between(1, 200);
    for (const node of this.nodes) {
      if (node.isUp && node.core.nextDeadlineMs <= this.#nowMs && this.#chance(80)) node.step([{ kind: 'tick' }], this.#nowMs);
    }
  }

  #partition(): void {
    const isCut = this.#chance(70);
    for (const { id } of this.nodes) this.#sides.set(id, isCut ? this.#random.between(0, 2) : 0);
  }

  /** What was not durable is lost. */
  #crash(node: StoryNode): void {
    if (!node.isUp) return;
    this.counts.crashes++;
    node.crash();
    this.#commitOf.delete(node.id);
  }

  #deliverOne(): void {
    const at = this.#chance(70) ? 0 : this.#random.between(0, this.#network.length);
    const message = this.#network[at];
    if (message === undefined) return;
    if (!this.#chance(3)) this.#network.splice(at, 1);
    if (!this.#chance(4)) this.#deliver(message);
  }

  #deliverAll(): void {
    for (let busy = true; busy;) {
      const messages = this.#network;
      this.#network = [];
      for (const message of messages) this.#deliver(message);
      for (const node of this.nodes) node.sync(this.#nowMs);
      this.#collect();
      busy = this.#network.length > 0;
    }
  }

  #deliver(message: Message): void {
    const to = this.nodes.find(({ id }) => id === message.to);
    if (this.#sides.get(message.from) !== this.#sides.get(message.to)) return;
    if (to?.isUp === true) to.step([{ kind: 'message', message }], this.#nowMs);
  }

  #propose(node: StoryNode, word: string): string {
    const value = `${word}-${++this.#proposals}`;
    const records = [UTF8.encode(value.padEnd(this.#random.between(8, 200), '.'))];
    const text = new TextDecoder().decode(records[0]);
    node.step(
      [{ kind: 'propose', requestId: ++this.#requests, proposals: [{ records }], forward: this.#chance(50) }],
      this.#nowMs,
    );
    return text;
  }

  #read(node: StoryNode): void {
    const requestId = ++this.#requests;
    // Everything that was applied anywhere by now was committed before the read.
    this.#reads.set(requestId, this.#applied.size);
    node.step([{ kind: 'read-index', requestId }], this.#nowMs);
  }

  #transfer(node: StoryNode): void {
    const to = this.#chance(50) ? this.#pick(this.nodes)?.id : undefined;
    node.step([{ kind: 'transfer-leadership', requestId: ++this.#requests, to }], this.#nowMs);
  }

  #change(node: StoryNode): void {
    const { voters, learners } = node.core.status.configuration.configuration;
    const changes = this.nodes.flatMap(({ id }): MembershipChange[] => {
      if (!this.#chance(45)) return [];
      if (voters.includes(id)) return [{ kind: this.#chance(60) ? 'remove' : 'demote', id }];
      if (learners.includes(id)) return [{ kind: this.#chance(80) ? 'promote' : 'remove', id }];
      return [{ kind: 'add-learner', member: { id, address: `${id}:9093` } }];
    });
    node.step([{ kind: 'change-membership', requestId: ++this.#requests, changes }], this.#nowMs);
  }

  #collect(): void {
    for (const node of this.nodes) {
      if (!node.isUp) continue;
      this.#network.push(...node.sent);
      node.sent = [];
      for (const effect of node.told) this.#check(node, effect);
      node.told = [];
      const { commitIndex } = node.core.status;
      if (commitIndex < (this.#commitOf.get(node.id) ?? 0)) throw new Error(`${node.id} goes back to commit ${commitIndex}`);
      this.#commitOf.set(node.id, commitIndex);
    }
    if (this.#network.length > 400) this.#network.splice(0, this.#network.length - 400);
  }

  #check(node: StoryNode, effect: StoryNode['told'][number]): void {
    if (effect.kind === 'leadership' && effect.leads) {
      const other = this.#leaders.get(effect.term);
      if (other !== undefined && other !== node.id) throw new Error(`RAFT-1: ${other} and ${node.id} lead term ${effect.term}`);
      if (other === undefined) this.counts.elections++;
      this.#leaders.set(effect.term, node.id);
    }
    if (effect.kind === 'apply') {
      for (const entry of effect.entries) {
        const text = `${entry.term}:${textOf(entry)}`;
        const known = this.#applied.get(entry.index) ?? text;
        if (known !== text) throw new Error(`RAFT-5: ${node.id} applies ${text} at ${entry.index}, another applied ${known}`);
        this.#applied.set(entry.index, known);
      }
      this.counts.committed = this.#applied.size;
    }
    if (effect.kind === 'read-result' && effect.outcome.kind === 'ready') {
      this.counts.reads++;
      const least = this.#reads.get(effect.requestId) ?? 0;
      if (effect.outcome.index < least) throw new Error(`RAFT-14: a read at ${effect.outcome.index} misses ${least}`);
    }
    if (effect.kind === 'membership-result' && effect.outcome.kind === 'done') this.counts.changes++;
    if (effect.kind === 'transfer-result' && effect.outcome.kind === 'done') this.counts.transfers++;
    if (effect.kind === 'take-snapshot') this.counts.snapshots++;
    if (effect.kind === 'restore') this.counts.restores++;
  }
}
