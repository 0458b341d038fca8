import { describe, expect, it } from 'vitest';
import { fetch } from '../apis/01-fetch';
import { metadata } from '../apis/03-metadata';
import { decodeResponse, encodeResponse } from '../frame';

describe('Writer', () => {
  it('keeps small pieces whole where a slab ends between them', () => {
    // Frames of changing size pass the end of a slab at changing places.
    for (let round = 0; round < 500; round += 1) {
      const records = [341, 417, (round * 37) % 1_024].map((size, index) => Buffer.alloc(size, 3 * round + index));
      const partition = { partitionIndex: 0, errorCode: 0, highWatermark: 1n, abortedTransactions: null, records };
      const body = { throttleTimeMs: 0, responses: [{ topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partitions: [partition] }] };
      const frame = Buffer.concat(encodeResponse(fetch, 16, round, body)).subarray(4);
      const read = decodeResponse(fetch, 16, frame).body.responses[0]?.partitions[0]?.records;
      expect(read?.equals(Buffer.concat(records))).toBe(true);
    }
  });

  it('refuses a frame that grows beyond any honest one, and is as good as new after it', () => {
    const broker = { nodeId: 1, host: 'one', port: 9092, rack: 'r'.repeat(32_000) };
    const many = { brokers: new Array<typeof broker>(20_000).fill(broker), topics: [] };
    expect(() => encodeResponse(metadata, 8, 1, many)).toThrow(/beside its records/);
    const frame = Buffer.concat(encodeResponse(metadata, 8, 2, { brokers: [broker], topics: [] })).subarray(4);
    expect(decodeResponse(metadata, 8, frame)).toMatchObject({ correlationId: 2, body: { brokers: [broker] } });
  });
});
