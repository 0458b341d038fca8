import { describe, expect, it } from 'vitest';
import { recordTypeOf } from './coordinator-record';
import { groupRecords } from './group-records';
import { groupMetadataRecord } from './group/02-group-metadata';
import { offsetCommitRecord } from './group/01-offset-commit';
import { shareRecords } from './share-records';
import { transactionRecords } from './transaction-records';

const key = { group: 'g', topic: 't', partition: 3 };
const value = { offset: 42n, leaderEpoch: 5, metadata: 'm', commitTimestamp: 1700000000000n };

describe('a coordinator record', () => {
  it('has its type before the key and its version before the value', () => {
    expect(offsetCommitRecord.encodeKey(key).toString('hex')).toBe('0001' + '000167' + '000174' + '00000003');
    const bytes = offsetCommitRecord.encodeValue(3, value);
    expect(bytes.toString('hex')).toBe('0003' + '000000000000002a' + '00000005' + '00016d' + '0000018bcfe56800');
  });

  it('comes back as it was written', () => {
    expect(offsetCommitRecord.decodeKey(offsetCommitRecord.encodeKey(key))).toStrictEqual(key);
    for (const version of [3, 4])
      expect(offsetCommitRecord.decodeValue(offsetCommitRecord.encodeValue(version, value))).toMatchObject(value);
  });

  it('is found by the type of its key', () => {
    const type = recordTypeOf(groupMetadataRecord.encodeKey({ group: 'g' }));
    expect(groupRecords.get(type)).toBe(groupMetadataRecord);
    expect([groupRecords.size, shareRecords.size, transactionRecords.size]).toEqual([22, 2, 1]);
  });

  it('is refused when type or version are not its own', () => {
    expect(() => offsetCommitRecord.decodeKey(groupMetadataRecord.encodeKey({ group: 'g' }))).toThrow(
      expect.objectContaining({ code: 'invalid', message: expect.stringContaining('record of type 2, but OffsetCommit has 1') }),
    );
    const tooNew = offsetCommitRecord.encodeValue(3, value);
    tooNew.writeInt16BE(5, 0);
    expect(() => offsetCommitRecord.decodeValue(tooNew)).toThrow('OffsetCommitValue of version 5, but only 0 to 4 are known');
  });

  it('is refused with bytes after it', () => {
    const bytes = Buffer.concat([offsetCommitRecord.encodeKey(key), Buffer.alloc(1)]);
    expect(() => offsetCommitRecord.decodeKey(bytes)).toThrow(expect.objectContaining({ code: 'trailing' }));
    const long = Buffer.concat([offsetCommitRecord.encodeValue(3, value), Buffer.alloc(1)]);
    expect(() => offsetCommitRecord.decodeValue(long)).toThrow(expect.objectContaining({ code: 'trailing' }));
  });
});
