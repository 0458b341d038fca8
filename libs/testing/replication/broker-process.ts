import type { AlterPartitionEffect, PushClass, ReplicaEffect } from '@streamline/core/replication/effects';
import type { AlterPartitionOutcome } from '@streamline/core/replication/inputs';
import { PUSH_OVERHEAD_BYTES, PushScheduler } from '@streamline/core/replication/push-scheduler';
import type { BrokerFacts, ReplicaMetadata } from '@streamline/core/replication/types';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { BrokerEpoch, LeaderEpoch, NodeId, Offset } from '@streamline/core/types/ids';
import type { ClusterImage, Departure, PartitionRules, PartitionState } from './controller-model';
import type { Machine } from './machine';
import { ModelDisk } from './model-disk';
import { ModelLog } from './model-log';
import type { ClientBatch } from './model-log';
import { ReplicaHost } from './replica-host';
import type { AppendAnswer, ReplicaMessage, ReplicaPorts } from './replica-host';
import type { SeenReplica } from './observer';
import type { Surroundings } from './surroundings';

type Wire =
  | { readonly kind: 'replica'; readonly partition: number; readonly message: ReplicaMessage }
  /** So many bytes of pushes were taken. */
  | { readonly kind: 'credit'; readonly bytes: number };

/** What a batch counts for. */
export const BATCH_BYTES = 100;

const HEARTBEAT_MS = 100;
const TICK_MS = 40;
/** So long there has to be space before a broker says so. */
const SPACE_LASTS_MS = 100;
/** What the metadata does not show yet is told again so often. */
const TOLD_EVERY_MS = 400;

/** A running broker: registers, follows the metadata, hosts replicas, and shares streams among them. */
export class BrokerProcess {
  readonly hosts = new Map<number, ReplicaHost>();
  brokerEpoch = -1;
  isStopping = false;
  #image: ClusterImage | undefined;
  readonly #disk: ModelDisk;
  readonly #peers = new Set<number>();
  readonly #schedulers = new Map<number, PushScheduler<number>>();
  readonly #pumping = new Set<number>();
  readonly #ackDue = new Map<number, Set<number>>();
  readonly #facts: BrokerFacts;
  /** Bytes of pushes that were sent and not taken, counted apart from the scheduler. */
  readonly #inFlight = new Map<number, number>();
  /** When the last heartbeat was sent that was answered, or the registration. */
  #answeredMs = 0;
  #seenFullMs = -Infinity;
  #toldSpaceMs = -Infinity;
  /** As they were told. */
  readonly #highWatermarks = new Map<number, number>();

