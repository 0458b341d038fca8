import { readBatchHeader, writeInt64 } from '@streamline/wire/records/batch-header';
import { beforeEach, describe, expect, it } from 'vitest';
import { batchOf, type ReadBatch } from '../kit/broker';
import { Oracle, type SentBatch } from '../kit/load/oracle';

const TOPIC = 'topic';

/** As the batch stands in a log at an offset. */
function inLog({ bytes }: Pick<SentBatch, 'bytes'>, offset: number): ReadBatch {
  const copy = Buffer.from(bytes);
  writeInt64(copy, 0, offset);
  return { header: readBatchHeader(copy), bytes: copy };
}

describe('the oracle of the crash specs', () => {
  let oracle: Oracle;
  let batches: SentBatch[];
  let log: ReadBatch[];

  beforeEach(() => {
    oracle = new Oracle();
    batches = [0, 1, 2, 3].map((number) => {
      const bytes = batchOf([`value ${number}`, 'second']);
      return { topic: TOPIC, partition: 0, producer: 'p', number, bytes };
    });
    for (const batch of batches) oracle.recordSent(batch);
    // The last one was sent and never acknowledged.
    for (const [index, batch] of batches.slice(0, 3).entries()) oracle.recordAcknowledged(batch, 2 * index);
    log = batches.map((batch, index) => inLog(batch, 2 * index));
  });

  const violations = (read: readonly ReadBatch[]) => oracle.check(TOPIC, 0, read);

  it('finds nothing wrong with a log that holds what was acknowledged, with or without what was not', () => {
    expect(violations(log)).toEqual([]);
    expect(violations(log.slice(0, 3))).toEqual([]);
  });

  it('sees what is gone, unless it was allowed to be', () => {
    expect(violations(log.slice(0, 2))).toEqual([expect.stringContaining('p #2 was acknowledged at 4 and is gone')]);
    expect(violations(log.slice(1))).toEqual([expect.stringContaining('p #0 was acknowledged at 0 and is gone')]);
    oracle.allowStart(TOPIC, 0, 1);
    expect(violations(log.slice(1))).toEqual([]);
  });

  it('sees a gap, a duplicate, another place, another order and what was never sent', () => {
    const [first, second, third] = batches as [SentBatch, SentBatch, SentBatch];
    const said = (read: readonly ReadBatch[]) => violations(read).join('; ');
    expect(said([inLog(first, 0), inLog(third, 4)])).toContain('2 was next');
    expect(said([...log, inLog(first, 8)])).toContain('p #0 is there twice, first at 0');
    expect(said([inLog(second, 0), inLog(first, 2), inLog(third, 4)])).toMatch(/acknowledged at 2.*is behind a later one/);
    expect(said([...log, inLog({ bytes: batchOf(['foreign']) }, 8)])).toContain('this was never sent');
  });

  it('sees a bit that was flipped', () => {
    const flipped = inLog(batches[1] as SentBatch, 2);
    flipped.bytes.writeUInt8(flipped.bytes.readUInt8(70) ^ 1, 70);
    const said = violations([log[0] as ReadBatch, flipped, log[2] as ReadBatch]).join('; ');
    expect(said).toContain('the CRC is wrong');
    expect(said).toContain('p #1 was acknowledged at 2 and is gone');
  });
});
