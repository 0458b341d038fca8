const UTF8 = new TextDecoder('utf-8', { fatal: true });
const MIN_TOPIC_BYTES = 2;

/**
 * The topics of a consumer's subscription (protocol type "consumer"), read by version 0, which is the prefix of all
 * versions: int16 version, int32 count, then strings of int16 length. Undefined where the bytes are no such thing.
 */
export function subscribedTopicsOf(metadata: Uint8Array): readonly string[] | undefined {
  if (metadata.byteLength < 6) return undefined;
  const view = new DataView(metadata.buffer, metadata.byteOffset, metadata.byteLength);
  if (view.getInt16(0) < 0) return undefined;
  const count = view.getInt32(2);
  if (count < 0 || count > (metadata.byteLength - 6) / MIN_TOPIC_BYTES) return undefined;
  const topics: string[] = [];
  let position = 6;
  for (let index = 0; index < count; index += 1) {
    if (position + 2 > metadata.byteLength) return undefined;
    const length = view.getInt16(position);
    position += 2;
    if (length < 0 || position + length > metadata.byteLength) return undefined;
    const topic = decodeUtf8(metadata.subarray(position, position + length));
    if (topic === undefined) return undefined;
    topics.push(topic);
    position += length;
  }
  return topics;
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}
