import type { SparseIndex } from '@streamline/core/log/sparse-index';
import type { Segment } from '@streamline/core/log/segment';

/** Indexes of segments that are in files, or can be built from the batches; the ones used longest ago leave (LOG-7). */
export class IndexCache {
  private readonly indexes = new Map<Segment, SparseIndex>();
  private sizeBytes = 0;

  constructor(private readonly maxBytes: number) {}

  get(segment: Segment): SparseIndex | undefined {
    const index = this.indexes.get(segment);
    if (index === undefined) return undefined;
    this.indexes.delete(segment);
    this.indexes.set(segment, index);
    return index;
  }

  put(segment: Segment, index: SparseIndex): void {
    this.forget(segment);
    this.indexes.set(segment, index);
    this.sizeBytes += index.sizeBytes;
    for (const [oldest, old] of this.indexes) {
      if (this.sizeBytes <= this.maxBytes || oldest === segment) break;
      this.indexes.delete(oldest);
      this.sizeBytes -= old.sizeBytes;
    }
  }

  forget(segment: Segment): void {
    const index = this.indexes.get(segment);
    if (index === undefined) return;
    this.indexes.delete(segment);
    this.sizeBytes -= index.sizeBytes;
  }
}
