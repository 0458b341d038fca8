import { type RaftTiming, UNTOLD_TIMING } from '@streamline/core/formation/timing';
import type { Message } from '@streamline/core/raft/messages';
import { directoryIdOf, nodeIdOf, type VoterId } from '@streamline/core/raft/types';
import type { ClusterId } from '@streamline/core/types/ids';
import type { ForeignMember } from '@streamline/runtime/controller/encounters';
import { fromPeerMessage, toPeerMessage } from '@streamline/runtime/raft/message-codec';
import {
  ExchangeRequest,
  type Frame,
  type Hello,
  RefusalKind,
} from '@streamline/wire/contracts/generated/streamline/raft/v1/peer';

/** Of the messages between members that this build speaks, and the lowest. */
const PROTOCOL_VERSION = 1;
const PROTOCOL_VERSION_MIN = 1;

/** A frame holds about so much; a single message may be larger. */
const FRAME_BYTES = 512 * 1024;

/** Who speaks. */
export interface RaftIdentity {
  readonly self: VoterId;
  /** Undefined until this node belongs to a cluster. */
  clusterId(): string | undefined;
  /** See `Hello`. */
  clusterEpoch(): number;
  /** Where peers reach this node, host:port; empty where that is nowhere. */
  readonly address: string;
  /** Told to peers; absent: not told. */
  readonly timing?: RaftTiming;
}

/** Requests and responses have the same form. */
export function encodeFrame(frame: Partial<Frame>): Buffer {
  const bytes = ExchangeRequest.encode({ frame: { hello: undefined, messages: [], takenBytes: 0, ...frame } }).finish();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function decodeFrame(bytes: Buffer): Frame {
  const { frame } = ExchangeRequest.decode(bytes);
  return frame ?? { hello: undefined, messages: [], takenBytes: 0 };
}

/** Messages in as few frames as their sizes allow, in order. */
export function framesOf(messages: readonly Message[]): Buffer[] {
  const frames: Buffer[] = [];
  let waiting: Message[] = [];
  let bytes = 0;
  const flush = (): void => {
    if (waiting.length > 0) frames.push(encodeFrame({ messages: waiting.map(toPeerMessage) }));
    [waiting, bytes] = [[], 0];
  };
  for (const message of messages) {
    const size = sizeOf(message);
    if (bytes + size > FRAME_BYTES) flush();
    waiting.push(message);
    bytes += size;
  }
  flush();
  return frames;
}

/** The frame's messages that are for `self` and from who sends; others, and unknown ones, are left out. */
export function messagesOf(frame: Frame, from: VoterId, self: VoterId): readonly Message[] {
  const messages: Message[] = [];
  for (const peerMessage of frame.messages) {
    const message = fromPeerMessage(peerMessage);
    if (message !== undefined && message.from === from && message.to === self) messages.push(message);
  }
  return messages;
}

/** About how many bytes a message takes in a frame. */
export function sizeOf(message: Message): number {
  const base = 128;
  switch (message.kind) {
    case 'append':
      return message.entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, base);
    case 'snapshot-chunk':
      return base + message.data.length;
    case 'forward-proposals':
      return message.proposals.reduce(
        (sum, { records }) => records.reduce((bytes, { length }) => bytes + length, sum + 64),
        base,
      );
    default:
      return base;
  }
}

export function hello(
  { self, clusterId, clusterEpoch, address, timing = UNTOLD_TIMING }: RaftIdentity,
  to: VoterId,
  bulk: boolean,
): Hello {
  return {
    protocolVersion: PROTOCOL_VERSION,
    protocolVersionMin: PROTOCOL_VERSION_MIN,
    clusterId: clusterId() ?? '',
    clusterEpoch: clusterEpoch(),
    address,
    heartbeatIntervalMs: timing.heartbeatIntervalMs,
    electionTimeoutMinMs: timing.electionTimeoutMinMs,
    electionTimeoutMaxMs: timing.electionTimeoutMaxMs,
    from: self,
    to,
    refusal: '',
    refusalKind: RefusalKind.UNSPECIFIED,
    bulk,
  };
}

/** Who greeted, or was greeted, like that, and has nothing to do with this member. */
export function foreignOf({ clusterId, clusterEpoch, to, address }: Hello): ForeignMember {
  const meant = to as VoterId;
  return {
    clusterId: clusterId === '' ? undefined : (clusterId as ClusterId),
    clusterEpoch,
    meantNodeId: nodeIdOf(meant),
    meantDirectoryId: directoryIdOf(meant),
    address,
  };
}

/** Why this member has nothing to do with who says that; undefined: welcome. */
export function refusalOf(identity: RaftIdentity, said: Hello): Pick<Hello, 'refusal' | 'refusalKind'> | undefined {
  const own = identity.clusterId();
  if (said.protocolVersion < PROTOCOL_VERSION_MIN || said.protocolVersionMin > PROTOCOL_VERSION) {
    const refusal = `it speaks versions ${said.protocolVersionMin} to ${said.protocolVersion} of the protocol, this node ${PROTOCOL_VERSION_MIN} to ${PROTOCOL_VERSION}`;
    return { refusal, refusalKind: RefusalKind.VERSION };
  }
  if (own !== undefined && said.clusterId !== '' && said.clusterId !== own) {
    return { refusal: `it belongs to cluster ${said.clusterId}, this node to ${own}`, refusalKind: RefusalKind.OTHER_CLUSTER };
  }
  const epoch = identity.clusterEpoch();
  if (own !== undefined && said.clusterId === own && said.clusterEpoch !== epoch) {
    const leftOut = said.clusterEpoch < epoch ? 'it' : 'this node';
    const refusal = `the cluster was recovered from the loss of a majority, and ${leftOut} was left out: it joins again with an empty --data-dir`;
    return { refusal, refusalKind: RefusalKind.OTHER_EPOCH };
  }
  if (said.to !== identity.self) {
    const isSameNode = said.to.split('@')[0] === identity.self.split('@')[0];
    const directory = directoryIdOf(identity.self);
    const refusal = isSameNode
      ? `node ${said.to.split('@')[0]} has directory ${directory} now: its disk was replaced, and it has to join again`
      : `it looks for ${said.to} where ${identity.self} listens`;
    return { refusal, refusalKind: RefusalKind.OTHER_MEMBER };
  }
  return undefined;
}
