import { describe, expect, expectTypeOf, it } from 'vitest';
import { apis, apisByKey } from './api-table';
import { produce } from './apis/00-produce';
import { fetch } from './apis/01-fetch';
import { metadata } from './apis/03-metadata';
import { saslHandshake } from './apis/17-sasl-handshake';
import { apiVersions } from './apis/18-api-versions';
import { offsetDelete } from './apis/47-offset-delete';
import { COPY_BELOW_BYTES } from './codec/writer';
import { correlationIdOf, decodeRequestFrame, decodeResponse, encodeRequest, encodeResponse } from './frame';
import { requestHeaderVersion, responseHeaderVersion } from './headers';
import type { RequestOf, ResponseInput, ResponseOf } from './schema/api';

const TOPIC_ID = 'lJmTOp4jTQSH2AX3JXvxhA';

/** The frame without its size, which must be right. */
function payload(pieces: readonly Buffer[]): Buffer {
  const whole = Buffer.concat(pieces);
  expect(whole.readInt32BE(0)).toBe(whole.length - 4);
  return whole.subarray(4);
}

function fetchResponse(records: Buffer | readonly Buffer[] | null): ResponseInput<typeof fetch> {
  const partition = { partitionIndex: 0, errorCode: 0, highWatermark: 5n, abortedTransactions: null, records };
  return { throttleTimeMs: 0, responses: [{ topicId: TOPIC_ID, partitions: [partition] }] };
}

describe('decodeRequestFrame', () => {
  it('reads the header and leaves the reader at the body', () => {
    const body = { transactionalId: null, acks: -1, timeoutMs: 100, topicData: [] };
    for (const version of [3, 8, 9, 13]) {
      const frame = payload(encodeRequest(produce, version, 77, 'client', body));
      const request = decodeRequestFrame(frame);
      expect(request).toMatchObject({ apiKey: 0, apiVersion: version, correlationId: 77, clientId: 'client' });
      expect(request.api).toBe(produce);
      expect(produce.request.read(version, request.reader)).toStrictEqual(body);
      expect(request.reader.remaining).toBe(0);
    }
  });

  it('reads a client id that is null', () => {
    const frame = payload(encodeRequest(metadata, 12, 1, null, { topics: null, includeTopicAuthorizedOperations: false }));
    expect(decodeRequestFrame(frame).clientId).toBeNull();
  });

  it('reads the header of an API or a version that it does not know', () => {
    const unknown = Buffer.from('03e7' + '0005' + '00000009' + '0001' + '61' + 'ffff', 'hex');
    expect(decodeRequestFrame(unknown)).toMatchObject({
      apiKey: 999,
      apiVersion: 5,
      correlationId: 9,
      clientId: 'a',
      api: undefined,
    });
    const tooNew = Buffer.from('0012' + '0063' + '00000009' + '0001' + '61' + '00', 'hex');
    expect(decodeRequestFrame(tooNew)).toMatchObject({ apiKey: 18, apiVersion: 99, api: apiVersions });
  });

  it('refuses a header that is cut off', () => {
    const frame = payload(encodeRequest(saslHandshake, 1, 3, 'abc', { mechanism: 'PLAIN' }));
    for (let length = 0; length < 13; length++)
      expect(() => decodeRequestFrame(frame.subarray(0, length))).toThrow(expect.objectContaining({ code: 'truncated' }));
    expect(() => decodeRequestFrame(frame.subarray(0, 6))).toThrow(expect.objectContaining({ path: 'correlationId' }));
  });

  it('hands out record bytes as views on the frame, also when that lies inside a larger buffer', () => {
    const records = Buffer.alloc(5000, 7);
    const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }];
    const sent = Buffer.concat(encodeRequest(produce, 9, 1, 'c', { transactionalId: null, acks: 1, timeoutMs: 1, topicData }));
    const socket = Buffer.concat([Buffer.alloc(100, 0xff), sent, Buffer.alloc(100, 0xff)]);
    const { reader } = decodeRequestFrame(socket.subarray(104, 100 + sent.length));
    const read = produce.request.read(9, reader).topicData[0]?.partitionData[0]?.records;
    expect(read?.equals(records)).toBe(true);
    expect(read?.buffer).toBe(socket.buffer);
  });
});

