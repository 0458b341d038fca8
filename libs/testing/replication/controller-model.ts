import type { IsrMember, Durability } from '@streamline/core/replication/types';
import { ErrorCode } from '@streamline/core/types/error-code';

export interface PartitionState {
  readonly replicas: readonly number[];
  readonly adding: readonly number[];
  readonly removing: readonly number[];
  readonly isr: readonly number[];
  readonly elr: readonly number[];
  readonly lastKnownElr: readonly number[];
  /** Replicas that take no records: nobody of them joins the ISR or is elected. */
  readonly failed: readonly number[];
  readonly leader: number | undefined;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
}

export interface PartitionRules {
  readonly minInsyncReplicas: number;
  readonly durability: Durability;
  readonly uncleanElection: boolean;
}

export interface BrokerState {
  readonly epoch: number;
  readonly fenced: boolean;
  readonly shuttingDown: boolean;
}

export interface ClusterImage {
  readonly version: number;
  readonly partitions: readonly PartitionState[];
  readonly brokers: ReadonlyMap<number, BrokerState>;
}

export type Departure = 'fenced' | 'unclean' | 'new-disk';

export interface AlterPartitionRequest {
  readonly partition: number;
  readonly broker: number;
  readonly brokerEpoch: number;
  readonly leaderEpoch: number;
  readonly partitionEpoch: number;
  readonly newIsr: readonly IsrMember[];
}

export type AlterPartitionAnswer =
  { readonly errorCode: ErrorCode } | { readonly errorCode: undefined; readonly state: PartitionState };

/** What a controller's watchers hear. */
export interface ControllerEvents {
  changed(partition: number, before: PartitionState, after: PartitionState): void;
  /** Acknowledged records may be lost: nobody who has all of them is left, or one who may not have was elected. */
  possibleLoss(partition: number): void;
}

/**
 * The controller, correct because it is trivial: one state, changed in one place, at once. Elections are KIP-966's, what it asks of an ISR
 * proposal is KIP-841's and KIP-903's.
 */
export class ControllerModel {
  #image: ClusterImage;

  constructor(
    readonly rules: readonly PartitionRules[],
    assignments: readonly (readonly number[])[],
    private readonly events: ControllerEvents,
  ) {
    const partitions = assignments.map((replicas): PartitionState => ({
      replicas,
      adding: [],
      removing: [],
      isr: replicas,
      elr: [],
      lastKnownElr: [],
      failed: [],
      leader: replicas[0],
      leaderEpoch: 0,
      partitionEpoch: 0,
    }));
    this.#image = { version: 1, partitions, brokers: new Map() };
  }

  get image(): ClusterImage {
    return this.#image;
  }

