import { describe, expect, it } from 'vitest';
import { fetch } from '../apis/01-fetch';
import { decodeResponse, encodeResponse } from '../frame';

describe('Writer', () => {
  it('keeps small pieces whole where a slab ends between them', () => {
    // Together they pass the end of a slab at every phase; a piece that went into the slab before it would be garbage.
    const records = [Buffer.alloc(341, 0xa1), Buffer.alloc(417, 0xb2), Buffer.alloc(1_023, 0xc3)];
    const body = {
      responses: [
        {
          topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
          partitions: [{ partitionIndex: 0, errorCode: 0, highWatermark: 1n, abortedTransactions: null, records }],
        },
      ],
    };
    for (let round = 0; round < 500; round += 1) {
      const frame = Buffer.concat(encodeResponse(fetch, 16, round, body)).subarray(4);
      const read = decodeResponse(fetch, 16, frame).body.responses[0]?.partitions[0]?.records;
      expect(read?.equals(Buffer.concat(records))).toBe(true);
    }
  });
});
