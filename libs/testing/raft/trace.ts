import type { Effect } from '@streamline/core/raft/effects';
import type { Input } from '@streamline/core/raft/inputs';
import type { Message } from '@streamline/core/raft/messages';
import type { Entry, RaftInit } from '@streamline/core/raft/types';
import type { PersistEffect } from '@streamline/core/raft/effects';
import type { Invariant, MemberGhost, SeenStep } from './cluster-ghost';
import type { EventQueue } from './event-queue';

/** Writes one line for everything that happens, to be read by whoever replays a seed. */
export class Trace implements Invariant {
  constructor(
    private readonly events: EventQueue,
    private readonly write: (line: string) => void,
  ) {}

  started(member: MemberGhost, { hardState, log, snapshot, appliedIndex }: RaftInit): void {
    const from = `term ${hardState.term}, vote ${hardState.votedFor ?? '-'}, log ${log.baseIndex}..${log.lastIndex}`;
    this.#line(member, `starts: ${from}, snapshot ${snapshot?.index ?? 0}, applied ${appliedIndex}`);
  }

  stopped(member: MemberGhost): void {
    this.#line(member, 'ends');
  }

  stepped({ member, inputs, effects, before, after }: SeenStep): void {
    for (const input of inputs) this.#line(member, `< ${inputText(input)}`);
    for (const effect of effects) {
      for (const line of effectLines(effect)) this.#line(member, `> ${line}`);
    }
    if (before?.nodeState === after.nodeState && before.term === after.term && before.commitIndex === after.commitIndex) return;
    this.#line(member, `= ${after.nodeState} term ${after.term} commit ${after.commitIndex} last ${after.lastIndex}`);
  }

  durable(member: MemberGhost, { persistId }: PersistEffect): void {
    this.#line(member, `durable ${persistId}`);
  }

  #line({ id }: MemberGhost, text: string): void {
    this.write(`${this.events.nowMs.toFixed(1).padStart(9)} ${id.padEnd(7)} ${text}`);
  }
}

function inputText(input: Input): string {
  switch (input.kind) {
    case 'message':
      return messageText(input.message, 'from');
    case 'propose':
      return `propose #${input.requestId}: ${input.proposals.map(({ id }) => (id === undefined ? 'unnamed' : `${id.clientId}/${id.sequence}`)).join(' ')}`;
    case 'entries-read':
      return `entries-read ${input.readId}: ${entriesText(input.entries)}`;
    case 'snapshot-chunk-read':
      return `snapshot-chunk-read ${input.readId}: ${input.chunk?.data.length ?? 'none'}`;
    default:
      return text(input);
  }
}

function effectLines(effect: Effect): readonly string[] {
  switch (effect.kind) {
    case 'send':
      return effect.messages.map((message) => messageText(message, 'to'));
    case 'persist': {
      const { persistId, hardState, installSnapshot, truncateAfter, entries, messages } = effect;
      const parts = [`persist ${persistId}`];
      if (hardState !== undefined) parts.push(`term ${hardState.term} vote ${hardState.votedFor ?? '-'}`);
      if (installSnapshot !== undefined) parts.push(`install ${installSnapshot.index}`);
      if (truncateAfter !== undefined) parts.push(`truncate after ${truncateAfter}`);
      if (entries.length > 0) parts.push(entriesText(entries));
      return [parts.join(', '), ...messages.map((message) => `  then ${messageText(message, 'to')}`)];
    }
    case 'apply':
      return [`apply ${entriesText(effect.entries)}`];
    case 'write-snapshot-chunk':
      return [
        `write-snapshot-chunk ${effect.snapshot.index} at ${effect.offset}, ${effect.data.length} bytes${effect.last ? ', last' : ''}`,
      ];
    default:
      return [text(effect)];
  }
}

function messageText(message: Message, end: 'from' | 'to'): string {
  const place = `${message.kind} ${end} ${message[end]} term ${message.term}`;
  switch (message.kind) {
    case 'append':
      return `${place} after ${message.previousIndex}/${message.previousTerm} ${entriesText(message.entries)} commit ${message.commitIndex}`;
    case 'snapshot-chunk':
      return `${place} of ${message.snapshot.index} at ${message.offset}, ${message.data.length} bytes${message.last ? ', last' : ''}`;
    case 'forward-proposals':
      return `${place} #${message.requestId}: ${message.proposals.length}`;
    default: {
      const { kind: _kind, from: _from, to: _to, term: _term, ...rest } = message;
      return `${place} ${text(rest)}`;
    }
  }
}

function entriesText(entries: readonly Entry[]): string {
  const [first, last] = [entries[0], entries.at(-1)];
  if (first === undefined || last === undefined) return 'no entries';
  const kinds = entries.flatMap(({ kind, index }) => (kind === 'records' ? [] : [`${kind} at ${index}`]));
  return `${first.index}/${first.term}..${last.index}/${last.term}${kinds.length > 0 ? ` (${kinds.join(', ')})` : ''}`;
}

function text(value: object): string {
  return JSON.stringify(value, (_, part: unknown) => (part instanceof Uint8Array ? `${part.length} bytes` : part));
}
