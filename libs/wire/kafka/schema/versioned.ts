import { Reader } from '../codec/reader';
import { WireError } from '../codec/wire-error';
import { withWriter } from '../codec/writer';
import type { Fields, ReadOf, WriteOf } from './field';
import type { Message } from './message';

/** A number of 16 bits (a version, or the type of a coordinator's key) and the message behind it. @throws EncodeError */
export function encodePrefixed<F extends Fields>(
  message: Message<F>,
  prefix: number,
  version: number,
  value: WriteOf<F>,
): Buffer {
  return withWriter((writer) => {
    writer.int16(prefix);
    message.write(version, writer, value);
    return writer.copy();
  });
}

/** A message with its version before it, as Kafka stores the values of records. @throws EncodeError */
export function encodeVersioned<F extends Fields>(message: Message<F>, version: number, value: WriteOf<F>): Buffer {
  return encodePrefixed(message, version, version, value);
}

/** Reads a message with its version before it, which must be one that the message has. @throws WireError */
export function decodeVersioned<F extends Fields>(message: Message<F>, buf: Buffer): ReadOf<F> {
  const reader = new Reader(buf);
  const version = reader.int16();
  const { min, max } = message.versions;
  if (version < min || version > max)
    throw new WireError('invalid', `${message.name} of version ${version}, but only ${min} to ${max} are known`, 0);
  const value = message.read(version, reader);
  reader.expectEnd();
  return value;
}
