import type { MetadataImage } from '@streamline/core/metadata/image';
import { MetadataState, nothingTouched } from '@streamline/core/metadata/metadata-state';
import { captureImage, snapshotRecords } from '@streamline/core/metadata/snapshot';
import type { MetadataIndex } from '@streamline/core/types/ids';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { KeyValueStore } from '@streamline/runtime/rocks/key-value-store';
import type { FollowMetadataResponse } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { MetadataChange, MetadataReplica } from '../metadata/metadata-replica';
import { decodeRecord, encodeRecord } from '../metadata/record-codec';
import { changeOf, wholeChange } from '../metadata/replica-change';
import { ReplicaListeners } from '../metadata/replica-listeners';
import type { EntryWindowLimits } from './entry-window';
import { EntryWindow } from './entry-window';
import { clearImage, ImageWriter, loadImage } from './metadata-image';
import type { CommittedEntry, LogPlace } from './metadata-log';

/** Bytes of records that one message of a followed stream holds, about. */
const MESSAGE_BYTES = 256 * 1024;
/** Streams at a time. */
export const FOLLOWERS_MAX = 256;

export interface CommittedMetadataOptions {
  readonly store: KeyValueStore;
  readonly clock: Clock;
  readonly window: EntryWindowLimits;
  /** The image cannot be written any more. */
  readonly onFailure: (error: Error) => void;
  /** Told when the disk is too full for the image to be written (false), and when it is written again (true). */
  readonly onRoom: (hasRoom: boolean) => void;
}

/**
 * What every controller node, leading or not, makes of the committed log: the metadata at its last entry, its image on
 * disk, and the stream of changes that other roles and processes follow. In its own process it is the replica that all
 * roles read, so that a change is visible there before its caller is answered.
 */
export class CommittedMetadata implements MetadataReplica {
  #window: EntryWindow;
  readonly #listeners: ReplicaListeners;
  #state: MetadataState;
  #writer: ImageWriter;
  #applied: LogPlace;
  #followers = 0;
  #wakeUps: (() => void)[] = [];

  private constructor(
    private readonly options: CommittedMetadataOptions,
    state: MetadataState,
    place: LogPlace,
  ) {
    this.#state = state;
    this.#applied = place;
    this.#window = new EntryWindow(options.window);
    this.#writer = new ImageWriter(options, state, place);
    this.#listeners = new ReplicaListeners(options.clock);
  }

  /** Takes up the image that the store holds. */
  static async load(options: CommittedMetadataOptions): Promise<CommittedMetadata> {
    const { state, place } = await loadImage(options.store);
    return new CommittedMetadata(options, state, place);
  }

  get image(): MetadataImage {
    return this.#state;
  }

  get state(): MetadataState {
    return this.#state;
  }

  get applied(): LogPlace {
    return this.#applied;
  }

  /** Forgets everything, on disk too: the log does not bear the image out (S-12). Only before anybody reads it. */
  async reset(): Promise<void> {
    await clearImage(this.options.store);
    this.#state = new MetadataState();
    this.#applied = { index: 0 as MetadataIndex, term: 0 };
    this.#writer = new ImageWriter(this.options, this.#state, this.#applied);
  }

  /** Becomes `state`, which a snapshot held: nobody else may change it any more. Streams of followers end where they are behind it; they begin anew with a snapshot. */
  replace(place: LogPlace, state: MetadataState): void {
    const before = this.#state;
    this.#state = state;
    this.#applied = place;
    this.#window = new EntryWindow(this.options.window);
    this.#writer.replace(state, place);
    this.#listeners.notify(wholeChange(before, this.#state), this.#state);
    this.#wakeFollowers();
  }

