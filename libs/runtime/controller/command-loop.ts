import type { Decision, Failure } from '@streamline/core/metadata/decision';
import { failure } from '@streamline/core/metadata/decision';
import { MetadataState, nothingTouched } from '@streamline/core/metadata/metadata-state';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import { captureImage, snapshotRecords } from '@streamline/core/metadata/snapshot';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { MetadataIndex } from '@streamline/core/types/ids';
import type { Clock } from '@streamline/runtime/ports/clock';
import { encodeRecord } from '../metadata/record-codec';
import type { CommittedMetadata } from './committed-metadata';
import type { MetadataLog } from './metadata-log';
import { EntryTooLargeError, NotLeaderError } from './metadata-log';

/** Commands that wait at a time; more are refused, so that clients feel it rather than memory. */
export const QUEUE_MAX = 4096;
/** Commands and bytes that one turn takes together into one durable write, about. */
const TURN_COMMANDS_MAX = 512;
const TURN_BYTES_MAX = 4 * 1024 * 1024;
/** A leader that no majority hears of steps down well before. */
const CONFIRM_DEADLINE_MS = 30_000;

/** What came of a command: its answer, and the index at which it can be seen; or why it was not carried out (or is not known to be). */
export type Outcome<Answer> =
  | { readonly kind: 'done'; readonly answer: Answer; readonly index: MetadataIndex }
  | { readonly kind: 'failed'; readonly failure: Failure };

export type Decide<Answer> = (state: MetadataState, nextIndex: MetadataIndex) => Decision<Answer>;

interface Command {
  /** Decides and keeps the answer for `settle`. */
  readonly decide: (state: MetadataState, nextIndex: MetadataIndex) => readonly (readonly MetadataRecord[])[];
  readonly settle: (index: MetadataIndex) => void;
  readonly fail: (failure: Failure) => void;
  readonly settled: () => boolean;
}

export interface CommandLoopOptions {
  readonly clock: Clock;
  readonly log: MetadataLog;
  readonly committed: CommittedMetadata;
  /** A command could not be decided: a defect, which concerns that command alone. */
  readonly onDefect: (error: Error) => void;
  /** Leaders of so many partitions were elected though they may lack acknowledged records. */
  readonly onUncleanElections: (partitions: number) => void;
  /** A defect, or a log that is broken for good: nothing goes on. */
  readonly onFatal: (error: Error) => void;
}

/**
 * The single writer of the metadata. Each turn drains the queue, decides every command against the metadata that includes
 * the ones before it, makes all of it durable in one write, and only then answers: so nobody is told, and nobody can see,
 * what could still be lost. A turn that changes nothing has a majority confirm that this node leads before it answers (META-7): what
 * comes meanwhile shares the next. Its state runs ahead of the committed one by one turn at most.
 */
export class CommandLoop {
  #queue: Command[] = [];
  #state: MetadataState | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;
  /** By the commands of this turn. */
  #touched = nothingTouched();

  constructor(private readonly options: CommandLoopOptions) {}

  /** Takes the committed metadata as the state to decide on; called when this node becomes leader. */
  lead(): void {
    const { committed } = this.options;
    const state = new MetadataState();
    state.apply(committed.applied.index, [...snapshotRecords(captureImage(committed.state))]);
    state.takeRemovals(committed.state);
    this.#state = state;
  }

  /** Commands are refused from now on, with NOT_CONTROLLER. */
  follow(): void {
    this.#state = undefined;
  }

