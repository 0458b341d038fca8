import type { Input, MembershipChange } from '@streamline/core/raft/inputs';
import { DEFAULT_RAFT_CONFIG, EMPTY_CONFIGURATION } from '@streamline/core/raft/limits';
import type { Message } from '@streamline/core/raft/messages';
import type { Configuration, RaftConfig, VoterId } from '@streamline/core/raft/types';
import { describeConfiguration, describeEffect, describeMessage, shortId } from './describe';
import { votersOf } from './exploration';
import { emptyDisk, StoryNode, textEntry } from './story-node';

const UTF8 = new TextEncoder();

/** `3` is node 3; `3'` is node 3 with another disk. */
function idOf(word: string | undefined): VoterId {
  const node = Number.parseInt(word ?? '', 10);
  if (!Number.isInteger(node)) throw new Error(`no node: ${word ?? ''}`);
  return `${node}@${'A'.repeat(21)}${word?.endsWith("'") === true ? 'B' : 'A'}` as VoterId;
}

/** Runs the commands of a transcript (see libs/core/raft/transcripts/README.md) against real cores, and says what happens. */
export class RaftStory {
  #config: RaftConfig = DEFAULT_RAFT_CONFIG;
  #nodes: StoryNode[] = [];
  #bootstrap: Configuration = EMPTY_CONFIGURATION;
  #network: Message[] = [];
  #nowMs = 0;
  #requests = 0;
  #tellsMessages = false;
  /** Messages that may still travel. */
  #deliverable = Infinity;
  /** One-way, as `from>to`. */
  readonly #cuts = new Set<string>();
  readonly #heldDisks = new Set<VoterId>();
  #lines: string[] = [];

  /** Runs one command line; returns the lines of output. */
  run(line: string): string[] {
    this.#lines = [];
    const [name = '', ...words] = line.trim().split(/\s+/);
    const command = this.#commands[name];
    if (command === undefined) return [`no such command: ${name}`];
    command(words);
    this.#untilQuiet();
    return this.#lines;
  }

  readonly #commands: Readonly<Record<string, (words: readonly string[]) => void>> = {
    config: (words) => {
      const pairs = words.map((word) => word.split('='));
      this.#config = { ...this.#config, ...Object.fromEntries(pairs.map(([key, value]) => [key, Number(value)])) };
    },
    nodes: (words) => {
      this.#bootstrap = votersOf(words.map(Number));
      for (const word of words) this.#add(idOf(word), this.#bootstrap);
    },
    join: (words) => {
      for (const word of words) this.#add(idOf(word), EMPTY_CONFIGURATION).start(this.#nowMs);
    },
    stored: ([word, ...rest]) => this.#store(idOf(word), rest),
    start: (words) => this.#chosen(words).forEach((node) => node.start(this.#nowMs)),
    crash: (words) => this.#chosen(words).forEach((node) => node.crash()),
    timeout: (words) => this.#timeout(words),
    tick: ([ms]) => this.#pass(Number(ms)),
    cut: (words) => words.forEach((word) => this.#cut(word)),
    isolate: ([word]) => this.#nodes.forEach(({ id }) => this.#cut(`${word}-${shortId(id)}`)),
    heal: () => this.#cuts.clear(),
    pause: () => {
      this.#deliverable = 0;
    },
    deliver: ([count]) => {
      this.#deliverable = Number(count);
    },
    lose: () => {
      this.#network = [];
    },
    resume: () => {
      this.#deliverable = Infinity;
    },
    hold: (words) => words.forEach((word) => this.#heldDisks.add(idOf(word))),
    release: (words) => words.forEach((word) => this.#heldDisks.delete(idOf(word))),
    propose: ([word, ...texts]) => this.#propose(word, texts, false),
    forward: ([word, ...texts]) => this.#propose(word, texts, true),
    read: ([word]) => this.#step(word, { kind: 'read-index', requestId: ++this.#requests }),
    transfer: ([word, to]) => {
      const target = to === undefined ? undefined : idOf(to);
      this.#step(word, { kind: 'transfer-leadership', requestId: ++this.#requests, to: target });
    },
    change: ([word, ...rest]) => {
      const changes = rest.join(' ').split(',').map(changeOf);
      this.#step(word, { kind: 'change-membership', requestId: ++this.#requests, changes });
    },
    refuse: ([word, peer]) => this.#step(word, { kind: 'peer-refused', peer: idOf(peer) }),
    unreachable: ([word, peer]) => this.#step(word, { kind: 'peer-unreachable', peer: idOf(peer) }),
    messages: ([word]) => {
      this.#tellsMessages = word === 'on';
    },
    status: (words) => this.#chosen(words).forEach((node) => this.#lines.push(statusOf(node))),
    log: (words) => this.#chosen(words).forEach((node) => this.#lines.push(logOf(node))),
    values: (words) => this.#chosen(words).forEach(({ id, values }) => this.#lines.push(`${shortId(id)} ${values.join(' ')}`)),
    configuration: (words) => {
      for (const node of this.#chosen(words).filter(({ isUp }) => isUp)) {
        const { index, configuration } = node.core.status.configuration;
        this.#lines.push(`${shortId(node.id)} at ${index}: ${describeConfiguration(configuration)}`);
      }
    },
    peers: ([word]) => {
      for (const { id, state, matchIndex, nextIndex } of this.#node(word).core.status.peers) {
        this.#lines.push(`${shortId(id)} ${state} match ${matchIndex} next ${nextIndex}`);
      }
    },
    deadline: ([word]) => {
      this.#lines.push(`${word} in ${this.#node(word).core.nextDeadlineMs - this.#nowMs} ms`);
    },
  };

  #add(id: VoterId, bootstrap: Configuration): StoryNode {
    const node = new StoryNode(id, this.#config, bootstrap, 1000 + this.#nodes.length);
    this.#nodes.push(node);
    return node;
  }

  #node(word: string | undefined): StoryNode {
    const id = idOf(word);
    const node = this.#nodes.find((candidate) => candidate.id === id);
    if (node === undefined) throw new Error(`no node: ${word ?? ''}`);
    return node;
  }

  #chosen(words: readonly string[]): readonly StoryNode[] {
    return words.length === 0 ? this.#nodes : words.map((word) => this.#node(word));
  }

