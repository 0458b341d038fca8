import type { ReadSnapshotChunkEffect, WriteSnapshotChunkEffect } from '@streamline/core/raft/effects';
import type { Input } from '@streamline/core/raft/inputs';
import type { SnapshotMeta } from '@streamline/core/raft/types';
import type { ModelledStorage } from './modelled-storage';
import type { ProcessHost } from './simulated-process';

/** Chances that something about a snapshot's file goes wrong. */
const TAKE_FAILS = 0.05;
const READ_FAILS = 0.01;
const CHECKSUM_FAILS = 0.05;

/** Snapshots of one process: taken, sent and received in chunks, at the pace and with the failures of a disk. */
export class SnapshotFiles {
  constructor(
    private readonly storage: ModelledStorage,
    private readonly host: ProcessHost,
    private readonly later: (delayMs: number, run: () => void) => void,
  ) {}

  take(meta: SnapshotMeta, bytes: Buffer, answer: (input: Input) => void): void {
    const { random } = this.host;
    const file = { meta, bytes, isComplete: false, counts: true };
    this.storage.snapshots.set(meta.id, file);
    this.later(random.next() * (random.chance(0.2) ? 500 : 20), () => {
      const taken = !random.chance(TAKE_FAILS);
      file.isComplete = taken;
      if (!taken) this.storage.snapshots.delete(meta.id);
      answer({ kind: 'snapshot-taken', snapshotId: meta.id, taken });
    });
  }

  readChunk({ readId, snapshotId, offset, bytesMax }: ReadSnapshotChunkEffect, answer: (input: Input) => void): void {
    const { random } = this.host;
    this.later(random.next() * 2, () => {
      const bytes = this.storage.snapshots.get(snapshotId)?.bytes;
      if (bytes === undefined || random.chance(READ_FAILS)) {
        answer({ kind: 'snapshot-chunk-read', readId, chunk: undefined });
        return;
      }
      const data = bytes.subarray(offset, offset + bytesMax);
      answer({ kind: 'snapshot-chunk-read', readId, chunk: { data, last: offset + data.length >= bytes.length } });
    });
  }

  writeChunk({ writeId, snapshot, offset, data, last }: WriteSnapshotChunkEffect, answer: (input: Input) => void): void {
    const { random } = this.host;
    const { snapshots } = this.storage;
    if (offset === 0) snapshots.set(snapshot.id, { meta: snapshot, bytes: Buffer.alloc(0), isComplete: false, counts: false });
    const file = snapshots.get(snapshot.id);
    if (file !== undefined && file.bytes.length !== offset) {
      throw new Error(`${this.host.id} writes ${snapshot.id} at ${offset}, it has ${file.bytes.length} bytes`);
    }
    if (file !== undefined) file.bytes = Buffer.concat([file.bytes, data]);
    this.later(random.next() * (random.chance(0.1) ? 100 : 3), () => {
      const isThere = snapshots.get(snapshot.id) === file && file !== undefined;
      const written = isThere && !(last && random.chance(CHECKSUM_FAILS));
      if (isThere && !written) {
        snapshots.delete(snapshot.id);
      }
      if (isThere && written && last) file.isComplete = true;
      answer({ kind: 'snapshot-chunk-written', writeId, written });
    });
  }

  drop(snapshotId: string): void {
    if (this.storage.snapshots.get(snapshotId)?.counts === false) this.storage.snapshots.delete(snapshotId);
  }
}
