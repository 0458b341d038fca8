import { LogState } from '@streamline/core/log/log-state';
import { PartitionReplay, ReplayPlan } from '@streamline/core/log/replay-plan';
import type { ControlRecord } from '@streamline/core/log/replay-plan';
import type { Reach, Segment } from '@streamline/core/log/segment';
import type { PartitionRecord } from '@streamline/core/log/partition-record';
import { Catalogue } from '@streamline/runtime/log/catalogue';
import type { CatalogueCommit } from '@streamline/runtime/log/catalogue';
import { Checkpointer } from '@streamline/runtime/log/checkpointer';
import { DirectorySync } from '@streamline/runtime/log/directory-sync';
import { DiskPartitionLog } from '@streamline/runtime/log/disk-partition-log';
import { Engine } from '@streamline/runtime/log/engine';
import { LogFiles } from '@streamline/runtime/log/log-files';
import { LogMaintenance } from '@streamline/runtime/log/log-maintenance';
import type { TailEntry } from '@streamline/runtime/log/tail-queue';

/** Plants a bug in the shipped code; returns how to remove it. */
export type Planting = () => () => void;

type Method<This, Args extends unknown[], Result> = (this: This, ...args: Args) => Result;

/** Replaces a method of a class, private ones too, by one made of the original. */
function replace<This extends object, Args extends unknown[], Result>(
  target: { readonly prototype: This },
  name: string,
  make: (original: Method<This, Args, Result>) => Method<This, Args, Result>,
): () => void {
  const descriptor = Object.getOwnPropertyDescriptor(target.prototype, name);
  if (descriptor === undefined || typeof descriptor.value !== 'function')
    throw new Error(`there is no method ${name} to replace`);
  const original: Method<This, Args, Result> = descriptor.value;
  Object.defineProperty(target.prototype, name, { ...descriptor, value: make(original) });
  return () => Object.defineProperty(target.prototype, name, descriptor);
}

/** Bugs that the log could have, and the rule that each breaks. */
export const PLANTED_BUGS: Readonly<Record<string, Planting>> = {
  'applies records by name instead of by slot (S-2)': () =>
    replace<ReplayPlan, [number], PartitionReplay | undefined>(
      ReplayPlan,
      'find',
      (find) =>
        function (slot) {
          const named = find.call(this, slot)?.record;
          return [...this.all()].findLast(
            (other) => other.record.topicId === named?.topicId && other.record.partition === named?.partition,
          );
        },
    ),
  'forgets DELETE in replay (S-2)': () =>
    replace<PartitionReplay, [ControlRecord, number], void>(
      PartitionReplay,
      'note',
      (note) =>
        function (control, position) {
          if (control.kind !== 'delete') note.call(this, control, position);
        },
    ),
  'replays in one pass, without looking for later truncations (S-4)': () =>
    replace<PartitionReplay, [number, number], boolean>(PartitionReplay, 'survives', () => () => true),
  'does not cut at a truncation in replay (S-4)': () =>
    replace<PartitionReplay, [], number>(
      PartitionReplay,
      'cutOffset',
      () =>
        function () {
          return this.record.syncedEndOffset;
        },
    ),
  'takes the synced end after the sync instead of before it (S-5)': () =>
    replace<LogFiles, [Segment, Reach, number], void>(
      LogFiles,
      'noteSynced',
      (note) =>
        function (segment, _reach, generation) {
          note.call(this, segment, segment.written, generation);
        },
    ),
  'recycles the journal before the checkpoint record is durable (S-6)': () =>
    replace<Catalogue, [CatalogueCommit], Promise<void>>(
      Catalogue,
      'commit',
      (commit) =>
        function (what) {
          commit.call(this, what).catch(() => undefined);
          return Promise.resolve();
        },
    ),
  'lets the redo position pass batches that are not synced (S-6)': () =>
    replace<Checkpointer, [number], number>(Checkpointer, 'furthest', () => (target) => target),
  'forgets the directory fsync (S-6)': () =>
    replace<DirectorySync, [], Promise<void>>(DirectorySync, 'sync', () => () => Promise.resolve()),
  'registers without a checkpoint after recovery (S-8)': () =>
    replace<Checkpointer, [readonly number[]], Promise<void>>(Checkpointer, 'afterRecovery', () => () => Promise.resolve()),
  'tries a failed sync again (S-9)': () =>
    replace<LogFiles, [Segment], Promise<void>>(
      LogFiles,
      'sync',
      (sync) =>
        async function (segment) {
          try {
            await sync.call(this, segment);
          } catch {
            this.fileOf(segment).failure = undefined;
            await sync.call(this, segment);
          }
        },
    ),
  'cuts a page-cache log to its synced end (P-1)': () => {
    const descriptor = Object.getOwnPropertyDescriptor(PartitionReplay.prototype, 'scanLimit');
    Object.defineProperty(PartitionReplay.prototype, 'scanLimit', { configurable: true, get: () => 0 });
    return () => {
      if (descriptor !== undefined) Object.defineProperty(PartitionReplay.prototype, 'scanLimit', descriptor);
    };
  },
  'changes durability at once (P-3)': () =>
    replace<LogMaintenance, [], Promise<void>>(
      LogMaintenance,
      'changeDurability',
      () =>
        function () {
          const { log, wantedDurability } = this as unknown as {
            log: DiskPartitionLog;
            wantedDurability: 'fsync' | 'page-cache';
          };
          log.state.durability = wantedDurability;
          log.releaseHeld();
          return Promise.resolve();
        },
    ),
  'loses the producers at a restart (LOG-5)': () =>
    replace<LogState, [number], PartitionRecord>(
      LogState,
      'capture',
      (capture) =>
        function (segmentBytes) {
          return { ...capture.call(this, segmentBytes), producers: [] };
        },
    ),
  'saves the producers ahead of what is synced (LOG-5)': () =>
    replace<LogState, [number], PartitionRecord>(
      LogState,
      'capture',
      (capture) =>
        function (segmentBytes) {
          return { ...capture.call(this, segmentBytes), producers: [...this.producers.all()] };
        },
    ),
  'acknowledges before the group is durable': () =>
    replace<Engine, [TailEntry, Buffer], void>(
      Engine,
      'journalBatch',
      (journal) =>
        function (entry, prefix) {
          journal.call(this, entry, prefix);
          const log = entry.owner;
          if (log instanceof DiskPartitionLog) queueMicrotask(() => log.durable(entry) && this.stable(log));
        },
    ),
};
