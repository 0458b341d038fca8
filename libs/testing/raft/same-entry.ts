import type { Entry } from '@streamline/core/raft/types';

/** By value; entries that went over a network are not the same objects. */
export function sameEntry(a: Entry, b: Entry): boolean {
  if (a === b) return true;
  if (a.index !== b.index || a.term !== b.term || a.kind !== b.kind || a.timestampMs !== b.timestampMs) return false;
  if (a.sizeBytes !== b.sizeBytes || a.records.length !== b.records.length) return false;
  if (JSON.stringify(a.id) !== JSON.stringify(b.id)) return false;
  if (JSON.stringify(a.configuration) !== JSON.stringify(b.configuration)) return false;
  return a.records.every((record, at) => Buffer.compare(record, b.records[at] ?? Buffer.alloc(0)) === 0);
}
