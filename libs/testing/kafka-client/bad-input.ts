import { connect } from 'node:net';
import { apisByKey } from '@streamline/wire/kafka/api-table';
import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { apiVersions } from '@streamline/wire/kafka/apis/18-api-versions';
import { encodeRequest } from '@streamline/wire/kafka/frame';
import type { Api } from '@streamline/wire/kafka/schema/api';
import type { Fields, WriteOf } from '@streamline/wire/kafka/schema/field';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import { SAMPLE_REQUESTS, SAMPLE_TOPIC } from '../gateway/sample-requests';
import { SeededRandom } from '../time/seeded-random';

/** Something that no well-meaning client sends. */
export interface BadInput {
  readonly name: string;
  readonly bytes: Buffer;
  /**
   * `closed`: the connection has to end by itself. `answered`: with an error. `either`: it ends, or the bytes happen to be a
   * request and are answered. `open`: the bytes are the beginning of something and the other end waits for the rest.
   */
  readonly expects: 'closed' | 'answered' | 'either' | 'open';
  /** It may happen to be a request that waits for long, and be answered by nothing in the meantime. */
  readonly mayWait?: boolean;
}

/** What became of an input: the connection ended, answered, or did neither within the time. */
export type BadInputOutcome = 'closed' | 'answered' | 'silent';

const SIZE_BYTES = 4;
const PRODUCE = 0;
/** Fetch, JoinGroup and SyncGroup wait for something to happen, as long as they say. */
const WAITING_KEYS: ReadonlySet<number> = new Set([1, 11, 14]);
const NESTED_LEVELS = 1000;

/** The corpus of RELIABILITY's "bad input": fixed cases, and for each seed a mutation of every request that there is. */
export function badInputs(seeds: number): BadInput[] {
  return [
    ...otherProtocols(),
    ...garbage(),
    ...wrongSizes(),
    ...wrongHeaders(),
    ...wrongBodies(),
    ...nested(),
    wrongCrc(),
    ...cutRequests(),
    ...mutations(seeds),
  ];
}

/** True where the input did what was expected of it. */
export function isAsExpected({ expects, mayWait }: BadInput, outcome: BadInputOutcome): boolean {
  if (outcome === 'silent') return mayWait === true;
  if (expects === 'either') return true;
  return outcome === (expects === 'answered' ? 'answered' : 'closed');
}

/**
 * A well-formed request of some KiB a batch that is `mebibytes` when decompressed, `batches` of them for partition 0 of a
 * topic. Not in the corpus, since it takes long to make.
 */
export function decompressionBomb(topic: string, batches: number, mebibytes: number): Buffer {
  const value = Buffer.alloc(mebibytes * 1024 * 1024);
  const records = buildBatch({ records: [{ value }], timestamp: Date.now(), codec: 'gzip' });
  const partitionData = Array.from({ length: batches }, () => ({ index: 0, records }));
  const body = { acks: -1, timeoutMs: 60_000, topicData: [{ name: topic, partitionData }] };
  return Buffer.concat(encodeRequest(produce, 9, 1, 'bad', body));
}

/** Bytes without any sense. The first says that the frame is too large, lest the rest be waited for. */
function garbage(): BadInput[] {
  return [5, 64, 4096, 1_000_000].map((length) => {
    const bytes = new SeededRandom(length).bytes(length);
    bytes.writeUInt8(0x80 | (bytes[0] ?? 0), 0);
    return { name: `${length} bytes of garbage`, bytes, expects: 'closed' };
  });
}

function wrongCrc(): BadInput {
  const records = buildBatch({ records: [{ value: Buffer.from('x') }], timestamp: 1 });
  records.writeUInt8(records.readUInt8(records.length - 1) ^ 1, records.length - 1);
  const body = { acks: -1, timeoutMs: 1000, topicData: [{ name: SAMPLE_TOPIC, partitionData: [{ index: 0, records }] }] };
  return {
    name: 'a batch with a wrong CRC',
    bytes: Buffer.concat(encodeRequest(produce, 9, 1, 'bad', body)),
    expects: 'answered',
  };
}

