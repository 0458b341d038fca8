import { describe, expect, it } from 'vitest';
import { Chain } from './chain';
import { BLOCK_BYTES, GroupKind } from './format';
import type { FileHeader, GroupHeader } from './format';

function file(sequence: number, startPosition: number): FileHeader {
  const fileBytes = 16 * BLOCK_BYTES;
  return {
    formatVersion: 1,
    sequence,
    fileBytes,
    groupBytesMax: 2 * BLOCK_BYTES,
    startPosition,
    redo: 0,
    salt: Buffer.alloc(16),
    ownerPayload: Buffer.alloc(0),
  };
}

function header(kind: GroupKind, startPosition: number, payloadBytes = 0): GroupHeader {
  return { kind, payloadBytes, recordCount: 1, startPosition, redo: 0, blockIndex: 1 };
}

/** Feeds groups, one a block, from the first block after the header on; `undefined` is an invalid one. */
function feed(chain: Chain, groups: readonly (GroupHeader | undefined)[], nextSequence = 0): (string | undefined)[] {
  return groups.map((group, index) => {
    const offset = (index + 1) * BLOCK_BYTES;
    if (group !== undefined) return describeVerdict(chain.group(offset, BLOCK_BYTES, group, nextSequence));
    chain.invalid(offset, BLOCK_BYTES);
    return undefined;
  });
}

function describeVerdict(verdict: ReturnType<Chain['group']>): string {
  return verdict.kind === 'damage' ? `damage at ${verdict.damage.offset}: ${verdict.damage.problem}` : verdict.kind;
}

function begun(startPosition = 0): Chain {
  const chain = new Chain(startPosition);
  expect(chain.beginFile(file(1, startPosition))).toBeUndefined();
  return chain;
}

describe('Chain', () => {
  it('cuts an invalid group after which nothing follows: the torn tail (J-5)', () => {
    const chain = begun();
    feed(chain, [header(GroupKind.Data, 0, 100), undefined, undefined]);
    expect(chain.finish(0, BLOCK_BYTES)).toMatchObject({
      position: 100,
      nextOffset: 2 * BLOCK_BYTES,
      tornBytes: BLOCK_BYTES,
      recordsInDoubt: true,
      cleanStop: false,
    });
  });

  it('calls an invalid group damage when a valid one follows that begins later (J-5)', () => {
    const verdicts = feed(begun(), [header(GroupKind.Data, 0, 100), undefined, header(GroupKind.Data, 150, 10)]);
    expect(verdicts[2]).toBe(
      `damage at ${2 * BLOCK_BYTES}: a group here is damaged: a valid one follows at offset ${3 * BLOCK_BYTES}`,
    );
  });

  it('calls it damage also when the later one is in the next file (J-5)', () => {
    const chain = begun();
    feed(chain, [header(GroupKind.Data, 0, 100), undefined]);
    expect(chain.beginFile(file(2, 150))?.problem).toBe(
      'the file begins at position 150, but what is before it ends at 100: records are missing between them',
    );
  });

  it('calls a rotten acknowledged tail damage, because a seal follows it (J-5)', () => {
    const verdicts = feed(begun(), [undefined, header(GroupKind.Seal, 100)]);
    expect(verdicts[1]).toContain('damage');
  });

  it('goes on after a mark that cannot be read, since nothing is missing, and counts it', () => {
    const chain = begun();
    expect(feed(chain, [header(GroupKind.Data, 0, 100), undefined, header(GroupKind.Data, 100, 10)])[2]).toBe('accepted');
    expect(chain.finish(0, BLOCK_BYTES)).toMatchObject({ position: 110, unreadableMarks: 1, tornBytes: 0 });
  });

  it('reads past a copy of the last group, and takes it where the original is lost', () => {
    expect(feed(begun(), [header(GroupKind.Data, 0, 100), header(GroupKind.Copy, 0, 100)])).toEqual(['accepted', 'duplicate']);
    expect(feed(begun(), [undefined, header(GroupKind.Copy, 0, 100)])).toEqual([undefined, 'accepted']);
  });

  it('does not take a copy of anything but the last group', () => {
    const verdicts = feed(begun(), [
      header(GroupKind.Data, 0, 100),
      header(GroupKind.Data, 100, 50),
      header(GroupKind.Copy, 0, 100),
    ]);
    expect(verdicts[2]).toContain('damage');
  });

  it('knows a clean stop by its end mark, and only as long as nothing follows it (J-5)', () => {
    const chain = begun();
    feed(chain, [header(GroupKind.Data, 0, 100), header(GroupKind.End, 100)]);
    expect(chain.finish(0, BLOCK_BYTES)).toMatchObject({ cleanStop: true, recordsInDoubt: false });
    feed(chain, [header(GroupKind.Opened, 100)]);
    expect(chain.finish(0, BLOCK_BYTES)).toMatchObject({ cleanStop: false });
  });

  it('misses a file that the one before it announced', () => {
    const chain = begun();
    feed(chain, [header(GroupKind.Data, 0, 100), header(GroupKind.Continued, 100)], 2);
    expect(chain.finish(0, BLOCK_BYTES)).toMatchObject({
      problem: expect.stringContaining('the file with sequence 2') as string,
    });
    expect(chain.beginFile(file(3, 100))?.problem).toContain('the file with sequence 2');
    expect(chain.beginFile(file(2, 100))).toBeUndefined();
  });

  it('doubts the header of an empty file unless the file before announced it (J-3)', () => {
    const announced = begun();
    feed(announced, [header(GroupKind.Data, 0, 100), header(GroupKind.Continued, 100)], 2);
    announced.beginFile(file(2, 100));
    expect(announced.finish(0, BLOCK_BYTES)).toMatchObject({
      headerInDoubt: false,
      recordsInDoubt: false,
      nextOffset: BLOCK_BYTES,
    });
    const silent = begun();
    feed(silent, [header(GroupKind.Data, 0, 100)]);
    silent.beginFile(file(2, 100));
    expect(silent.finish(0, BLOCK_BYTES)).toMatchObject({ headerInDoubt: true, recordsInDoubt: false });
  });

  it('owes the copy of the last group to an empty file that begins before it', () => {
    const chain = begun();
    feed(chain, [header(GroupKind.Data, 0, 100), header(GroupKind.Data, 100, 50), header(GroupKind.Continued, 100)], 2);
    expect(chain.beginFile(file(2, 100))).toBeUndefined();
    expect(chain.finish(0, BLOCK_BYTES)).toMatchObject({ position: 150, recordsInDoubt: true });
  });

  it('refuses a journal that ends before what was released', () => {
    const chain = begun();
    feed(chain, [header(GroupKind.Data, 0, 100)]);
    expect(chain.finish(102, BLOCK_BYTES)).toMatchObject({ problem: expect.stringContaining('released up to 102') as string });
    expect(chain.finish(101, BLOCK_BYTES)).toMatchObject({ position: 100 });
  });

  it('stops at a kind of group that a newer version wrote', () => {
    expect(feed(begun(), [header(99 as GroupKind, 0)])[0]).toContain('kind 99, which this version does not know');
  });
});
