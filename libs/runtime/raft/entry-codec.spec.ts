import { describe, expect, it } from 'vitest';
import { entrySizeBytes } from '@streamline/core/raft/limits';
import type { Entry, Member, VoterId } from '@streamline/core/raft/types';
import { decodeEntry, encodeEntry } from './entry-codec';

function entryOf(index: number, records: readonly Buffer[], term = 7): Entry {
  const sizeBytes = entrySizeBytes(records);
  return {
    index,
    term,
    kind: 'records',
    records,
    id: undefined,
    configuration: undefined,
    timestampMs: 1_000 + index,
    sizeBytes,
  };
}

describe('encodeEntry', () => {
  it('keeps entries apart that are encoded one after the other, whatever their sizes', () => {
    const entries = [100, 3, 70_000, 0, 1].map((bytes, at) => entryOf(at + 1, [Buffer.alloc(bytes, at), Buffer.from('end')]));
    const encoded = entries.map(encodeEntry);
    for (const [at, bytes] of encoded.entries()) {
      const decoded = decodeEntry(bytes);
      expect({ ...decoded, records: decoded.records.map((record) => Buffer.from(record)) }).toEqual(entries[at]);
    }
  });

  it('keeps which learner is to stay one', () => {
    const [voter, learner] = ['1@a', '2@b'] as VoterId[] as [VoterId, VoterId];
    const members: Member[] = [
      { id: voter, address: 'a:1' },
      { id: learner, address: 'b:1', staysLearner: true },
    ];
    const configuration = { members, voters: [voter], outgoingVoters: [], learners: [learner] };
    const entry: Entry = { ...entryOf(1, []), kind: 'configuration', configuration };
    expect(decodeEntry(encodeEntry(entry)).configuration).toStrictEqual(configuration);
  });

  it('leaves nothing in the next entry of one that could not be encoded', () => {
    expect(() => encodeEntry(entryOf(1, [Buffer.from('a')], 1.5))).toThrow();
    const next = entryOf(2, [Buffer.from('b')]);
    expect(decodeEntry(encodeEntry(next))).toMatchObject({ index: 2, term: 7 });
  });
});
