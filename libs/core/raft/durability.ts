import { invariant } from './invariant';
import type { LogIndex } from './types';

interface PendingPersist {
  readonly id: number;
  /** What the log held when it was handed out, less what was truncated since. */
  lastIndex: LogIndex;
  readonly sinceMs: number;
}

/**
 * Which `persist` effects are durable, and so which entries and which vote are. An entry that was truncated while it was being
 * written does not become durable with that write, though another entry may stand at its index by then.
 */
export class Durability {
  #durableIndex: LogIndex;
  #lastId = 0;
  #durableId = 0;
  /** The last effect that carried a term or a vote. */
  #hardStateId = 0;
  #pending: PendingPersist[] = [];

  constructor(durableIndex: LogIndex) {
    this.#durableIndex = durableIndex;
  }

  /** This node's own log is durable up to here (RAFT-20). */
  get durableIndex(): LogIndex {
    return this.#durableIndex;
  }

  get isIdle(): boolean {
    return this.#pending.length === 0;
  }

  /** Term and vote, as last handed out, would survive a crash. */
  get isHardStateDurable(): boolean {
    return this.#durableId >= this.#hardStateId;
  }

  /** For how long the oldest write has been under way; 0 if none is. */
  pendingMs(nowMs: number): number {
    const [oldest] = this.#pending;
    return oldest === undefined ? 0 : nowMs - oldest.sinceMs;
  }

  /** A further effect is handed out; returns its id. */
  begin(lastIndex: LogIndex, hardState: boolean, nowMs: number): number {
    const id = ++this.#lastId;
    this.#pending.push({ id, lastIndex, sinceMs: nowMs });
    if (hardState) this.#hardStateId = id;
    return id;
  }

  /** Everything up to the effect `id` is durable. */
  persisted(id: number): void {
    invariant(id <= this.#lastId, 'RAFT-9', 'the host reports an effect that was never handed out', id, this.#lastId);
    this.#durableId = Math.max(this.#durableId, id);
    for (let oldest = this.#pending[0]; oldest !== undefined && oldest.id <= id; oldest = this.#pending[0]) {
      this.#durableIndex = Math.max(this.#durableIndex, oldest.lastIndex);
      this.#pending.shift();
    }
  }

  /** Entries after `index` are no more, on disk and on their way there. */
  truncated(index: LogIndex): void {
    this.#durableIndex = Math.min(this.#durableIndex, index);
    for (const pending of this.#pending) pending.lastIndex = Math.min(pending.lastIndex, index);
  }
}
