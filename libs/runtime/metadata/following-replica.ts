import type { MetadataImage } from '@streamline/core/metadata/image';
import { MetadataState, nothingTouched } from '@streamline/core/metadata/metadata-state';
import type { MetadataIndex } from '@streamline/core/types/ids';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { Random } from '@streamline/runtime/ports/random';
import { backOff } from '@streamline/runtime/time/back-off';
import type { FollowMetadataResponse } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import type { MetadataChange, MetadataReplica } from './metadata-replica';
import { decodeRecord, UnknownRecordError } from './record-codec';
import { changeOf, wholeChange } from './replica-change';
import { ReplicaListeners } from './replica-listeners';

/** The wait before following anew after the first failure, and the longest; each failure doubles it, half of it is random. */
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 2_000;

/** Where a replica says that it cannot follow; pino's loggers fit. */
export interface ReplicaLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface FollowingReplicaOptions {
  readonly controller: Pick<ControllerPort, 'followMetadata'>;
  /**
   * The committed metadata of a controller in this process, looked up at the start: the replica then shows that itself,
   * without a copy, and what a command was answered is visible here before its caller runs on.
   */
  readonly local?: () => MetadataReplica | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: ReplicaLog;
  /** Who follows, for the controller's log. */
  readonly follower?: string;
  /** The log cannot be understood (a newer version wrote it), or became another cluster's: following has ended for good. */
  readonly onFatal?: (error: Error) => void;
  /** Asked when following failed: true where the controller's node has no place in its cluster any more, so that it has ended for good. */
  readonly isRetired?: (error: unknown) => Promise<boolean>;
}

/** The metadata became another cluster's. */
export class ForeignClusterError extends Error {
  override readonly name = 'ForeignClusterError';
}

/** A replica that follows a controller, wherever it runs, and connects anew for as long as it is not stopped. */
export class FollowingReplica implements MetadataReplica {
  readonly #listeners: ReplicaListeners;
  readonly #stop = new AbortController();
  #state = new MetadataState();
  #local: MetadataReplica | undefined;
  #unsubscribe: () => void = () => undefined;
  /** What a snapshot builds until it is whole. */
  #building: MetadataState | undefined;
  #following: Promise<void> | undefined;
  #failures = 0;
  #caughtUp: () => void = () => undefined;

  constructor(private readonly options: FollowingReplicaOptions) {
    this.#listeners = new ReplicaListeners(options.clock);
  }

  get image(): MetadataImage {
    return this.#local?.image ?? this.#state;
  }

  /** Resolves when this replica first shows what was committed when it connected; waits for a controller as long as it takes, or until `stop`. */
  start(): Promise<void> {
    const local = this.options.local?.();
    if (local !== undefined) {
      this.#local = local;
      this.#unsubscribe = local.subscribe((change, image) => this.#listeners.notify(change, image));
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#caughtUp = resolve;
      this.#following ??= this.#follow();
    });
  }

  /** Follows no longer; the image stays as it is. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#unsubscribe();
    this.#caughtUp();
    await this.#following;
  }

  subscribe(listener: (change: MetadataChange, image: MetadataImage) => void): () => void {
    return this.#listeners.subscribe(listener);
  }

  waitFor(index: MetadataIndex, timeoutMs: number): Promise<boolean> {
    return this.#listeners.waitFor(index, this.image.index, timeoutMs);
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#followOnce(signal);
        this.#report('ended');
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof UnknownRecordError || error instanceof ForeignClusterError) {
          this.options.log.error({ err: error }, 'metadata cannot be followed any more');
          this.options.onFatal?.(error);
          return;
        }
        if ((await this.options.isRetired?.(error)) === true) return;
        this.#report(error instanceof Error ? error.message : String(error));
      }
      await this.#pause(signal);
    }
  }

  async #followOnce(signal: AbortSignal): Promise<void> {
    const { controller, follower = '' } = this.options;
    const { index } = this.#state;
    this.#building = undefined;
    const stream = controller.followMetadata({ fromIndex: index === 0 ? 0 : index + 1, follower }, { signal });
    for await (const message of stream) {
      if (signal.aborted) return;
      if (this.#failures > 0) this.options.log.info({ index: message.metadataIndex }, 'metadata is followed again');
      this.#failures = 0;
      this.#take(message);
    }
  }

  #take(message: FollowMetadataResponse): void {
    const index = message.metadataIndex as MetadataIndex;
    const records = message.records.map(decodeRecord);
    if (message.snapshotStart) this.#building = new MetadataState();
    if (this.#building !== undefined) {
      this.#building.apply(index, records);
      if (message.snapshotEnd) this.#takeSnapshot(this.#building);
    } else {
      const touched = nothingTouched();
      this.#state.apply(index, records, touched);
      this.#listeners.notify(changeOf(touched), this.#state);
    }
    if (this.#building === undefined && this.#state.index >= message.committedIndex) this.#caughtUp();
  }

  #takeSnapshot(state: MetadataState): void {
    const before = this.#state;
    if (before.clusterId !== undefined && state.clusterId !== before.clusterId) {
      throw new ForeignClusterError(
        `This node belongs to cluster ${before.clusterId}, but its controller is of ${state.clusterId}.`,
      );
    }
    this.#building = undefined;
    this.#state = state;
    this.#listeners.notify(wholeChange(before, state), state);
  }

  #report(reason: string): void {
    this.#failures++;
    this.options.log.warn({ reason, failures: this.#failures }, 'metadata is not followed, trying again');
  }

  #pause(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.options;
    const delayMs = backOff({ attempt: this.#failures, minMs: BACKOFF_MS_MIN, maxMs: BACKOFF_MS_MAX, random });
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const cancel = clock.schedule(delayMs, done);
      signal.addEventListener('abort', done);
      if (signal.aborted) done();
    });
  }
}
