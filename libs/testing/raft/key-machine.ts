import { ClientSessions } from '@streamline/core/raft/client-sessions';
import type { ClientSessionsLimits, ClientSessionsState, ProposalVerdict } from '@streamline/core/raft/client-sessions';
import type { Entry, LogIndex } from '@streamline/core/raft/types';
import type { KeyOperation } from '@streamline/testing/history/history';
import { APPEND_LIST, REGISTER, digest } from '@streamline/testing/history/models';
import type { SequentialModel } from '@streamline/testing/history/models';

export type SessionLimits = ClientSessionsLimits;

/** One record of a proposal. */
export interface MachineOperation {
  /** Unique over the whole simulation. */
  readonly operationId: string;
  readonly key: string;
  readonly operation: KeyOperation;
}

export interface Applied {
  readonly verdict: ProposalVerdict;
  /** Of the records in order; empty unless the verdict is `apply`. */
  readonly results: readonly string[];
}

interface MachineState {
  readonly index: LogIndex;
  readonly digest: number;
  readonly keys: readonly (readonly [string, string])[];
  readonly sessions: ClientSessionsState;
  /** Makes snapshots as large as the simulation wants them. */
  readonly filler: string;
}

/** Lists are keys that begin so; all others are registers. */
export const LIST_PREFIX = 'list-';

export function modelOfKey(key: string): SequentialModel {
  return key.startsWith(LIST_PREFIX) ? APPEND_LIST : REGISTER;
}

export function encodeOperation(operation: MachineOperation): Uint8Array {
  return Buffer.from(JSON.stringify(operation));
}

const decoded = new WeakMap<Entry, readonly MachineOperation[]>();

/** What the entry's records say; decoded once for all nodes that share the entry. */
export function operationsOf(entry: Entry): readonly MachineOperation[] {
  let operations = decoded.get(entry);
  if (operations === undefined) {
    operations = entry.records.map((record): MachineOperation => JSON.parse(Buffer.from(record).toString()));
    decoded.set(entry, operations);
  }
  return operations;
}

/** The replicated state machine of a simulation: registers and lists, with the table of proposals that took effect. */
export class KeyMachine {
  #index: LogIndex = 0;
  #digest = 0;
  #keys = new Map<string, string>();
  #sessions: ClientSessions;

  constructor(limits: SessionLimits) {
    this.#sessions = new ClientSessions(limits);
  }

  /** Of the last entry that was applied. */
  get index(): LogIndex {
    return this.#index;
  }

  /** Of the state and of how it came about. */
  get digest(): number {
    return this.#digest;
  }

  apply(entry: Entry): Applied {
    this.#index = entry.index;
    const verdict = this.#sessions.admit(entry);
    const results: string[] = [];
    if (verdict === 'apply') for (const operation of operationsOf(entry)) results.push(this.#applyOperation(operation));
    this.#digest = digest(this.#digest, `${entry.index},${entry.term},${entry.kind},${verdict},${results.join()}`);
    return { verdict, results };
  }

  read(key: string): string {
    return this.#keys.get(key) ?? modelOfKey(key).initial;
  }

  encode(fillerBytes: number): Buffer {
    const state: MachineState = {
      index: this.#index,
      digest: this.#digest,
      keys: [...this.#keys],
      sessions: this.#sessions.state,
      filler: '.'.repeat(fillerBytes),
    };
    return Buffer.from(JSON.stringify(state));
  }

  static decode(bytes: Buffer, limits: SessionLimits): KeyMachine {
    const state: MachineState = JSON.parse(bytes.toString());
    const machine = new KeyMachine(limits);
    machine.#index = state.index;
    machine.#digest = state.digest;
    machine.#keys = new Map(state.keys);
    machine.#sessions = new ClientSessions(limits, state.sessions);
    return machine;
  }

  #applyOperation({ key, operation, operationId }: MachineOperation): string {
    const { state, result } = modelOfKey(key).apply(this.read(key), operation);
    this.#keys.set(key, state);
    this.#digest = digest(this.#digest, `${operationId},${state}`);
    return result;
  }
}
