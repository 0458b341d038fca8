import type { Message, ProposeOutcome, ReadOutcome, RefusalReason } from '@streamline/core/raft/messages';
import type { VoterId } from '@streamline/core/raft/types';
import { type PeerMessage, Refusal } from '@streamline/wire/contracts/generated/streamline/raft/v1/peer';
import {
  decodeEntry,
  encodeEntry,
  fromWireProposalId,
  fromWireSnapshot,
  RaftCodecError,
  toWireProposal,
  toWireSnapshot,
} from './entry-codec';

type Body = NonNullable<PeerMessage['body']>;

const REASON_TO_WIRE: Readonly<Record<RefusalReason | 'too-large', Refusal>> = {
  'not-leader': Refusal.NOT_LEADER,
  busy: Refusal.BUSY,
  transferring: Refusal.TRANSFERRING,
  'too-large': Refusal.TOO_LARGE,
};

export function toPeerMessage(message: Message): PeerMessage {
  const { from, to, term } = message;
  return { from, to, term, body: toBody(message) };
}

/** Undefined for a kind of message that this version does not know: it is ignored. Fails with RaftCodecError. */
export function fromPeerMessage({ from, to, term, body }: PeerMessage): Message | undefined {
  if (body === undefined) return undefined;
  return fromBody({ from: from as VoterId, to: to as VoterId, term }, body);
}

function toBody(message: Message): Body {
  switch (message.kind) {
    case 'vote-request':
      return { $case: 'voteAsk', value: message };
    case 'vote-response':
      return { $case: 'voteAnswer', value: message };
    case 'append':
      return { $case: 'append', value: { ...message, entries: message.entries.map(encodeEntry) } };
    case 'append-accepted':
      return { $case: 'appendAccepted', value: message };
    case 'append-rejected':
      return { $case: 'appendRejected', value: message };
    case 'heartbeat':
      return { $case: 'beat', value: message };
    case 'heartbeat-response':
      return { $case: 'beatAnswer', value: message };
    case 'snapshot-chunk':
      return { $case: 'snapshotChunk', value: { ...message, snapshot: toWireSnapshot(message.snapshot) } };
    case 'snapshot-progress':
      return { $case: 'snapshotProgress', value: message };
    case 'timeout-now':
      return { $case: 'timeoutNow', value: {} };
    case 'forward-proposals':
      return { $case: 'forward', value: { ...message, proposals: message.proposals.map(toWireProposal) } };
    case 'forward-result':
      return { $case: 'forwardAnswer', value: { ...message, ...toWireProposeOutcome(message.outcome) } };
    case 'read-request':
      return { $case: 'readAsk', value: message };
    case 'read-response':
      return { $case: 'readAnswer', value: { ...message, ...toWireReadOutcome(message.outcome) } };
  }
}

function fromBody(envelope: { from: VoterId; to: VoterId; term: number }, body: Body): Message {
  switch (body.$case) {
    case 'voteAsk':
      return { kind: 'vote-request', ...body.value, ...envelope };
    case 'voteAnswer':
      return { kind: 'vote-response', ...body.value, ...envelope };
    case 'append':
      return { kind: 'append', ...body.value, entries: body.value.entries.map(decodeEntry), ...envelope };
    case 'appendAccepted':
      return { kind: 'append-accepted', ...body.value, ...envelope };
    case 'appendRejected':
      return { kind: 'append-rejected', ...body.value, ...envelope };
    case 'beat':
      return { kind: 'heartbeat', ...body.value, ...envelope };
    case 'beatAnswer':
      return { kind: 'heartbeat-response', ...body.value, ...envelope };
    case 'snapshotChunk': {
      const { snapshot, ...rest } = body.value;
      if (snapshot === undefined) throw new RaftCodecError('a chunk of a snapshot that is not named');
      return { kind: 'snapshot-chunk', ...rest, snapshot: fromWireSnapshot(snapshot), ...envelope };
    }
    case 'snapshotProgress':
      return { kind: 'snapshot-progress', ...body.value, ...envelope };
    case 'timeoutNow':
      return { kind: 'timeout-now', ...envelope };
    case 'forward': {
      const { requestId, incarnation } = body.value;
      const proposals = body.value.proposals.map(({ records, id }) => ({ records, id: id && fromWireProposalId(id) }));
      return { kind: 'forward-proposals', requestId, incarnation, proposals, ...envelope };
    }
    case 'forwardAnswer': {
      const { requestId, incarnation, refusal, term, firstIndex } = body.value;
      const reason = reasonOf(refusal);
      const outcome: ProposeOutcome = reason === undefined ? { kind: 'appended', term, firstIndex } : { kind: 'refused', reason };
      return { kind: 'forward-result', requestId, incarnation, outcome, ...envelope };
    }
    case 'readAsk':
      return { kind: 'read-request', ...body.value, ...envelope };
    case 'readAnswer': {
      const { requestId, incarnation, refusal, index } = body.value;
      const reason = reasonOf(refusal);
      const outcome: ReadOutcome =
        reason === undefined ? { kind: 'ready', index } : { kind: 'refused', reason: reason === 'too-large' ? 'busy' : reason };
      return { kind: 'read-response', requestId, incarnation, outcome, ...envelope };
    }
  }
}

function toWireProposeOutcome(outcome: ProposeOutcome): { refusal: Refusal; term: number; firstIndex: number } {
  switch (outcome.kind) {
    case 'appended':
      return { refusal: Refusal.UNSPECIFIED, term: outcome.term, firstIndex: outcome.firstIndex };
    case 'refused':
      return { refusal: REASON_TO_WIRE[outcome.reason], term: 0, firstIndex: 0 };
    case 'forwarded':
      // A leader hands nothing on.
      return { refusal: Refusal.NOT_LEADER, term: 0, firstIndex: 0 };
  }
}

function toWireReadOutcome(outcome: ReadOutcome): { refusal: Refusal; index: number } {
  if (outcome.kind === 'ready') return { refusal: Refusal.UNSPECIFIED, index: outcome.index };
  return { refusal: REASON_TO_WIRE[outcome.reason], index: 0 };
}

/** A reason that a newer version gives counts as busy: ask again. */
function reasonOf(refusal: Refusal): RefusalReason | 'too-large' | undefined {
  switch (refusal) {
    case Refusal.UNSPECIFIED:
      return undefined;
    case Refusal.NOT_LEADER:
      return 'not-leader';
    case Refusal.TRANSFERRING:
      return 'transferring';
    case Refusal.TOO_LARGE:
      return 'too-large';
    case Refusal.BUSY:
    default:
      return 'busy';
  }
}