  /** R-5, P-2, R-6: the broker's partitions lose it before its new epoch stands. */
  register(broker: number, departureFor: (rules: PartitionRules) => Departure): number {
    const known = this.#image.brokers.get(broker);
    if (known !== undefined) {
      this.#setBroker(broker, { ...known, fenced: true });
      this.#image.partitions.forEach((state, partition) => {
        if (state.replicas.includes(broker)) this.#leave(partition, broker, departureFor(this.#rules(partition)));
        this.#takesRecords(partition, broker);
      });
    }
    const epoch = this.#image.version + 1;
    this.#setBroker(broker, { epoch, fenced: true, shuttingDown: false });
    return epoch;
  }

  unfence(broker: number, epoch: number): void {
    const state = this.#image.brokers.get(broker);
    if (state?.epoch !== epoch || !state.fenced) return;
    this.#setBroker(broker, { ...state, fenced: false });
    this.#image.partitions.forEach((partition, at) => {
      if (partition.leader === undefined) this.#elect(at, partition);
    });
  }

  fence(broker: number): void {
    const state = this.#image.brokers.get(broker);
    if (state === undefined || state.fenced) return;
    this.#setBroker(broker, { ...state, fenced: true });
    this.#leaveAll(broker);
  }

  shutDown(broker: number, epoch: number): void {
    const state = this.#image.brokers.get(broker);
    if (state?.epoch !== epoch || state.shuttingDown) return;
    this.#setBroker(broker, { ...state, shuttingDown: true });
    this.#leaveAll(broker);
  }

  /** The broker has no space for records (REPL-19), or has it again. */
  report(broker: number, epoch: number, condition: 'full' | 'whole'): void {
    if (this.#image.brokers.get(broker)?.epoch !== epoch) return;
    this.#image.partitions.forEach(({ replicas, failed }, partition) => {
      if (!replicas.includes(broker) || failed.includes(broker) !== (condition === 'whole')) return;
      if (condition === 'full') return this.#takesNothing(partition, broker);
      this.#takesRecords(partition, broker);
      const state = this.#partition(partition);
      if (state.leader === undefined) this.#elect(partition, state);
    });
  }

  alterPartition({
    partition,
    broker,
    brokerEpoch,
    leaderEpoch,
    partitionEpoch,
    newIsr,
  }: AlterPartitionRequest): AlterPartitionAnswer {
    const state = this.#partition(partition);
    const members = newIsr.map(({ nodeId }) => nodeId as number);
    if (this.#image.brokers.get(broker)?.epoch !== brokerEpoch) return { errorCode: ErrorCode.STALE_BROKER_EPOCH };
    if (leaderEpoch < state.leaderEpoch) return { errorCode: ErrorCode.FENCED_LEADER_EPOCH };
    if (broker !== state.leader || !members.includes(broker)) return { errorCode: ErrorCode.INVALID_REQUEST };
    if (partitionEpoch < state.partitionEpoch) return { errorCode: ErrorCode.INVALID_UPDATE_VERSION };
    if (members.some((id) => !state.replicas.includes(id))) return { errorCode: ErrorCode.INVALID_REQUEST };
    const isFit = newIsr.every(
      ({ nodeId, brokerEpoch: epoch }) => this.#isElectable(state, nodeId) && this.#isEpochOf(nodeId, epoch),
    );
    if (!isFit) return { errorCode: ErrorCode.INELIGIBLE_REPLICA };
    this.#write(partition, this.#completed({ ...state, isr: members, elr: this.#eligibleAfter(partition, members) }));
    const after = this.#partition(partition);
    return after.leader === broker ? { errorCode: undefined, state: after } : { errorCode: ErrorCode.NEW_LEADER_ELECTED };
  }

  /** Begins to move the partition to other brokers: those that are added are copied to before any is dropped. */
  reassign(partition: number, target: readonly number[]): void {
    const state = this.#partition(partition);
    if (state.adding.length > 0 || state.removing.length > 0) return;
    const adding = target.filter((id) => !state.replicas.includes(id));
    const removing = state.replicas.filter((id) => !target.includes(id));
    if (adding.length === 0 && removing.length === 0) return;
    this.#write(partition, this.#completed({ ...state, replicas: [...state.replicas, ...adding], adding, removing }));
  }

  electPreferred(partition: number): void {
    const state = this.#partition(partition);
    const [preferred] = state.replicas;
    if (
      preferred === undefined ||
      state.leader === preferred ||
      !state.isr.includes(preferred) ||
      !this.#isElectable(state, preferred)
    )
      return;
    this.#write(partition, { ...state, leader: preferred, leaderEpoch: state.leaderEpoch + 1 });
  }

  /** An operator gives up what is lost: nobody who has everything will come back. */
  electUncleanly(partition: number): void {
    const state = this.#partition(partition);
    const leader = state.replicas.find((id) => this.#isElectable(state, id));
    if (state.leader !== undefined || state.isr.length + state.elr.length > 0 || leader === undefined) return;
    this.events.possibleLoss(partition);
    this.#write(partition, { ...state, leader, isr: [leader], elr: [], lastKnownElr: [], leaderEpoch: state.leaderEpoch + 1 });
  }

  /** What no controller may do: for a planted bug. */
  protected electAnyone(partition: number): void {
    const state = this.#partition(partition);
    const leader = state.replicas.findLast((id) => this.#mayLead(id));
    if (state.leader !== undefined || leader === undefined) return;
    this.#write(partition, { ...state, leader, isr: [leader], elr: [], leaderEpoch: state.leaderEpoch + 1 });
  }

  effectiveMinIsr(partition: number): number {
    return Math.min(this.#rules(partition).minInsyncReplicas, this.#partition(partition).replicas.length);
  }

  /** Drops what is to be dropped once everything that is added is in sync (copy before drop). */
  #completed(state: PartitionState): PartitionState {
    const { adding, removing, replicas, isr } = state;
    if (adding.length === 0 && removing.length === 0) return state;
    const target = replicas.filter((id) => !removing.includes(id));
    const staying = isr.filter((id) => target.includes(id));
    if (!adding.every((id) => isr.includes(id)) || staying.length === 0) return state;
    const leader =
      state.leader !== undefined && target.includes(state.leader)
        ? state.leader
        : staying.find((id) => this.#isElectable(state, id));
    if (leader === undefined) return state;
    return {
      ...state,
      replicas: target,
      adding: [],
      removing: [],
      isr: staying,
      elr: state.elr.filter((id) => target.includes(id)),
      failed: state.failed.filter((id) => target.includes(id)),
      leader,
      leaderEpoch: state.leaderEpoch + 1,
    };
  }

  #leaveAll(broker: number): void {
    this.#image.partitions.forEach((state, partition) => {
      if (state.replicas.includes(broker)) this.#leave(partition, broker, 'fenced');
    });
  }

  #leave(partition: number, broker: number, departure: Departure): void {
    const state = this.#partition(partition);
    const concerned = [...state.isr, ...state.elr, ...(departure === 'new-disk' ? state.lastKnownElr : [])];
    if (!concerned.includes(broker)) return;
    const isr = state.isr.filter((id) => id !== broker);
    const complete = [...state.isr, ...state.elr];
    if (departure !== 'fenced' && complete.includes(broker) && complete.every((id) => id === broker)) {
      this.events.possibleLoss(partition);
    }
    const elr = this.#eligibleAfter(partition, isr).filter((id) => id !== broker || departure === 'fenced');
    let { lastKnownElr } = state;
    if (departure === 'new-disk') lastKnownElr = lastKnownElr.filter((id) => id !== broker);
    else if (isr.length === 0 && state.isr.length > 0 && state.leader !== undefined) lastKnownElr = [state.leader];
    const leader = state.leader === broker ? undefined : state.leader;
    const after = { ...state, isr, elr, lastKnownElr, leader };
    if (leader === undefined) this.#elect(partition, after);
    else this.#write(partition, after);
  }

  /** Out of the ISR, but not of those that have everything; it leads on where nobody else can. */
  #takesNothing(partition: number, broker: number): void {
    const state = this.#partition(partition);
    const isr = state.isr.filter((id) => id !== broker);
    const leads = state.leader === broker;
    if (leads && !isr.some((id) => this.#isElectable(state, id))) return;
    const elr = this.#eligibleAfter(partition, isr);
    const failed = [...state.failed, broker];
    const after = { ...state, isr, elr, failed, leader: leads ? undefined : state.leader };
    if (after.leader === undefined) this.#elect(partition, after);
    else this.#write(partition, after);
  }

  #takesRecords(partition: number, broker: number): void {
    const state = this.#partition(partition);
    if (!state.failed.includes(broker)) return;
    this.#write(partition, { ...state, failed: state.failed.filter((id) => id !== broker) });
  }

  #eligibleAfter(partition: number, isr: readonly number[]): readonly number[] {
    const state = this.#partition(partition);
    if (isr.length >= this.effectiveMinIsr(partition)) return [];
    return state.replicas.filter((id) => (state.isr.includes(id) || state.elr.includes(id)) && !isr.includes(id));
  }

  /** An in-sync replica; with an empty ISR an eligible one; with both empty the sole last known leader; or any, if that is allowed. */
  #elect(partition: number, state: PartitionState): void {
    const first = (ids: readonly number[]): number | undefined =>
      state.replicas.find((id) => ids.includes(id) && this.#isElectable(state, id));
    let leader = first(state.isr);
    let { isr, elr, lastKnownElr } = state;
    if (leader === undefined && isr.length === 0) {
      leader = first(elr);
      if (leader === undefined && elr.length === 0 && lastKnownElr.length === 1) leader = first(lastKnownElr);
    }
    if (leader === undefined && this.#rules(partition).uncleanElection) {
      leader = first(state.replicas);
      if (leader !== undefined) {
        this.events.possibleLoss(partition);
        elr = [];
      }
    }
    if (leader !== undefined && !isr.includes(leader)) {
      isr = [leader];
      elr = this.effectiveMinIsr(partition) <= 1 ? [] : elr.filter((id) => id !== leader);
      lastKnownElr = [];
    }
    const before = this.#partition(partition);
    const leaderEpoch = leader === before.leader ? before.leaderEpoch : before.leaderEpoch + 1;
    this.#write(partition, { ...state, isr, elr, lastKnownElr, leader, leaderEpoch });
  }

  #write(partition: number, state: PartitionState): void {
    const before = this.#partition(partition);
    const after = { ...state, partitionEpoch: before.partitionEpoch + 1 };
    const partitions = this.#image.partitions.with(partition, after);
    this.#image = { ...this.#image, version: this.#image.version + 1, partitions };
    this.events.changed(partition, before, after);
  }

  #setBroker(broker: number, state: BrokerState): void {
    this.#image = { ...this.#image, version: this.#image.version + 1, brokers: new Map(this.#image.brokers).set(broker, state) };
  }

  #mayLead(broker: number): boolean {
    const state = this.#image.brokers.get(broker);
    return state !== undefined && !state.fenced && !state.shuttingDown;
  }

  #isElectable({ failed }: Pick<PartitionState, 'failed'>, broker: number): boolean {
    return !failed.includes(broker) && this.#mayLead(broker);
  }

  #isEpochOf(broker: number, epoch: number): boolean {
    return epoch === -1 || this.#image.brokers.get(broker)?.epoch === epoch;
  }

  #partition(partition: number): PartitionState {
    const state = this.#image.partitions[partition];
    if (state === undefined) throw new RangeError(`no partition ${partition}`);
    return state;
  }

  #rules(partition: number): PartitionRules {
    const rules = this.rules[partition];
    if (rules === undefined) throw new RangeError(`no partition ${partition}`);
    return rules;
  }
}
