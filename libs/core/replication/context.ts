import type { ErrorCode } from '../types/error-code';
import { ErrorCode as Code } from '../types/error-code';
import type { BrokerEpoch, LeaderEpoch, NodeId, Offset } from '../types/ids';
import type { ReplicationConfig } from './config';
import type { HighWatermarkEffect, ReplicaEffect } from './effects';
import type { ReplicaInit } from './inputs';
import { invariant } from './invariant';
import type { BrokerFacts, Facts, LogFacts, ReplicaMetadata } from './types';
import { stableEnd } from './types';

const NOTHING: readonly ReplicaEffect[] = [];

/** Before the first metadata: older than any. */
const NO_METADATA: ReplicaMetadata = {
  leader: undefined,
  leaderEpoch: -1 as LeaderEpoch,
  partitionEpoch: -1,
  replicas: [],
  addingReplicas: [],
  isr: [],
  elr: [],
  failedReplicas: [],
  minInsyncReplicas: 1,
  durability: 'fsync',
};

/** What the roles of one replica share: who it is, what the metadata says, its high watermark, and the effects of the step. */
export class ReplicaContext {
  readonly self: NodeId;
  readonly brokerEpoch: BrokerEpoch;
  highWatermark: Offset;
  metadata = NO_METADATA;
  nowMs = 0;
  /** Brokers to which, or from which, a stream is open. */
  readonly connected = new Set<NodeId>();
  #sessions = 0;
  #proposals = 0;
  #effects: ReplicaEffect[] | undefined;
  #facts: Facts;

  constructor(
    init: ReplicaInit,
    readonly config: ReplicationConfig,
    facts: Facts,
  ) {
    this.self = init.self;
    this.brokerEpoch = init.brokerEpoch;
    this.#facts = facts;
    const { startOffset, endOffset } = facts.log;
    this.highWatermark = Math.min(Math.max(init.highWatermark, startOffset), endOffset) as Offset;
  }

  get log(): LogFacts {
    return this.#facts.log;
  }

  get brokers(): BrokerFacts {
    return this.#facts.brokers;
  }

  /** How far this replica has what it has, as the partition's durability asks. */
  get ownStableEnd(): Offset {
    return stableEnd(this.metadata.durability, this.#facts.log);
  }

  begin(facts: Facts, nowMs: number): void {
    this.#facts = facts;
    this.nowMs = nowMs;
  }

  emit(effect: ReplicaEffect): void {
    if (this.#effects === undefined) this.#effects = [effect];
    else this.#effects.push(effect);
  }

  /** The effects of the step. */
  take(): readonly ReplicaEffect[] {
    const effects = this.#effects;
    if (effects === undefined) return NOTHING;
    this.#effects = undefined;
    return effects;
  }

  nextSessionId(): number {
    this.#sessions += 1;
    return this.#sessions;
  }

  nextProposalId(): number {
    this.#proposals += 1;
    return this.#proposals;
  }

  raiseHighWatermark(offset: Offset, errorCode: ErrorCode = Code.NONE): void {
    invariant(offset > this.highWatermark, 'REPL-3', 'the high watermark does not rise', offset, this.highWatermark);
    this.highWatermark = offset;
    const effect: HighWatermarkEffect = { kind: 'high-watermark', offset, errorCode, isReset: false };
    this.emit(effect);
  }

  /** A host that finds no room for what was pushed ends the session: what was told with it is told again. Nobody has seen it. */
  capHighWatermark(): void {
    this.highWatermark = Math.min(this.highWatermark, Math.max(0, this.log.endOffset)) as Offset;
  }

  /** Only where a leader that was elected uncleanly has less, and where the log begins anew (REPL-3). */
  resetHighWatermark(offset: Offset): void {
    this.highWatermark = offset;
    this.emit({ kind: 'high-watermark', offset, errorCode: Code.NONE, isReset: true });
  }
}
