import { ClientSessions, type ClientSessionsState } from '@streamline/core/raft/client-sessions';
import type { Entry, LogIndex } from '@streamline/core/raft/types';
import type { Applied, StateMachine } from '@streamline/runtime/raft/state-machine';
import type { KeyOperation } from '@streamline/testing/history/history';
import { APPEND_LIST, REGISTER, type SequentialModel } from '@streamline/testing/history/models';

/** One operation, as it stands in a record. */
export interface KeyCommand {
  readonly key: string;
  readonly operation: KeyOperation;
}

export interface RegisterResult extends Applied {
  /** Of each record; empty unless the entry took effect. */
  readonly results: readonly string[];
}

interface State {
  readonly version: 1;
  readonly keys: readonly (readonly [string, string])[];
  readonly sessions: ClientSessionsState;
}

/** Keys that begin with `list-` are lists that are appended to, others are registers. */
export function modelOf(key: string): SequentialModel {
  return key.startsWith('list-') ? APPEND_LIST : REGISTER;
}

export function encodeCommand(command: KeyCommand): Buffer {
  return Buffer.from(JSON.stringify(command));
}

/** Registers and lists in memory, with the table of proposals that took effect: what the checker of histories knows. */
export class RegisterMachine implements StateMachine<RegisterResult> {
  #index: LogIndex = 0;
  #keys = new Map<string, string>();
  #sessions = new ClientSessions();
  /** Bytes without meaning in each snapshot, so that it is large. */
  fillerBytes = 0;
  restores = 0;

  get appliedIndex(): LogIndex {
    return this.#index;
  }

  get content(): ReadonlyMap<string, string> {
    return this.#keys;
  }

  read(key: string): string {
    return this.#keys.get(key) ?? modelOf(key).initial;
  }

  apply(entries: readonly Entry[]): readonly RegisterResult[] {
    return entries.map((entry) => {
      if (entry.index !== this.#index + 1) throw new Error(`entry ${entry.index} does not follow ${this.#index}`);
      this.#index = entry.index;
      const verdict = this.#sessions.admit(entry);
      return { verdict, results: verdict === 'apply' ? entry.records.map((record) => this.#applyRecord(record)) : [] };
    });
  }

  capture(): Iterable<Uint8Array> {
    const state: State = { version: 1, keys: [...this.#keys], sessions: this.#sessions.state };
    return this.#pieces(Buffer.from(`${JSON.stringify(state)}\n`));
  }

  async restore(index: LogIndex, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const pieces: Uint8Array[] = [];
    for await (const piece of bytes) pieces.push(piece);
    const text = Buffer.concat(pieces).toString();
    const state: State = JSON.parse(text.slice(0, text.indexOf('\n')));
    this.#keys = new Map(state.keys);
    this.#sessions = new ClientSessions(undefined, state.sessions);
    this.#index = index;
    this.restores++;
  }

  *#pieces(state: Buffer): Iterable<Uint8Array> {
    yield state;
    const filler = Buffer.alloc(64 * 1024, 46);
    for (let left = this.fillerBytes; left > 0; left -= filler.length) yield filler.subarray(0, left);
  }

  #applyRecord(record: Uint8Array): string {
    const { key, operation }: KeyCommand = JSON.parse(Buffer.from(record).toString());
    const { state, result } = modelOf(key).apply(this.read(key), operation);
    this.#keys.set(key, state);
    return result;
  }
}
