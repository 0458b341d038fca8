import { ClientSessions } from '@streamline/core/raft/client-sessions';
import type { Effect, PersistEffect } from '@streamline/core/raft/effects';
import type { Input } from '@streamline/core/raft/inputs';
import { entrySizeBytes } from '@streamline/core/raft/limits';
import type { Message } from '@streamline/core/raft/messages';
import { Raft } from '@streamline/core/raft/raft';
import type {
  Configuration,
  Entry,
  HardState,
  LogIndex,
  PlacedConfiguration,
  RaftConfig,
  RaftInit,
  SnapshotMeta,
  Term,
  TermRun,
  VoterId,
} from '@streamline/core/raft/types';

const UTF8 = new TextEncoder();
const TEXT = new TextDecoder();

/** What a node's disk holds, and nothing else survives a crash. */
export interface StoryDisk {
  hardState: HardState;
  baseIndex: LogIndex;
  baseTerm: Term;
  entries: Entry[];
  snapshot: SnapshotMeta | undefined;
  /** Complete snapshots by id. */
  readonly files: Map<string, Uint8Array>;
}

export function emptyDisk(): StoryDisk {
  const hardState = { term: 0, votedFor: undefined, commitIndex: 0 };
  return { hardState, baseIndex: 0, baseTerm: 0, entries: [], snapshot: undefined, files: new Map() };
}

interface MachineState {
  readonly index: LogIndex;
  readonly values: readonly string[];
  readonly sessions: ClientSessions['state'];
}

/** A proposal that is the text, as stories and the explorations have them. */
export function textEntry(index: LogIndex, term: Term, text: string): Entry {
  const records = [UTF8.encode(text)];
  return {
    index,
    term,
    kind: 'records',
    records,
    id: undefined,
    configuration: undefined,
    timestampMs: 0,
    sizeBytes: entrySizeBytes(records),
  };
}

export function textOf(entry: Entry): string {
  const [record] = entry.records;
  if (record !== undefined) return TEXT.decode(record);
  return entry.kind;
}

/**
 * One node of a story: a real core on a disk and a state machine in memory, as small a host as there can be. Whoever plays
 * decides when a write becomes durable, when messages travel, and when the process dies.
 */
export class StoryNode {
  readonly disk: StoryDisk;
  /** Messages that left, for whoever plays to carry. */
  sent: Message[] = [];
  /** What the core said to its host since it was last asked. */
  told: Effect[] = [];
  /** Handed out and not durable yet. */
  writes: PersistEffect[] = [];
  values: string[] = [];
  isUp = false;
  #core: Raft | undefined;
  #sessions = new ClientSessions();
  #appliedIndex = 0;
  #answers: Input[] = [];
  #partial = { id: '', bytes: new Uint8Array() };
  #starts = 0;

  constructor(
    readonly id: VoterId,
    private readonly config: RaftConfig,
    private readonly bootstrap: Configuration,
    private readonly seed: number,
    disk = emptyDisk(),
  ) {
    this.disk = disk;
  }