  #step(word: string | undefined, input: Input): void {
    this.#node(word).step([input], this.#nowMs);
  }

  #propose(word: string | undefined, texts: readonly string[], forward: boolean): void {
    const proposals = texts.map((text) => ({ records: [UTF8.encode(text)] }));
    this.#step(word, { kind: 'propose', requestId: ++this.#requests, proposals, forward });
  }

  /** `stored NODE [term=N] TERM...`: what is on the disk before the start, one entry a term, as in the paper's figures. */
  #store(id: VoterId, words: readonly string[]): void {
    const term = words.find((word) => word.startsWith('term='))?.slice('term='.length);
    const terms = words.filter((word) => !word.includes('=')).map(Number);
    const disk = emptyDisk();
    disk.entries = terms.map((entryTerm, at) => textEntry(at + 1, entryTerm, `t${entryTerm}`));
    disk.hardState = { term: Number(term ?? terms[terms.length - 1] ?? 0), votedFor: undefined, commitIndex: 0 };
    const at = this.#nodes.findIndex((node) => node.id === id);
    this.#nodes[at] = new StoryNode(id, this.#config, this.#bootstrap, 1000 + at, disk);
  }

  /** The election timeouts of these nodes run out before those of the others. */
  #timeout(words: readonly string[]): void {
    const nodes = this.#chosen(words);
    this.#nowMs = Math.max(this.#nowMs, ...nodes.map(({ core }) => core.nextDeadlineMs));
    for (const node of nodes) node.step([{ kind: 'tick' }], this.#nowMs);
  }

  #pass(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      this.#untilQuiet();
      const up = this.#nodes.filter(({ isUp }) => isUp);
      const next = Math.min(...up.map(({ core }) => core.nextDeadlineMs));
      if (next > endMs) break;
      this.#nowMs = Math.max(this.#nowMs, next);
      for (const node of up) if (node.core.nextDeadlineMs <= this.#nowMs) node.step([{ kind: 'tick' }], this.#nowMs);
    }
    this.#nowMs = endMs;
  }

  /** `1-2` cuts both ways, `1>2` one. */
  #cut(word: string): void {
    const [left, right] = word.split(/[->]/);
    this.#cuts.add(`${left}>${right}`);
    if (word.includes('-')) this.#cuts.add(`${right}>${left}`);
  }

  /** Disks write and messages travel, in the order in which they came, until nothing moves. */
  #untilQuiet(): void {
    for (;;) {
      for (const node of this.#nodes) this.#collect(node);
      const message = this.#deliverable > 0 ? this.#network.shift() : undefined;
      if (message === undefined) return;
      if (this.#cuts.has(`${shortId(message.from)}>${shortId(message.to)}`)) continue;
      const to = this.#nodes.find(({ id, isUp }) => isUp && id === message.to);
      if (to === undefined) continue;
      this.#deliverable--;
      if (this.#tellsMessages) this.#lines.push(describeMessage(message));
      to.step([{ kind: 'message', message }], this.#nowMs);
    }
  }

  #collect(node: StoryNode): void {
    if (!node.isUp) return;
    this.#tell(node);
    while (node.writes.length > 0 && !this.#heldDisks.has(node.id)) {
      node.sync(this.#nowMs);
      this.#tell(node);
    }
    this.#network.push(...node.sent);
    node.sent = [];
  }

  #tell(node: StoryNode): void {
    for (const effect of node.told) {
      const line = describeEffect(node.id, effect);
      if (line !== undefined) this.#lines.push(line);
    }
    node.told = [];
  }
}

function changeOf(text: string): MembershipChange {
  const [kind, word, address] = text.trim().split(/\s+/);
  const id = idOf(word);
  switch (kind) {
    case 'add-learner':
      return { kind, member: { id, address: `node-${shortId(id)}:9093` } };
    case 'set-address':
      return { kind, id, address: address ?? '' };
    case 'promote':
    case 'demote':
    case 'remove':
      return { kind, id };
    default:
      throw new Error(`no such change: ${kind ?? ''}`);
  }
}

function statusOf(node: StoryNode): string {
  if (!node.isUp) return `${shortId(node.id)} is down`;
  const { nodeState, term, leaderId, commitIndex, lastIndex, baseIndex } = node.core.status;
  const leader = nodeState === 'Leader' ? '' : ` leader ${shortId(leaderId)}`;
  const base = baseIndex === 0 ? '' : ` base ${baseIndex}`;
  return `${shortId(node.id)} ${nodeState} term ${term}${leader} commit ${commitIndex} last ${lastIndex}${base}`;
}

function logOf({ id, disk }: StoryNode): string {
  const terms = disk.entries.map(({ term }) => term);
  return `${shortId(id)} ${disk.baseIndex === 0 ? '' : `(${disk.baseIndex}) `}${terms.join(' ')}`;
}