describe('encodeResponse', () => {
  it('gives what decodeResponse reads, in every header version', () => {
    for (const version of [4, 11, 12, 13, 16]) {
      const response = version < 13 ? { throttleTimeMs: 3, responses: [] } : fetchResponse(Buffer.from('records'));
      const frame = payload(encodeResponse(fetch, version, -5, response));
      expect(correlationIdOf(frame)).toBe(-5);
      const decoded = decodeResponse(fetch, version, frame);
      expect(decoded.correlationId).toBe(-5);
      expect(decoded.body).toMatchObject(response);
    }
  });

  it('passes record bytes through without a copy, in as many pieces as they lie in', () => {
    const first = Buffer.alloc(COPY_BELOW_BYTES, 1);
    const second = Buffer.alloc(COPY_BELOW_BYTES + 1, 2);
    const pieces = encodeResponse(fetch, 13, 1, fetchResponse([first, second]));
    expect(pieces).toHaveLength(4);
    expect(pieces[1]).toBe(first);
    expect(pieces[2]).toBe(second);
    const { body } = decodeResponse(fetch, 13, payload(pieces));
    expect(body.responses[0]?.partitions[0]?.records).toStrictEqual(Buffer.concat([first, second]));
  });

  it('copies record bytes that are few into one piece', () => {
    const pieces = encodeResponse(fetch, 13, 1, fetchResponse(Buffer.alloc(COPY_BELOW_BYTES - 1, 1)));
    expect(pieces).toHaveLength(1);
    expect(decodeResponse(fetch, 13, payload(pieces)).body.responses[0]?.partitions[0]?.records).toHaveLength(
      COPY_BELOW_BYTES - 1,
    );
  });

  it('writes frames larger than a slab, and does not touch earlier frames', () => {
    const small = encodeResponse(fetch, 13, 1, fetchResponse(null));
    const before = Buffer.concat(small);
    const partitions = Array.from({ length: 20_000 }, (_, partitionIndex) => ({
      partitionIndex,
      errorCode: 0,
      highWatermark: BigInt(partitionIndex),
      abortedTransactions: [],
      records: partitionIndex % 1000 === 0 ? Buffer.alloc(2000, 9) : null,
    }));
    const large = { throttleTimeMs: 0, responses: [{ topicId: TOPIC_ID, partitions }] };
    for (let round = 0; round < 3; round++)
      expect(decodeResponse(fetch, 13, payload(encodeResponse(fetch, 13, 1, large))).body).toMatchObject(large);
    expect(Buffer.concat(small)).toStrictEqual(before);
  });

  it('discards a frame that cannot be written and goes on', () => {
    const records = Buffer.alloc(5000);
    const wrong = { throttleTimeMs: 0, responses: [{ topicId: TOPIC_ID, partitions: [] }], sessionId: 2 ** 40 };
    const before = payload(encodeResponse(fetch, 13, 1, fetchResponse(records)));
    expect(() => encodeResponse(fetch, 13, 1, wrong)).toThrow('FetchResponse v13 sessionId: number 1099511627776 is no int32');
    expect(payload(encodeResponse(fetch, 13, 1, fetchResponse(records)))).toStrictEqual(before);
  });

  it('writes a frame while another one is being written', () => {
    const inner: Buffer[][] = [];
    const outer = encodeResponse(metadata, 0, 1, {
      brokers: [],
      get topics() {
        inner.push(encodeResponse(metadata, 0, 2, { brokers: [], topics: [] }));
        return [];
      },
    });
    expect(payload(outer).toString('hex')).toBe('00000001' + '00000000' + '00000000');
    expect(inner.map((pieces) => payload(pieces).toString('hex'))).toContain('00000002' + '00000000' + '00000000');
  });
});

describe('decodeResponse', () => {
  it('refuses bytes after the response', () => {
    const frame = Buffer.concat([
      payload(encodeResponse(saslHandshake, 1, 1, { errorCode: 0, mechanisms: [] })),
      Buffer.alloc(1),
    ]);
    expect(() => decodeResponse(saslHandshake, 1, frame)).toThrow(expect.objectContaining({ code: 'trailing' }));
  });
});

describe('header versions', () => {
  it('are 2 and 1 from the first flexible version on, 1 and 0 before', () => {
    expect([requestHeaderVersion(produce, 8), requestHeaderVersion(produce, 9)]).toEqual([1, 2]);
    expect([responseHeaderVersion(produce, 8), responseHeaderVersion(produce, 9)]).toEqual([0, 1]);
  });

  it('answer ApiVersions with header v0 in every version', () => {
    for (let version = 0; version <= 5; version++) expect(responseHeaderVersion(apiVersions, version)).toBe(0);
    expect(requestHeaderVersion(apiVersions, 3)).toBe(2);
  });

  it('never become flexible for SaslHandshake and OffsetDelete', () => {
    for (const api of [saslHandshake, offsetDelete]) {
      expect(requestHeaderVersion(api, 99)).toBe(1);
      expect(responseHeaderVersion(api, 99)).toBe(0);
    }
  });
});

describe('the table of APIs', () => {
  it('has the 79 broker-facing APIs of Kafka 4.4 under their keys', () => {
    expect(apis).toHaveLength(79);
    for (const api of apis) expect(apisByKey.get(api.key)).toBe(api);
  });

  it('leaves the one unstable version out of what may be advertised', () => {
    const unstable = apis.filter((api) => api.stableVersions.max < api.versions.max);
    expect(unstable.map((api) => [api.name, api.versions.max, api.stableVersions.max])).toEqual([['InitProducerId', 6, 5]]);
  });
});

describe('types', () => {
  it('follow from the schema', () => {
    type Partition = RequestOf<typeof produce>['topicData'][number]['partitionData'][number];
    expectTypeOf<Partition['index']>().toEqualTypeOf<number>();
    expectTypeOf<Partition['records']>().toEqualTypeOf<Buffer | null>();
    expectTypeOf<
      ResponseOf<typeof produce>['responses'][number]['partitionResponses'][number]['baseOffset']
    >().toEqualTypeOf<bigint>();
    type Written = ResponseInput<typeof fetch>['responses'][number]['partitions'][number];
    expectTypeOf<Written['records']>().toEqualTypeOf<Buffer | readonly Buffer[] | null>();
    expectTypeOf<Written['preferredReadReplica']>().toEqualTypeOf<number | undefined>();
    expectTypeOf<Written>().toExtend<{ readonly highWatermark: bigint }>();
  });
});