/** The protocol has no recursion: what nests are arrays in arrays, and unknown tagged fields in unknown tagged fields. */
function nested(): BadInput[] {
  const nullClient = Buffer.from([0xff, 0xff]);
  let tagged = Buffer.from([0]);
  for (let level = 0; level < NESTED_LEVELS; level += 1) {
    // One field with the tag 100, of so many bytes.
    tagged = Buffer.concat([Buffer.from([1, 100]), unsignedVarint(tagged.length), tagged]);
  }
  // CreateTopics v2: a topic, its assignments, and their brokers, which are said to be more than there are bytes.
  const arrays = Buffer.from('000000010001740000000100010000000100000000 7fffffff'.replaceAll(' ', ''), 'hex');
  return [
    {
      name: `tagged fields nested ${NESTED_LEVELS} deep`,
      bytes: frame(3, 9, Buffer.concat([nullClient, Buffer.from('0001000000', 'hex'), tagged])),
      expects: 'answered',
    },
    { name: 'arrays in arrays of 2^31-1', bytes: frame(19, 2, Buffer.concat([nullClient, arrays])), expects: 'closed' },
  ];
}

function unsignedVarint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

function otherProtocols(): BadInput[] {
  const http = [
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    'POST /topics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello',
    'HEAD / HTTP/1.0\r\n\r\n',
  ];
  const hello = Buffer.from('1603010200010001fc0303a5a5a5a5', 'hex');
  const others = [
    ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.6\r\n')],
    ['Redis', Buffer.from('*1\r\n$4\r\nPING\r\n')],
    ['HTTP/2', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
    ['half a TLS hello', hello],
  ] as const;
  return [
    ...http.map((text): BadInput => ({
      name: `HTTP on the Kafka port: ${text.slice(0, 8)}`,
      bytes: Buffer.from(text),
      expects: 'closed',
    })),
    ...others.map(([name, bytes]): BadInput => ({ name: `${name} on the Kafka port`, bytes, expects: 'closed' })),
  ];
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function wrongSizes(): BadInput[] {
  const closed = [0x7fffffff, 0x40000000, 104_857_601, -1, -2, -2_147_483_648, 0, 1, 9].map((size): BadInput => ({
    name: `a frame of size ${size}`,
    bytes: Buffer.concat([int32(size), Buffer.alloc(64, 1)]),
    expects: 'closed',
  }));
  const open: BadInput = {
    name: 'a frame of 100 MiB that never comes',
    bytes: Buffer.concat([int32(104_857_600), Buffer.alloc(64)]),
    expects: 'open',
  };
  return [...closed, open, { name: 'half of a size', bytes: Buffer.from([0, 0]), expects: 'open' }];
}

/** A whole frame: key, version, correlation id, then what is given. */
function frame(key: number, version: number, rest: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeInt16BE(key, 0);
  head.writeInt16BE(version, 2);
  head.writeInt32BE(1, 4);
  return Buffer.concat([int32(8 + rest.length), head, rest]);
}

function wrongHeaders(): BadInput[] {
  const nullClient = Buffer.from([0xff, 0xff]);
  const unknown = [-1, -32_768, 4, 7, 95, 32_767].map((key): BadInput => ({
    name: `the API key ${key}`,
    bytes: frame(key, 0, Buffer.concat([nullClient, Buffer.alloc(8)])),
    expects: 'closed',
  }));
  const versions = [-1, 99, 32_767].map((version): BadInput => ({
    name: `Metadata version ${version}`,
    bytes: frame(3, version, Buffer.concat([nullClient, Buffer.alloc(8)])),
    expects: 'closed',
  }));
  const clientIds = [-2, -32_768, 32_767].map((length): BadInput => {
    const bytes = Buffer.alloc(6);
    bytes.writeInt16BE(length);
    return { name: `a client id of length ${length}`, bytes: frame(3, 1, bytes), expects: 'closed' };
  });
  return [...unknown, ...versions, ...clientIds];
}

function wrongBodies(): BadInput[] {
  const nullClient = Buffer.from([0xff, 0xff]);
  const body = (name: string, key: number, version: number, hex: string, expects: BadInput['expects'] = 'closed'): BadInput => ({
    name,
    bytes: frame(key, version, Buffer.concat([nullClient, Buffer.from(hex, 'hex')])),
    expects,
  });
  return [
    body('an array of 2^31-1 topics', 3, 1, '7fffffff00'),
    body('an array of length -2', 3, 1, 'fffffffe'),
    body('a topic name of length -1 where none may be null', 3, 1, '00000001ffff'),
    body('a topic name of length 32767 that is not there', 3, 1, '000000017fff61'),
    body('a topic name that is no UTF-8', 3, 1, '000000010002fffe', 'either'),
    body('a compact array of 2^32-1', 3, 9, '00ffffffff0f00'),
    body('a varint that never ends', 3, 9, '00ffffffffffffffffffff'),
    body('tagged fields without end', 3, 9, '00010000ffffffff0f'),
    body('a million empty tagged fields', 3, 9, `0001000000c0843d${'0000'.repeat(100)}`),
    body('record bytes of length -2', 0, 3, 'ffffffff000003e8000000010001740000000100000000fffffffe'),
    body('record bytes of 2 GB', 0, 3, 'ffffffff000003e80000000100017400000001000000007fffffff'),
    body('nothing where a body is due', 1, 4, ''),
  ];
}

/** Every sample request as it stands on the wire, the last two versions and the first of each API. */
function sampleFrames(): { readonly name: string; readonly key: number; readonly bytes: Buffer }[] {
  return Object.entries(SAMPLE_REQUESTS).flatMap(([text, make]) => {
    const key = Number(text);
    const api = apisByKey.get(key) as Api<Fields, Fields> | undefined;
    if (api === undefined) return [];
    const { min, max } = api.stableVersions;
    return [...new Set([min, max - 1, max])]
      .filter((version) => version >= min)
      .map((version) => {
        const pieces = encodeRequest(api, version, 1, 'bad', make(version) as WriteOf<Fields>);
        return { name: `${api.name} v${version}`, key, bytes: Buffer.concat(pieces) };
      });
  });
}

function mayWait(bytes: Buffer): boolean {
  return WAITING_KEYS.has(bytes.readInt16BE(SIZE_BYTES));
}

/** A request that ends too early for its own size waits for the rest; one whose size says so is no request. */
function cutRequests(): BadInput[] {
  return sampleFrames().flatMap(({ name, bytes }): BadInput[] => {
    if (bytes.length <= SIZE_BYTES + 12) return [];
    const cut = bytes.subarray(0, bytes.length - 3);
    const resized = Buffer.from(cut);
    resized.writeInt32BE(resized.length - SIZE_BYTES);
    return [
      { name: `${name} without its last 3 bytes`, bytes: Buffer.from(cut), expects: 'open' },
      { name: `${name} cut by 3 bytes`, bytes: resized, expects: 'either', mayWait: mayWait(resized) },
    ];
  });
}

function mutations(seeds: number): BadInput[] {
  const frames = sampleFrames();
  return Array.from({ length: seeds }, (_, seed) => {
    const random = new SeededRandom(seed);
    const { name, key, bytes } = frames[random.integer(0, frames.length - 1)] ?? { name: '', key: -1, bytes: Buffer.alloc(0) };
    const mutated = Buffer.from(bytes);
    const count = random.integer(1, 4);
    // The size stays, so that the frame is complete; acks=0 would be legal silence.
    const firstByte = key === PRODUCE ? SIZE_BYTES + 16 : SIZE_BYTES;
    for (let i = 0; i < count; i++) mutated[random.integer(firstByte, mutated.length - 1)] = random.integer(0, 255);
    const described = `${name} with ${count} other bytes (seed ${seed})`;
    return { name: described, bytes: mutated, expects: 'either' as const, mayWait: mayWait(mutated) };
  });
}

/**
 * Sends an input on a connection of its own, followed by an ApiVersions request where an answer may come, and tells what
 * became of it. `open` inputs are followed by the end of the stream instead.
 */
export function provoke(port: number, input: BadInput, timeoutMs: number): Promise<BadInputOutcome> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const timer = setTimeout(() => finish('silent'), timeoutMs);
    let received = 0;
    const finish = (outcome: BadInputOutcome) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    socket.on('connect', () => {
      socket.write(input.bytes);
      if (input.expects === 'open') socket.end();
      else for (const piece of encodeRequest(apiVersions, 0, 2, 'bad', {})) socket.write(piece);
    });
    socket.on('data', (chunk) => {
      received += chunk.length;
      finish('answered');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => finish(received > 0 ? 'answered' : 'closed'));
  });
}
