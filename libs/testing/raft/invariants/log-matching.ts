import type { Message } from '@streamline/core/raft/messages';
import type { Entry, LogIndex, Term } from '@streamline/core/raft/types';
import type { Invariant, MemberGhost, SeenStep } from '../cluster-ghost';
import { sameEntry } from '../same-entry';
import { Violation } from '../violation';

interface Known {
  readonly entry: Entry;
  readonly previousTerm: Term;
}

/**
 * Log matching (paper figure 3): if two logs hold an entry with the same index and term, they are equal up to it. By induction:
 * the entry is the same, and so is the term of the one before it. Also that what is appended continues the log without a gap.
 */
export class LogMatching implements Invariant {
  /** By index, then by term. */
  readonly #known: Map<Term, Known>[] = [];

  stepped({ member, effects }: SeenStep): void {
    for (const effect of effects) {
      if (effect.kind === 'send') for (const message of effect.messages) checkSent(member, message);
      if (effect.kind !== 'persist') continue;
      let [index, term] = this.#placeBefore(member, effect.entries);
      for (const entry of effect.entries) {
        if (entry.index !== index + 1) {
          throw new Violation('log-matching', `${member.id} appends the entry ${entry.index} after ${index}`);
        }
        if (entry.term < term) {
          throw new Violation('log-matching', `${member.id} appends an entry of term ${entry.term} after one of term ${term}`);
        }
        this.#check(member, entry, term);
        [index, term] = [entry.index, entry.term];
      }
    }
  }

  /** The ghost has the entries already: the one before the first of them, wherever that was put. */
  #placeBefore(member: MemberGhost, entries: readonly Entry[]): [LogIndex, Term] {
    const [first] = entries;
    if (first === undefined) return [0, 0];
    if (member.log.entryAt(first.index) !== first) {
      throw new Violation('log-matching', `${member.id} appends ${first.index}.. to a log that ends at another place`);
    }
    return [first.index - 1, member.log.termAt(first.index - 1) ?? 0];
  }

  #check(member: MemberGhost, entry: Entry, previousTerm: Term): void {
    const { index, term } = entry;
    const atIndex = (this.#known[index] ??= new Map<Term, Known>());
    const known = atIndex.get(term);
    if (known === undefined) {
      atIndex.set(term, { entry, previousTerm });
      return;
    }
    if (known.previousTerm !== previousTerm || !sameEntry(known.entry, entry)) {
      throw new Violation('log-matching', `${member.id} has another entry at ${index} of term ${term} than the log it came from`);
    }
  }
}

/** What a leader sends stands in its log, after the entry that it names. */
function checkSent({ id, log, status }: MemberGhost, message: Message): void {
  // What it sent as a leader of an earlier term, before it followed another in the same turn, may be truncated by now.
  if (message.kind !== 'append' || message.term !== status?.term) return;
  const { previousIndex, previousTerm, entries } = message;
  const known = log.termAt(previousIndex);
  if (known !== undefined && known !== previousTerm) {
    throw new Violation(
      'log-matching',
      `${id} sends what follows ${previousIndex} of term ${previousTerm}, it is of term ${known}`,
    );
  }
  for (const [at, entry] of entries.entries()) {
    if (entry.index === previousIndex + 1 + at && log.termAt(entry.index) === entry.term) continue;
    throw new Violation('log-matching', `${id} sends an entry ${entry.index} of term ${entry.term}, which its log has not there`);
  }
}
