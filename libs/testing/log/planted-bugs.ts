import { LogState } from '@streamline/core/log/log-state';
import { PartitionReplay, ReplayPlan } from '@streamline/core/log/replay-plan';
import type { ControlRecord } from '@streamline/core/log/replay-plan';
import type { Reach, Segment } from '@streamline/core/log/segment';
import type { PartitionRecord } from '@streamline/core/log/partition-record';
import { Catalogue } from '@streamline/runtime/log/catalogue';
import type { CatalogueCommit, CatalogueState } from '@streamline/runtime/log/catalogue';
import { Checkpointer } from '@streamline/runtime/log/checkpointer';
import type { CheckpointScope } from '@streamline/runtime/log/checkpointer';
import { DirectorySync } from '@streamline/runtime/log/directory-sync';
import { DiskPartitionLog } from '@streamline/runtime/log/disk-partition-log';
import { Engine } from '@streamline/runtime/log/engine';
import { LogFiles } from '@streamline/runtime/log/log-files';
import { LogMaintenance } from '@streamline/runtime/log/log-maintenance';
import { LogReader } from '@streamline/runtime/log/log-reader';
import type { ReaderHost } from '@streamline/runtime/log/log-reader';
import { LogWriter } from '@streamline/runtime/log/log-writer';
import type { EngineContext } from '@streamline/runtime/log/engine-context';
import type { ReadLimits, ReadResult } from '@streamline/runtime/log/log-engine';
import { TailCache } from '@streamline/runtime/log/tail-cache';
import { TailMemory } from '@streamline/runtime/log/tail-memory';
import type { PlacedBatch, Slab } from '@streamline/runtime/log/tail-memory';
import type { TailEntry } from '@streamline/runtime/log/tail-queue';
import type { DiskFile } from '@streamline/runtime/ports/disk';
import type { JournalPosition } from '@streamline/runtime/ports/journal';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { TEST_DIRECTORY } from './log-fixtures';
import { replaceMethod } from './replace-method';

/** Plants a bug in the shipped code; returns how to remove it. */
export type Planting = () => () => void;

/** Where a slot of the marker says whether the stop was clean. */
const MARKER_CLEAN_BYTE = 17;

/** Lets a step of a partition's maintenance go on without waiting for the journal. Each takes its context before it first waits. */
function withoutFlush(step: 'advanceLogStart' | 'cutNow' | 'delete'): () => void {
  return replaceMethod<LogMaintenance, unknown[], unknown>(
    LogMaintenance,
    step,
    (original) =>
      function (...args) {
        const self = this as unknown as { context: EngineContext };
        const { context } = self;
        self.context = replacing(
          context,
          'journal',
          replacing(context.journal, 'flush', () => Promise.resolve()),
        );
        try {
          return original.apply(this, args);
        } finally {
          self.context = context;
        }
      },
  );
}

