import type { PartitionIdentity } from '@streamline/core/log/partition-record';

const NAME = /^(\d{20})(?:-(\d+))?\.log$/;

/** `<root>/partitions/<topic id>-<partition>`. */
export function partitionPath(root: string, identity: PartitionIdentity): string {
  return `${partitionsPath(root)}/${identity.topicId}-${identity.partition}`;
}

/** Where a partition's directory goes before it is removed, so that its next life finds the name free. */
export function deletedPath(root: string, identity: PartitionIdentity): string {
  return `${partitionPath(root, identity)}.${identity.slot}.deleted`;
}

export function partitionsPath(root: string): string {
  return `${root}/partitions`;
}

/** `00000000000000000042.log`, or `00000000000000000042-1.log` for a file that replaced another of the same base (S-9). */
export function segmentFileName(baseOffset: number, revision: number, extension: 'log' | 'index' | 'timeindex'): string {
  const base = String(baseOffset).padStart(20, '0');
  return revision === 0 ? `${base}.${extension}` : `${base}-${revision}.${extension}`;
}

/** Base offset and revision of a segment file's name, or undefined for another file. */
export function parseSegmentFileName(name: string): { readonly baseOffset: number; readonly revision: number } | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  return { baseOffset: Number(match[1]), revision: Number(match[2] ?? 0) };
}
