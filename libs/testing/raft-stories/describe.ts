import type { Effect } from '@streamline/core/raft/effects';
import type { Message } from '@streamline/core/raft/messages';
import type { Configuration, VoterId } from '@streamline/core/raft/types';
import { nodeIdOf } from '@streamline/core/raft/types';
import { textOf } from './story-node';

/** Stories have one directory id a node, so the number says it all; `3'` is the same node with a wiped disk. */
export function shortId(id: VoterId | undefined): string {
  if (id === undefined) return 'nobody';
  return `${nodeIdOf(id)}${id.endsWith('B') ? "'" : ''}`;
}

function ids(list: readonly VoterId[]): string {
  return list.map(shortId).join(' ');
}

export function describeConfiguration({ voters, outgoingVoters, learners }: Configuration): string {
  const outgoing = outgoingVoters.length === 0 ? '' : ` outgoing ${ids(outgoingVoters)}`;
  return `voters ${ids(voters)}${outgoing}${learners.length === 0 ? '' : ` learners ${ids(learners)}`}`;
}

export function describeMessage(message: Message): string {
  return `${shortId(message.from)} -> ${shortId(message.to)} ${contents(message)}`;
}

function contents(message: Message): string {
  switch (message.kind) {
    case 'vote-request': {
      const what = message.preVote ? 'would you vote' : 'vote';
      return `${what} in term ${message.electionTerm}, log ends ${message.lastIndex}/${message.lastTerm}${message.transfer ? ', transfer' : ''}`;
    }
    case 'vote-response': {
      const answer = message.granted ? 'granted' : 'rejected';
      return `${message.preVote ? 'pre-vote' : 'vote'} ${answer} for term ${message.electionTerm}, term ${message.term}`;
    }
    case 'append': {
      const entries = message.entries.map((entry) => `${entry.index}/${entry.term}:${textOf(entry)}`);
      const after = `after ${message.previousIndex}/${message.previousTerm}`;
      return `append term ${message.term} ${after} [${entries.join(' ')}] commit ${message.commitIndex}`;
    }
    case 'append-accepted':
      return `has up to ${message.matchIndex}`;
    case 'append-rejected':
      return `rejects after ${message.previousIndex}, hint ${message.hintIndex}/${message.hintTerm}, term ${message.term}`;
    case 'heartbeat':
      return `heartbeat term ${message.term} round ${message.round} commit ${message.commitIndex}`;
    case 'heartbeat-response':
      return `heard round ${message.round}`;
    case 'snapshot-chunk': {
      const end = message.offset + message.data.length;
      return `snapshot at ${message.snapshot.index}: bytes ${message.offset}-${end}${message.last ? ', the last' : ''}`;
    }
    case 'snapshot-progress':
      return `has ${message.nextOffset} bytes of the snapshot`;
    case 'timeout-now':
      return `campaign now, term ${message.term}`;
    case 'forward-proposals':
      return `forwards ${message.proposals.length} proposal${message.proposals.length === 1 ? '' : 's'}`;
    case 'forward-result':
      return `forwarded: ${describeOutcome(message.outcome)}`;
    case 'read-request':
      return 'asks for a read index';
    case 'read-response':
      return `read ${describeOutcome(message.outcome)}`;
  }
}

function describeOutcome(outcome: { readonly kind: string }): string {
  const rest = Object.entries(outcome).filter(([key]) => key !== 'kind');
  const words = rest.map(([key, value]) => `${key} ${key === 'to' ? shortId(String(value) as VoterId) : String(value)}`);
  return [outcome.kind, ...words].join(' ').replaceAll('@AAAAAAAAAAAAAAAAAAAAAA', '');
}

/** What a reader of a story wants to know of an effect; undefined for the rest. */
export function describeEffect(id: VoterId, effect: Effect): string | undefined {
  const node = shortId(id);
  switch (effect.kind) {
    case 'leadership':
      if (effect.leads) return `${node} leads term ${effect.term}`;
      return effect.leaderId === undefined
        ? `${node} is in term ${effect.term} without a leader`
        : `${node} follows ${shortId(effect.leaderId)} in term ${effect.term}`;
    case 'apply':
      return `${node} applies ${effect.entries.map((entry) => `${entry.index}:${textOf(entry)}`).join(' ')}`;
    case 'restore':
      return `${node} restores the snapshot at ${effect.snapshot.index} (${describeConfiguration(effect.snapshot.configuration.configuration)})`;
    case 'take-snapshot':
      return `${node} takes a snapshot at ${effect.snapshot.index}`;
    case 'drop-snapshot':
      return `${node} drops a partly received snapshot`;
    case 'propose-result':
      return `${node} proposal ${describeOutcome(effect.outcome)}`;
    case 'read-result':
      return `${node} read ${describeOutcome(effect.outcome)}`;
    case 'transfer-result':
      return `${node} transfer ${describeOutcome(effect.outcome)}`;
    case 'membership-result':
      return `${node} change ${describeOutcome(effect.outcome)}`;
    default:
      return undefined;
  }
}
