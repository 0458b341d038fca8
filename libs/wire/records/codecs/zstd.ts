import type * as Zstd from '@toondepauw/node-zstd';
import { addonOnFirstUse } from './addon';
import { runDecoder, tooLarge } from './codec-error';
import { readZstdFrame, skipZstdSkippable, zstdPrefix } from './zstd-frame';
import type { ZstdFrame } from './zstd-frame';

const DEFAULT_LEVEL = 3;
/** How often a frame that may not fit is decoded in parts before it is refused ... */
const MAX_PARTIAL_DECODES = 64;
/** ... and how many times the limit these parts may decode to in total: a hostile frame costs no more time than that. */
const MAX_PARTIAL_WORK = 8;

const addon = addonOnFirstUse<typeof Zstd>('@toondepauw/node-zstd');
let decoder: Zstd.Decoder | undefined;
/** One for each level in use; an administrator may try many. */
const ENCODERS_MAX = 32;
const encoders = new Map<number, Zstd.Encoder>();

/** `level` -131072 to 22, 3 by default. */
export function zstdCompress(data: Buffer, level: number = DEFAULT_LEVEL): Buffer {
  let encoder = encoders.get(level);
  if (encoder === undefined) {
    if (encoders.size >= ENCODERS_MAX) encoders.clear();
    encoder = new (addon().Encoder)(level);
    encoders.set(level, encoder);
  }
  return encoder.encodeSync(data);
}

/**
 * The native decoder knows no limit, so each frame is measured first: the blocks of a frame cannot hold more than its
 * block maximum each. Where that bound is within the limit (nearly always) the frame is decoded at once; otherwise it is
 * decoded in growing prefixes that are known to fit.
 */
export function zstdDecompress(data: Buffer, maxBytes: number): Buffer {
  const parts: Buffer[] = [];
  let totalBytes = 0;
  let at = skipZstdSkippable(data, 0);
  do {
    const frame = readZstdFrame(data, at);
    const part = decodeFrame(data, frame, maxBytes - totalBytes, maxBytes);
    parts.push(part);
    totalBytes += part.length;
    at = skipZstdSkippable(data, frame.end);
  } while (at < data.length);
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts, totalBytes);
}

function decode(frame: Buffer): Buffer {
  const native = (decoder ??= new (addon().Decoder)());
  return runDecoder('zstd', () => native.decodeSync(frame));
}

function decodeFrame(data: Buffer, frame: ZstdFrame, remainingBytes: number, maxBytes: number): Buffer {
  if (frame.leastBytes > remainingBytes) throw tooLarge('zstd', maxBytes);
  if (frame.mostBytes <= remainingBytes) {
    return decode(data.subarray(frame.start, frame.end));
  }
  let decoded: Buffer = Buffer.alloc(0);
  let blockCount = 0;
  let workBytes = 0;
  for (let attempt = 0; attempt < MAX_PARTIAL_DECODES && workBytes <= MAX_PARTIAL_WORK * maxBytes; attempt += 1) {
    const prefix = zstdPrefix(data, frame, blockCount, remainingBytes - decoded.length);
    if (prefix.blockCount === blockCount) break;
    decoded = decode(prefix.bytes);
    if (decoded.length > remainingBytes) break;
    workBytes += decoded.length;
    if (prefix.isWhole) return decoded;
    blockCount = prefix.blockCount;
  }
  throw tooLarge('zstd', maxBytes);
}