  /** Runs a command. Never rejects: a full queue, a missed deadline and a lost leadership are outcomes. */
  submit<Answer>(decide: Decide<Answer>, deadlineMs: number): Promise<Outcome<Answer>> {
    if (this.#stopped || this.#state === undefined) return Promise.resolve(failed(notController()));
    if (this.#queue.length >= QUEUE_MAX) {
      return Promise.resolve(
        failed(failure(ErrorCode.REQUEST_TIMED_OUT, `The controller has ${QUEUE_MAX} commands waiting already.`)),
      );
    }
    return new Promise((resolve) => {
      this.#queue.push(this.#command(decide, deadlineMs, resolve));
      this.#running ??= this.#run();
    });
  }

  /** Refuses what has not begun, and resolves when what has is through. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const waiting = this.#queue;
    this.#queue = [];
    for (const command of waiting) command.fail(notController());
    await this.#running;
  }

  #command<Answer>(decide: Decide<Answer>, deadlineMs: number, resolve: (outcome: Outcome<Answer>) => void): Command {
    let settled = false;
    let decided: { readonly answer: Answer } | undefined;
    const finish = (outcome: Outcome<Answer>): void => {
      if (settled) return;
      settled = true;
      cancel();
      resolve(outcome);
    };
    const cancel = this.options.clock.schedule(deadlineMs, () => {
      const message = `The controller did not finish within ${deadlineMs} ms; the change may still take effect.`;
      finish(failed(failure(ErrorCode.REQUEST_TIMED_OUT, message)));
    });
    return {
      decide: (state, nextIndex) => {
        const { entries, answer } = decide(state, nextIndex);
        decided = { answer };
        return entries;
      },
      settle: (index) => {
        if (decided !== undefined) finish({ kind: 'done', answer: decided.answer, index });
      },
      fail: (reason) => finish(failed(reason)),
      settled: () => settled,
    };
  }

  async #run(): Promise<void> {
    // What is submitted in the same tick shares the first turn.
    await Promise.resolve();
    try {
      while (this.#queue.length > 0) await this.#turn();
    } catch (error) {
      this.#stopped = true;
      const reason = failure(ErrorCode.UNKNOWN_SERVER_ERROR, 'The controller failed; see its log.');
      for (const command of this.#queue.splice(0)) command.fail(reason);
      this.options.onFatal(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#running = undefined;
    }
  }

  async #turn(): Promise<void> {
    const taken: Command[] = [];
    this.#touched = nothingTouched();
    try {
      const payloads = this.#decideAll(taken);
      if (taken.length === 0) return;
      const index = payloads.length === 0 ? await this.#confirmed() : await this.options.log.propose(payloads);
      if (this.#touched.uncleanElections > 0) this.options.onUncleanElections(this.#touched.uncleanElections);
      for (const command of taken) command.settle(index);
      // An entry that was not decided here, such as a change of the membership, came between.
      if (this.#state !== undefined && this.#state.index !== index) this.lead();
    } catch (error) {
      for (const command of taken) command.fail(proposalFailure(error));
      if (!(error instanceof NotLeaderError || error instanceof EntryTooLargeError)) throw error;
      // What was decided is not in the log: decide on what is.
      if (this.#state !== undefined) this.lead();
    }
  }

  /** The index that commands without records were decided at, once it is certain that nobody had replaced this leader by then. */
  async #confirmed(): Promise<MetadataIndex> {
    const { log, committed } = this.options;
    const { index } = committed.applied;
    if (await log.confirmLeadership(CONFIRM_DEADLINE_MS)) return index;
    throw new NotLeaderError('No majority confirms that this controller leads.');
  }

  /** Takes commands off the queue into `taken`, as many as one turn may hold; returns the entries that they come to. */
  #decideAll(taken: Command[]): readonly (readonly Uint8Array[])[] {
    const payloads: (readonly Uint8Array[])[] = [];
    let bytes = 0;
    while (taken.length < TURN_COMMANDS_MAX && bytes < TURN_BYTES_MAX) {
      const command = this.#queue.shift();
      if (command === undefined) break;
      if (command.settled()) continue;
      if (this.#state === undefined) {
        command.fail(notController());
        continue;
      }
      taken.push(command);
      bytes += this.#decide(command, this.#state, payloads);
    }
    return payloads;
  }

  /** Decides one command and runs the state ahead by it; returns the bytes that it adds to the turn. */
  #decide(command: Command, state: MetadataState, payloads: (readonly Uint8Array[])[]): number {
    let bytes = 0;
    for (const records of this.#entriesOf(command, state)) {
      state.apply((state.index + 1) as MetadataIndex, records, this.#touched);
      const encoded = records.map(encodeRecord);
      for (const { length } of encoded) bytes += length;
      payloads.push(encoded);
    }
    return bytes;
  }

  /** A request that a decision trips over fails alone: nothing has changed yet. */
  #entriesOf(command: Command, state: MetadataState): readonly (readonly MetadataRecord[])[] {
    try {
      return command.decide(state, (state.index + 1) as MetadataIndex);
    } catch (error) {
      command.fail(failure(ErrorCode.UNKNOWN_SERVER_ERROR, 'The controller could not decide on this request; see its log.'));
      this.options.onDefect(error instanceof Error ? error : new Error(String(error)));
      return [];
    }
  }
}

function failed(reason: Failure): { readonly kind: 'failed'; readonly failure: Failure } {
  return { kind: 'failed', failure: reason };
}

function notController(): Failure {
  return failure(ErrorCode.NOT_CONTROLLER, 'This node is not the active controller.');
}

function proposalFailure(error: unknown): Failure {
  if (error instanceof NotLeaderError) return failure(ErrorCode.NOT_CONTROLLER, error.message);
  if (error instanceof EntryTooLargeError) return failure(ErrorCode.INVALID_REQUEST, error.message);
  return failure(ErrorCode.UNKNOWN_SERVER_ERROR, 'The controller cannot write its log any more.');
}
