interface Entry<Action> {
  readonly key: string;
  action: Action;
  deadlineMs: number;
  /** Time of this entry's valid node; other nodes of the entry are stale. */
  queuedMs: number;
  cancelled: boolean;
}

interface Node<Action> {
  readonly atMs: number;
  readonly entry: Entry<Action>;
}

const COMPACT_FROM = 64;

/**
 * Deadlines by key. Moving one further away (what every heartbeat does) costs no heap work: its node stays where it is
 * and moves when it comes up. Memory stays within twice the number of live keys.
 */
export class DeadlineQueue<Action> {
  readonly #entries = new Map<string, Entry<Action>>();
  #heap: Node<Action>[] = [];

  get size(): number {
    return this.#entries.size;
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  /** Sets or moves the deadline of `key`. */
  schedule(key: string, deadlineMs: number, action: Action): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      const created = { key, action, deadlineMs, queuedMs: deadlineMs, cancelled: false };
      this.#entries.set(key, created);
      this.#push({ atMs: deadlineMs, entry: created });
      return;
    }
    entry.action = action;
    entry.deadlineMs = deadlineMs;
    if (deadlineMs < entry.queuedMs) {
      entry.queuedMs = deadlineMs;
      this.#push({ atMs: deadlineMs, entry });
    }
  }

  cancel(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.cancelled = true;
    this.#entries.delete(key);
    this.#compact();
  }

  clear(): void {
    this.#entries.clear();
    this.#heap = [];
  }

  /** No deadline is earlier than this; undefined where there is none. May be early, never late. */
  nextMs(): number | undefined {
    this.#dropStale();
    return this.#heap[0]?.atMs;
  }

  /** Removes and returns one action whose deadline has passed. */
  takeDue(nowMs: number): Action | undefined {
    for (;;) {
      this.#dropStale();
      const node = this.#heap[0];
      if (node === undefined || node.atMs > nowMs) return undefined;
      this.#pop();
      const { entry } = node;
      if (entry.deadlineMs <= nowMs) {
        this.#entries.delete(entry.key);
        return entry.action;
      }
      entry.queuedMs = entry.deadlineMs;
      this.#push({ atMs: entry.deadlineMs, entry });
    }
  }

  #dropStale(): void {
    for (let node = this.#heap[0]; node !== undefined && isStale(node); node = this.#heap[0]) this.#pop();
  }

  #compact(): void {
    if (this.#heap.length <= COMPACT_FROM + 2 * this.#entries.size) return;
    const kept = this.#heap.filter((node) => !isStale(node));
    this.#heap = [];
    for (const node of kept) this.#push(node);
  }

  #push(node: Node<Action>): void {
    const heap = this.#heap;
    let index = heap.push(node) - 1;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex];
      if (parent === undefined || parent.atMs <= node.atMs) break;
      heap[index] = parent;
      index = parentIndex;
    }
    heap[index] = node;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const left = heap[2 * index + 1];
      const right = heap[2 * index + 2];
      if (left === undefined) break;
      const [child, childIndex] = right !== undefined && right.atMs < left.atMs ? [right, 2 * index + 2] : [left, 2 * index + 1];
      if (child.atMs >= last.atMs) break;
      heap[index] = child;
      index = childIndex;
    }
    heap[index] = last;
  }
}

function isStale(node: Node<unknown>): boolean {
  return node.entry.cancelled || node.entry.queuedMs !== node.atMs;
}
