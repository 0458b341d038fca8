import type { Ack, Diverging, Hello, Push, Refused } from '@streamline/core/replication/inputs';
import type { SessionKey } from '@streamline/core/replication/types';
import type { ErrorCode } from '@streamline/core/types/error-code';
import type { BrokerEpoch, LeaderEpoch, Offset } from '@streamline/core/types/ids';
import { decodeBulkFrame, HEADER_LENGTH_BYTES, splitPayload } from '@streamline/wire/contracts/bulk-frame';
import {
  type ReplicaAck,
  type ReplicaDiverging,
  ReplicaDiverging_Kind,
  type ReplicaHello,
  type ReplicaPush,
  type ReplicaRefused,
  type ReplicaSession,
  ReplicationFrame,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/replication';
import { copyIntoShared } from '../disk/shared-copy';
import type { PartitionKey } from '../log/log-engine';

/** A frame with its bytes: `records[i]` belongs to `header.pushes[i]`, as views of the frame. */
export interface DecodedFrame {
  readonly header: ReplicationFrame;
  readonly records: readonly Buffer[];
}

export function emptyFrame(): ReplicationFrame {
  return { greeting: undefined, hellos: [], divergings: [], refusals: [], pushes: [], acks: [], creditBytes: 0 };
}

/**
 * @param payload the batches of its pushes, in their order; they are copied
 * @param memory gives a buffer of so many bytes, with anything in it
 */
export function encodeFrame(
  frame: ReplicationFrame,
  payload: readonly Buffer[],
  memory: (bytes: number) => Buffer = Buffer.allocUnsafe,
): Buffer {
  const head = ReplicationFrame.encode(frame).finish();
  let sizeBytes = HEADER_LENGTH_BYTES + head.length;
  for (const chunk of payload) sizeBytes += chunk.length;
  const bytes = memory(sizeBytes);
  bytes.writeUInt32BE(head.length, 0);
  bytes.set(head, HEADER_LENGTH_BYTES);
  let at = HEADER_LENGTH_BYTES + head.length;
  for (const chunk of payload) {
    copyIntoShared(bytes, at, chunk);
    at += chunk.length;
  }
  return bytes;
}

/** @throws BulkFrameError for what is no frame */
export function decodeFrame(bytes: Buffer): DecodedFrame {
  const { header, payload } = decodeBulkFrame(ReplicationFrame, bytes);
  return {
    header,
    records: splitPayload(
      payload,
      header.pushes.map(({ recordBytes }) => recordBytes),
    ),
  };
}

/** The broker epoch is not in it: it is the follower's, as the stream's greetings have it. */
export function toSession({ topicId, partition }: PartitionKey, { leaderEpoch, sessionId }: SessionKey): ReplicaSession {
  return { topicId, partition, leaderEpoch, sessionId };
}

function keyOf(session: ReplicaSession, brokerEpoch: BrokerEpoch): SessionKey {
  return { leaderEpoch: session.leaderEpoch as LeaderEpoch, brokerEpoch, sessionId: session.sessionId };
}

export function toHello(key: PartitionKey, hello: Hello): ReplicaHello {
  const { startOffset, endOffset, writtenEndOffset, durableEndOffset, epochs, isWholeHistory } = hello;
  return {
    session: toSession(key, hello),
    startOffset,
    endOffset,
    writtenEndOffset,
    durableEndOffset,
    epochs: epochs.map(({ epoch, startOffset: from }) => ({ epoch, startOffset: from })),
    isWholeHistory,
  };
}

export function fromHello(session: ReplicaSession, hello: ReplicaHello, brokerEpoch: BrokerEpoch): Hello {
  return {
    ...keyOf(session, brokerEpoch),
    startOffset: hello.startOffset as Offset,
    endOffset: hello.endOffset as Offset,
    writtenEndOffset: hello.writtenEndOffset as Offset,
    durableEndOffset: hello.durableEndOffset as Offset,
    epochs: hello.epochs,
    isWholeHistory: hello.isWholeHistory,
  };
}

export function toDiverging(key: PartitionKey, diverging: Diverging): ReplicaDiverging {
  const kind = diverging.kind === 'truncate' ? ReplicaDiverging_Kind.TRUNCATE : ReplicaDiverging_Kind.START_AT;
  return { session: toSession(key, diverging), kind, offset: diverging.offset };
}

/** Undefined: of a kind that this version does not know. */
export function fromDiverging(
  session: ReplicaSession,
  { kind, offset }: ReplicaDiverging,
  brokerEpoch: BrokerEpoch,
): Diverging | undefined {
  const key = keyOf(session, brokerEpoch);
  if (kind === ReplicaDiverging_Kind.TRUNCATE) return { ...key, kind: 'truncate', offset: offset as Offset };
  if (kind === ReplicaDiverging_Kind.START_AT) return { ...key, kind: 'start-at', offset: offset as Offset };
  return undefined;
}

export function toRefused(key: PartitionKey, refused: Refused): ReplicaRefused {
  return { session: toSession(key, refused), errorCode: refused.errorCode };
}

export function fromRefused(session: ReplicaSession, { errorCode }: ReplicaRefused, brokerEpoch: BrokerEpoch): Refused {
  return { ...keyOf(session, brokerEpoch), errorCode: errorCode as ErrorCode };
}

export function toPush(key: PartitionKey, push: Push, recordBytes: number): ReplicaPush {
  const { previousOffset, previousEpoch, baseOffset, endOffset, highWatermark, logStartOffset } = push;
  const session = toSession(key, push);
  return { session, previousOffset, previousEpoch, baseOffset, endOffset, highWatermark, logStartOffset, recordBytes };
}

export function fromPush(session: ReplicaSession, push: ReplicaPush, brokerEpoch: BrokerEpoch): Push {
  return {
    ...keyOf(session, brokerEpoch),
    previousOffset: push.previousOffset as Offset,
    previousEpoch: push.previousEpoch,
    baseOffset: push.baseOffset as Offset,
    endOffset: push.endOffset as Offset,
    highWatermark: push.highWatermark as Offset,
    logStartOffset: push.logStartOffset as Offset,
  };
}

export function toAck(key: PartitionKey, ack: Ack): ReplicaAck {
  const { startOffset, writtenEndOffset, durableEndOffset } = ack;
  return { session: toSession(key, ack), startOffset, writtenEndOffset, durableEndOffset };
}

export function fromAck(session: ReplicaSession, ack: ReplicaAck, brokerEpoch: BrokerEpoch): Ack {
  return {
    ...keyOf(session, brokerEpoch),
    startOffset: ack.startOffset as Offset,
    writtenEndOffset: ack.writtenEndOffset as Offset,
    durableEndOffset: ack.durableEndOffset as Offset,
  };
}
