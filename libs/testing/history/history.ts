/** What a client asked of one key. */
export type KeyOperation =
  | { readonly kind: 'read' }
  | { readonly kind: 'write'; readonly value: string }
  /** Writes `value` if the register holds `expected`. */
  | { readonly kind: 'compare-and-set'; readonly expected: string; readonly value: string }
  /** Adds a value to the end of the key's list. */
  | { readonly kind: 'append'; readonly value: string };

/**
 * One call of a client and what came back. `result` is undefined where the client knows that the operation took effect, yet
 * not with what result (its answer was lost, a retry was recognised).
 */
export interface HistoryEntry {
  readonly client: number;
  readonly key: string;
  readonly operation: KeyOperation;
  /** When it was called, on one clock for all clients. */
  readonly calledAt: number;
  /** When it returned; undefined: never, it may have taken effect at any time after the call, or not at all. */
  returnedAt: number | undefined;
  result: string | undefined;
}

/** The calls of all clients, as they happened. */
export class History {
  readonly entries: HistoryEntry[] = [];

  call(client: number, key: string, operation: KeyOperation, calledAt: number): HistoryEntry {
    const entry: HistoryEntry = { client, key, operation, calledAt, returnedAt: undefined, result: undefined };
    this.entries.push(entry);
    return entry;
  }
}
