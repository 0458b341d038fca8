import type { IndexPlace } from '@streamline/core/log/sparse-index';
import { SparseIndex } from '@streamline/core/log/sparse-index';
import type { Segment } from '@streamline/core/log/segment';
import { walkBatches } from './batch-walk';
import type { EngineContext } from './engine-context';
import { readIndexFiles, writeIndexFiles } from './index-files';
import type { IndexPaths } from './index-files';
import type { LogFiles } from './log-files';

/** Finds places in the segments of one partition: the newest part of an index is in memory, the rest comes from files or a walk. */
export class SegmentIndexes {
  private readonly loading = new Map<Segment, Promise<SparseIndex>>();

  constructor(
    private readonly context: EngineContext,
    private readonly files: LogFiles,
    private readonly intervalBytes: () => number,
  ) {}

  /** The last indexed batch at or before `offset`, where the index is in memory. */
  peek(segment: Segment, offset: number): IndexPlace | undefined {
    if (offset >= segment.indexedFrom.endOffset) {
      const place = segment.index.floor(offset);
      if (place !== undefined) return place;
    }
    if (segment.indexedFrom.bytes === 0) return { offset: segment.baseOffset, positionBytes: 0 };
    const older = this.context.indexes.get(segment);
    return older === undefined ? undefined : (older.floor(offset) ?? { offset: segment.baseOffset, positionBytes: 0 });
  }

  /** Like `peek`, reading or building the index where it is not in memory. */
  async find(segment: Segment, offset: number): Promise<IndexPlace> {
    return (
      this.peek(segment, offset) ?? (await this.older(segment)).floor(offset) ?? { offset: segment.baseOffset, positionBytes: 0 }
    );
  }

  /** The last indexed batch before which all records of the segment are older than `timestamp`. */
  async findByTime(segment: Segment, timestamp: number): Promise<IndexPlace> {
    const recent = segment.index.floorByTime(timestamp);
    if (recent !== undefined) return recent;
    const start = { offset: segment.baseOffset, positionBytes: 0 };
    if (segment.indexedFrom.bytes === 0) return start;
    return (await this.older(segment)).floorByTime(timestamp) ?? start;
  }

  /** The index turned out to be wrong: the files are not used any more. */
  async rebuild(segment: Segment): Promise<void> {
    this.context.indexes.forget(segment);
    this.context.indexes.put(segment, await this.walk(segment, new SparseIndex(segment.baseOffset), 0));
  }

  /** Writes the whole index of a segment that gets no more batches, and lets it leave memory. */
  async persist(segment: Segment): Promise<void> {
    const { generation } = segment;
    const covered = segment.synced;
    const whole = segment.indexedFrom.bytes === 0 ? segment.index : (await this.older(segment)).concat(segment.index);
    await writeIndexFiles(this.context.disk, this.paths(segment), whole, covered.bytes);
    if (segment.generation !== generation || segment.appended.bytes !== covered.bytes) return;
    this.context.indexes.put(segment, whole);
    segment.index = new SparseIndex(segment.baseOffset);
    segment.indexedFrom = covered;
  }

  private older(segment: Segment): Promise<SparseIndex> {
    const known = this.context.indexes.get(segment);
    if (known !== undefined) return Promise.resolve(known);
    let loading = this.loading.get(segment);
    if (loading === undefined) {
      loading = this.load(segment).finally(() => this.loading.delete(segment));
      this.loading.set(segment, loading);
    }
    return loading;
  }

  private async load(segment: Segment): Promise<SparseIndex> {
    const loaded = await readIndexFiles(this.context.disk, this.paths(segment), segment);
    const index = await this.walk(segment, loaded?.index ?? new SparseIndex(segment.baseOffset), loaded?.coveredBytes ?? 0);
    this.context.indexes.put(segment, index);
    return index;
  }

  /** Adds what stands in the segment from a position up to where the index in memory begins. */
  private async walk(segment: Segment, index: SparseIndex, fromBytes: number): Promise<SparseIndex> {
    let maxTimestamp = -1;
    let nextEntryAt = fromBytes;
    index.forEach((_offset, _position, before) => (maxTimestamp = Math.max(maxTimestamp, before)));
    const { indexedFrom } = segment;
    if (fromBytes >= indexedFrom.bytes) return index;
    const lastEntryAt = index.floor(Number.MAX_SAFE_INTEGER)?.positionBytes ?? 0;
    await this.context.files.use(this.files.fileOf(segment), (file) =>
      walkBatches(file, segment, lastEntryAt, indexedFrom.bytes, (batch, positionBytes) => {
        if (positionBytes >= nextEntryAt) {
          index.add(batch.baseOffset, positionBytes, maxTimestamp);
          nextEntryAt = positionBytes + this.intervalBytes();
        }
        maxTimestamp = Math.max(maxTimestamp, batch.maxTimestamp);
      }),
    );
    return index;
  }

  private paths(segment: Segment): IndexPaths {
    return { offsets: this.files.pathOf(segment, 'index'), times: this.files.pathOf(segment, 'timeindex') };
  }
}