  get core(): Raft {
    if (this.#core === undefined) throw new Error(`${this.id} is down`);
    return this.#core;
  }

  start(nowMs: number): void {
    const { disk } = this;
    this.#starts++;
    this.values = [];
    this.#sessions = new ClientSessions();
    this.#appliedIndex = 0;
    if (disk.snapshot !== undefined) this.#restore(disk.snapshot);
    const init: RaftInit = {
      self: this.id,
      config: this.config,
      seed: this.seed + this.#starts * 7919,
      incarnation: this.#starts,
      hardState: disk.hardState,
      log: summaryOf(disk),
      snapshot: disk.snapshot,
      bootstrap: this.bootstrap,
      appliedIndex: this.#appliedIndex,
    };
    this.#core = new Raft(init, { monotonicMs: nowMs, wallMs: nowMs });
    this.isUp = true;
    this.step([{ kind: 'tick' }], nowMs);
  }

  /** The process dies: what is not on the disk is gone. */
  crash(): void {
    this.isUp = false;
    this.#core = undefined;
    this.writes = [];
    this.sent = [];
    this.told = [];
    this.#answers = [];
    this.#partial = { id: '', bytes: new Uint8Array() };
  }

  /** Steps the inputs and whatever the host itself has to answer, but no write. */
  step(inputs: readonly Input[], nowMs: number): void {
    let next = inputs;
    for (let turns = 0; next.length > 0; turns++) {
      if (turns > 10_000) throw new Error(`${this.id} never comes to rest`);
      for (const effect of this.core.step(next, { monotonicMs: nowMs, wallMs: nowMs })) this.#carryOut(effect);
      next = this.#answers;
      this.#answers = [];
    }
  }

  /** The oldest `count` writes become durable. */
  sync(nowMs: number, count = this.writes.length): void {
    const done = this.writes.splice(0, count);
    const last = done[done.length - 1];
    if (last === undefined) return;
    for (const write of done) this.#write(write);
    this.step([{ kind: 'persisted', persistId: last.persistId }], nowMs);
  }

  #write({ installSnapshot, truncateAfter, entries, hardState, messages }: PersistEffect): void {
    const { disk } = this;
    if (installSnapshot !== undefined) {
      disk.snapshot = installSnapshot;
      disk.baseIndex = installSnapshot.index;
      disk.baseTerm = installSnapshot.term;
      disk.entries = [];
    }
    if (truncateAfter !== undefined) disk.entries = disk.entries.filter(({ index }) => index <= truncateAfter);
    for (const entry of entries) {
      const last = disk.entries[disk.entries.length - 1]?.index ?? disk.baseIndex;
      if (entry.index !== last + 1) throw new Error(`${this.id} is to write ${entry.index} after ${last}`);
      disk.entries.push(entry);
    }
    if (hardState !== undefined) disk.hardState = hardState;
    this.sent.push(...messages);
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case 'send':
        this.sent.push(...effect.messages);
        return;
      case 'persist':
        this.writes.push(effect);
        return;
      case 'apply':
        for (const entry of effect.entries) this.#apply(entry);
        this.told.push(effect);
        this.#answers.push({ kind: 'applied', index: this.#appliedIndex });
        return;
      case 'restore':
        this.#restore(effect.snapshot);
        this.told.push(effect);
        this.#answers.push({ kind: 'applied', index: effect.snapshot.index });
        return;
      case 'read-entries':
        this.#readEntries(effect);
        return;
      case 'purge':
        this.#purge(effect.index, effect.keepSnapshotIds);
        return;
      default:
        this.#carryOutSnapshot(effect);
    }
  }

  #carryOutSnapshot(effect: Effect): void {
    switch (effect.kind) {
      case 'take-snapshot': {
        if (effect.snapshot.index !== this.#appliedIndex) throw new Error('A snapshot of another state than the one applied');
        const state: MachineState = { index: this.#appliedIndex, values: this.values, sessions: this.#sessions.state };
        this.disk.files.set(effect.snapshot.id, UTF8.encode(JSON.stringify(state)));
        this.disk.snapshot = effect.snapshot;
        this.#answers.push({ kind: 'snapshot-taken', snapshotId: effect.snapshot.id, taken: true });
        break;
      }
      case 'read-snapshot-chunk': {
        const bytes = this.disk.files.get(effect.snapshotId);
        const end = effect.offset + effect.bytesMax;
        const chunk = bytes && { data: bytes.slice(effect.offset, end), last: end >= bytes.length };
        this.#answers.push({ kind: 'snapshot-chunk-read', readId: effect.readId, chunk });
        break;
      }
      case 'write-snapshot-chunk': {
        const { writeId, snapshot, offset, data, last } = effect;
        const before = this.#partial.id === snapshot.id ? this.#partial.bytes.slice(0, offset) : new Uint8Array();
        if (before.length !== offset) throw new Error(`A snapshot chunk leaves a gap before ${offset}`);
        this.#partial = { id: snapshot.id, bytes: Uint8Array.from([...before, ...data]) };
        if (last) this.disk.files.set(snapshot.id, this.#partial.bytes);
        this.#answers.push({ kind: 'snapshot-chunk-written', writeId, written: true });
        break;
      }
      default:
        break;
    }
    this.told.push(effect);
  }

  #apply(entry: Entry): void {
    if (entry.index !== this.#appliedIndex + 1) throw new Error(`${this.id} applies ${entry.index} after ${this.#appliedIndex}`);
    this.#appliedIndex = entry.index;
    if (this.#sessions.admit(entry) === 'apply' && entry.kind === 'records') this.values.push(textOf(entry));
  }

  #restore({ id }: SnapshotMeta): void {
    const state = JSON.parse(TEXT.decode(this.disk.files.get(id))) as MachineState;
    this.values = [...state.values];
    this.#sessions = new ClientSessions(undefined, state.sessions);
    this.#appliedIndex = state.index;
  }

  #readEntries({ readId, firstIndex, lastIndex, bytesMax }: Extract<Effect, { kind: 'read-entries' }>): void {
    const entries: Entry[] = [];
    let bytes = 0;
    for (const entry of this.disk.entries) {
      if (entry.index < firstIndex || entry.index > lastIndex) continue;
      bytes += entry.sizeBytes;
      if (entries.length > 0 && bytes > bytesMax) break;
      entries.push(entry);
    }
    this.#answers.push({ kind: 'entries-read', readId, entries: entries[0]?.index === firstIndex ? entries : [] });
  }

  #purge(index: LogIndex, keepSnapshotIds: readonly string[]): void {
    const { disk } = this;
    const base = disk.entries.find((entry) => entry.index === index);
    if (base !== undefined) {
      disk.baseIndex = index;
      disk.baseTerm = base.term;
      disk.entries = disk.entries.filter((entry) => entry.index > index);
    }
    for (const id of disk.files.keys()) if (!keepSnapshotIds.includes(id)) disk.files.delete(id);
  }
}

function summaryOf({ baseIndex, baseTerm, entries }: StoryDisk): RaftInit['log'] {
  const termRuns: TermRun[] = [];
  const configurations: PlacedConfiguration[] = [];
  for (const { index, term, configuration } of entries) {
    if (termRuns[termRuns.length - 1]?.term !== term) termRuns.push({ firstIndex: index, term });
    if (configuration !== undefined) configurations.push({ index, configuration });
  }
  const lastIndex = entries[entries.length - 1]?.index ?? baseIndex;
  return { baseIndex, baseTerm, lastIndex, termRuns, configurations, recentEntries: [] };
}