  constructor(
    readonly machine: Machine,
    private readonly all: Surroundings,
  ) {
    this.#disk = new ModelDisk(machine, this, all, (partition) => this.#isSyncedAtOnce(partition));
    const isLapsed = (): boolean => all.events.nowMs - this.#answeredMs >= all.sessionTimeoutMs;
    this.#facts = {
      get isSessionLapsed() {
        return isLapsed();
      },
      registeredEpochOf: (node) => this.#image?.brokers.get(node)?.epoch as BrokerEpoch | undefined,
      mayJoinIsr: (node) => {
        const broker = this.#image?.brokers.get(node);
        return broker !== undefined && !broker.fenced && !broker.shuttingDown;
      },
    };
  }

  start(): void {
    this.#register();
    this.#followMetadata();
  }

  replica(partition: number): SeenReplica | undefined {
    const host = this.hosts.get(partition);
    return host && { broker: this.machine.id, brokerEpoch: this.brokerEpoch, partition, core: host.core, log: host.log };
  }

  append(partition: number, batch: ClientBatch, requiredAcks: number, answer: (answer: AppendAnswer) => void): void {
    const host = this.hosts.get(partition);
    if (host === undefined) answer({ errorCode: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, baseOffset: -1 });
    else host.append(batch, requiredAcks, answer);
  }

  deleteRecords(partition: number, offset: number): void {
    const host = this.hosts.get(partition);
    host?.log.raiseStart(offset);
    host?.step({ kind: 'log-changed' });
    this.#disk.touched();
  }

  /** Gives leaderships away, then ends. */
  stop(): void {
    this.isStopping = true;
    this.all.controllerLink.call(
      this.machine.id,
      () => this.all.controller.shutDown(this.machine.id, this.brokerEpoch),
      () => this.after(50 + this.all.random.next() * 200, () => this.machine.stopCleanly()),
    );
  }

  connected(peer: number): void {
    this.#peers.add(peer);
    this.#inFlight.delete(peer);
    this.#scheduler(peer).reset();
    for (const host of this.hosts.values()) host.step({ kind: 'peer-connected', peer: peer as NodeId });
  }

  disconnected(peer: number): void {
    this.#peers.delete(peer);
    this.#ackDue.delete(peer);
    this.#inFlight.delete(peer);
    this.#scheduler(peer).reset();
    for (const host of this.hosts.values()) host.step({ kind: 'peer-disconnected', peer: peer as NodeId });
  }

  receive(from: number, wire: unknown): void {
    const message = wire as Wire;
    if (message.kind === 'credit') {
      this.#inFlight.set(from, (this.#inFlight.get(from) ?? 0) - message.bytes);
      this.#scheduler(from).grant(message.bytes);
      return this.#pumpSoon(from);
    }
    const host = this.hosts.get(message.partition);
    const { counters } = this.all;
    if (message.message.kind === 'hello' && message.message.hello.leaderEpoch > (host?.core.leaderEpoch ?? -1)) {
      counters.earlyHellos += 1;
    }
    if (message.message.kind === 'refused') counters.refusedHellos += 1;
    host?.receive(from as NodeId, message.message);
    if (message.message.kind === 'push') {
      const credit: Wire = { kind: 'credit', bytes: bytesOf(message.message) };
      this.all.network.send(this.machine.id, from, credit);
    }
  }

  logsProgressed(partitions: readonly number[]): void {
    for (const partition of partitions) this.hosts.get(partition)?.logProgressed();
  }

  after(delayMs: number, task: () => void): void {
    this.all.events.after(delayMs, () => this.machine.run(this, task));
  }

  #register(): void {
    const { machine, all } = this;
    const sentMs = all.events.nowMs;
    const { lastEnd } = machine;
    const departureFor = ({ durability }: PartitionRules): Departure => {
      if (lastEnd === 'new-disk') return 'new-disk';
      return lastEnd === 'power' && durability === 'page-cache' ? 'unclean' : 'fenced';
    };
    const carryOut = (): number | undefined => {
      if (machine.process !== this) return undefined;
      if (this.brokerEpoch < 0) {
        machine.syncLogs();
        this.brokerEpoch = all.controller.register(machine.id, departureFor);
        machine.lastEnd = 'clean';
        machine.isUncertain = false;
        all.heard(machine.id);
      }
      return this.brokerEpoch;
    };
    all.controllerLink.call(machine.id, carryOut, (epoch) => {
      machine.run(this, () => {
        if (epoch === undefined) return this.#register();
        this.#disk.startBackground();
        this.#answered(sentMs);
        this.#heartbeat();
        this.#tick();
      });
    });
  }

  #heartbeat(): void {
    const { machine, all } = this;
    const sentMs = all.events.nowMs;
    /** The version of the metadata by which it was answered; undefined while the broker is fenced. */
    const carryOut = (): number | undefined => {
      if (machine.process !== this) return undefined;
      all.heard(machine.id);
      if ((this.#image?.version ?? -1) >= this.brokerEpoch) all.controller.unfence(machine.id, this.brokerEpoch);
      return all.controller.image.brokers.get(machine.id)?.fenced === false ? all.controller.image.version : undefined;
    };
    all.controllerLink.call(machine.id, carryOut, (version) => {
      machine.run(this, () => {
        const knowsWhatItLeads = (this.#image?.version ?? -1) >= (version ?? Infinity);
        if (version !== undefined && (!this.#facts.isSessionLapsed || knowsWhatItLeads)) this.#answered(sentMs);
      });
    });
    this.after(HEARTBEAT_MS, () => this.#heartbeat());
  }

  #answered(sentMs: number): void {
    const { events, sessionTimeoutMs } = this.all;
    if (sentMs < this.#answeredMs) return;
    this.#answeredMs = sentMs;
    this.#noteSession();
    this.after(Math.max(0, sentMs + sessionTimeoutMs - events.nowMs), () => this.#noteSession());
  }

  #noteSession(): void {
    for (const host of this.hosts.values()) host.step({ kind: 'brokers-changed' });
  }

  #followMetadata(): void {
    const { controller, controllerLink, random, metadataDelayMaxMs } = this.all;
    if (!controllerLink.isCut(this.machine.id)) {
      const { image } = controller;
      this.after(random.next() * metadataDelayMaxMs, () => this.#learn(image));
    }
    this.after(1 + random.next() * 15, () => this.#followMetadata());
  }

  #learn(image: ClusterImage): void {
    const before = this.#image;
    // It may be of before the registration, and name this broker as the leader of an epoch that is over.
    if (this.brokerEpoch < 0 || (before !== undefined && image.version <= before.version)) return;
    this.#image = image;
    image.partitions.forEach((state, partition) => {
      if (state.replicas.includes(this.machine.id)) {
        if (before?.partitions[partition] !== state || !this.hosts.has(partition)) {
          this.#host(partition).step({ kind: 'metadata', metadata: this.#metadata(partition, state) });
        }
      } else this.#drop(partition);
    });
    if (before?.brokers !== image.brokers) for (const host of this.hosts.values()) host.step({ kind: 'brokers-changed' });
  }

  #metadata(partition: number, state: PartitionState): ReplicaMetadata {
    const rules = this.all.controller.rules[partition];
    return {
      leader: state.leader as NodeId | undefined,
      leaderEpoch: state.leaderEpoch as LeaderEpoch,
      partitionEpoch: state.partitionEpoch,
      replicas: state.replicas as readonly NodeId[],
      addingReplicas: state.adding as readonly NodeId[],
      failedReplicas: state.failed as readonly NodeId[],
      isr: state.isr as readonly NodeId[],
      elr: state.elr as readonly NodeId[],
      minInsyncReplicas: rules?.minInsyncReplicas ?? 1,
      durability: rules?.durability ?? 'fsync',
    };
  }

  #host(partition: number): ReplicaHost {
    const known = this.hosts.get(partition);
    if (known !== undefined) return known;
    const { machine, all } = this;
    const log = machine.logs.get(partition) ?? new ModelLog();
    machine.logs.set(partition, log);
    const init = {
      self: machine.id as NodeId,
      brokerEpoch: this.brokerEpoch as BrokerEpoch,
      highWatermark: (machine.rememberedHighWatermarks.get(partition) ?? 0) as Offset,
    };
    const core = all.make(init, all.config, { log, brokers: this.#facts });
    const host: ReplicaHost = new ReplicaHost(partition, core, log, this.#ports(partition), all.rules);
    this.hosts.set(partition, host);
    this.#highWatermarks.set(partition, core.highWatermark);
    for (const peer of this.#peers) host.step({ kind: 'peer-connected', peer: peer as NodeId });
    return host;
  }

  #drop(partition: number): void {
    for (const scheduler of this.#schedulers.values()) scheduler.remove(partition);
    this.hosts.delete(partition);
    this.machine.logs.delete(partition);
    this.machine.rememberedHighWatermarks.delete(partition);
  }

  #ports(partition: number): ReplicaPorts {
    const { machine, all } = this;
    return {
      brokers: this.#facts,
      nowMs: () => all.events.nowMs,
      send: (to, message) => {
        this.#inFlight.set(to, (this.#inFlight.get(to) ?? 0) + bytesOf(message));
        all.network.send(machine.id, to, { kind: 'replica', partition, message } satisfies Wire);
      },
      pushDue: (to, pushClass) => this.#pushDue(to, partition, pushClass),
      ackDue: (to) => this.#acknowledgeSoon(to, partition),
      propose: (effect) => this.#propose(partition, effect),
      touched: () => this.#disk.touched(),
      hasSpaceFor: (what) => {
        if (machine.isFull) all.counters[what === 'append' ? 'appendsWithoutSpace' : 'pushesWithoutSpace'] += 1;
        return !machine.isFull;
      },
      isConnected: (peer) => this.#peers.has(peer),
      after: (delayMs, task) => this.after(delayMs, task),
      seen: (effect) => this.#seen(partition, effect),
      acknowledged: (batch, requiredAcks) => {
        const replica = this.replica(partition);
        if (replica !== undefined) all.observers.tell('acknowledged', replica, batch, requiredAcks);
      },
    };
  }

  /** Tells those who watch what is about to be done. */
  #seen(partition: number, effect: ReplicaEffect): void {
    const { observers } = this.all;
    const replica = this.replica(partition);
    if (replica === undefined) return;
    observers.tell('effect', replica, effect);
    switch (effect.kind) {
      case 'lead':
        return observers.tell('leads', replica, effect.leaderEpoch);
      case 'high-watermark': {
        const before = this.#highWatermarks.get(partition) ?? 0;
        this.#highWatermarks.set(partition, effect.offset);
        return observers.tell('highWatermark', replica, before, effect.offset, effect.isReset);
      }
      case 'truncate':
      case 'start-at': {
        const keptEnd = effect.kind === 'truncate' ? effect.offset : -1;
        const lost = replica.log.batches.filter(({ lastOffset }) => lastOffset >= keptEnd);
        return observers.tell('cut', replica, keptEnd, lost, effect.kind);
      }
      case 'alter-partition':
        return observers.tell('proposed', replica, effect);
      default:
    }
  }

  #isSyncedAtOnce(partition: number): boolean {
    const isFsync = this.all.controller.rules[partition]?.durability === 'fsync';
    return isFsync || this.hosts.get(partition)?.core.following?.isTruncating === true;
  }

  #propose(partition: number, { proposalId, leaderEpoch, partitionEpoch, newIsr }: AlterPartitionEffect): void {
    const { machine, all } = this;
    const request = { partition, broker: machine.id, brokerEpoch: this.brokerEpoch, leaderEpoch, partitionEpoch, newIsr };
    all.controllerLink.call(
      machine.id,
      () => all.controller.alterPartition(request),
      (answer) => {
        let outcome: AlterPartitionOutcome = { kind: 'unknown' };
        if (answer?.errorCode !== undefined) outcome = { kind: 'refused', errorCode: answer.errorCode };
        else if (answer !== undefined) {
          const { isr, leaderEpoch: epoch, partitionEpoch: version } = answer.state;
          outcome = {
            kind: 'committed',
            isr: isr as readonly NodeId[],
            leaderEpoch: epoch as LeaderEpoch,
            partitionEpoch: version,
          };
        }
        if (outcome.kind === 'refused') all.counters.proposalsRefused += 1;
        if (outcome.kind === 'unknown') all.counters.proposalsUncertain += 1;
        machine.run(this, () => this.hosts.get(partition)?.step({ kind: 'alter-partition', proposalId, outcome }));
      },
    );
  }

  /** REPL-19: the controller is told until the metadata shows it, since a report may be lost, or come after a later one. */
  #noteSpace(): void {
    const { machine, all } = this;
    const { nowMs } = all.events;
    if (machine.isFull) this.#seenFullMs = nowMs;
    const isFull = nowMs - this.#seenFullMs < SPACE_LASTS_MS;
    const isShown = ({ replicas, failed }: PartitionState): boolean =>
      !replicas.includes(machine.id) || failed.includes(machine.id) === isFull;
    if (nowMs - this.#toldSpaceMs < TOLD_EVERY_MS || this.#image?.partitions.every(isShown) !== false) return;
    this.#toldSpaceMs = nowMs;
    const report = (): void => all.controller.report(machine.id, this.brokerEpoch, isFull ? 'full' : 'whole');
    all.controllerLink.call(machine.id, report, () => undefined);
  }

  #tick(): void {
    this.#noteSpace();
    for (const [partition, host] of this.hosts) {
      host.step({ kind: 'tick' });
      if (this.all.random.chance(0.1)) this.machine.rememberedHighWatermarks.set(partition, host.core.highWatermark);
    }
    this.after(TICK_MS, () => this.#tick());
  }

  #acknowledgeSoon(to: number, partition: number): void {
    const due = this.#ackDue.get(to);
    if (due !== undefined) {
      due.add(partition);
      return;
    }
    this.#ackDue.set(to, new Set([partition]));
    this.after(0.05 + this.all.random.next() * 0.5, () => {
      const partitions = this.#ackDue.get(to) ?? [];
      this.#ackDue.delete(to);
      for (const each of partitions) {
        const ack = this.hosts.get(each)?.ack();
        const wire: Wire | undefined = ack && { kind: 'replica', partition: each, message: { kind: 'ack', ack } };
        if (wire !== undefined) this.all.network.send(this.machine.id, to, wire);
      }
    });
  }

  #scheduler(peer: number): PushScheduler<number> {
    let scheduler = this.#schedulers.get(peer);
    if (scheduler === undefined) this.#schedulers.set(peer, (scheduler = new PushScheduler(this.all.pushLimits)));
    return scheduler;
  }

  #pushDue(to: number, partition: number, pushClass: PushClass): void {
    this.#scheduler(to).due(partition, pushClass, this.all.events.nowMs);
    this.#pumpSoon(to);
  }

  #pumpSoon(peer: number): void {
    if (this.#pumping.has(peer)) return;
    this.#pumping.add(peer);
    this.after(0.02 + this.all.random.next() * 0.3, () => {
      this.#pumping.delete(peer);
      this.#pump(peer);
    });
  }

  #pump(peer: number): void {
    const { events, counters, observers } = this.all;
    const scheduler = this.#scheduler(peer);
    const { nowMs } = events;
    scheduler.beginFrame();
    for (let next = scheduler.nextForFrame(nowMs); next !== undefined; next = scheduler.nextForFrame(nowMs)) {
      const { partition, pushClass, maxBytes } = next;
      const host = this.hosts.get(partition);
      const target = host?.core.pushTo(peer as NodeId);
      const isMissed =
        pushClass === 'tail' && target !== undefined && host !== undefined && target.fromOffset < host.log.tailStartOffset;
      if (isMissed) {
        scheduler.missed(partition, nowMs);
        continue;
      }
      const batches = host?.push(peer as NodeId, batchesIn(maxBytes), pushClass === 'announce');
      if (batches === undefined) scheduler.skipped(partition);
      else scheduler.sent(partition, pushClass, batches * BATCH_BYTES);
    }
    for (let next = scheduler.nextCatchUp(nowMs); next !== undefined; next = scheduler.nextCatchUp(nowMs)) {
      this.#catchUp(peer, next.partition, next.maxBytes);
    }
    if (scheduler.creditBytes <= 0) counters.windowsFull += 1;
    observers.tell('inFlight', this.machine.id, peer, this.#inFlight.get(peer) ?? 0, scheduler.limits.windowBytes);
    const deadlineMs = scheduler.nextDeadlineMs(nowMs);
    if (deadlineMs < Infinity) this.after(Math.max(deadlineMs - nowMs, 0.1), () => this.#pumpSoon(peer));
  }

  /** A segment is read, which takes a while; the session may be another by then. */
  #catchUp(peer: number, partition: number, maxBytes: number): void {
    const scheduler = this.#scheduler(peer);
    const host = this.hosts.get(partition);
    const target = host?.core.pushTo(peer as NodeId);
    const batches = target && host?.log.read(target.fromOffset, batchesIn(maxBytes));
    this.after(0.5 + this.all.random.next() * 15, () => {
      const isStill = this.hosts.get(partition) === host && host?.core.pushTo(peer as NodeId)?.sessionId === target?.sessionId;
      if (isStill && host !== undefined && target !== undefined && batches !== undefined) {
        host.sendRead(peer as NodeId, target.sessionId, target.fromOffset, batches);
        scheduler.sent(partition, 'catch-up', batches.length * BATCH_BYTES);
        this.all.counters.catchUpPushes += 1;
      }
      scheduler.readEnded(partition, this.all.events.nowMs);
      this.#pumpSoon(peer);
    });
  }
}

function bytesOf(message: ReplicaMessage): number {
  return message.kind === 'push' ? message.batches.length * BATCH_BYTES + PUSH_OVERHEAD_BYTES : 0;
}

function batchesIn(bytes: number): number {
  return Math.max(1, Math.floor(bytes / BATCH_BYTES));
}
