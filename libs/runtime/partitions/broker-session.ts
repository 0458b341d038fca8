import { OUR_FEATURES } from '@streamline/core/metadata/features';
import { ErrorCode, errorName } from '@streamline/core/types/error-code';
import type { BrokerEpoch, ClusterId, DirectoryId, MetadataIndex, NodeId } from '@streamline/core/types/ids';
import type {
  BrokerHeartbeatResponse,
  BrokerListener,
  RegisterBrokerResponse,
} from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { failureFields } from '@streamline/wire/contracts/port-error';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import type { Cancel, Clock } from '../ports/clock';
import type { Random } from '../ports/random';
import { backOff } from '../time/back-off';
import type { LogSink } from './log-sink';

/** How the last run of this role ended, as a registration tells it (P-2). */
export interface PreviousRun {
  /** The broker epoch of the last run if it stopped cleanly; -1 after a crash, and on a new disk. */
  readonly cleanBrokerEpoch: number;
  /** The machine was not restarted since, so that what was written then is in the page cache or on disk. */
  readonly sameBoot: boolean;
  /** There was no such run as far as the directory of this role tells: it is new, or everything in it is gone. */
  readonly storageIsNew: boolean;
}

export interface BrokerSessionOptions {
  readonly nodeId: NodeId;
  /** New at each start of the process. */
  readonly incarnationId: string;
  readonly clusterId: ClusterId | undefined;
  readonly directoryId: DirectoryId;
  readonly listeners: readonly BrokerListener[];
  readonly rack: string | undefined;
  readonly controller: ControllerPort;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: LogSink;
  /** The guide's session_timeout_ms: silent for longer, the broker is fenced. */
  readonly sessionTimeoutMs: () => number;
  readonly appliedIndex: () => MetadataIndex;
  /** False: the disk hangs for longer than a session, so that this broker had better be fenced (J-9). */
  readonly mayHeartbeat: () => boolean;
  /** Until then, by the monotonic clock, the controller takes no leaderships away for silence (REPL-20). */
  readonly onSession: (endsMs: number) => void;
}

/** Registration or a heartbeat was refused in a way that trying again does not mend; the message says what to do. */
export class BrokerRefusedError extends Error {
  constructor(
    message: string,
    readonly errorCode: number,
  ) {
    super(message);
    this.name = 'BrokerRefusedError';
  }
}

const HEARTBEATS_PER_SESSION = 5;
/**
 * By how much the clocks of two machines may differ in rate. NTP slews one by 500 ppm at most; ten times what two of them differ by costs
 * nothing. (chrony works off a large offset faster unless its `maxslewrate` is set: docs/spec/replication.md, REPL-20.)
 */
export const CLOCK_RATE_DIFFERENCE_MAX = 0.01;
const BACKOFF_MS_MIN = 100;
const SHUTDOWN_POLL_MS = 100;
/** A controller that fails so often is not there to move leaderships. */
const LEAVE_FAILURES_MAX = 3;

/** Refusals that another try does not change. */
const FATAL: ReadonlySet<number> = new Set<number>([
  ErrorCode.INCONSISTENT_CLUSTER_ID,
  ErrorCode.INVALID_REGISTRATION,
  ErrorCode.UNSUPPORTED_VERSION,
]);

/** The controller has forgotten this registration, or another one has replaced it. */
const MUST_REGISTER: ReadonlySet<number> = new Set<number>([ErrorCode.STALE_BROKER_EPOCH, ErrorCode.BROKER_ID_NOT_REGISTERED]);

/**
 * This broker's standing with the controller: registered, then kept alive by heartbeats, five a session. Every wait has a
 * back-off with jitter.
 */
export class BrokerSession {
  /** Of the present registration; -1 before the first. */
  brokerEpoch = -1 as BrokerEpoch;
  /** As the last heartbeat's answer said. */
  isFenced = true;
  private endsMs = -Infinity;
  private cancelTimer: Cancel | undefined;
  private isStopped = false;
  private failures = 0;

  constructor(private readonly options: BrokerSessionOptions) {}

  private get intervalMs(): number {
    return this.options.sessionTimeoutMs() / HEARTBEATS_PER_SESSION;
  }

  /** By this broker's clock the controller may have given away what it leads. */
  private get isLapsed(): boolean {
    return this.options.clock.monotonicMs() >= this.endsMs;
  }

  /** Registers this incarnation; tries until it is done, stopped or refused for good. Returns the index that includes it. */
  async register(previous: PreviousRun): Promise<MetadataIndex> {
    for (let attempt = 0; !this.isStopped; attempt += 1) {
      const sentMs = this.options.clock.monotonicMs();
      const response = await this.tryRegister(previous);
      const code = response?.error?.errorCode ?? ErrorCode.NONE;
      if (response !== undefined && code === ErrorCode.NONE) {
        // Where a session was over it is back with a heartbeat only: what was led before is led no longer.
        if (this.brokerEpoch < 0 || !this.isLapsed) this.holdFrom(sentMs);
        this.brokerEpoch = response.brokerEpoch as BrokerEpoch;
        return response.metadataIndex as MetadataIndex;
      }
      if (FATAL.has(code)) throw new BrokerRefusedError(response?.error?.errorMessage ?? errorName(code), code);
      const waitMs = this.backOffMs(attempt);
      if (response !== undefined) {
        const { error } = response;
        this.options.log.warn(
          { code: errorName(code), reason: error?.errorMessage, waitMs },
          'not registered with the controller yet',
        );
      }
      await this.sleep(waitMs);
    }
    throw new BrokerRefusedError('stopped before it was registered', ErrorCode.NONE);
  }

