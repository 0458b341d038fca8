import { DEFAULT_REPLICATION_CONFIG } from '@streamline/core/replication/config';
import type { ReplicaEffect } from '@streamline/core/replication/effects';
import type { Ack, Hello, ReplicaInput } from '@streamline/core/replication/inputs';
import { PartitionReplica } from '@streamline/core/replication/replica';
import type { BrokerFacts, LogFacts, ReplicaMetadata } from '@streamline/core/replication/types';
import type { BrokerEpoch, LeaderEpoch, NodeId, Offset } from '@streamline/core/types/ids';
import { ModelLog } from './model-log';

export const node = (id: number): NodeId => id as NodeId;
const EPOCH_OF_BROKERS = 100 as BrokerEpoch;

/** One replica, of broker 1 among 1, 2 and 3, without a host: a spec steps it and looks at the effects. */
export class ReplicaBench {
  readonly log = new ModelLog();
  /** What the replica is shown of it. */
  view: LogFacts = this.log;
  readonly replica: PartitionReplica;
  nowMs = 0;
  /** Registered, unfenced and not shutting down, with this epoch. */
  readonly eligible = new Map<NodeId, BrokerEpoch>([1, 2, 3].map((id) => [node(id), EPOCH_OF_BROKERS]));
  readonly registered = new Map(this.eligible);
  metadata: ReplicaMetadata = {
    leader: node(1),
    leaderEpoch: 5 as LeaderEpoch,
    partitionEpoch: 1,
    replicas: [1, 2, 3].map(node),
    addingReplicas: [],
    failedReplicas: [],
    isr: [1, 2, 3].map(node),
    elr: [],
    minInsyncReplicas: 2,
    durability: 'fsync',
  };
  #sessions = 0;
  readonly sessions = { isLapsed: false };
  readonly #brokers: BrokerFacts = sessionOf(this.sessions, {
    registeredEpochOf: (id) => this.registered.get(id),
    mayJoinIsr: (id) => this.eligible.has(id),
  });

  constructor(metadata: Partial<ReplicaMetadata> = {}) {
    this.metadata = { ...this.metadata, ...metadata };
    const init = { self: node(1), brokerEpoch: EPOCH_OF_BROKERS, highWatermark: 0 as Offset };
    this.replica = new PartitionReplica(init, DEFAULT_REPLICATION_CONFIG, { log: this.log, brokers: this.#brokers });
    for (const peer of [2, 3]) this.step({ kind: 'peer-connected', peer: node(peer) });
    this.learn({});
    if (this.replica.leading !== undefined) this.log.beginEpoch(this.metadata.leaderEpoch);
  }

  step(input: ReplicaInput): readonly ReplicaEffect[] {
    return this.replica.step(input, { log: this.view, brokers: this.#brokers }, this.nowMs);
  }

  learn(change: Partial<ReplicaMetadata>): readonly ReplicaEffect[] {
    this.metadata = { ...this.metadata, ...change };
    return this.step({ kind: 'metadata', metadata: this.metadata });
  }

  /** The controller committed this, as the next partition epoch. */
  commit(isr: readonly number[], change: Partial<ReplicaMetadata> = {}): readonly ReplicaEffect[] {
    return this.learn({ isr: isr.map(node), partitionEpoch: this.metadata.partitionEpoch + 1, ...change });
  }

  /** Appends so many batches of one record, and has them on the own disk. */
  append(count: number): readonly ReplicaEffect[] {
    for (let at = 0; at < count; at += 1)
      this.log.appendAsLeader({ id: this.log.endOffset + 1, records: 1, producerId: -1, baseSequence: 0 });
    this.log.sync();
    return this.step({ kind: 'log-changed' });
  }

  /** The follower says hello, with the first `endOffset` records of this log. */
  hello(from: number, endOffset: number, change: Partial<Hello> = {}): readonly ReplicaEffect[] {
    this.#sessions += 1;
    const hello: Hello = {
      leaderEpoch: this.metadata.leaderEpoch,
      brokerEpoch: EPOCH_OF_BROKERS,
      sessionId: this.#sessions,
      startOffset: 0 as Offset,
      endOffset: endOffset as Offset,
      writtenEndOffset: endOffset as Offset,
      durableEndOffset: endOffset as Offset,
      epochs: this.log.epochs.filter(({ startOffset }) => startOffset < endOffset),
      isWholeHistory: true,
      ...change,
    };
    return this.step({ kind: 'hello', from: node(from), hello });
  }

  /** Sends everything that the follower has not, and has it acknowledge it, both written and durable unless told otherwise. */
  replicate(to: number, change: Partial<Ack> = {}): readonly ReplicaEffect[] {
    const target = this.replica.pushTo(node(to));
    if (target === undefined) throw new Error(`broker ${to} has no session`);
    const { endOffset } = this.log;
    const { sessionId, fromOffset } = target;
    this.step({ kind: 'batches-read', to: node(to), sessionId, fromOffset, baseOffset: fromOffset, endOffset });
    const ack: Ack = {
      leaderEpoch: this.metadata.leaderEpoch,
      brokerEpoch: EPOCH_OF_BROKERS,
      sessionId,
      startOffset: 0 as Offset,
      writtenEndOffset: endOffset,
      durableEndOffset: endOffset,
      ...change,
    };
    return this.step({ kind: 'ack', from: node(to), ack });
  }
}

function sessionOf(session: { readonly isLapsed: boolean }, facts: Omit<BrokerFacts, 'isSessionLapsed'>): BrokerFacts {
  return {
    ...facts,
    get isSessionLapsed() {
      return session.isLapsed;
    },
  };
}