/** The same object with one member replaced. */
function replacing<T extends object, K extends keyof T>(target: T, name: K, replacement: T[K]): T {
  return new Proxy(target, {
    get: (_, key) => {
      if (key === name) return replacement;
      const member: unknown = Reflect.get(target, key);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
    set: (_, key, value) => Reflect.set(target, key, value),
  });
}

/** Bugs that the log could have, and the rule that each breaks. */
export const PLANTED_BUGS: Readonly<Record<string, Planting>> = {
  'applies records by name instead of by slot (S-2)': () =>
    replaceMethod<ReplayPlan, [number], PartitionReplay | undefined>(
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
  'writes a batch to its segment before its group is durable (S-1)': () =>
    replaceMethod<LogWriter, [TailEntry, number], boolean>(LogWriter, 'mayWrite', () => () => true),
  'unlinks a partition before DELETE is durable (S-2)': () => withoutFlush('delete'),
  'moves the start before LOG_START is durable (S-3)': () => withoutFlush('advanceLogStart'),
  'cuts before TRUNCATE is durable (S-3)': () => withoutFlush('cutNow'),
  'keeps epochs out of the journal (S-3)': () =>
    replaceMethod<Engine, [ControlRecord], JournalPosition>(
      Engine,
      'journalControl',
      (journal) =>
        function (control) {
          return control.kind === 'epoch' ? (this.durablePosition as JournalPosition) : journal.call(this, control);
        },
    ),
  'unlinks segments of which the catalogue does not know that they are closed (S-7)': () =>
    replaceMethod<LogState, [], readonly Segment[]>(
      LogState,
      'doomBelowStart',
      (doom) =>
        function () {
          const state = this as unknown as { cataloguedClosedEnd: number };
          const known = state.cataloguedClosedEnd;
          state.cataloguedClosedEnd = Number.MAX_SAFE_INTEGER;
          const doomed = doom.call(this);
          state.cataloguedClosedEnd = known;
          return doomed;
        },
    ),
  'cuts what the catalogue does not know (LOG-12)': () =>
    replaceMethod<LogMaintenance, [], Promise<void>>(LogMaintenance, 'settleBeforeCut', () => () => Promise.resolve()),
  'leaves the mark of a clean stop where it is (P-2)': () =>
    replaceMethod<MemoryDisk, [string, 'read' | 'write' | 'create'], Promise<DiskFile>>(
      MemoryDisk,
      'open',
      (open) =>
        async function (path, mode) {
          const file = await open.call(this, path, mode);
          if (path !== `${TEST_DIRECTORY}/incarnation` || mode !== 'write') return file;
          const write = file.write.bind(file);
          const isClean = (slot: Uint8Array | undefined): boolean => slot?.[MARKER_CLEAN_BYTE] === 1;
          return Object.assign(file, {
            write: (position: number, chunks: readonly Uint8Array[]) =>
              isClean(chunks[0]) ? write(position, chunks) : Promise.resolve(),
          });
        },
    ),
  'forgets DELETE in replay (S-2)': () =>
    replaceMethod<PartitionReplay, [ControlRecord, number], void>(
      PartitionReplay,
      'note',
      (note) =>
        function (control, position) {
          if (control.kind !== 'delete') note.call(this, control, position);
        },
    ),
  'replays in one pass, without looking for later truncations (S-4)': () =>
    replaceMethod<PartitionReplay, [number, number], boolean>(PartitionReplay, 'survives', () => () => true),
  'does not cut at a truncation in replay (S-4)': () =>
    replaceMethod<PartitionReplay, [], number>(
      PartitionReplay,
      'cutOffset',
      () =>
        function () {
          return this.record.syncedEndOffset;
        },
    ),
  'takes the synced end after the sync instead of before it (S-5)': () =>
    replaceMethod<LogFiles, [Segment, Reach, number], void>(
      LogFiles,
      'noteSynced',
      (note) =>
        function (segment, _reach, generation) {
          note.call(this, segment, segment.written, generation);
        },
    ),
  'recycles the journal before the checkpoint record is durable (S-6)': () =>
    replaceMethod<Catalogue, [CatalogueCommit], Promise<void>>(
      Catalogue,
      'commit',
      (commit) =>
        function (what) {
          commit.call(this, what).catch(() => undefined);
          return Promise.resolve();
        },
    ),
  'lets the redo position pass batches that are not synced (S-6)': () =>
    replaceMethod<Checkpointer, [number], number>(Checkpointer, 'furthest', () => (target) => target),
  'forgets the directory fsync (S-6)': () =>
    replaceMethod<DirectorySync, [], Promise<void>>(DirectorySync, 'sync', () => () => Promise.resolve()),
  'registers without a checkpoint after recovery (S-8)': () =>
    replaceMethod<Checkpointer, [readonly number[]], Promise<void>>(Checkpointer, 'afterRecovery', () => () => Promise.resolve()),
  'trusts a frame of the catalogue that a kill left readable (S-8)': () =>
    replaceMethod<Catalogue, [CatalogueState], Promise<void>>(Catalogue, 'secure', () => () => Promise.resolve()),
  'tries a failed sync again (S-9)': () =>
    replaceMethod<LogFiles, [Segment], Promise<void>>(
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
  'calls a stop clean that left page-cache partitions unsynced (P-2)': () =>
    replaceMethod<Checkpointer, [], Promise<boolean>>(
      Checkpointer,
      'finish',
      (finish) =>
        async function () {
          await finish.call(this);
          return true;
        },
    ),
  'moves the redo position past what a stop left to replay (LOG-18)': () =>
    replaceMethod<Checkpointer, [DiskPartitionLog[], CheckpointScope, unknown[]], Promise<ReadonlySet<DiskPartitionLog>>>(
      Checkpointer,
      'syncSome',
      (sync) =>
        async function (logs, scope, failures) {
          const left = await sync.call(this, logs, scope, failures);
          for (const log of left) logs.splice(logs.indexOf(log), 1);
          return new Set();
        },
    ),
  'changes durability at once (P-3)': () =>
    replaceMethod<LogMaintenance, [], Promise<void>>(
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
    replaceMethod<LogState, [number], PartitionRecord>(
      LogState,
      'capture',
      (capture) =>
        function (segmentBytes) {
          return { ...capture.call(this, segmentBytes), producers: [] };
        },
    ),
  'saves the producers ahead of what is synced (LOG-5)': () =>
    replaceMethod<LogState, [number], PartitionRecord>(
      LogState,
      'capture',
      (capture) =>
        function (segmentBytes) {
          return { ...capture.call(this, segmentBytes), producers: [...this.producers.all()] };
        },
    ),
  'uses memory again while batches lie in it (LOG-17)': () => {
    const place = replaceMethod<TailMemory, [Uint8Array], PlacedBatch>(
      TailMemory,
      'place',
      (original) =>
        function (batch) {
          const placed = original.call(this, batch);
          this.release(placed.slab);
          return placed;
        },
    );
    const drop = replaceMethod<TailCache, [TailEntry], void>(
      TailCache,
      'drop',
      (original) =>
        function (entry) {
          if (!entry.dropped) (this as unknown as { memory: TailMemory }).memory.hold(entry.slab);
          original.call(this, entry);
        },
    );
    return () => {
      place();
      drop();
    };
  },
  'uses memory again while it is written to a segment (LOG-17)': () =>
    replaceMethod<LogWriter, [Segment, number], { readonly slabs: readonly Slab[] } | undefined>(
      LogWriter,
      'nextRun',
      (next) =>
        function (segment, bytesMax) {
          const run = next.call(this, segment, bytesMax);
          const { memory } = (this as unknown as { context: EngineContext }).context;
          for (const slab of run?.slabs ?? []) memory.release(slab);
          return run === undefined ? undefined : { ...run, slabs: [] };
        },
    ),
  'uses memory again before the journal has it (LOG-17)': () =>
    replaceMethod<TailMemory, [Slab, number], void>(TailMemory, 'journaled', () => () => undefined),
  'hands out its memory to readers (LOG-17)': () =>
    replaceMethod<LogReader, [number, ReadLimits], ReadResult>(
      LogReader,
      'fromTail',
      () =>
        function (from, limits) {
          const { tail } = (this as unknown as { host: ReaderHost }).host;
          const entry = tail.at(tail.indexOf(from));
          if (entry === undefined || entry.endOffset > limits.upTo) return { chunks: [], bytes: 0 };
          return { chunks: [entry.bytes], bytes: entry.bytes.length };
        },
    ),
  'acknowledges before the group is durable': () =>
    replaceMethod<Engine, [TailEntry, Buffer], void>(
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
