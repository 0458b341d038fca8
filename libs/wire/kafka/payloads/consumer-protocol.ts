import { Reader } from '../codec/reader';
import { WireError } from '../codec/wire-error';
import type { Fields, ReadOf } from '../schema/field';
import type { Message } from '../schema/message';
import { consumerProtocolAssignment } from './consumer-protocol-assignment';
import { consumerProtocolSubscription } from './consumer-protocol-subscription';

/** What a member's metadata in JoinGroup holds when the protocol type is `consumer`. @throws WireError */
export function decodeSubscription(metadata: Buffer): ReadOf<typeof consumerProtocolSubscription.fields> {
  return decodeLenient(consumerProtocolSubscription, metadata);
}

/** What a member's assignment in SyncGroup holds when the protocol type is `consumer`. @throws WireError */
export function decodeAssignment(assignment: Buffer): ReadOf<typeof consumerProtocolAssignment.fields> {
  return decodeLenient(consumerProtocolAssignment, assignment);
}

/** As Kafka does it: a version that is too new is read as the newest one known, and what it has more is left unread. */
function decodeLenient<F extends Fields>(message: Message<F>, buf: Buffer): ReadOf<F> {
  const reader = new Reader(buf);
  const version = reader.int16();
  if (version < 0) throw new WireError('invalid', `${message.name} of version ${version}`, 0);
  return message.read(Math.min(version, message.versions.max), reader);
}