  /** Entries in order, the first right after `applied`. Takes effect before it returns. */
  apply(entries: readonly CommittedEntry[]): void {
    const touched = nothingTouched();
    for (const entry of entries) {
      if (entry.index !== this.#applied.index + 1) {
        throw new Error(`Metadata entry ${entry.index} cannot follow ${this.#applied.index}`);
      }
      const records = entry.records.map(decodeRecord);
      this.#writer.willChange(records);
      this.#state.apply(entry.index, records, touched);
      this.#applied = { index: entry.index, term: entry.term };
      this.#window.push(entry);
    }
    if (entries.length === 0) return;
    this.#writer.applied(this.#applied);
    this.#listeners.notify(changeOf(touched), this.#state);
    this.#wakeFollowers();
  }

  /**
   * Resolves when a restart finds everything applied so far, without the log; tells up to where that is (S-12). While the
   * disk is full it waits; undefined: it was told to stop waiting.
   */
  makeDurable(): Promise<LogPlace | undefined> {
    return this.#writer.makeDurable();
  }

  /** For a stop: from now on `makeDurable` does not wait until a full disk has room. */
  stopWaitingForRoom(): void {
    this.#writer.stopWaitingForRoom();
  }

  subscribe(listener: (change: MetadataChange, image: MetadataImage) => void): () => void {
    return this.#listeners.subscribe(listener);
  }

  waitFor(index: MetadataIndex, timeoutMs: number): Promise<boolean> {
    return this.#listeners.waitFor(index, this.#state.index, timeoutMs);
  }

  /**
   * The committed log from `fromIndex` on, for ever or until `signal` aborts; begins with a snapshot where the log is not
   * kept so far back, or where the follower is ahead of it. Ends by itself when a follower is too slow for what is kept:
   * it is to start again.
   */
  async *follow(fromIndex: number, signal: AbortSignal | undefined): AsyncGenerator<FollowMetadataResponse> {
    if (this.#followers >= FOLLOWERS_MAX) throw new Error(`${FOLLOWERS_MAX} followers of the metadata are the most there can be`);
    this.#followers++;
    try {
      let next = fromIndex as MetadataIndex;
      if (fromIndex === 0 || !this.#window.reaches(next, this.#applied.index)) {
        const { index } = this.#applied;
        yield* this.#snapshot();
        next = (index + 1) as MetadataIndex;
      }
      while (signal?.aborted !== true) {
        if (!this.#window.reaches(next, this.#applied.index)) return;
        const entries = this.#window.from(next, MESSAGE_BYTES);
        const last = entries.at(-1);
        if (last === undefined) {
          await this.#nextApply(signal);
          continue;
        }
        yield this.#message({ records: entries.flatMap((entry) => [...entry.records]), metadataIndex: last.index });
        next = (last.index + 1) as MetadataIndex;
      }
    } finally {
      this.#followers--;
    }
  }

  /** The metadata as it is now, in messages; encoded as they are taken, so that it is never whole in memory twice. */
  *#snapshot(): Generator<FollowMetadataResponse> {
    const { index } = this.#applied;
    let records: Uint8Array[] = [];
    let bytes = 0;
    let snapshotStart = true;
    for (const record of snapshotRecords(captureImage(this.#state))) {
      const encoded = encodeRecord(record);
      records.push(encoded);
      bytes += encoded.length;
      if (bytes < MESSAGE_BYTES) continue;
      yield this.#message({ records, metadataIndex: index, snapshotStart });
      [records, bytes, snapshotStart] = [[], 0, false];
    }
    yield this.#message({ records, metadataIndex: index, snapshotStart, snapshotEnd: true });
  }

  #wakeFollowers(): void {
    const wakeUps = this.#wakeUps;
    this.#wakeUps = [];
    for (const wakeUp of wakeUps) wakeUp();
  }

  #message(part: Partial<FollowMetadataResponse>): FollowMetadataResponse {
    return {
      snapshotStart: false,
      snapshotEnd: false,
      records: [],
      metadataIndex: 0,
      committedIndex: this.#applied.index,
      ...part,
    };
  }

  #nextApply(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal?.removeEventListener('abort', done);
        this.#wakeUps = this.#wakeUps.filter((each) => each !== done);
        resolve();
      };
      this.#wakeUps.push(done);
      signal?.addEventListener('abort', done);
    });
  }
}