  /**
   * Sends the first heartbeat, which makes this broker Running, and goes on by itself until `stop`.
   *
   * @param onLost called when the registration is no longer valid: the broker has to register anew.
   */
  async run(onLost: () => void): Promise<void> {
    await this.beat(onLost);
  }

  /**
   * Asks for a controlled shutdown and waits until the leaderships have moved, at most `timeoutMs` and `LEAVE_FAILURES_MAX`
   * calls that fail. True: they have.
   */
  async leave(timeoutMs: number): Promise<boolean> {
    this.cancelTimer?.();
    this.isStopped = true;
    const deadlineMs = this.options.clock.monotonicMs() + timeoutMs;
    this.failures = 0;
    while (this.brokerEpoch >= 0 && this.failures < LEAVE_FAILURES_MAX && this.options.clock.monotonicMs() < deadlineMs) {
      const response = await this.tryHeartbeat(true, deadlineMs - this.options.clock.monotonicMs());
      if (response === undefined) this.failures += 1;
      if (response?.shouldShutDown === true) return true;
      if (MUST_REGISTER.has(response?.error?.errorCode ?? ErrorCode.NONE)) return false;
      await this.sleep(SHUTDOWN_POLL_MS);
    }
    return false;
  }

  /** No more heartbeats. */
  stop(): void {
    this.isStopped = true;
    this.cancelTimer?.();
  }

  private async beat(onLost: () => void): Promise<void> {
    if (this.isStopped) return;
    const sentMs = this.options.clock.monotonicMs();
    const response = this.options.mayHeartbeat() ? await this.tryHeartbeat(false, this.intervalMs) : undefined;
    if (this.isStopped) return;
    const code = response?.error?.errorCode ?? ErrorCode.NONE;
    if (MUST_REGISTER.has(code)) {
      this.options.log.warn(
        { code: errorName(code), brokerEpoch: this.brokerEpoch },
        'the controller does not know this registration any more',
      );
      this.isFenced = true;
      onLost();
      return;
    }
    const succeeded = response !== undefined && code === ErrorCode.NONE;
    if (succeeded) {
      this.noteStanding(response.isFenced);
      // Leaderships that were given away meanwhile are in the metadata by then.
      const knowsWhatItLeads = !response.isFenced && response.decidedIndex <= this.options.appliedIndex();
      if (!this.isLapsed || knowsWhatItLeads) this.holdFrom(sentMs);
    }
    this.failures = succeeded ? 0 : this.failures + 1;
    const isSettled = succeeded && !this.isLapsed;
    const delayMs = isSettled ? this.intervalMs : Math.min(this.intervalMs, this.backOffMs(Math.max(0, this.failures - 1)));
    this.cancelTimer = this.options.clock.schedule(delayMs, () => void this.beat(onLost));
  }

  /** Whoever controls now or later counts the session from a later moment on (META-7): it is over here first. */
  private holdFrom(sentMs: number): void {
    this.endsMs = sentMs + this.options.sessionTimeoutMs() * (1 - CLOCK_RATE_DIFFERENCE_MAX);
    this.options.onSession(this.endsMs);
  }

  private noteStanding(isFenced: boolean): void {
    if (isFenced !== this.isFenced) {
      this.options.log.info(
        { brokerEpoch: this.brokerEpoch },
        isFenced ? 'fenced by the controller' : 'running: registered and not fenced',
      );
    }
    this.isFenced = isFenced;
  }

  private async tryRegister(previous: PreviousRun): Promise<RegisterBrokerResponse | undefined> {
    const { nodeId, incarnationId, clusterId, directoryId, listeners, rack, controller } = this.options;
    const request = {
      brokerId: nodeId,
      incarnationId,
      clusterId: clusterId ?? '',
      directoryId,
      listeners: [...listeners],
      rack,
      features: [...OUR_FEATURES],
      previousBrokerEpoch: previous.cleanBrokerEpoch,
      sameBoot: previous.sameBoot,
      storageIsNew: previous.storageIsNew,
    };
    try {
      return await controller.registerBroker(request, { deadlineMs: this.options.sessionTimeoutMs() });
    } catch (error) {
      this.options.log.warn(failureFields(error), 'the controller could not be reached');
      return undefined;
    }
  }

  private async tryHeartbeat(wantShutdown: boolean, deadlineMs: number): Promise<BrokerHeartbeatResponse | undefined> {
    const request = {
      brokerId: this.options.nodeId,
      brokerEpoch: this.brokerEpoch,
      appliedMetadataIndex: this.options.appliedIndex(),
      wantFence: false,
      wantShutdown,
      features: [...OUR_FEATURES],
    };
    try {
      return await this.options.controller.brokerHeartbeat(request, { deadlineMs });
    } catch (error) {
      if (this.failures === 0) this.options.log.warn(failureFields(error), 'a heartbeat failed');
      return undefined;
    }
  }

  private backOffMs(attempt: number): number {
    return backOff({ attempt, minMs: BACKOFF_MS_MIN, maxMs: this.intervalMs, random: this.options.random });
  }

  private sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.options.clock.schedule(delayMs, resolve));
  }
}
