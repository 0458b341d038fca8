import type { HistoryEntry } from './history';
import type { SequentialModel } from './models';

export type Verdict =
  | { readonly kind: 'linearizable' }
  /** No order of the key's operations explains their results; `upTo` is the last that could be explained. */
  | { readonly kind: 'violation'; readonly key: string; readonly explained: number; readonly stuckAt: HistoryEntry | undefined }
  /** The bound on the search was reached for a key. */
  | { readonly kind: 'undecided'; readonly key: string };

/** Steps of the search for one key. */
const STEPS_MAX = 400_000;

/**
 * Whether the calls could have happened one at a time, each between its call and its return (Herlihy and Wing 1990).
 * The keys are checked one by one (linearizability is local); each by the search of Wing and Gong with Lowe's memory of
 * configurations that failed ("Testing for linearizability", 2016).
 */
export function checkLinearizable(
  history: readonly HistoryEntry[],
  modelOf: (key: string) => SequentialModel,
  stepsMax = STEPS_MAX,
): Verdict {
  const byKey = new Map<string, HistoryEntry[]>();
  for (const entry of history) {
    if (entry.operation.kind === 'read' && entry.returnedAt === undefined) continue;
    const known = byKey.get(entry.key);
    if (known === undefined) byKey.set(entry.key, [entry]);
    else known.push(entry);
  }
  for (const [key, entries] of byKey) {
    const verdict = new KeySearch(key, entries, modelOf(key)).run(stepsMax);
    if (verdict.kind !== 'linearizable') return verdict;
  }
  return { kind: 'linearizable' };
}

/** A call or a return, in a doubly linked list by time. */
interface Moment {
  readonly entry: HistoryEntry;
  /** Number of the operation. */
  readonly number: number;
  readonly isCall: boolean;
  /** Of a call: its return, if there is one. */
  returned: Moment | undefined;
  previous: Moment | undefined;
  next: Moment | undefined;
}

interface Choice {
  readonly call: Moment;
  readonly stateBefore: string;
}

class KeySearch {
  readonly #head: Moment;
  /** Operations that returned and have no place in the order yet. */
  #toPlace: number;
  readonly #placed: Uint8Array;
  readonly #failed = new Set<string>();

  constructor(
    private readonly key: string,
    entries: readonly HistoryEntry[],
    private readonly model: SequentialModel,
  ) {
    this.#toPlace = entries.filter(({ returnedAt }) => returnedAt !== undefined).length;
    this.#placed = new Uint8Array(Math.ceil(entries.length / 8));
    this.#head = linked(entries);
  }

  run(stepsMax: number): Verdict {
    const choices: Choice[] = [];
    let state = this.model.initial;
    let at = this.#head.next;
    let explained = 0;
    let stuckAt: HistoryEntry | undefined;
    for (let steps = 0; this.#toPlace > 0; steps += 1) {
      if (steps >= stepsMax) return { kind: 'undecided', key: this.key };
      if (at?.isCall === true) {
        const next = this.#place(at, state);
        if (next === undefined) {
          at = at.next;
          continue;
        }
        choices.push({ call: at, stateBefore: state });
        state = next;
        at = this.#head.next;
        continue;
      }
      if (choices.length >= explained) [explained, stuckAt] = [choices.length, at?.entry];
      const last = choices.pop();
      if (last === undefined) return { kind: 'violation', key: this.key, explained, stuckAt };
      this.#takeBack(last.call);
      state = last.stateBefore;
      at = last.call.next;
    }
    return { kind: 'linearizable' };
  }

  /** The state after placing the operation next; undefined where its result contradicts or the place was tried before. */
  #place(call: Moment, state: string): string | undefined {
    const { operation, result, returnedAt } = call.entry;
    const after = this.model.apply(state, operation);
    if (returnedAt !== undefined && result !== undefined && after.result !== result) return undefined;
    this.#flip(call.number);
    const configuration = `${Buffer.from(this.#placed).toString('latin1')}|${after.state}`;
    if (this.#failed.has(configuration)) {
      this.#flip(call.number);
      return undefined;
    }
    this.#failed.add(configuration);
    unlink(call);
    if (call.returned !== undefined) {
      unlink(call.returned);
      this.#toPlace -= 1;
    }
    return after.state;
  }

  #takeBack(call: Moment): void {
    this.#flip(call.number);
    if (call.returned !== undefined) {
      relink(call.returned);
      this.#toPlace += 1;
    }
    relink(call);
  }

  #flip(number: number): void {
    const at = number >> 3;
    this.#placed[at] = (this.#placed[at] ?? 0) ^ (1 << (number & 7));
  }
}

/** The moments by time, calls before returns at equal times (what may overlap, overlaps); returns a head before the first. */
function linked(entries: readonly HistoryEntry[]): Moment {
  const moments: { readonly at: number; readonly moment: Moment }[] = [];
  for (const [number, entry] of entries.entries()) {
    const call: Moment = { entry, number, isCall: true, returned: undefined, previous: undefined, next: undefined };
    moments.push({ at: entry.calledAt, moment: call });
    if (entry.returnedAt === undefined) continue;
    call.returned = { entry, number, isCall: false, returned: undefined, previous: undefined, next: undefined };
    moments.push({ at: entry.returnedAt, moment: call.returned });
  }
  moments.sort((a, b) => a.at - b.at || Number(b.moment.isCall) - Number(a.moment.isCall));
  const first = moments[0]?.moment;
  if (first === undefined) throw new RangeError('a history without entries');
  const head: Moment = { ...first, previous: undefined, next: undefined };
  let last = head;
  for (const { moment } of moments) {
    last.next = moment;
    moment.previous = last;
    last = moment;
  }
  return head;
}

function unlink({ previous, next }: Moment): void {
  if (previous !== undefined) previous.next = next;
  if (next !== undefined) next.previous = previous;
}

/** Undoes the last `unlink` that is not undone yet. */
function relink(moment: Moment): void {
  if (moment.previous !== undefined) moment.previous.next = moment;
  if (moment.next !== undefined) moment.next.previous = moment;
}
